"""Stretches of a text around words that everything sought holds, so that a dear pattern is tried nowhere else.

To ask a whole document whether it holds a word opens the gate for all of it: nearly every long document holds nearly every
word. Around each place of the word the pattern costs the same in a note of two pages and in one of two hundred.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def places(words: Iterable[str], lower: str, lo: int, hi: int) -> list[int]:
    """Where each of ``words`` begins in ``lower[lo:hi]``, in order."""
    found: list[int] = []
    for word in words:
        at = lower.find(word, lo, hi)
        while at != -1:
            found.append(at)
            at = lower.find(word, at + 1, hi)
    found.sort()
    return found


def places_of(pattern: re.Pattern[str], lower: str, lo: int, hi: int) -> list[int]:
    """Where ``pattern`` matches in ``lower[lo:hi]``, in order. It scans fast where it begins with a plain character."""
    return [match.start() for match in pattern.finditer(lower, lo, hi)]


def stretches(around: Iterable[int], before: int, after: int, lo: int, hi: int) -> Iterator[tuple[int, int]]:
    """From ``before`` characters before to ``after`` behind each of ``around`` (in order), those that touch made one."""
    begin = end = -1
    for place in around:
        if end < 0:
            begin = place - before
        elif place - before > end:
            yield max(begin, lo), min(end, hi)
            begin = place - before
        end = place + after
    if end >= 0:
        yield max(begin, lo), min(end, hi)


def matches_near(
    pattern: re.Pattern[str], around: Iterable[int], lower: str, before: int, after: int, lo: int, hi: int
) -> Iterator[re.Match[str]]:
    """What ``pattern.finditer(lower, lo, hi)`` gives, in order, for a pattern of which every match holds one of ``around``.

    No match may begin more than ``before`` characters before that place, nor end or look more than ``after`` behind it.
    """
    for begin, end in stretches(around, before, after, lo, hi):
        yield from pattern.finditer(lower, begin, end)
