"""Overlapping marks on a text become disjoint segments that together are the text, to the character.

Nothing is rewritten: joining ``text[segment.start:segment.end]`` over all segments gives the text back. HTML cannot
hold two characters as they are, and both are answered one to one: a carriage return is written as the reference
``&#13;`` (a bare one would become a line feed), and NUL, which no page can hold, is shown as U+2400, its picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from features.errors import OffsetError

NUL_PICTURE = "\u2400"


@dataclass(frozen=True, slots=True)
class Mark:
    """``text[start:end]`` belongs to ``key``: a fact, the words of its value (``qualifier``), or a cue."""

    start: int
    end: int
    key: str
    kind: str = "fact"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that the same ``marks`` cover, ordered by start, longest first. ``opens`` start here."""

    start: int
    end: int
    marks: tuple[Mark, ...] = ()
    opens: tuple[Mark, ...] = ()


def segments(length: int, marks: Iterable[Mark]) -> tuple[Segment, ...]:
    """Disjoint segments, in order, that cover ``range(length)``.

    Raises OffsetError where a mark is empty or lies outside the text.
    """
    ordered = sorted(set(marks), key=lambda mark: (mark.start, -mark.end, mark.kind, mark.key))
    for mark in ordered:
        if not 0 <= mark.start < mark.end <= length:
            raise OffsetError(f"{mark.kind} {mark.key}: offsets {mark.start} to {mark.end} are not inside the text")
    borders = sorted({0, length, *(mark.start for mark in ordered), *(mark.end for mark in ordered)})
    found: list[Segment] = []
    active: list[Mark] = []
    following = 0
    for start, end in pairwise(borders):
        active = [mark for mark in active if mark.end > start]
        first = following
        while following < len(ordered) and ordered[following].start == start:
            following += 1
        opens = ordered[first:following]
        active.extend(opens)
        found.append(Segment(start, end, tuple(active), tuple(opens)))
    return tuple(found)


def html_text(text: str) -> str:
    """``text`` escaped so that a browser's textContent equals it, NUL excepted (see the module)."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("'", "&#39;")
        .replace("\r", "&#13;")
        .replace("\0", NUL_PICTURE)
    )
