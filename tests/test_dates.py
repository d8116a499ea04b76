"""Dates and periods as notes write them, near misses, and what an inferred year means."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.dates import find_dates, find_periods, periods_among

TODAY = date(2026, 11, 10)

DAYS = [
    ("seen 2026-08-03", "2026-08-03", date(2026, 8, 3)),
    ("seen 2026/08/03", "2026/08/03", date(2026, 8, 3)),
    ("MRI 8/3/26", "8/3/26", date(2026, 8, 3)),
    ("08/03/2026", "08/03/2026", date(2026, 8, 3)),
    ("08-03-2026", "08-03-2026", date(2026, 8, 3)),
    ("DOB 3/14/58", "3/14/58", date(1958, 3, 14)),
    ("Hysterectomy (3/20/99)", "3/20/99", date(1999, 3, 20)),
    ("on 8/3", "8/3", date(2026, 8, 3)),
    ("last visit 10/27)", "10/27", date(2026, 10, 27)),
    ("ER 10/31", "10/31", date(2026, 10, 31)),
    ("last visit 10/25", "10/25", date(2026, 10, 25)),
    ("on 6/25", "6/25", date(2026, 6, 25)),
    ("left knee 8/14 with about 2 weeks of relief", "8/14", date(2026, 8, 14)),
    ("cleared by her cardiologist 10/20", "10/20", date(2026, 10, 20)),
    ("serum cotinine <2 (10/12)", "10/12", date(2026, 10, 12)),
    ("EGD 9/29: no hernia", "9/29", date(2026, 9, 29)),
    ("EGD 10/6 normal", "10/6", date(2026, 10, 6)),
    ("TSH 1.9 on 10/1", "10/1", date(2026, 10, 1)),
    ("pain since 7/10", "7/10", date(2026, 7, 10)),
    ("on 12/20", "12/20", date(2025, 12, 20)),
    ("appointment 12/3", "12/3", date(2026, 12, 3)),
    ("Aug 3, 2026", "Aug 3, 2026", date(2026, 8, 3)),
    ("August 3rd, 2026", "August 3rd, 2026", date(2026, 8, 3)),
    ("3 August 2026", "3 August 2026", date(2026, 8, 3)),
    ("evaluation is December 1. Start", "December 1", date(2026, 12, 1)),
    ("on May 18, the second", "May 18", date(2026, 5, 18)),
    ("yesterday", "yesterday", date(2026, 11, 9)),
    ("seen today", "today", TODAY),
    ("this morning", "this morning", TODAY),
    ("last night", "last night", date(2026, 11, 9)),
    ("2 days ago", "2 days ago", date(2026, 11, 8)),
    ("POD 3", "POD 3", date(2026, 11, 7)),
    ("post-op day #4", "post-op day #4", date(2026, 11, 6)),
    ("last Monday", "last Monday", date(2026, 11, 9)),
]


@pytest.mark.parametrize(("text", "quote", "day"), DAYS)
def test_a_day_is_read(text: str, quote: str, day: date) -> None:
    (mention,) = find_dates(text, TODAY)
    assert (text[mention.start : mention.end], mention.first, mention.last) == (quote, day, day)
    assert mention.precision == "day"


SPANS = [
    ("March 2026", date(2026, 3, 1), date(2026, 3, 31), "month"),
    ("Feb 2024", date(2024, 2, 1), date(2024, 2, 29), "month"),
    ("8/2026", date(2026, 8, 1), date(2026, 8, 31), "month"),
    ("January of 1991", date(1991, 1, 1), date(1991, 1, 31), "month"),
    ("mid July", date(2026, 7, 11), date(2026, 7, 20), "month"),
    ("early September", date(2026, 9, 1), date(2026, 9, 10), "month"),
    ("late Aug", date(2026, 8, 21), date(2026, 8, 31), "month"),
    ("medrol pack in Sept.", date(2026, 9, 1), date(2026, 9, 30), "month"),
    ("Xray Aug: mild", date(2026, 8, 1), date(2026, 8, 31), "month"),
    ("in May she fell", date(2026, 5, 1), date(2026, 5, 31), "month"),
    ("in December", date(2026, 12, 1), date(2026, 12, 31), "month"),
    ("in January", date(2026, 1, 1), date(2026, 1, 31), "month"),
    ("HTN since 2005", date(2005, 1, 1), date(2005, 12, 31), "year"),
    ("Quit cigs 2019", date(2019, 1, 1), date(2019, 12, 31), "year"),
    ("(CT 2025)", date(2025, 1, 1), date(2025, 12, 31), "year"),
    ("in the 1990s", date(1990, 1, 1), date(1999, 12, 31), "year"),
    ("in the summer of 2025", date(2025, 6, 1), date(2025, 8, 31), "month"),
    ("winter 2024", date(2024, 12, 1), date(2025, 2, 28), "month"),
    ("last summer", date(2026, 6, 1), date(2026, 8, 31), "month"),
    ("last month", date(2026, 10, 1), date(2026, 10, 31), "month"),
    ("last year", date(2025, 1, 1), date(2025, 12, 31), "year"),
    ("this year", date(2026, 1, 1), TODAY, "year"),
    ("last week", date(2026, 11, 2), date(2026, 11, 8), "day"),
    ("3 weeks ago", date(2026, 10, 17), date(2026, 10, 23), "day"),
    ("two months ago", date(2026, 8, 26), date(2026, 9, 25), "month"),
    ("MRI brain 6/25 normal", date(2025, 6, 1), date(2026, 6, 25), "year"),
    ("eyes 3/26 mild NPDR", date(2026, 3, 1), date(2026, 3, 31), "month"),
]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("POD3", date(2026, 11, 7)),
        ("POD#3", date(2026, 11, 7)),
        ("POD #12", date(2026, 10, 29)),
        ("POD 0", date(2026, 11, 10)),
        ("post op day 5", date(2026, 11, 5)),
        ("postop day 2", date(2026, 11, 8)),
        ("postoperative day 10", date(2026, 10, 31)),
        ("post-operative day 1", date(2026, 11, 9)),
    ],
)
def test_a_day_after_an_operation_names_the_day_of_the_operation(text: str, day: date) -> None:
    (mention,) = find_dates(text, TODAY)
    assert (mention.first, mention.last, mention.relative) == (day, day, True)


@pytest.mark.parametrize(("text", "first", "last", "precision"), SPANS)
def test_a_month_or_a_year_is_an_interval(text: str, first: date, last: date, precision: str) -> None:
    (mention,) = find_dates(text, TODAY)
    assert (mention.first, mention.last, mention.precision) == (first, last, precision)


@pytest.mark.parametrize(
    "text",
    [
        "BP 132/84",
        "BP 110/10",
        "4/5 strength",
        "EHL 4/5 bilat",
        "Exam: 5/5 except EHL",
        "strength 4/5 to 5/5",
        "10/10 pain",
        "pain 7/10",
        "pain from 7/10 to 4/10",
        "NPRS 7/10 -> 6-7/10",
        "20/40 vision",
        "1/2 tablet",
        "24/7",
        "visits 12/12",
        "attendance 10/10",
        "555-123-4567",
        "SSN 123-45-6789",
        "C5-6/7 fusion",
        "2/30/2026",
        "13/45",
        "AM-PAC mobility 12/24",
        "MoCA 8/30",
        "grade 2/4",
        "weakness (4/5)",
        "3/6 systolic murmur",
        "OCT mac nl OU",
        "symptoms may be worse",
        "and may result in",
        "this may be acting",
        "march in place",
        "1600 mL",
        "metformin 2000 mg",
        "2000/d",
        "begun 2118",
        "CPT 97110",
        "worse over the last year",
        "01/01/1850",
        "12/31/2039",
        "Waddell 3/5",
        "GDS 2/15",
    ],
)
def test_scores_phones_and_impossible_dates_are_no_dates(text: str) -> None:
    assert find_dates(text, TODAY) == []


def test_without_a_reference_only_full_dates_are_read() -> None:
    text = "on 8/3, in March, yesterday, 3 weeks ago, 2 weeks ago, on 8/3/26, in March 2026, in 2019"
    quotes = [text[one.start : one.end] for one in find_dates(text, None)]
    assert quotes == ["8/3/26", "March 2026", "2019"]


def test_a_list_of_days_is_read_by_its_neighbours() -> None:
    text = "monthly visits 4/6, 5/4, 6/8, 7/6, 8/3 and 9/8"
    assert [one.first.month for one in find_dates(text, TODAY)] == [4, 5, 6, 7, 8, 9]


PERIODS = [
    ("6/1 to 7/20", date(2026, 6, 1), date(2026, 7, 20), 50),
    ("8/3 through 9/25 (15 visits)", date(2026, 8, 3), date(2026, 9, 25), 54),
    ("(8/24 through 10/9)", date(2026, 8, 24), date(2026, 10, 9), 47),
    ("(4/6 to 7/10/2026)", date(2026, 4, 6), date(2026, 7, 10), 96),
    ("PT 9/8 - 10/16, 11 sessions", date(2026, 9, 8), date(2026, 10, 16), 39),
    ("NRS 7. PT 3/3-6/12 (20 visits)", date(2026, 3, 3), date(2026, 6, 12), 102),
    ("PT 2/9 to 5/15/26", date(2026, 2, 9), date(2026, 5, 15), 96),
    ("PT 11/20 to 2/10", date(2025, 11, 20), date(2026, 2, 10), 83),
    ("March 2 through June 5, 2026", date(2026, 3, 2), date(2026, 6, 5), 96),
    ("from August to October 2026", date(2026, 8, 1), date(2026, 10, 31), 32),
    ("Feb - July 2026", date(2026, 2, 1), date(2026, 7, 31), 124),
    ("2026-08-03 to 2026-09-28", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("10/05/2026 - 01/02/2027", date(2026, 10, 5), date(2027, 1, 2), 90),
    ("11/12/26-01/10/27", date(2026, 11, 12), date(2027, 1, 10), 60),
    ("3/2026 to 9/2026", date(2026, 3, 1), date(2026, 9, 30), 155),
    ("topiramate 11/25 - 3/26", date(2025, 11, 1), date(2026, 3, 31), 92),
    ("between 6/1 and 7/20", date(2026, 6, 1), date(2026, 7, 20), 50),
    ("started 9/8/26 and was last seen 10/27/26", date(2026, 9, 8), date(2026, 10, 27), 50),
    ("IE 9/8/26, last seen 10/27/26.", date(2026, 9, 8), date(2026, 10, 27), 50),
    ("PT began 8/20 and she was discharged 10/5", date(2026, 8, 20), date(2026, 10, 5), 47),
    ("from 1990 to 1994", date(1990, 1, 1), date(1994, 12, 31), 1098),
    ("between 8/3/26 and 9/28/26", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("Aug 3 - Sept 28, 2026", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("3 Aug 2026 to 28 Sep 2026", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("08/03 thru 09/28", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("June through August 2026", date(2026, 6, 1), date(2026, 8, 31), 33),
    ("March 2025 to January 2026", date(2025, 3, 1), date(2026, 1, 31), 277),
    ("began 8/3/26 and ended 9/28/26", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("initial eval 8/3/26, discharged 9/28/26", date(2026, 8, 3), date(2026, 9, 28), 57),
    ("PT 8/3/26-9/28/26 x28 visits", date(2026, 8, 3), date(2026, 9, 28), 57),
]


@pytest.mark.parametrize(("text", "began", "ended", "least"), PERIODS)
def test_a_period_has_a_beginning_an_end_and_a_sure_length(text: str, began: date, ended: date, least: int) -> None:
    (period,) = find_periods(text, TODAY)
    assert (period.began, period.ended, period.open_ended) == (began, ended, False)
    assert period.least_days() == least


@pytest.mark.parametrize(
    ("text", "began"),
    [
        ("since March 2026", date(2026, 3, 1)),
        ("since mid July", date(2026, 7, 11)),
        ("Since about Jan 2025 headaches", date(2025, 1, 1)),
        ("Started mid July after a drive", date(2026, 7, 11)),
        ("began 8/20 w/o trauma", date(2026, 8, 20)),
        ("celecoxib daily since January", date(2026, 1, 1)),
        ("T2DM since 2009", date(2009, 1, 1)),
        ("since last month", date(2026, 10, 1)),
    ],
)
def test_a_period_may_still_be_going_on(text: str, began: date) -> None:
    (period,) = find_periods(text, TODAY)
    assert (period.began, period.ended, period.open_ended) == (began, None, True)
    assert period.least_days() is None
    assert period.least_days(TODAY) is not None


@pytest.mark.parametrize(
    "text",
    [
        "pain from 7/10 to 4/10",
        "strength 4/5 to 5/5",
        "starting 12/1",
        "BP 120/80 to 130/85",
        "7/20/2026 to 6/1/2026",
        "since surgery",
        "started 9/8/26. She improved. Last seen",
    ],
)
def test_scores_plans_and_reversed_dates_are_no_closed_periods(text: str) -> None:
    assert [one for one in find_periods(text, TODAY) if not one.open_ended] == []


def test_periods_come_out_the_same_from_dates_already_found() -> None:
    text = "PT 8/3 through 9/25, pain since March 2026"
    assert periods_among(text, find_dates(text, TODAY), TODAY) == find_periods(text, TODAY)


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error_and_offsets_stay_inside(text: str) -> None:
    for one in [*find_dates(text, TODAY), *find_periods(text, TODAY)]:
        assert 0 <= one.start < one.end <= len(text)


@given(st.text(alphabet="0123456789/-. toJanMrugsince,", max_size=80), st.integers(0, 30))
def test_a_prefix_shifts_the_offsets_and_nothing_else(text: str, shift: int) -> None:
    plain = find_dates("\n\n " + text, TODAY)
    moved = find_dates("\n" * shift + "\n\n " + text, TODAY)
    assert [(one.start, one.first, one.last) for one in plain] == [
        (one.start - shift, one.first, one.last) for one in moved
    ]


@given(st.dates(date(2020, 1, 1), TODAY), st.dates(date(2020, 1, 1), TODAY))
def test_a_written_period_is_read_back(one: date, other: date) -> None:
    began, ended = sorted((one, other))
    text = f"PT {began:%m/%d/%Y} to {ended:%m/%d/%Y}"
    (period,) = find_periods(text, TODAY)
    assert (period.began, period.ended, period.least_days()) == (began, ended, (ended - began).days + 1)
