// Keeps what is typed into a form with data-draft="NAME" on the server, one second after the last key and when the page is
// left. Nothing is put into the browser's own storage. Without it, a form is kept only when it is sent.
"use strict";

(() => {
  const QUIET_MS = 1000;
  const LONGEST_LAST_WORD = 60000; // Browsers send no more than 64 kB from a page that is being left.
  const LEFT = "greenlane-left"; // When a page was left with something to keep: a time, never what was written.
  const timers = new Map();

  function addressOf(form) {
    const place = form.closest("[data-authorization-id]") || document.querySelector("[data-authorization-id]");
    return `/cases/${place.dataset.authorizationId}/drafts/${form.dataset.draft}`;
  }

  function say(form, text) {
    let state = form.querySelector("[data-draft-state]");
    if (!state) {
      state = document.createElement("p");
      state.dataset.draftState = "";
      state.className = "draft-state";
      state.setAttribute("role", "status");
      form.append(state);
    }
    if (state.textContent !== text) {
      state.textContent = text;
    }
  }

  function forget(form) {
    clearTimeout(timers.get(form));
    timers.delete(form);
  }

  async function keep(form, leaving) {
    forget(form);
    const body = new URLSearchParams(new FormData(form));
    const last = leaving && body.toString().length < LONGEST_LAST_WORD;
    try {
      const answer = await fetch(addressOf(form), { method: "POST", body, keepalive: last });
      say(form, answer.ok ? "Draft kept" : "The draft could not be kept. Copy what you wrote before you leave.");
      if (answer.ok) {
        document.dispatchEvent(new Event("drafts:kept"));
      }
    } catch {
      say(form, "The draft could not be kept: the service cannot be reached.");
      if (!leaving) {
        timers.set(form, setTimeout(() => keep(form, false), 5 * QUIET_MS));
      }
    }
  }

  function keepAll() {
    for (const form of [...timers.keys()]) {
      sessionStorage.setItem(LEFT, String(Date.now()));
      keep(form, true);
    }
  }

  // A reload may overtake the last words of the page it replaces, so a page that follows at once asks for them again.
  async function fillIn(form) {
    const answer = await fetch(addressOf(form));
    const kept = answer.ok ? await answer.json() : {};
    for (const field of form.elements) {
      const text = kept[field.name];
      if (text === undefined) {
        continue;
      }
      if (field.type === "checkbox" || field.type === "radio") {
        field.checked = text.split("\n").includes(field.value);
      } else if (field.value === field.defaultValue || field.tagName === "SELECT") {
        field.value = text;
      }
    }
  }

  const left = Number(sessionStorage.getItem(LEFT));
  sessionStorage.removeItem(LEFT);
  if (Date.now() - left < 10 * QUIET_MS) {
    setTimeout(() => document.querySelectorAll("form[data-draft]").forEach(fillIn), QUIET_MS / 2);
  }

  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (form && form.dataset.draft) {
      clearTimeout(timers.get(form));
      timers.set(form, setTimeout(() => keep(form, false), QUIET_MS));
    }
  });
  document.addEventListener("submit", (event) => forget(event.target));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      keepAll();
    }
  });
  // The first comes before the next page is asked for; not every browser sends it.
  window.addEventListener("beforeunload", keepAll);
  window.addEventListener("pagehide", keepAll);
})();
