// Warns before the sign-in ends, keeps it alive where asked, and leaves the page when it has ended. The server says how
// much time is left, so that work in another tab counts and a clock that is wrong does not. Everything works without it.
"use strict";

(() => {
  const ending = document.getElementById("ending");
  const words = ending.querySelector("p");
  const form = ending.querySelector("form");
  const warnedBefore = Number(ending.dataset.warnedBefore);
  const end = document.querySelector("time[data-local]");
  let timer;

  function wait(seconds) {
    clearTimeout(timer);
    timer = setTimeout(look, Math.max(1, seconds) * 1000);
  }

  function showEnd(seconds) {
    const moment = new Date(Date.now() + seconds * 1000);
    end.dateTime = moment.toISOString();
    end.textContent = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }

  function leave() {
    const here = window.location.pathname + window.location.search;
    window.location.replace(`/sign-in?ended=1&next=${encodeURIComponent(here)}`);
  }

  function told(seconds) {
    if (seconds <= 0) {
      leave();
      return;
    }
    showEnd(seconds);
    if (seconds > warnedBefore) {
      calm();
      wait(seconds - warnedBefore);
      return;
    }
    if (form.hidden) {
      form.hidden = false;
      const minutes = Math.round(seconds / 60);
      const left = minutes > 1 ? `${minutes} minutes` : minutes === 1 ? "one minute" : "a few seconds";
      words.textContent = `You will be signed out in ${left}. What you have written in a case is kept.`;
    }
    wait(Math.min(seconds + 1, 15));
  }

  function calm() {
    form.hidden = true;
    words.textContent = "";
  }

  async function look() {
    try {
      const answer = await fetch("/sign-in/left");
      told((await answer.json()).seconds);
    } catch {
      wait(15);
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { accept: "application/json" },
      });
      if (!answer.ok) {
        leave();
        return;
      }
      const held = document.activeElement && form.contains(document.activeElement);
      told((await answer.json()).seconds);
      if (held) {
        document.getElementById("main").focus();
      }
    } catch {
      words.textContent = "The service cannot be reached. Please try again.";
    }
  });

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      look();
    }
  });
  // A page the browser kept and shows again after signing out must not be read.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      look();
    }
  });
  document.addEventListener("drafts:kept", () => wait(1));

  told(Number(ending.dataset.secondsLeft));
})();
