// Walking through the evidence of a case: all pieces of a fact are pointed at, a criterion steps through its facts, a
// highlight says what it is. The page works without it, by links alone.
"use strict";

const note = document.querySelector(".documents");
const panel = document.getElementById("fact-panel");
const announcer = document.getElementById("announcer");
const help = document.getElementById("keys");
const keysAreOn = document.getElementById("case").dataset.keys !== "off";

let walk = null; // the link with data-walk that is stepped through
let step = -1; // where on it we stand
let at = null; // the highlight whose panel was opened last

const piecesOf = (fact) => note.querySelectorAll(`[data-facts~="${CSS.escape(fact)}"]`);

// Others on this page may listen: which fact the reader looked at, by a criterion or by its highlight.
function tell(fact) {
  document.dispatchEvent(new CustomEvent("greenlane:evidence", { detail: { factId: fact } }));
}

function point(fact) {
  for (const piece of document.querySelectorAll(".pointed, .pointed-cue")) {
    piece.classList.remove("pointed", "pointed-cue");
  }
  if (!fact) {
    return;
  }
  for (const piece of piecesOf(fact)) {
    piece.classList.add("pointed");
  }
  for (const piece of note.querySelectorAll(`[data-of~="${CSS.escape(fact)}"]`)) {
    piece.classList.add("pointed-cue");
  }
  for (const link of document.querySelectorAll(`.evidence-list a[href="#fact-${CSS.escape(fact)}"]`)) {
    link.closest("li").classList.add("pointed");
  }
}

// Puts the place into the address without a step in the history, for Back leads to the worklist; the focus stays.
function goTo(place) {
  const target = document.getElementById(place);
  if (!target) {
    return;
  }
  for (let closed = target.closest("details:not([open])"); closed; closed = closed.closest("details:not([open])")) {
    closed.open = true;
  }
  note.dispatchEvent(new CustomEvent("reveal", { detail: target }));
  window.history.replaceState(null, "", `#${encodeURIComponent(place)}`);
}

// Where the two panes scroll on their own, the right one shows what belongs to the left one. Where the page is one
// column, that would take the reader away from the note.
function besides(fact) {
  const item = document.querySelector(`.evidence-list a[href="#fact-${CSS.escape(fact)}"]`)?.closest("li");
  if (item?.offsetParent && getComputedStyle(item.closest(".reading")).overflowY === "auto") {
    item.scrollIntoView({ block: "nearest" });
  }
}

function showFact(fact) {
  tell(fact);
  goTo(`fact-${fact}`);
  point(fact);
  if (!walk?.closest(".reading .tree")) {
    besides(fact);
  }
  document.getElementById(`fact-${fact}`)?.scrollIntoView({ block: "center" });
}

function begin(link) {
  document.querySelector(".walking")?.classList.remove("walking");
  walk = link;
  step = -1;
  link.closest(".statement")?.classList.add("walking");
}

function move(link, by) {
  if (!link) {
    return;
  }
  if (link !== walk) {
    begin(link);
  }
  const facts = link.dataset.walk.split(" ");
  step = step < 0 && by < 0 ? facts.length - 1 : (step + by + facts.length) % facts.length;
  const place = `${step + 1} of ${facts.length}`;
  for (const earlier of document.querySelectorAll("[data-step]")) {
    delete earlier.dataset.step;
  }
  link.dataset.step = place;
  showFact(facts[step]);
  const quote = [...piecesOf(facts[step])].map((piece) => piece.textContent).join("");
  announcer.textContent = `${place}: ${quote}`;
}

const criteria = () => [...document.querySelectorAll(".reading .walk")].filter((link) => link.offsetParent);

function moveCriterion(by) {
  const links = criteria();
  const now = links.indexOf(walk);
  const following = now < 0 ? (by > 0 ? 0 : links.length - 1) : (now + by + links.length) % links.length;
  const link = links[following];
  if (link) {
    begin(link);
    link.focus();
    move(link, 1);
  }
}

// What a highlight is: one card for each fact that covers it, those a criterion uses first.
function openPanel(piece, { focus = false } = {}) {
  const said = piece.title.split("\n");
  const facts = piece.dataset.facts.split(" ").map((fact, number) => ({ fact, said: said[number], uses: usesOf(fact) }));
  facts.sort((one, other) => other.uses.length - one.uses.length);
  panel.querySelector(".cards").replaceChildren(...facts.map(card));
  panel.hidden = false;
  at = piece;
  const about = facts.find(({ uses }) => uses.length);
  if (about && getComputedStyle(document.querySelector(".reading")).overflowY === "auto") {
    goTo(`about-${about.fact}`);
    besides(about.fact);
  }
  point(facts[0].fact);
  tell(facts[0].fact);
  announcer.textContent = facts.map((one) => one.said).join("; ");
  if (focus) {
    panel.focus({ preventScroll: true });
  }
}

function usesOf(fact) {
  const links = document.querySelectorAll(`.evidence-list a[href="#fact-${CSS.escape(fact)}"]`);
  return [...links].map((link) => link.closest(".criterion").querySelector(".statement, summary"));
}

