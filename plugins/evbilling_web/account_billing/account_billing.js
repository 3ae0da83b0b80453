// Updates the preview and the field errors while the form is edited. Without this script a button does it.
"use strict";

(() => {
  const form = document.getElementById("setting");
  if (!form) return;
  const panel = document.getElementById("preview");
  const summary = document.getElementById("preview-summary");
  const isRefused = "refused" in form.dataset;
  const touched = new Set();
  let running = null;
  let waiting = 0;

  function query() {
    if (isRefused) return "";
    const data = new FormData(form);
    // They don't affect the preview, and the reason stays private until it is saved.
    data.delete("reason");
    data.delete("seen");
    return new URLSearchParams(data).toString();
  }

  function showErrors() {
    const errors = new Map(Array.from(panel.querySelectorAll("[data-field]"), (item) => [item.dataset.field, item.dataset.error]));
    for (const field of form.querySelectorAll("[aria-describedby]")) {
      // Errors from the server stay until their field is edited; the reason is checked when it is saved.
      if (!touched.has(field.name) || field.name === "reason") continue;
      const line = document.getElementById(`${field.name}-error`);
      const error = errors.get(field.name) ?? "";
      line.textContent = error;
      line.hidden = !error;
      if (error) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
    }
  }

  function showNotice(text) {
    const notice = document.createElement("p");
    notice.className = "notice warn";
    notice.textContent = text;
    panel.replaceChildren(notice);
  }

  async function refresh() {
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${form.dataset.preview}?${query()}`, { headers: { "X-Fragment": "1", Accept: "text/html" }, signal });
      if (answer.redirected) showNotice("You are signed out. Reload this page to see a preview.");
      else panel.innerHTML = await answer.text();
      showErrors();
      summary.textContent = panel.querySelector("[data-summary]")?.textContent.trim() ?? "";
    } catch (error) {
      if (error.name === "AbortError") return;
      showNotice("The preview isn't available right now. Your entries are kept.");
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
