// Keys and comforts for working on a case. Every form works without it.
"use strict";

function keysAreOn() {
  return document.querySelector("#case[data-keys=off]") === null;
}

function isTyping(target) {
  return target instanceof HTMLElement && Boolean(target.closest("input, textarea, select, [contenteditable], dialog"));
}

// Opens a panel and puts the focus where work begins: what is to be written first, else the button that confirms.
function openPanel(panel) {
  panel.open = true;
  const first = panel.querySelector("textarea, input:not([type=hidden]), select");
  (first ?? panel.querySelector("button")).focus();
}

function closePanel(panel) {
  panel.open = false;
  panel.querySelector("summary").focus();
}

function pressed(event) {
  if (event.key === "Escape") {
    const panel = event.target instanceof Element ? event.target.closest("details[open].act-panel, details[open].add-note") : null;
    if (panel) {
      closePanel(panel);
    }
    return;
  }
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) {
    return;
  }
  if (!keysAreOn()) {
    return;
  }
  const panel = document.querySelector(`details[data-key="${CSS.escape(event.key)}"]`);
  if (panel) {
    event.preventDefault();
    openPanel(panel);
  } else if (event.key === "u") {
    document.getElementById("undo")?.click();
  } else if (event.key === "c") {
    document.getElementById("next-case")?.click();
  }
}

// Offsets count code points, as the server does; the note's text content is the note.
function codePoints(text) {
  return [...text].length;
}

function selectedPlace() {
  const selection = window.getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) {
    return null;
  }
  const range = selection.getRangeAt(0);
  const within = (node) => (node instanceof Element ? node : node.parentElement)?.closest(".note-text") ?? null;
  const note = within(range.startContainer);
  if (!note || note !== within(range.endContainer)) {
    return null;
  }
  const before = document.createRange();
  before.selectNodeContents(note);
  before.setEnd(range.startContainer, range.startOffset);
  const start = codePoints(before.toString());
  const quote = range.toString();
  const begin = start + codePoints(quote) - codePoints(quote.trimStart());
  return { quote: quote.trim(), value: `${begin}:${begin + codePoints(quote.trim())}:${note.dataset.documentId}` };
}

function takeSelection() {
  const form = document.querySelector('form[data-draft="add_missed"]');
  const place = form ? selectedPlace() : null;
  if (place && place.quote) {
    form.elements.quote.value = place.quote;
    form.elements.place.value = place.value;
  }
}

async function loadConcepts() {
  const list = document.getElementById("concepts");
  if (list && !list.childElementCount) {
    const answer = await fetch("/concepts");
    if (answer.ok) {
      list.innerHTML = await answer.text();
    }
  }
}

function mention(event) {
  const name = event.target.value;
  const text = event.target.form.elements.text;
  if (name && !text.value.includes(`@${name}`)) {
    text.value = `@${name} ${text.value}`;
  }
  event.target.value = "";
  text.focus();
}

// A second press on the same button must not send the form again.
function sendOnce(event) {
  if (!event.target.matches("form.act, form.undo")) {
    return;
  }
  if (event.target.dataset.sent) {
    event.preventDefault();
  }
  event.target.dataset.sent = "yes";
}

document.addEventListener("keydown", pressed);
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
  }
});
document.addEventListener("DOMContentLoaded", () => {
  document.addEventListener("selectionchange", takeSelection);
  document.addEventListener("submit", sendOnce);
  const quote = document.querySelector('form[data-draft="add_missed"] [name=quote]');
  quote?.addEventListener("input", () => {
    if (quote.form.elements.place instanceof HTMLInputElement) {
      quote.form.elements.place.value = "";
    }
  });
  document.getElementById("add-missed-concept")?.addEventListener("focus", loadConcepts, { once: true });
  document.getElementById("note-mention")?.addEventListener("change", mention);
});
