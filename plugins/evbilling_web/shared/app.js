// What native elements can't do by themselves; every page works without it.
"use strict";

// An open 3-dots menu closes when something else is clicked, and on Escape, which gives the focus back.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// Airflow shows us in a frame that no link may leave or open a tab from; what leads to Airflow itself, the page around
// the frame opens. Without a frame, or without this, it is a plain link.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || window.parent === window || event.defaultPrevented) return;
  event.preventDefault();
  window.parent.open(link.href);
});
