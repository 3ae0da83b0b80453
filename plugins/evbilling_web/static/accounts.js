// The preview beside the form follows what is typed, and so do the faults beside the fields. Without this a button does it.
"use strict";

(() => {
  const form = document.getElementById("setting");
  if (!form) return;
  const panel = document.getElementById("preview");
  const said = document.getElementById("preview-said");
  const isRefused = "refused" in form.dataset;
  const touched = new Set();
  let running = null;
  let waiting = 0;

  function query() {
    if (isRefused) return "";
    const data = new FormData(form);
    // They change nothing in the preview, and a reason is nobody's business yet.
    data.delete("reason");
    data.delete("seen");
    return new URLSearchParams(data).toString();
  }

  function tellFaults() {
    const faults = new Map(Array.from(panel.querySelectorAll("[data-field]"), (item) => [item.dataset.field, item.dataset.error]));
    for (const field of form.querySelectorAll("[aria-describedby]")) {
      // What the page came with stays until it is touched; the reason is judged when it is saved.
      if (!touched.has(field.name) || field.name === "reason") continue;
      const place = document.getElementById(`${field.name}-error`);
      const fault = faults.get(field.name) ?? "";
      place.textContent = fault;
      place.hidden = !fault;
      if (fault) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }

  function instead(words) {
    const notice = document.createElement("p");
    notice.className = "notice warn";
    notice.textContent = words;
    panel.replaceChildren(notice);
  }

  async function refresh() {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${form.dataset.preview}?${query()}`, { headers: { "X-Fragment": "1", Accept: "text/html" }, signal });
      if (answer.redirected) instead("You are signed out. Open this page anew to see a preview.");
      else panel.innerHTML = await answer.text();
      tellFaults();
      said.textContent = panel.querySelector("[data-said]")?.textContent.trim() ?? "";
    } catch (error) {
      if (error.name === "AbortError") return;
      instead("The preview can't be reached just now. What you type isn't lost.");
    }
    if (!signal.aborted) panel.removeAttribute("aria-busy");
  }

  form.addEventListener("input", (event) => {
    touched.add(event.target.name);
    if (event.target.name === "reason") return;
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 300);
  });
  refresh();
})();
