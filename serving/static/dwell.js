// Tells the server what was seen of a case and for how long it was in front: evidence and documents as they are opened,
// seconds when the page is left. Without it the trail says when the case was opened, and the next entry when it was left.
//
// Other scripts say that evidence was opened by an event on the document:
//   document.dispatchEvent(new CustomEvent("greenlane:evidence", { detail: { factId: "f3", criterionId: "therapy" } }))
"use strict";

(() => {
  const page = document.currentScript.dataset;
  const SEND_AFTER_MS = 2000;
  const MOST_AT_ONCE = 50;
  const READ_AFTER_MS = 1000;
  // Nobody reads for longer without scrolling, pointing or typing.
  const AWAY_AFTER_MS = 5 * 60 * 1000;

  const known = new Set();
  let waiting = [];
  let timer = null;

  function send(seen, leaving) {
    const body = JSON.stringify({ form_token: page.formToken, opened: Number(page.opened), seen });
    // A beacon outlives the page in every browser; a fetch does in most.
    if (leaving && navigator.sendBeacon(page.seen, new Blob([body], { type: "application/json" }))) {
      return;
    }
    fetch(page.seen, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
      keepalive: true,
      credentials: "same-origin",
    }).catch(() => {});
  }

  function sendWaiting(last = [], leaving = false) {
    clearTimeout(timer);
    timer = null;
    const all = [...waiting, ...last];
    waiting = [];
    for (let start = 0; start < all.length; start += MOST_AT_ONCE) {
      send(all.slice(start, start + MOST_AT_ONCE), leaving);
    }
  }

  function note(sight) {
    const key = JSON.stringify(sight);
    if (known.has(key)) {
      return;
    }
    known.add(key);
    waiting.push(sight);
    timer ??= setTimeout(() => sendWaiting(), SEND_AFTER_MS);
  }

  function evidence({ factId, criterionId }) {
    if (factId || criterionId) {
      // What is undefined is left out of the JSON.
      note({ what: "evidence_opened", fact_id: factId, criterion_id: criterionId });
    }
  }

  function evidenceOfAddress() {
    const name = decodeURIComponent(window.location.hash);
    if (name.startsWith("#fact-")) {
      evidence({ factId: name.slice("#fact-".length) });
    }
  }

  // Seconds in front: visible, focused, and somebody is there.
  let counted = 0;
  let since = null;
  let touched = performance.now();

  function inFront() {
    return document.visibilityState === "visible" && document.hasFocus();
  }

  function count() {
    const now = performance.now();
    if (since !== null) {
      counted += Math.max(0, Math.min(now, touched + AWAY_AFTER_MS) - since);
    }
    since = inFront() ? now : null;
  }

  function touch() {
    if (performance.now() - touched > AWAY_AFTER_MS) {
      count();
    }
    touched = performance.now();
  }

  function leave() {
    count();
    since = null;
    const seconds = Math.round(counted / 1000);
    counted = 0;
    sendWaiting([{ what: "case_left", seconds }], true);
  }

  function watchDocuments() {
    const timers = new Map();
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        clearTimeout(timers.get(entry.target));
        if (entry.isIntersecting) {
          const id = entry.target.dataset.documentId;
          timers.set(entry.target, setTimeout(() => note({ what: "document_opened", document_id: id }), READ_AFTER_MS));
        }
      }
    });
    for (const text of document.querySelectorAll(".note-text[data-document-id]")) {
      watcher.observe(text);
    }
  }

  document.addEventListener("greenlane:evidence", (event) => evidence(event.detail));
  window.addEventListener("hashchange", evidenceOfAddress);
  document.addEventListener("visibilitychange", () => {
    count();
    if (document.visibilityState === "hidden") {
      sendWaiting();
    }
  });
  window.addEventListener("focus", count);
  window.addEventListener("blur", count);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", count);
  for (const name of ["keydown", "pointermove", "wheel", "scroll"]) {
    window.addEventListener(name, touch, { passive: true, capture: true });
  }
  document.addEventListener("DOMContentLoaded", () => {
    count();
    evidenceOfAddress();
    watchDocuments();
  });
})();
