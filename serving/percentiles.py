"""Percentiles of what was counted in steps, so that they are taken of so many numbers and not of every case."""

from __future__ import annotations

from collections.abc import Mapping

HOUR_STEP = 360
MINUTE_STEP = 6
"""Seconds in a tenth of an hour and of a minute: the steps to which turnaround and reading time are counted."""


def percentile(counts: Mapping[int, int], percent: int) -> int | None:
    """The nearest rank: the smallest value that at least ``percent`` of all do not exceed; None without any."""
    rank, seen = -(-sum(counts.values()) * percent // 100), 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= rank:
            return value
    return None


def times(number: float | None, factor: float) -> float | None:
    """The number times a factor, None for None."""
    return None if number is None else round(number * factor, 4)
