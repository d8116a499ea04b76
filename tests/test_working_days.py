"""Days on a plan's calendar: across changes of the clocks, weekends, holidays and the end of a year."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas.tseries.holiday import USFederalHolidayCalendar

from models.turnaround_rules import load_turnaround_rules
from models.working_days import HolidayCalendar, after_business_days, after_calendar_days

EASTERN = ZoneInfo("America/New_York")
FEDERAL = load_turnaround_rules().holidays["federal"]
COMMON = load_turnaround_rules().holidays["common"]
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("America/New_York", "America/Los_Angeles", "America/Phoenix", "Pacific/Guam", "UTC")]
)
# Around the changes of the clocks and the ends of years, where counting days goes wrong.
MOMENTS = st.builds(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), st.integers(0, 4 * 366 * 86_400)
) | st.builds(
    lambda day, seconds: datetime.combine(day, time(0), UTC) + timedelta(seconds=seconds),
    st.sampled_from([date(2026, 3, 8), date(2026, 11, 1), date(2026, 10, 25), date(2026, 3, 1), date(2026, 12, 31)]),
    st.integers(0, 30 * 3600),
)


def eastern(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=EASTERN)


def test_federal_holidays_are_those_that_another_calendar_computes() -> None:
    first, last = date(1990, 1, 1), date(2045, 12, 31)
    expected = {
        day.date() for day in USFederalHolidayCalendar().holidays(pd.Timestamp(first), pd.Timestamp("2046-01-31"))
    }
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    ours = {day for day in days if FEDERAL.is_holiday(day)}
    # Kept on the Monday or Friday of the year's turn: theirs counts New Year's Day of 2011 in 2010 as we do.
    assert ours == {day for day in expected if day <= last}


@pytest.mark.parametrize(
    ("day", "federal", "common"),
    [
        ("2026-07-03", True, False),  # Independence Day falls on a Saturday
        ("2026-07-04", False, True),
        ("2027-12-31", True, False),  # New Year's Day of 2028 falls on a Saturday
        ("2026-11-11", True, False),
        ("2026-11-26", True, True),
        ("2020-06-19", False, False),  # Juneteenth is kept since 2021
    ],
)
def test_a_calendar_may_keep_fewer_days_and_none_instead(day: str, federal: bool, common: bool) -> None:
    asked = date.fromisoformat(day)
    assert (FEDERAL.is_holiday(asked), COMMON.is_holiday(asked)) == (federal, common)


@pytest.mark.parametrize(
    ("received", "due", "hours"),
    [
        ("2026-03-05T10:00", "2026-03-12T10:00", 167),  # the clocks are set forward on 8 March
        ("2026-10-29T10:00", "2026-11-05T09:00", 168),  # and back on 1 November: never more than 24 hours a day
        ("2026-12-28T23:30", "2027-01-04T23:30", 168),
        ("2028-02-25T10:00", "2028-03-03T10:00", 168),  # a leap year
        ("2026-03-01T02:30", "2026-03-08T03:30", 168),  # 02:30 does not exist on that day
    ],
)
def test_seven_calendar_days_end_at_the_same_time_of_day(received: str, due: str, hours: int) -> None:
    moment = eastern(received)
    found = after_calendar_days(moment, 7, EASTERN)
    assert found == eastern(due)
    assert found - moment.astimezone(UTC) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("received", "days", "due"),
    [
        ("2026-11-23T14:00", 3, "2026-11-27T14:00"),  # Thanksgiving does not count
        ("2026-11-20T14:00", 3, "2026-11-25T14:00"),  # nor does the weekend
        ("2026-11-21T09:00", 3, "2026-11-26T00:00"),  # a Saturday: to the end of Wednesday
        ("2026-12-24T16:00", 3, "2026-12-30T16:00"),
        ("2026-12-30T16:00", 3, "2027-01-05T16:00"),  # across the end of the year, and New Year's Day
        ("2026-11-26T16:00", 1, "2026-11-28T00:00"),  # received on a holiday: to the end of Friday
        ("2026-03-06T12:00", 1, "2026-03-09T12:00"),
    ],
)
def test_business_days_leave_out_weekends_and_holidays(received: str, days: int, due: str) -> None:
    assert after_business_days(eastern(received), days, EASTERN, COMMON) == eastern(due)


def day_by_day(moment: datetime, days: int, zone: ZoneInfo, calendar: HolidayCalendar) -> date:
    """The last of so many business days, the plain way: one day after another, crossing out what does not count."""
    day = moment.astimezone(zone).date()
    left = days
    while left:
        day = day + timedelta(days=1)
        if day.strftime("%a") in ("Sat", "Sun"):
            continue
        if calendar.is_holiday(day):
            continue
        left -= 1
    return day


@given(MOMENTS, st.integers(1, 30), ZONES, st.sampled_from([FEDERAL, COMMON]))
def test_business_days_equal_a_plain_count_day_by_day(
    moment: datetime, days: int, zone: ZoneInfo, calendar: HolidayCalendar
) -> None:
    due = after_business_days(moment, days, zone, calendar)
    last = day_by_day(moment, days, zone, calendar)
    begin = datetime.combine(last, time(0), zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(0), zone).astimezone(UTC)
    assert begin <= due <= end
    assert due.tzinfo is UTC
    if calendar.is_business_day(moment.astimezone(zone).date()):
        # An hour's change of the clocks may stand in between.
        assert abs(
            due.astimezone(zone).replace(tzinfo=None) - datetime.combine(last, moment.astimezone(zone).time())
        ) <= (timedelta(hours=1))
    else:
        assert due == end


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=4)), st.integers(1, 20), ZONES)
def test_who_comes_later_is_not_due_earlier(moment: datetime, later: timedelta, days: int, zone: ZoneInfo) -> None:
    for after in (
        after_calendar_days(moment, days, zone) <= after_calendar_days(moment + later, days, zone),
        after_business_days(moment, days, zone, FEDERAL) <= after_business_days(moment + later, days, zone, FEDERAL),
    ):
        assert after


@given(MOMENTS, st.integers(0, 60), ZONES)
def test_calendar_days_are_at_most_24_hours_each_and_at_most_an_hour_less(
    moment: datetime, days: int, zone: ZoneInfo
) -> None:
    passed = after_calendar_days(moment, days, zone) - moment
    assert timedelta(days=days) - timedelta(hours=1) <= passed <= timedelta(days=days)
    assert passed >= timedelta(0) or days == 0
