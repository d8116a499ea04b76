// Keeps the due clocks of the worklist right while the page stays open, and gives it single keys. Everything works
// without it: the server wrote the clocks, and each key presses a button or follows a link that is there.
"use strict";

const HOUR = 3600;

// The same words as serving/views.py due_clock.
function spanWords(seconds) {
  const hours = seconds / HOUR;
  if (hours < 1) {
    return `${Math.floor(hours * 60)} min`;
  }
  return hours < 72 ? `${Math.floor(hours)} h` : `${Math.floor(hours / 24)} d`;
}

function startClocks(table) {
  const serverTime = Date.parse(table.dataset.now);
  const loaded = Date.now();
  const news = document.getElementById("clock-news");

  function turn() {
    const now = serverTime + (Date.now() - loaded);
    const changed = [];
    // A clock that stands still says the same until the page is asked for again.
    for (const time of table.querySelectorAll("td.due time:not([data-paused])")) {
      const left = (Date.parse(time.dateTime) - now) / 1000;
      const words = left < 0 ? `overdue by ${spanWords(-left)}` : `due in ${spanWords(left)}`;
      const level = left < 0 ? "late" : now >= Date.parse(time.dataset.soonAt) ? "soon" : "calm";
      const cell = time.parentElement;
      if (time.textContent !== words) {
        time.textContent = words;
      }
      if (!cell.classList.contains(level)) {
        cell.classList.remove("calm", "soon", "late");
        cell.classList.add(level);
        changed.push(`${cell.parentElement.querySelector(".case-link").textContent} ${words}`);
      }
    }
    if (changed.length) {
      news.textContent = changed.join(", ");
    }
  }

  turn();
  window.setInterval(turn, 20000);
  document.addEventListener("visibilitychange", turn);
}

function step(by) {
  const links = [...document.querySelectorAll(".case-link")];
  const row = document.activeElement.closest("tbody tr");
  const here = row ? links.indexOf(row.querySelector(".case-link")) : by > 0 ? -1 : links.length;
  const next = links[here + by];
  if (next) {
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }
}

function press(element) {
  if (element) {
    element.click();
  }
}

function claim() {
  const row = document.activeElement.closest("tbody tr");
  press(row ? row.querySelector("button.claim") || row.querySelector(".case-link") : document.getElementById("claim-next"));
}

function openKeys() {
  document.getElementById("keys").showModal();
  document.getElementById("keys-close").focus();
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  ArrowDown: () => step(1),
  ArrowUp: () => step(-1),
  c: claim,
  n: () => press(document.querySelector(".paging [rel=next]")),
  p: () => press(document.querySelector(".paging [rel=prev]")),
  "/": () => document.getElementById("search").focus(),
  "?": openKeys,
};

function onKey(event) {
  const arrow = event.key.startsWith("Arrow");
  const busy = event.target.closest("input, select, textarea, dialog[open], summary") !== null;
  if (event.ctrlKey || event.metaKey || event.altKey || busy || !Object.hasOwn(KEYS, event.key)) {
    return;
  }
  // Arrows scroll the page as everywhere unless a case is the one in hand.
  if (arrow && !event.target.closest("tbody tr")) {
    return;
  }
  if (!arrow && document.getElementById("main").dataset.keys === "off") {
    return;
  }
  event.preventDefault();
  KEYS[event.key]();
}

const table = document.querySelector("table.cases");
if (table) {
  startClocks(table);
}
const showKeys = document.getElementById("show-keys");
showKeys.hidden = false;
showKeys.addEventListener("click", KEYS["?"]);
document.addEventListener("keydown", onKey);
