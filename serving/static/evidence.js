// A fact that overlaps another one is marked in several pieces, and a link can only aim at the first. This marks all
// pieces of the fact the address names. Everything works without it.
"use strict";

function pointAtEvidence() {
  for (const piece of document.querySelectorAll(".pointed")) {
    piece.classList.remove("pointed");
  }
  const name = decodeURIComponent(window.location.hash);
  if (!name.startsWith("#fact-")) {
    return;
  }
  for (const piece of document.querySelectorAll(`[data-facts~="${CSS.escape(name.slice("#fact-".length))}"]`)) {
    piece.classList.add("pointed");
  }
}

window.addEventListener("hashchange", pointAtEvidence);
document.addEventListener("DOMContentLoaded", pointAtEvidence);
