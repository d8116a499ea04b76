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
_ORNAMENT = " \t*#=_-\u2022"
_END = re.compile(r":++|\n\s*+|\s[-\u2013\u2014]+(?=\s)")
_BEFORE = re.compile(r"[.,;:!?\n\]]")
_MARKER = re.compile(r"\s*(?:[-*#\u2022>+_=\"'({\[]+|\(?(?:\d{1,2}|[ivx]{1,4})[.)])*\s*", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_JOIN = re.compile(r"\s*/\s*|\s+and\s+|\s*&\s*|\s*,\s*|\s*\+\s*")
# A line that belongs to the one before: a list item, an indented line, or one that begins with a small letter.
_CONTINUES = re.compile(r"\n(?:[ \t]+\S|[-*\u2022]|\(?\d{1,2}[.)]|[a-z])")
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
    """Headings by their lower-case words, short ones apart, and what sections imply.

    Sections in ``one_line`` end with their line where their heading has text beside it ("FH: mother DM").
    """

    names: tuple[str, ...]
    headings: Mapping[str, str]
    short: Mapping[str, str]
    inner: frozenset[str]
    openers: tuple[str, ...]
    implications: Mapping[str, Implication]
    one_line: frozenset[str] = frozenset()


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
    one_line: set[str] = set()
    for name, entry in data["sections"].items():
        if not isinstance(entry, dict):
            raise LexiconError(f"{source}: {name} must hold headings")
        for kind, known in (("headings", headings), ("short", short)):
            for heading in _words(entry.get(kind, []), f"{source}: {name}.{kind}"):
                if known.setdefault(heading, name) != name:
                    raise LexiconError(f"{source}: heading {heading!r} stands in {known[heading]} and in {name}")
        if entry.get("one_line") is True:
            one_line.add(name)
        if "implies" in entry:
            implications[name] = _implication(entry["implies"], f"{source}: {name}.implies")
    return SectionLexicon(
        names=(UNLABELLED, *data["sections"]),
        headings=headings,
        short=short,
        inner=frozenset(_words(data.get("inner", []), f"{source}: inner")),
        openers=tuple(f"{word} " for word in _words(data.get("openers", []), f"{source}: openers")),
        implications=implications,
        one_line=frozenset(one_line),
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
    if "\n" in text:
        found = [part for section in found for part in _by_line(text, section, known)]
    return [section for section in found if section.end > section.start or section.heading_end > section.heading_start]


def _by_line(text: str, section: Section, lexicon: SectionLexicon) -> list[Section]:
    """A section that ends with its line, and what follows it without a heading."""
    if section.name not in lexicon.one_line:
        return [section]
    end = text.find("\n", section.start, section.end)
    if end < 0 or not text[section.start : end].strip(" \t,"):
        return [section]
    while _CONTINUES.match(text, end, section.end):
        end = text.find("\n", end + 1, section.end)
        if end < 0:
            return [section]
    return [
        Section(section.name, section.heading_start, section.heading_end, section.start, end),
        Section(UNLABELLED, end, end, end, section.end),
    ]


def _headings(text: str, lexicon: SectionLexicon) -> Iterator[tuple[str, int, int]]:
    """(section name, start, end) of every heading; a colon or dash belongs to it."""
    previous = 0
    for match in _END.finditer(text):
        mark = match.start()
        kind = text[mark]
        if kind == "\n":
            found = _line_heading(text, previous, mark, lexicon)
        else:
            found = _closed_heading(text, previous, mark, lexicon)
        if found is not None:
            yield found[0], found[1], mark if kind == "\n" else match.end()
        if kind in "\n:":
            previous = match.end()


def _line_heading(text: str, previous: int, mark: int, lexicon: SectionLexicon) -> tuple[str, int] | None:
    """The heading that fills the line ending at ``mark``, by name, and where it begins."""
    if mark - previous > _LONGEST_HEADING or (previous and text[previous - 1].strip()):
        return None
    line = text[previous:mark].lower().strip(_ORNAMENT)
    joined = any(join in line for join in (" and ", "&", "/"))
    if line not in lexicon.headings and not joined and not line.startswith(lexicon.openers):
        return None
    first = _MARKER.match(text, previous, mark).end()  # type: ignore[union-attr]  # it may match nothing
    name = _name(text, first, mark, closed=False, lexicon=lexicon) if first < mark else None
    return None if name is None else (name, first)


def _closed_heading(text: str, previous: int, mark: int, lexicon: SectionLexicon) -> tuple[str, int] | None:
    """The heading closed by the colon or dash at ``mark``, by name, and where it begins."""
    lowest = max(previous, mark - _LONGEST_HEADING)
    if not text[lowest:mark].lower().islower():
        return None  # no letter, no heading
    first = lowest
    at_start = lowest == previous
    for before in _BEFORE.finditer(text, lowest, mark):
        first = before.end()
        at_start = True
    if not at_start or first >= mark:
        return None
    # A wide gap may stand for a lost line break: "... 1440 HOURS    CLINICAL HISTORY: pain".
    for begin in (first, text.rfind("  ", first, mark) + 2):
        start = _MARKER.match(text, max(begin, first), mark).end()  # type: ignore[union-attr]  # it may match nothing
        if start < mark and _opens(text, start, mark):
            name = _name(text, start, mark, closed=text[mark] == ":", lexicon=lexicon)
            if name is not None:
                return name, start
    return None


def _opens(text: str, first: int, mark: int) -> bool:
    """Whether a heading may stand at ``first``: at the start of a line or sentence, or in capitals after a comma."""
    index = first - 1
    while index >= 0 and text[index] in _ORNAMENT and first - index < _LONGEST_HEADING:
        index -= 1
    if index < 0 or text[index] == "\n":
        return True
    if text[index] in ".!?":
        return text[first].isupper()
    written = text[first:mark]
    return written.isupper() or (text[index] == "," and index == first - 1 and written[0].isupper())


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


def heading_cue(section: Section, implication: Implication) -> Cue:
    """The cue of an inference from a section: its heading's span and the section's name."""
    return Cue(implication.flag, section.heading_start, section.heading_end, f"section {section.name}")  # type: ignore[arg-type]  # checked when the lexicon is read
