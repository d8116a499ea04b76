// Keeps the numbers fresh: every half minute, while the page is seen, the parts that changed are exchanged in place.
// Everything works without it, by the link "Refresh".
"use strict";

const EVERY = 30_000;

function exchange(shown, fresh) {
  for (const part of fresh.children) {
    const old = part.id ? document.getElementById(part.id) : null;
    if (!old || old.isEqualNode(part)) {
      continue;
    }
    if (old.contains(document.activeElement) || part.id === "alarm") {
      // What has the focus stays; so does the live region, or its change is not spoken.
      exchangeInside(old, part);
    } else {
      const scrolled = old.querySelector(".scroller")?.scrollLeft ?? 0;
      old.replaceWith(part.cloneNode(true));
      const now = document.getElementById(part.id).querySelector(".scroller");
      if (now) {
        now.scrollLeft = scrolled;
      }
    }
  }
}

function exchangeInside(old, part) {
  if (old.id === "alarm") {
    old.replaceChildren(...part.cloneNode(true).childNodes);
    return;
  }
  for (const kind of [".chart-box", "table", "time"]) {
    const mine = old.querySelector(kind);
    const theirs = part.querySelector(kind);
    if (mine && theirs && !mine.contains(document.activeElement)) {
      mine.replaceWith(theirs.cloneNode(true));
    }
  }
}

async function refresh() {
  const shown = document.getElementById("numbers-now");
  if (document.hidden || !shown) {
    return;
  }
  try {
    const answer = await fetch(shown.dataset.source, { credentials: "same-origin", redirect: "error" });
    if (answer.status === 401 || answer.status === 403) {
      stop("Not refreshed any more: your sign-in has ended.");
      return;
    }
    if (!answer.ok) {
      return;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("numbers-now");
    if (fresh) {
      exchange(shown, fresh);
    }
  } catch {
    // The next round tries again; the time beside "as of" says how old the numbers are.
  }
}

let rounds = 0;

function stop(words) {
  clearInterval(rounds);
  const said = document.createElement("p");
  said.className = "alarm";
  said.textContent = words;
  document.getElementById("alarm")?.replaceChildren(said);
}

rounds = setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
