"""Overlapping marks on a text become disjoint segments that together are the text, to the character.

Nothing is rewritten: joining ``text[segment.start:segment.end]`` over all segments gives the text back. HTML cannot
hold two characters as they are, and both are answered one to one: a carriage return is written as the reference
``&#13;`` (a bare one would become a line feed), and NUL, which no page can hold, is shown as U+2400, its picture.

Marks that overlap each get a lane of their own, so that a line under each can be seen: the lowest that is free.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
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


def segments(length: int, marks: Iterable[Mark], borders: Collection[int] = ()) -> tuple[Segment, ...]:
    """Disjoint segments, in order, that cover ``range(length)``; none runs across one of ``borders``.

    Raises OffsetError where a mark is empty or lies outside the text, or a border lies outside it.
    """
    ordered = _ordered(marks)
    for mark in ordered:
        if not 0 <= mark.start < mark.end <= length:
            raise OffsetError(f"{mark.kind} {mark.key}: offsets {mark.start} to {mark.end} are not inside the text")
    if any(not 0 <= border <= length for border in borders):
        raise OffsetError("a border between pages is not inside the text")
    cuts = sorted({0, length, *borders, *(mark.start for mark in ordered), *(mark.end for mark in ordered)})
    found: list[Segment] = []
    active: list[Mark] = []
    following = 0
    for start, end in pairwise(cuts):
        active = [mark for mark in active if mark.end > start]
        first = following
        while following < len(ordered) and ordered[following].start == start:
            following += 1
        opens = ordered[first:following]
        active.extend(opens)
        found.append(Segment(start, end, tuple(active), tuple(opens)))
    return tuple(found)


def lanes(marks: Iterable[Mark]) -> dict[str, int]:
    """A lane for each mark's key, from 0: the lowest that no earlier mark it overlaps with has taken.

    Where two marks share a key the first one's lane holds for both.
    """
    found: dict[str, int] = {}
    busy: list[tuple[int, int]] = []
    for mark in _ordered(marks):
        busy = [(end, lane) for end, lane in busy if end > mark.start]
        taken = {lane for _, lane in busy}
        lane = next(lane for lane in range(len(taken) + 1) if lane not in taken)
        busy.append((mark.end, found.setdefault(mark.key, lane)))
    return found


def _ordered(marks: Iterable[Mark]) -> list[Mark]:
    return sorted(set(marks), key=lambda mark: (mark.start, -mark.end, mark.kind, mark.key))


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
