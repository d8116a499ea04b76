"""Durations, frequencies, ages and session counts as notes write them, with near misses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.durations import find_durations, find_session_counts, to_days
from features.numbers import lowered, to_number

LENGTHS = [
    ("naproxen x 8 wks", "8 wks", 8, "wk"),
    ("PT x8 weeks", "8 weeks", 8, "wk"),
    ("pain for the past 3 months", "3 months", 3, "mo"),
    ("a 6-week course of therapy", "6-week", 6, "wk"),
    ("eight weeks of physical therapy", "eight weeks", 8, "wk"),
    ("twelve sessions over six weeks", "six weeks", 6, "wk"),
    ("6-8 weeks of conservative care", "6-8 weeks", 6, "wk"),
    ("6 to 8 weeks", "6 to 8 weeks", 6, "wk"),
    ("6- to 8-week trial", "6- to 8-week", 6, "wk"),
    ("two or three months of pain", "two or three months", 2, "mo"),
    ("3 mo of symptoms", "3 mo", 3, "mo"),
    ("14 mo hx LBP", "14 mo", 14, "mo"),
    ("symptomatic 2 yrs", "2 yrs", 2, "a"),
    ("productive cough 3 d", "3 d", 3, "d"),
    ("took it for 10 days", "10 days", 10, "d"),
    ("ibuprofen 600 TID 6 wks", "6 wks", 6, "wk"),
    ("a five year history of left knee pain", "five year", 5, "a"),
    ("vision OD getting foggy x 1 yr", "1 yr", 1, "a"),
    ("x6w of HEP", "6w", 6, "wk"),
    ("T2DM 12 y", "12 y", 12, "a"),
    ("twenty-one days of antibiotics", "twenty-one days", 21, "d"),
    ("1 1/2 years of pain", "1 1/2 years", 1.5, "a"),
    ("2½ months in a brace", "2½ months", 2.5, "mo"),
    ("six and a half weeks of therapy", "six and a half weeks", 6.5, "wk"),
    ("a year and a half of back pain", "a year and a half", 1.5, "a"),
    ("1 year and 3 months of symptoms", "1 year and 3 months", 15, "mo"),
    ("2 wks 3 days in a splint", "2 wks 3 days", 17, "d"),
    ("worse over the last year", "the last year", 1, "a"),
    ("in the last 6 weeks", "6 weeks", 6, "wk"),
    ("observed for 48 hours", "48 hours", 48, "h"),
    ("PT FOR 12 WEEKS", "12 WEEKS", 12, "wk"),
    ("eight\nweeks of therapy", "eight\nweeks", 8, "wk"),
]


@pytest.mark.parametrize(("text", "quote", "value", "unit"), LENGTHS)
def test_a_length_of_time_is_read_with_its_unit(text: str, quote: str, value: float, unit: str) -> None:
    (duration,) = [one for one in find_durations(text) if one.kind == "length"]
    assert (text[duration.start : duration.end], duration.value, duration.unit) == (quote, value, unit)
    assert duration.comparator == "="


BOUNDED = [
    ("LBP > 6 wks", ">", False, 42),
    ("more than six weeks of pain", ">", False, 42),
    ("more than a year of pain", ">", False, 365.25),
    ("failed >3 mo nonop", ">", False, 91.3125),
    ("at least 6 weeks of PT", ">=", False, 42),
    ("6 weeks or more of PT", ">=", False, 42),
    ("6+ weeks of PT", ">=", False, 42),
    ("a minimum of 6 weeks", ">=", False, 42),
    ("less than 6 weeks of PT", "<", False, 0),
    ("under six weeks", "<", False, 0),
    ("< 6 wks", "<", False, 0),
    ("up to 10 wks", "<=", False, 0),
    ("no more than 6 weeks", "<=", False, 0),
    ("almost 6 weeks of PT", "<", True, 35),
    ("nearly six weeks", "<", True, 35),
    ("not quite 6 weeks", "<", True, 35),
    ("going on 4 months", "<", True, 91.3125),
    ("about ten weeks", "=", True, 70),
    ("roughly ten weeks", "=", True, 70),
    ("~10 weeks", "=", True, 70),
    ("approximately 3 days", "=", True, 3),
    ("ten weeks or so", "=", True, 70),
    ("a couple of weeks", "=", True, 14),
]


@pytest.mark.parametrize(("text", "comparator", "approximate", "least"), BOUNDED)
def test_bounds_and_hedges_say_how_much_is_sure(text: str, comparator: str, approximate: bool, least: float) -> None:
    (duration,) = find_durations(text)
    assert (duration.comparator, duration.approximate) == (comparator, approximate)
    assert duration.least_days == pytest.approx(least)


NOT_LENGTHS = [
    ("pain began 3 weeks ago", "ago"),
    ("surgery two years prior", "ago"),
    ("9 days out from the injury", "ago"),
    ("6 weeks after surgery", "ago"),
    ("a month ago", "ago"),
    ("46-year-old man", "age"),
    ("This 71 year old", "age"),
    ("46 yo M", "age"),
    ("52 y.o. male", "age"),
    ("41 y/o male", "age"),
    ("75yo F", "age"),
    ("age 67", "age"),
    ("Age: 34", "age"),
    ("58F referred for pain", "age"),
    ("NEW PT. 52M dispatcher", "age"),
    ("a 16-month-old boy", "age"),
    ("26 years of age", "age"),
    ("2x/wk", "frequency"),
    ("twice a week", "frequency"),
    ("3 times per week", "frequency"),
    ("q 6 months", "frequency"),
    ("every 2 weeks", "frequency"),
    ("40 mg SC q2wk", "frequency"),
    ("q12 weeks", "frequency"),
    ("one PO q.3-4h. p.r.n.", "frequency"),
    ("every other week", "frequency"),
    ("5 d/wk", "frequency"),
    ("four days a week", "frequency"),
    ("2-3 nights/wk", "frequency"),
    ("follow up in 6 weeks", "future"),
    ("return in 4 weeks", "future"),
    ("Return 6 weeks", "future"),
    ("RTC 3 mo", "future"),
    ("F/u 6 weeks", "future"),
    ("4 more wks expected", "future"),
    ("within 2 weeks", "future"),
    ("for the next 4 weeks", "future"),
    ("in one week's time", "future"),
]


@pytest.mark.parametrize(("text", "kind"), NOT_LENGTHS)
def test_ages_frequencies_and_moments_are_no_lengths(text: str, kind: str) -> None:
    assert [one.kind for one in find_durations(text)] == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "several months of pain",
        "weeks of pain",
        "acetaminophen 3 g a day",
        "AHI 22.4 /h",
        "gabapentin to 900/d",
        "45 pk-yr",
        "30 pack years",
        "migraines since age 16",
        "died at the age of 54",
        "temp 101 F",
        "HD 4",
        "L4-5 disc",
        "week 6 of the program",
        "day 3",
        "+21.5 D lens",
        "T 38.4 HR 118",
        "10 mm polyp",
        "1.5 m above",
        "SN 3w3, 2w3",
        "an eight to ten-week size uterus",
        "16 F catheter",
        "seventh day",
        "he'd had pain",
        "2 h/day",
        "at 45 day and night",
    ],
)
def test_near_misses_are_no_lengths(text: str) -> None:
    assert [one for one in find_durations(text) if one.kind in ("length", "age")] == []


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("2x/wk", 0.5, "wk"), ("twice a day", 0.5, "d"), ("q 6 months", 6, "mo"), ("every other week", 2, "wk"),
    ("5 d/wk", 0.2, "wk")],
)  # fmt: skip
def test_a_frequency_is_the_time_from_one_to_the_next(text: str, value: float, unit: str) -> None:
    (duration,) = find_durations(text)
    assert (duration.value, duration.unit) == (pytest.approx(value), unit)


def test_days_of_the_units() -> None:
    assert [to_days(1, unit) for unit in ("h", "d", "wk", "mo", "a")] == [1 / 24, 1, 7, 30.4375, 365.25]


COUNTS = [
    ("26 visits, flexion based", 26, None),
    ("(15 visits)", 15, None),
    ("11 sessions, plus daily HEP", 11, None),
    ("12/12 sessions", 12, 12),
    ("Visits attended 14 of 14 (2x/wk, 7 wks)", 14, 14),
    ("visits attended 9/10", 9, 10),
    ("Attendance 10/10 sched", 10, 10),
    ("attended 8 of 12", 8, 12),
    ("x 10 visits", 10, None),
    ("twelve sessions over six weeks", 12, None),
    ("completed 12 PT visits", 12, None),
    ("18 supervised physical therapy sessions", 18, None),
    ("3 of 6 visits", 3, 6),
    ("visit 6 of 6", 6, 6),
    ("PROGRESS REPORT - visit 10.", 10, None),
    ("Visits: 12", 12, None),
    ("ten treatments of traction", 10, None),
    ("20 therapy appointments", 20, None),
    ("a total of 16 visits", 16, None),
    ("12 chiropractic visits", 12, None),
    ("seen for 8 visits", 8, None),
    ("10 out of 12 sessions", 10, 12),
    ("# of visits: 12", 12, None),
    ("number of sessions attended 11", 11, None),
    ("visits to date: 9", 9, None),
    ("sessions completed: 8 of 10", 8, 10),
]


@pytest.mark.parametrize(("text", "count", "planned"), COUNTS)
def test_sessions_are_counted(text: str, count: float, planned: float | None) -> None:
    (found,) = find_session_counts(text)
    assert (found.count, found.planned, found.computed) == (count, planned, False)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2x/week x 6 weeks", 12),
        ("2 times a week for 6 weeks", 12),
        ("2x/wk x 4 wk", 8),
        ("2 x week x 10 weeks", 20),
        ("three times a week for six weeks", 18),
    ],
)
def test_a_frequency_times_a_length_is_a_computed_count(text: str, count: float) -> None:
    (found,) = find_session_counts(text)
    assert (found.count, found.computed) == (count, True)


@pytest.mark.parametrize(
    "text",
    [
        "8 more visits",
        "12 additional sessions",
        "visit 10/27",
        "monthly visits 4/6, 5/4 and 6/8",
        "at our visit 11/2/26",
        "office visit\n38F, wt 121 kg",
        "TREATMENT: 1. Excellent result",
        "follow-up visit",
        "no visits",
        "visit in 6 weeks",
        "12 of 6 visits",
        "two visits weekly",
        "2 visits per week",
        "3 sessions a week",
    ],
)
def test_dates_plans_and_lists_are_no_session_counts(text: str) -> None:
    assert find_session_counts(text) == []


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("six", 6), ("twelve", 12), ("twenty-one", 21), ("ninety nine", 99), ("a couple of", 2), ("half", 0.5),
        ("half a", 0.5), ("½", 0.5), ("1 1/2", 1.5), ("2½", 2.5), ("six and a half", 6.5), ("a dozen", 12),
        ("3.5", 3.5), ("three", 3), ("eleven", 11), ("sixteen", 16), ("twenty", 20), ("thirty-two", 32), ("forty five", 45),
        ("eighty-eight", 88), ("¼", 0.25), ("2 3/4", 2.75), ("twelve and a half", 12.5), ("couple of", 2), ("dozen", 12),
        ("none", None), ("tenth", None), ("1/2/3", None), ("twenty twenty", None),
        ("xx", None), ("1 1/0", None), ("", None), ("sixth", None), ("several", None),
    ],
)  # fmt: skip
def test_numbers_in_words(words: str, value: float | None) -> None:
    assert to_number(words) == value


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error_and_offsets_stay_inside(text: str) -> None:
    for one in [*find_durations(text), *find_session_counts(text)]:
        assert 0 <= one.start < one.end <= len(text)


@given(st.text(max_size=60))
def test_lower_case_moves_no_offset(text: str) -> None:
    assert len(lowered(text + "İß")) == len(text) + 2


PIECES = [
    "x 8 wks",
    "46 yo",
    "in 6 weeks",
    "2x/wk",
    "3 weeks ago",
    "> 6 weeks",
    "six",
    "weeks",
    ",",
    ".",
    "PT",
    "for",
    "\n",
    "L4-5",
    "İ",
]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=10).map(" ".join), st.integers(0, 50))
def test_a_prefix_shifts_the_offsets_and_nothing_else(text: str, shift: int) -> None:
    plain = find_durations("\n\n" + text)
    moved = find_durations("." * shift + "\n\n" + text)
    assert [(one.start - shift, one.end - shift, one.value, one.kind) for one in moved] == [
        (one.start, one.end, one.value, one.kind) for one in plain
    ]