function card({ fact, said, uses }) {
  const made = document.getElementById("fact-card").content.cloneNode(true);
  const section = made.querySelector(".fact-card");
  section.dataset.factId = fact;
  section.querySelector("h3").textContent = `“${[...piecesOf(fact)].map((piece) => piece.textContent).join("")}”`;
  section.querySelector(".said").textContent = said;
  const items = uses.map((statement) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `#about-${fact}`;
    link.textContent = statement.querySelector(".wording").textContent;
    item.append(statement.querySelector(".status").cloneNode(true), link);
    return item;
  });
  if (!items.length) {
    const item = document.createElement("li");
    item.textContent = "No criterion of this policy uses it.";
    items.push(item);
  }
  section.querySelector(".uses").replaceChildren(...items);
  for (const field of section.querySelectorAll("[name=fact_id]")) {
    chooseFact(field, fact);
  }
  return made;
}

// The form may hold a draft: of this fact, which is shown, or of another one, which is not said of this one.
function chooseFact(field, fact) {
  if (field.value === fact) {
    field.closest("details").open = true;
  } else {
    for (const choice of field.form.querySelectorAll(":checked")) {
      choice.checked = false;
    }
  }
  field.value = fact;
}

function closePanel() {
  const held = panel.contains(document.activeElement);
  panel.hidden = true;
  point(null);
  if (held) {
    (at?.matches("a") ? at : note).focus({ preventScroll: true });
  }
}

function isMarked(piece) {
  if (!piece.offsetParent && !piece.getClientRects().length) {
    return false;
  }
  if (piece.matches("mark") && document.getElementById("only-evidence")?.checked) {
    return false;
  }
  const category = [...piece.classList].find((name) => name.startsWith("category-"));
  return document.getElementById(`mark-${category}`)?.checked ?? true;
}

function moveHighlight(by) {
  const pieces = [...note.querySelectorAll(".note-text [data-facts]")];
  const now = pieces.indexOf(at ?? note.querySelector(".note-text .pointed"));
  for (let next = now < 0 && by < 0 ? pieces.length - 1 : now + by; next >= 0 && next < pieces.length; next += by) {
    if (isMarked(pieces[next]) && pieces[next].dataset.facts !== pieces[now]?.dataset.facts) {
      openPanel(pieces[next]);
      pieces[next].scrollIntoView({ block: "center" });
      return;
    }
  }
}

function openKeys() {
  help.showModal();
  // Not by autofocus: browsers take it for the page's own, and complain where the reader was faster.
  help.querySelector("h2").focus();
}

const LETTERS = {
  n: () => move(walk ?? criteria()[0], 1),
  p: () => move(walk ?? criteria()[0], -1),
  "]": () => moveCriterion(1),
  "[": () => moveCriterion(-1),
  x: () => move(document.querySelector(".conflict-step"), 1),
  j: () => moveHighlight(1),
  k: () => moveHighlight(-1),
  "?": openKeys,
};
const ARROWS = {
  ArrowRight: (link) => move(link, 1),
  ArrowLeft: (link) => move(link, -1),
  ArrowDown: () => moveCriterion(1),
  ArrowUp: () => moveCriterion(-1),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || help.open) {
    return;
  }
  if (event.key === "Escape") {
    document.querySelector(".key[open]")?.removeAttribute("open");
    if (!panel.hidden) {
      closePanel();
    }
    return;
  }
  if (event.target.closest("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])")) {
    return;
  }
  const arrow = event.target.closest(".walk") && ARROWS[event.key];
  const letter = keysAreOn && LETTERS[event.key];
  if (arrow || letter) {
    event.preventDefault();
    (arrow || letter)(event.target.closest(".walk"));
  }
}

function onClick(event) {
  if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
    return;
  }
  const link = event.target.closest("a[href^='#'], [data-facts], .fact-panel .close");
  if (!link) {
    return;
  }
  if (link.matches(".close")) {
    closePanel();
  } else if (link.dataset.walk) {
    event.preventDefault();
    move(link, 1);
  } else if (link.dataset.facts) {
    event.preventDefault();
    if (window.getSelection().isCollapsed || event.detail === 0) {
      openPanel(link, { focus: event.detail === 0 });
    }
  } else {
    const place = decodeURIComponent(link.hash.slice(1));
    if (place.startsWith("fact-")) {
      event.preventDefault();
      showFact(place.slice("fact-".length));
    } else if (place.startsWith("about-")) {
      event.preventDefault();
      goTo(place);
      document.getElementById(place).scrollIntoView({ block: "center" });
    }
  }
}

// No selection can begin in a link, and a reader must be able to select any words: while the button of the mouse is down
// a highlight is no link.
function letSelect(event) {
  const link = event.target.closest("a.fact");
  if (link && event.button === 0) {
    const address = link.getAttribute("href");
    link.removeAttribute("href");
    window.addEventListener("pointerup", () => link.setAttribute("href", address), { once: true });
    window.addEventListener("pointercancel", () => link.setAttribute("href", address), { once: true });
  }
}

function pointAtAddress() {
  const [, fact] = /^#(?:fact|about)-(.+)$/.exec(decodeURIComponent(window.location.hash)) ?? [];
  if (fact) {
    point(fact);
  }
}

// From here on classes say what is pointed at and which document is shown, not the address alone.
document.getElementById("case").classList.add("live");
document.addEventListener("keydown", onKey);
document.addEventListener("click", onClick);
window.addEventListener("hashchange", pointAtAddress);
note.addEventListener("pointerdown", letSelect);
const helpButton = document.querySelector(".keys-button");
helpButton.hidden = false;
helpButton.addEventListener("click", LETTERS["?"]);
pointAtAddress();
