// Actions in a dialog over the page that they are asked for from. Without this the same pages come one after the other.
"use strict";

(() => {
  const POLL_MILLISECONDS = 1500;
  const AS_FRAGMENT = { "X-Fragment": "1", Accept: "text/html" };
  const RETURN_TO = "evbilling return to";
  const SIGNED_OUT =
    "You are signed out, and nothing was done. Sign in in another tab and send this form again.";

  let dialog = null;
  let opener = null;
  let hasActed = false;
  let asking = null;

  // ---- The dialog

  function theDialog() {
    if (dialog) return dialog;
    dialog = document.createElement("dialog");
    dialog.className = "act";
    dialog.setAttribute("aria-labelledby", "action-title");
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.setAttribute("aria-label", "Close");
    close.textContent = "×";
    close.dataset.close = "";
    const content = document.createElement("div");
    content.className = "content";
    dialog.append(close, content);
    document.body.append(dialog);
    dialog.addEventListener("close", closed);
    dialog.addEventListener("click", clicked);
    dialog.addEventListener("submit", submitted);
    return dialog;
  }

  function content() {
    return theDialog().querySelector(".content");
  }

  function put(html) {
    const wanted = document.createElement("template");
    wanted.innerHTML = html;
    content().replaceChildren(wanted.content);
    if (!content().querySelector("#action-title")) content().querySelector("h1, h2")?.setAttribute("id", "action-title");
    const first = ["[aria-invalid=true]", "[data-act] :is(input:not([type=hidden]), textarea)", "#action-title"]
      .map((one) => content().querySelector(one))
      .find(Boolean);
    first?.focus();
    theDialog().scrollTop = 0;
    const run = content().querySelector("[data-run]");
    if (run) followIn(content());
  }

  function say(words) {
    const line = document.createElement("p");
    line.id = "action-title";
    line.tabIndex = -1;
    line.setAttribute("role", "status");
    line.textContent = words;
    content().replaceChildren(line);
  }

  async function open(url, from) {
    opener = from;
    hasActed = false;
    say("Loading…");
    theDialog().showModal();
    // What opens the page itself is one click away, whatever becomes of the dialog.
    asking = new AbortController();
    try {
      const answer = await fetch(url, { headers: AS_FRAGMENT, signal: asking.signal });
      // Signed out meanwhile: the page itself leads to the login and back.
      if (answer.redirected) return location.assign(url);
      put(await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") say("The server isn't responding. Close this and try again.");
    }
  }

  function closed() {
    asking?.abort();
    content().replaceChildren();
    if (hasActed) {
      // Whatever was done shows on the page; the browser keeps its place.
      if (opener?.href) sessionStorage.setItem(RETURN_TO, new URL(opener.href).search);
      location.reload();
      return;
    }
    focusOn(opener);
  }

  function focusOn(element) {
    // In a menu that has closed meanwhile the focus goes to what opens it.
    const menu = element?.closest("details.menu:not([open])");
    (menu ? menu.querySelector("summary") : element)?.focus();
  }

  function clicked(event) {
    if (event.target === dialog) return dialog.close();
    if (event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  }

  // ---- The form

  async function submitted(event) {
    const form = event.target.closest("form[data-act]");
    if (!form) return;
    event.preventDefault();
    const button = form.querySelector("[type=submit]");
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    asking = new AbortController();
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.action, { method: "POST", body, headers: AS_FRAGMENT, signal: asking.signal });
      const html = await answer.text();
      if (answer.redirected) hasActed = true;
      if (answer.redirected || / data-action[ >]/.test(html)) return put(html);
      complain(form, answer.status === 401 ? SIGNED_OUT : html);
    } catch (error) {
      if (error.name === "AbortError") return;
      complain(form, "The server isn't responding. Send the form again; the action is carried out at most once.");
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }

  function complain(form, html) {
    let place = form.querySelector("[data-complaint]");
    if (!place) {
      place = document.createElement("div");
      place.className = "notice bad";
      place.dataset.complaint = "";
      place.setAttribute("role", "alert");
      form.querySelector(".actions").before(place);
    }
    const said = document.createElement("template");
    said.innerHTML = html;
    const words = said.content.querySelectorAll(".failure > p:not(:last-child)");
    place.textContent = [...words].map((line) => line.textContent).join(" ") || said.content.textContent.trim();
  }

  // ---- The run

  function followIn(place) {
    const run = place.querySelector("[data-run]");
    if (!run || "over" in run.dataset) return;
    setTimeout(() => look(place, run), POLL_MILLISECONDS);
  }

  async function look(place, run) {
    if (!run.isConnected) return;
    try {
      const answer = await fetch(run.dataset.run, { headers: AS_FRAGMENT });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      const wanted = document.createElement("template");
      wanted.innerHTML = await answer.text();
      take(run, wanted.content.querySelector("[data-run]"));
    } catch {
      run.dataset.silent = Number(run.dataset.silent || 0) + 1;
      if (run.dataset.silent > 3) {
        run.querySelector("[data-status]").textContent = "Airflow isn't responding; trying again…";
      }
    }
    followIn(place);
  }

  // The status line itself stays, so that a screen reader says what changes in it, and only that.
  function take(run, now) {
    delete run.dataset.silent;
    const [status, next] = [run, now].map((one) => one.querySelector("[data-status]"));
    const [box, nextBox] = [run, now].map((one) => one.querySelector("[data-status-box]"));
    box.className = nextBox.className;
    if (status.textContent.trim() !== next.textContent.trim()) status.replaceChildren(...next.childNodes);
    next.remove();
    for (const old of [...box.children]) if (old !== status) old.remove();
    box.append(...nextBox.children);
    if (run.dataset.state !== now.dataset.state) {
      run.querySelector("[data-result]").replaceWith(now.querySelector("[data-result]"));
    }
    run.dataset.state = now.dataset.state;
    if ("over" in now.dataset) run.dataset.over = "";
  }

  // ---- What opens it

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const menu = link.closest("details.menu");
    if (menu) menu.open = false;
    open(link.href, link);
  });

  // A form with check boxes, say, that asks for the page of an action.
  document.addEventListener("submit", (event) => {
    const from = event.submitter;
    if (!(event.target.hasAttribute("data-dialog") || from?.hasAttribute("data-dialog")) || event.defaultPrevented) return;
    event.preventDefault();
    const url = new URL(from?.hasAttribute("formaction") ? from.formAction : event.target.action);
    url.search = new URLSearchParams(new FormData(event.target, from));
    open(url.href, from || event.target);
  });

  followIn(document.querySelector("main") || document.body);

  const wanted = sessionStorage.getItem(RETURN_TO);
  if (wanted) {
    sessionStorage.removeItem(RETURN_TO);
    const ids = new URLSearchParams(wanted).getAll("statement");
    const same = [...document.querySelectorAll("a[href]")].find((link) => ids.some((id) => link.href.includes(id)));
    focusOn(same);
  }
})();
