"""A case page read as a browser reads it, far enough: every note's text, and which facts each stretch of it names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"input", "img", "meta", "link", "br"})

_VARYING = re.compile(
    r'(?:name="form_token" value=|data-form-token=|data-opened=|data-now=|datetime=|data-seconds-left=|data-due=)"[^"]*"'
    r"|[0-7][0-9A-HJKMNP-TV-Z]{25}|(?:\d{4}-\d\d-\d\d )?\d\d:\d\d UTC"
)


def without_varying(html: str) -> str:
    """The page without what differs from case to case, from sign-in to sign-in and from minute to minute."""
    return _VARYING.sub("VARYING", html)


@dataclass
class ReadNote:
    """The text of a note and, for each character of it, the facts its segment names, and the lines below it."""

    text: str = ""
    facts: list[frozenset[str]] = field(default_factory=list)
    lanes: list[tuple[str, ...]] = field(default_factory=list)
    pages: list[tuple[int, str]] = field(default_factory=list)


class NoteReader(HTMLParser):
    """Reads the notes of a page; a bare carriage return becomes a line feed before it is parsed, as in a browser."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.notes: list[ReadNote] = []
        self.tags: list[str] = []
        self._inside: list[tuple[frozenset[str], str]] = []
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if self._inside and tag not in VOID:
            classes = given.get("class", "").split()
            lane = next((name for name in classes if name.startswith("lane-")), "lane-0" if "fact" in classes else "")
            self._inside.append((frozenset(given.get("data-facts", "").split()), lane))
            self.tags.append(tag)
            if "data-page" in given:
                self.notes[-1].pages.append((len(self.notes[-1].text), given["data-page"]))
        elif given.get("class") == "note-text":
            self.notes.append(ReadNote())
            self._inside.append((frozenset(), ""))

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag not in VOID:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            note = self.notes[-1]
            note.text += data
            named = frozenset[str]().union(*(facts for facts, _ in self._inside))
            lanes = tuple(lane for _, lane in self._inside if lane)
            note.facts += [named] * len(data)
            note.lanes += [lanes] * len(data)


def facts_by_character(length: int, spans: list[tuple[str, int, int]]) -> list[frozenset[str]]:
    """What a page must name: for each character the facts (id, start, end) that cover it."""
    covering: list[set[str]] = [set() for _ in range(length)]
    for fact_id, start, end in spans:
        for position in range(start, end):
            covering[position].add(fact_id)
    return [frozenset(facts) for facts in covering]
