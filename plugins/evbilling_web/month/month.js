// The steps under way are looked at again every ten seconds; when the last one has ended, the whole page is.
"use strict";

(() => {
  const EVERY_MILLISECONDS = 10_000;

  async function look() {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const steps = page.querySelector("[data-steps]");
        if (!steps) return location.reload();
        const shown = document.querySelector("[data-steps]");
        // A link that somebody is about to follow stays where it is.
        if (!shown.contains(document.activeElement)) shown.replaceWith(steps);
      }
    } catch {
      // The server doesn't respond; the next look may find it again.
    }
    setTimeout(look, EVERY_MILLISECONDS);
  }

  setTimeout(look, EVERY_MILLISECONDS);
})();
