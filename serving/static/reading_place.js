// How the reader wants the documents: stacked or one at a time, and which marks. Kept in this browser; the addresses and
// check boxes do the same without it. Also fetches the score in place when it is opened.
"use strict";

const pane = document.querySelector(".documents");
const articles = [...pane.querySelectorAll(".document")];
const shelf = {
  get: (name) => {
    try {
      return window.localStorage.getItem(`greenlane.${name}`);
    } catch {
      return null;
    }
  },
  set: (name, value) => {
    try {
      window.localStorage.setItem(`greenlane.${name}`, value);
    } catch {
      // A browser that keeps nothing still reads.
    }
  },
};

const numberOf = (article) => Number(article.id.slice("document-".length));

// `number` of the document to show by itself, or null: all of them.
function arrange(number) {
  pane.classList.toggle("alone", number !== null);
  for (const article of articles) {
    article.classList.toggle("folded", number !== null && numberOf(article) !== number);
  }
  for (const link of pane.querySelectorAll("[data-document]")) {
    mark(link, Number(link.dataset.document) === number);
  }
  for (const link of pane.querySelectorAll("[data-arrange]")) {
    mark(link, (link.dataset.arrange === "alone") === (number !== null));
  }
  const address = new URL(window.location.href);
  if (number === null) {
    address.searchParams.delete("show");
  } else {
    address.searchParams.set("show", number);
  }
  window.history.replaceState(null, "", address);
}

function mark(link, current) {
  if (current) {
    link.setAttribute("aria-current", "true");
  } else {
    link.removeAttribute("aria-current");
  }
}

const shownNumber = () => numberOf(articles.find((article) => !article.classList.contains("folded")));
const isAlone = () => pane.classList.contains("alone");

function openDocument(number) {
  if (isAlone()) {
    arrange(number);
    pane.scrollTop = 0;
  } else {
    document.getElementById(`document-${number}`).scrollIntoView({ block: "start" });
  }
}

function onDocumentLink(event) {
  const link = event.target.closest("[data-document], [data-arrange]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) {
    return;
  }
  event.preventDefault();
  if (link.dataset.document) {
    openDocument(Number(link.dataset.document));
  } else {
    shelf.set("arrangement", link.dataset.arrange);
    arrange(link.dataset.arrange === "alone" ? shownNumber() : null);
  }
}

function startArrangement() {
  if (articles.length < 2) {
    return;
  }
  const asked = Number(new URL(window.location.href).searchParams.get("show"));
  const target = document.getElementById(decodeURIComponent(window.location.hash.slice(1)));
  const holder = target?.closest(".document");
  if (isAlone() || shelf.get("arrangement") === "alone") {
    arrange(holder ? numberOf(holder) : asked || 1);
    target?.scrollIntoView({ block: "center" });
  }
  pane.addEventListener("click", onDocumentLink);
  pane.addEventListener("reveal", (event) => {
    const article = event.detail.closest(".document");
    if (article?.classList.contains("folded")) {
      arrange(numberOf(article));
    }
  });
}

// Marks come and go with their tags, and lines break anew: what the reader looks at must not move.
let held = null;

function holdPlace() {
  const head = pane.querySelector(".documents-head").getBoundingClientRect().bottom;
  const inSight = (piece) => {
    const { top } = piece.getBoundingClientRect();
    return top >= head && top < window.innerHeight;
  };
  const pieces = [...pane.querySelectorAll(".note-text .pointed"), ...pane.querySelectorAll(".note-text [data-facts]")];
  const piece = pieces.find(inSight);
  held = piece && { piece, top: piece.getBoundingClientRect().top };
}

function restorePlace() {
  if (held) {
    const scroller = getComputedStyle(pane).overflowY === "auto" ? pane : window;
    scroller.scrollBy(0, held.piece.getBoundingClientRect().top - held.top);
  }
}

function keepCheckBoxes() {
  const head = pane.querySelector(".documents-head");
  head.addEventListener("pointerdown", holdPlace, { capture: true });
  head.addEventListener("keydown", holdPlace, { capture: true });
  for (const box of pane.querySelectorAll(".documents-head input[type=checkbox]")) {
    const kept = shelf.get(box.id);
    if (kept !== null) {
      box.checked = kept === "on";
    }
    box.addEventListener("change", () => {
      shelf.set(box.id, box.checked ? "on" : "off");
      restorePlace();
    });
  }
}

function fetchScoreWhenOpened() {
  const sheet = document.querySelector("details.score");
  const link = sheet.querySelector("a");
  let asked = false;
  const open = async () => {
    if (asked) {
      return;
    }
    asked = true;
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const score = answer.ok && page.getElementById("score");
    if (score) {
      link.parentElement.replaceWith(document.importNode(score, true));
    } else {
      asked = false;
      link.textContent = "The score could not be fetched. Try again";
    }
  };
  sheet.addEventListener("toggle", () => sheet.open && open());
  link.addEventListener("click", (event) => {
    event.preventDefault();
    open();
  });
}

startArrangement();
keepCheckBoxes();
fetchScoreWhenOpened();
