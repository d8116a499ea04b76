"""Levels of the spine: "L4-5", "L5/S1", "L4 on L5", "the left S1 root", and at which of them a finding is.

A level is the space between two vertebrae, by its number from the top (C1-2 is 0). A single vertebra or root ("L5") may
belong to the space above or below it. Every search has a window of fixed size.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

_VERTEBRAE = (
    *(f"c{number}" for number in range(1, 8)),
    *(f"t{number}" for number in range(1, 13)),
    *(f"l{number}" for number in range(1, 6)),
    "s1",
    "s2",
)
_PLACE = {name: place for place, name in enumerate(_VERTEBRAE)}
_BEFORE = 400
"""Characters before a finding in which a report may have said at which level it is."""
_AFTER = 80
_MOST_SPACES = 4
"""A stretch of more spaces is a region, not a level."""


@dataclass(frozen=True, slots=True)
class LevelMention:
    """``text[start:end]`` names these spaces; ``alone`` where it names one vertebra or root."""

    start: int
    end: int
    spaces: frozenset[int]
    alone: bool


@cache
def _level_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z0-9/.-])(?P<first>[clts])-?(?P<number>1[0-2]|[1-9])"
        r"(?:\s?(?:-|–|/|and|&|on|over|to)\s?(?:(?P<second>[clts])-?)?(?P<other>1[0-2]|[1-9])(?![\d/.%]))?(?![a-z0-9%])"
        # "T2-weighted": a sequence of the scanner, no vertebra.
        r"(?!(?<=t[12])[\s-]?(?:weighted|w\b|wi\b|hyper|hypo|signal|bright|dark|flair|stir|fat|sagittal|axial|sequence|image))"
    )


@cache
def _others_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:(?:all )?(?:the )?(?:other|remaining|adjacent|rest of the|remainder of the)\s"
        r"(?:lumbar |disc |disk |spinal )?(?:levels?|segments?|discs?|disks?|interspaces?|spine)|elsewhere)(?![a-z])"
    )


def find_levels(text: str) -> list[LevelMention]:
    """Every level ``text`` names, in order; "other levels" is one of no spaces."""
    lower = text.lower()
    found = [
        LevelMention(match.start(), match.end(), frozenset(), alone=False)
        for match in _others_pattern().finditer(lower)
    ]
    for match in _level_pattern().finditer(lower):
        first = _PLACE.get(match["first"] + match["number"])
        if first is None:
            continue
        second = _PLACE.get((match["second"] or match["first"]) + match["other"]) if match["other"] else None
        if match["other"] and not match["second"] and match["first"] == "l" and match["other"] == "1" and first > 19:
            second = _PLACE["s1"]  # "L5-1"
        if second is None or second <= first:
            spaces = frozenset(place for place in (first - 1, first) if 0 <= place < len(_VERTEBRAE) - 1)
            end = match.end() if second is None and not match["other"] else match.end("number")
            found.append(LevelMention(match.start(), end, spaces, alone=True))
        elif second - first <= _MOST_SPACES:
            found.append(LevelMention(match.start(), match.end(), frozenset(range(first, second)), alone=False))
    return sorted(found, key=lambda mention: mention.start)


@cache
def _end_pattern() -> re.Pattern[str]:
    """Where what is said about one level ends."""
    return re.compile(r"[.;](?=\s|$)|\n")


@cache
def _link_pattern() -> re.Pattern[str]:
    """What may stand between a finding and its level behind it: "at the level of", "and stenosis at", "(R) "."""
    return re.compile(
        r"[\s(]*(?:(?:[a-z-]+\s){0,4}(?:at|of|on|in|level|with|compressing|contacting|affecting)\s(?:the\s)?(?:level\sof\s)?|(?:right|left|r|l|bilateral(?:ly)?)\s)?[\s(]*"
    )


class SpineLevels:
    """The levels one text names, to be asked at which a stretch of it is."""

    def __init__(self, text: str) -> None:
        self._lower = text.lower()
        self._mentions = find_levels(text)
        self._starts = [mention.start for mention in self._mentions]

    def of(self, start: int, end: int) -> frozenset[int] | None:
        """The spaces ``text[start:end]`` is about; None where the text does not say.

        Named inside it or directly behind it ("stenosis at L4-5"), else the nearest before it in its sentence, else the
        first behind it there, else the level its line or an earlier sentence of the line began with ("L4-5: ...").
        """
        if not self._mentions:
            return None
        lower = self._lower
        inside = [m for m in self._between(start, end) if not m.alone] or self._between(start, end)
        if inside:
            return inside[0].spaces
        begin = max((m.end() for m in _end_pattern().finditer(lower, max(0, start - _BEFORE), start)), default=0)
        begin = max(begin, start - _BEFORE)
        stop_match = _end_pattern().search(lower, end, end + _AFTER)
        stop = stop_match.start() if stop_match else min(len(lower), end + _AFTER)
        after = self._between(end, stop)
        before = self._between(begin, start)
        if after and _link_pattern().fullmatch(lower, end, after[0].start) and not _opens_item(lower, after[0]):
            return _nearest(after[:1]).spaces
        if before:
            return _nearest(before[::-1]).spaces
        if after and not _opens_item(lower, after[0]):
            return _nearest(after).spaces
        line = lower.rfind("\n", max(0, start - _BEFORE), start) + 1
        openers = [m for m in self._between(line, begin) if _opens_sentence(lower, m, line)]
        return openers[-1].spaces if openers else None

    def _between(self, start: int, end: int) -> Sequence[LevelMention]:
        return self._mentions[bisect_left(self._starts, start) : bisect_left(self._starts, end)]


def _nearest(ordered: Sequence[LevelMention]) -> LevelMention:
    """The first that names a space, else the first: "L4-5 ... contacting the L5 root" is at L4-5."""
    return next((mention for mention in ordered if not mention.alone), ordered[0])


def _opens_item(lower: str, mention: LevelMention) -> bool:
    """Whether a level begins the next item of a report: "stenosis, L5-S1: normal"."""
    return lower[mention.end : mention.end + 2].lstrip().startswith(":")


def _opens_sentence(lower: str, mention: LevelMention, line: int) -> bool:
    before = lower[max(line, mention.start - 24) : mention.start].rstrip()
    return before == "" or before[-1] in ".;:" or before.endswith("at")
