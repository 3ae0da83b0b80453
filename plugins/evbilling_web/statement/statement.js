// The print view's button, where printing works: not in Airflow's frame.
"use strict";

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = window.parent !== window;
  button.addEventListener("click", () => window.print());
}
