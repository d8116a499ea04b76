"""Calendar days, business days and holidays, in a plan's time zone. Every function is monotone: later in, not earlier out.

Days are counted on the calendar of the time zone; what comes out is UTC. Where counting leaves a choice (the clocks are
changed in between, a day comes twice), the earlier moment is taken.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_WEEKDAYS: tuple[Weekday, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Holiday:
    """A holiday by rule: a ``day`` of a ``month``, or the ``week``-th ``weekday`` of it (-1: the last one).

    ``since`` is the first year it was kept.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    month: int
    day: int | None = None
    weekday: Weekday | None = None
    week: int | None = None
    since: int = 1

    @property
    def comes_every_year(self) -> bool:
        """Whether it is given so that every year has it: 29 February, or both a day and a weekday, are not."""
        if not 1 <= self.month <= 12:
            return False
        if self.day is None:
            return self.weekday is not None and self.week in (-1, 1, 2, 3, 4)
        return self.weekday is None and self.week is None and 1 <= self.day <= monthrange(2023, self.month)[1]

    def in_year(self, year: int) -> date | None:
        """Its day in that year; None before it was kept."""
        if year < self.since:
            return None
        if self.day is not None:
            return date(year, self.month, self.day)
        wanted = _WEEKDAYS.index(self.weekday or "monday")
        if (self.week or 1) > 0:
            first = date(year, self.month, 1)
            return first + timedelta(days=(wanted - first.weekday()) % 7 + 7 * ((self.week or 1) - 1))
        last = date(year + self.month // 12, self.month % 12 + 1, 1) - _DAY
        return last - timedelta(days=(last.weekday() - wanted) % 7)


@dataclass(frozen=True, slots=True)
class HolidayCalendar:
    """Holidays of a law. ``observed``: one on a Saturday is kept on Friday, one on a Sunday on Monday."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    days: tuple[Holiday, ...]
    observed: bool
    source: str

    def is_holiday(self, day: date) -> bool:
        """Whether it is kept on that day."""
        return day in _kept(self, day.year)

    def is_business_day(self, day: date) -> bool:
        """Monday to Friday and no holiday."""
        return day.weekday() < 5 and not self.is_holiday(day)


@lru_cache(maxsize=256)
def _kept(calendar: HolidayCalendar, year: int) -> frozenset[date]:
    """The holidays that are kept in a year. New Year's Day of the next year may be kept on 31 December."""
    years = [each for each in (year - 1, year, year + 1) if date.min.year < each < date.max.year]
    days = [day for each in years for holiday in calendar.days if (day := holiday.in_year(each)) is not None]
    return frozenset(_observed(day) if calendar.observed else day for day in days)


def _observed(day: date) -> date:
    return day - _DAY if day.weekday() == 5 else day + _DAY if day.weekday() == 6 else day


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name. UTC needs no time zone database. Raises zoneinfo.ZoneInfoNotFoundError."""
    return UTC if name == "UTC" else ZoneInfo(name)


def after_calendar_days(moment: datetime, days: int, zone: tzinfo) -> datetime:
    """``days`` calendar days later: as far into its day as ``moment`` is into its own, and never more than 24 hours a day.

    So seven days are 168 hours, and 167 where the clocks are set forward in between. Raises OverflowError past the year 9999.
    """
    day = moment.astimezone(zone).date()
    into = moment - _midnight(day, zone)
    by_calendar = min(_midnight(day + days * _DAY, zone) + into, _midnight(day + (days + 1) * _DAY, zone))
    return min(by_calendar, moment.astimezone(UTC) + days * _DAY)


def after_business_days(moment: datetime, days: int, zone: tzinfo, holidays: HolidayCalendar) -> datetime:
    """``days`` business days later. The day of ``moment`` does not count; the next business day is the first.

    From a business day on, the last day ends as far into it as ``moment`` was into its own. What comes on a weekend or a
    holiday stands as if it had come at the end of the business day before: the last day ends at midnight. Raises
    OverflowError past the year 9999.
    """
    day = moment.astimezone(zone).date()
    into = moment - _midnight(day, zone) if holidays.is_business_day(day) else None
    last, counted = day, 0
    while counted < days:
        last += _DAY
        counted += holidays.is_business_day(last)
    end = _midnight(last + _DAY, zone)
    return end if into is None else min(_midnight(last, zone) + into, end)


def business_days_between(first: date, last: date, holidays: HolidayCalendar) -> int:
    """How many business days come after ``first`` up to ``last``, that day included; 0 where ``last`` is not later."""
    return sum(holidays.is_business_day(first + count * _DAY) for count in range(1, (last - first).days + 1))


def _midnight(day: date, zone: tzinfo) -> datetime:
    """When that day begins there, as UTC."""
    return datetime.combine(day, time(0), zone).astimezone(UTC)
