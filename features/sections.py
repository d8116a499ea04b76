"""Sections of a note: headings as data (``lexicon/sections.yaml``), what they open and what they imply.

A heading counts where a line or a sentence begins and a colon, a dash or the end of the line follows; the same words in
running text do not. A heading in capitals may also follow a comma, which in some transcripts replaced a line break
(".,PAST MEDICAL HISTORY: , None").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from features.errors import LexiconError
from features.tokens import Tokens
from features.types import Cue

UNLABELLED = "unlabelled"
"""The section before the first heading of a note."""

_LONGEST_HEADING = 60
_END = re.compile(r":|\n|\s[-\u2013\u2014]+(?=\s)")
_BEFORE = re.compile(r"[.,;:!?\n\]]|\s{2}")
_MARKER = re.compile(r"\s*(?:[-*#\u2022>+_=\"'({\[]+|\(?(?:\d{1,2}|[ivx]{1,4})[.)])*\s*", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_JOIN = re.compile(r"\s*/\s*|\s+and\s+|\s*&\s*|\s*,\s*|\s*\+\s*")
_FLAGS = frozenset({"negated", "uncertain", "historical", "hypothetical", "family"})


@dataclass(frozen=True, slots=True)
class Section:
    """A section of a text: its heading at ``heading_start`` to ``heading_end`` (equal where it has none), its body at
    ``start`` to ``end``. Sections follow each other without a gap and cover the text.
    """

    name: str
    heading_start: int
    heading_end: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Implication:
    """What a section says about findings of the given categories (``any`` for all) that stand in it.

    A sentence of the section with one of the words ``unless`` is left alone.
    """

    flag: str
    categories: frozenset[str]
    unless: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SectionLexicon:
    """Headings by their lower-case words, short ones apart, and what sections imply."""

    names: tuple[str, ...]
    headings: Mapping[str, str]
    short: Mapping[str, str]
    inner: frozenset[str]
    openers: tuple[str, ...]
    implications: Mapping[str, Implication]


def load_sections(path: Path | None = None) -> SectionLexicon:
    """Read a section lexicon, the packaged one by default.

    Raises LexiconError naming the section for a heading listed twice, an unknown flag or a wrong shape.
    """
    return _packaged_sections() if path is None else _parse(path.read_text("utf-8"), path.name)


@lru_cache(maxsize=1)
def _packaged_sections() -> SectionLexicon:
    return _parse(files("features").joinpath("lexicon/sections.yaml").read_text("utf-8"), "sections.yaml")


def _parse(content: str, source: str) -> SectionLexicon:
    try:
        data = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise LexiconError(f"{source}: not readable as YAML") from error
    if not isinstance(data, dict) or not isinstance(data.get("sections"), dict):
        raise LexiconError(f"{source}: sections is missing")
    headings: dict[str, str] = {}
    short: dict[str, str] = {}
    implications: dict[str, Implication] = {}
    for name, entry in data["sections"].items():
        if not isinstance(entry, dict):
            raise LexiconError(f"{source}: {name} must hold headings")
        for kind, known in (("headings", headings), ("short", short)):
            for heading in _words(entry.get(kind, []), f"{source}: {name}.{kind}"):
                if known.setdefault(heading, name) != name:
                    raise LexiconError(f"{source}: heading {heading!r} stands in {known[heading]} and in {name}")
        if "implies" in entry:
            implications[name] = _implication(entry["implies"], f"{source}: {name}.implies")
    return SectionLexicon(
        names=(UNLABELLED, *data["sections"]),
        headings=headings,
        short=short,
        inner=frozenset(_words(data.get("inner", []), f"{source}: inner")),
        openers=tuple(f"{word} " for word in _words(data.get("openers", []), f"{source}: openers")),
        implications=implications,
    )


def _words(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise LexiconError(f"{where} must be a list of words")
    return [_SPACE.sub(" ", word.lower().strip()) for word in value]


def _implication(value: Any, where: str) -> Implication:
    if not isinstance(value, dict) or value.get("flag") not in _FLAGS:
        raise LexiconError(f"{where} needs a flag out of {', '.join(sorted(_FLAGS))}")
    categories = _words(value.get("categories", ["any"]), f"{where}.categories")
    return Implication(value["flag"], frozenset(categories), tuple(_words(value.get("unless", []), f"{where}.unless")))


def find_sections(text: str | Tokens, lexicon: SectionLexicon | None = None) -> list[Section]:
    """The sections of ``text`` in order; together they cover it. Linear in its length."""
    if isinstance(text, Tokens):
        text = text.text
    known = lexicon or load_sections()
    found: list[Section] = []
    name, heading_start, heading_end = UNLABELLED, 0, 0
    for next_name, first, last in _headings(text, known):
        if first > heading_start or found or last == heading_end:
            found.append(Section(name, heading_start, heading_end, heading_end, first))
        name, heading_start, heading_end = next_name, first, last
    found.append(Section(name, heading_start, heading_end, heading_end, len(text)))
    return [section for section in found if section.end > section.start or section.heading_end > section.heading_start]


def _headings(text: str, lexicon: SectionLexicon) -> Iterator[tuple[str, int, int]]:
    """(section name, start, end) of every heading; a colon or dash belongs to it."""
    previous = 0
    for match in _END.finditer(text):
        mark = match.start()
        lowest = max(previous, mark - _LONGEST_HEADING)
        first = lowest
        at_start = lowest == previous
        for before in _BEFORE.finditer(text, lowest, mark):
            first = before.end()
            at_start = True
        if not at_start or mark - first < 1:
            if text[mark] == "\n" or text[mark] == ":":
                previous = match.end()
            continue
        closed = text[mark] != "\n"
        first = _MARKER.match(text, first, mark).end()  # type: ignore[union-attr]  # every part of it is optional
        name = _name(text, first, mark, closed=text[mark] == ":", lexicon=lexicon)
        if name is not None and _opens(text, first, mark, closed):
            yield name, first, match.end() if closed else mark
        if text[mark] != " ":
            previous = match.end()


def _opens(text: str, first: int, mark: int, closed: bool) -> bool:
    """Whether a heading may stand at ``first``: at the start of a line or sentence, or in capitals after a comma."""
    index = first - 1
    while index >= 0 and text[index] in " \t":
        index -= 1
    written = text[first:mark]
    if index < 0 or text[index] == "\n":
        return True
    if not closed:
        return _line_begins(text, first)
    if text[index] in ".!?":
        return written[:1].isupper()
    return written.isupper() or (text[index] == "," and index == first - 1 and written[:1].isupper())


def _line_begins(text: str, first: int) -> bool:
    return not text[max(text.rfind("\n", max(0, first - 12), first) + 1, first - 12) : first].strip(" \t-*#>1234567890.)")


def _name(text: str, first: int, mark: int, *, closed: bool, lexicon: SectionLexicon) -> str | None:
    written = text[first:mark].rstrip(" \t-\u2013_*#")
    words = _SPACE.sub(" ", written.lower())
    found = _look_up(words, lexicon, closed=closed)
    if found is not None:
        return found
    if words in lexicon.inner:
        return None
    parts = _JOIN.split(words)
    if len(parts) > 1:
        names = [_look_up(part.strip(), lexicon, closed=closed) for part in parts]
        if all(names):
            return names[0]
    if closed and len(parts[0].split()) > 1 and written.isupper() and not any(c.isdigit() for c in written):
        return "other"
    return None


def _look_up(words: str, lexicon: SectionLexicon, *, closed: bool) -> str | None:
    name = lexicon.headings.get(words)
    if name is None and closed:
        name = lexicon.short.get(words)
    if name is None:
        for opener in lexicon.openers:
            if words.startswith(opener):
                return lexicon.headings.get(words[len(opener) :])
    return name


def section_at(sections: list[Section], offset: int) -> Section:
    """The section that holds ``offset``, its heading included; the last one for an offset at the end of the text."""
    for section in sections:
        if offset < section.end:
            return section
    return sections[-1]


def heading_cue(section: Section, implication: Implication) -> Cue:
    """The cue of an inference from a section: its heading's span and the section's name."""
    return Cue(implication.flag, section.heading_start, section.heading_end, f"section {section.name}")  # type: ignore[arg-type]  # checked when the lexicon is read
