"""The span of time that numbers are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, get_args

from serving.errors import InvalidParameterError

PeriodName = Literal["today", "7d", "30d", "custom"]
PERIOD_NAMES: dict[PeriodName, str] = {
    "today": "Today",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "custom": "From – to",
}
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` (in it) to ``end`` (not in it), both UTC. ``first`` and ``last`` are its days as people say them."""

    name: PeriodName
    start: datetime
    end: datetime

    @property
    def first(self) -> date:
        """The first day."""
        return self.start.date()

    @property
    def last(self) -> date:
        """The last day; the day of ``now`` where the period reaches to it."""
        return (self.end - timedelta(microseconds=1)).date()

    @property
    def words(self) -> str:
        """The days in words."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def period_of(name: str, first: str, last: str, now: datetime) -> Period:
    """The period that a filter names; days are whole and UTC, the last one as far as it has come.

    ``first`` and ``last`` are ISO dates for ``custom`` and otherwise not read. Raises InvalidParameterError.
    """
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    tomorrow = today + timedelta(days=1)
    if name not in get_args(PeriodName):
        raise InvalidParameterError("period", "must be today, 7d, 30d or custom")
    if name == "today":
        return Period("today", today, tomorrow)
    if name == "7d":
        return Period("7d", tomorrow - timedelta(days=7), tomorrow)
    if name == "30d":
        return Period("30d", tomorrow - timedelta(days=30), tomorrow)
    start, end = _day("from", first), _day("to", last) + timedelta(days=1)
    if end <= start:
        raise InvalidParameterError("to", "must not lie before from")
    if end - start > LONGEST:
        raise InvalidParameterError("from", "must not lie more than a year before to")
    return Period("custom", start, end)


def _day(field: str, given: str) -> datetime:
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise InvalidParameterError(field, "must be a day, as in 2026-11-20") from None
    if not 2000 <= day.year <= 2200:
        raise InvalidParameterError(field, "must be a day of this century")
    return datetime.combine(day, time(), UTC)
