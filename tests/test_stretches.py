"""Dear patterns tried only near cheap words: the same is found as when they are tried everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import acute_values, care_calendar, field_limits, headache_days, oximetry
from features.dates import find_dates
from features.numbers import lowered
from features.stretches import matches_near, places, places_of, stretches
from features.timing import find_time_expressions

CASES = Path(headache_days.__file__).parent / "policies" / "cases"


def test_stretches_that_touch_are_one() -> None:
    assert list(stretches([10, 14, 40], before=3, after=2, lo=0, hi=100)) == [(7, 16), (37, 42)]


def test_a_stretch_ends_where_the_text_does() -> None:
    assert list(stretches([1, 98], before=5, after=5, lo=0, hi=100)) == [(0, 6), (93, 100)]


def test_without_a_place_there_is_no_stretch() -> None:
    assert list(stretches([], before=5, after=5, lo=0, hi=100)) == []


def test_places_come_in_the_order_of_the_text() -> None:
    assert places(("b", "aa"), "aaab b", 0, 6) == [0, 1, 3, 5]


@given(st.text("ab xo", max_size=60), st.integers(0, 5))
def test_near_its_places_a_pattern_finds_what_it_finds_everywhere(text: str, lo: int) -> None:
    pattern = re.compile(r"(?<![a-z])a{0,3}x(?:o |b(?!a)){0,2}")
    near = matches_near(pattern, places(("x",), text, lo, len(text)), text, 8, 12, lo, len(text))
    assert [match.span() for match in near] == [match.span() for match in pattern.finditer(text, lo)]


@cache
def long_texts() -> tuple[str, ...]:
    """The notes of the policies' own cases, lower-case, in texts long enough to hold every gating word."""
    texts: list[str] = []
    for file in sorted(CASES.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            texts += [one["text"] for one in json.loads(line)["documents"]]
    # Every 26th of them, so that each text holds notes for all services.
    return tuple(lowered("\n".join(texts[number::26])) for number in range(26))


def sign_of(name: str) -> Callable[[str], Sequence[int]]:
    return lambda text: places_of(headache_days._signs()[name], text, 0, len(text))


def dear_patterns() -> Iterator[tuple[str, re.Pattern[str], Callable[[str], Sequence[int]], int]]:
    """Every dear pattern with a name, where it is tried, and how far around."""
    for number, (_, meant, sign, pattern) in enumerate(headache_days._counts()):
        yield f"headache {number} {meant}", pattern, sign_of(sign), headache_days._LONGEST_COUNT
    reach = headache_days._LONGEST_LENGTH
    yield "hours", headache_days._hours(), lambda t: places_of(headache_days._HOURS, t, 0, len(t)), reach
    yield (
        "hours before",
        headache_days._hours_before(),
        lambda t: places_of(headache_days._HOURS_WITH_WORDS, t, 0, len(t)),
        reach,
    )
    reach = care_calendar._LONGEST_NIGHTS
    yield "nights", care_calendar._midnights(), lambda t: places(care_calendar._NIGHT_WORDS, t, 0, len(t)), reach
    yield (
        "days inpatient",
        care_calendar._days_inpatient(),
        lambda t: places_of(care_calendar._INPATIENT_WORD, t, 0, len(t)),
        reach,
    )
    reach = oximetry._LONGEST_TIME
    for number, pattern in enumerate(oximetry._time_below_patterns()):
        yield f"time below {number}", pattern, lambda t: places(("88", "89"), t, 0, len(t)), reach
    yield "recorded", oximetry._recorded_pattern(), lambda t: places(oximetry._RECORDED, t, 0, len(t)), reach
    yield (
        "flow",
        oximetry._flow_pattern(),
        lambda t: places_of(oximetry._LITERS, t, 0, len(t)),
        oximetry._LONGEST_FLOW,
    )
    yield (
        "room air at home",
        acute_values._ROOM_AIR_AT_HOME,
        lambda t: places(("home", "base", "chronic"), t, 0, len(t)),
        acute_values._REACH,
    )
    yield (
        "anchor of a field",
        field_limits._anchor(),
        lambda t: places(field_limits._ANCHORS, t, 0, len(t)),
        field_limits._LONGEST_ANCHOR,
    )


PATTERNS = {name: (pattern, where, reach) for name, pattern, where, reach in dear_patterns()}


EXAMPLES = {
    "headache 0 list": "18, 20 and 22 headache days",
    "headache 1 months": "aug 20, sept 19, oct 21 ha days",
    "headache 2 diary": "headache diary sept 2026: 4, 5, 6 and more = 17 days",
    "headache 3 free": "only 5-6 crystal clear days a month",
    "headache 4 week": "5 headache days a week",
    "headache 5 week": "headaches on average about 5 days a week",
    "headache 6 week": "migraines now occur 3 times a week",
    "headache 7 week": "headaches present at least 4 x/wk",
    "headache 8 week": "2 migraine days each week",
    "headache 9 month": "15 migraine-type headache days per month",
    "headache 10 month": "9 migraine attacks a month",
    "headache 11 month": "24 ha d/mo",
    "headache 12 month": "headache frequency currently averaging 18 to 20 /30 days",
    "headache 13 month": "migraines (unilateral, throbbing, with nausea) on 10 days a month",
    "headache 14 month": "migraine features on about 12",
    "headache 15 month": "15 of them were full-blown migraine",
    "hours": "lasting anywhere from 8 to 12 hours untreated",
    "hours before": "6-8 hrs if untreated",
    "nights": "three consecutive inpatient midnights",
    "days inpatient": "5 days of acute inpatient care",
    "time below 0": "time spent at or below 88%: 96 min",
    "time below 1": "42 minutes cumulative time below 88%",
    "recorded": "8 h 10 min recorded",
    "flow": "o2 at 2 l continuous",
    "room air at home": "not on any home oxygen",
    "anchor of a field": "field of the left eye with the lids taped",
}


def test_each_dear_pattern_has_an_example() -> None:
    assert EXAMPLES.keys() == PATTERNS.keys()


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_each_dear_pattern_finds_near_its_words_what_it_finds_everywhere(name: str) -> None:
    pattern, where, reach = PATTERNS[name]
    assert pattern.search(EXAMPLES[name])
    for text in (*long_texts(), f"{'far from all that. ' * 40}{EXAMPLES[name]}{', and nothing of it later' * 40}"):
        near = [match.span() for match in matches_near(pattern, where(text), text, reach, reach, 0, len(text))]
        assert near == [match.span() for match in pattern.finditer(text)]


def test_words_of_a_field_are_found_where_they_begin() -> None:
    for text in long_texts():
        everywhere = [match.span() for match in field_limits._words().finditer(text)]
        assert [match.span() for match in field_limits._found_words(text, 0, len(text))] == everywhere


FIELD_WORDS = st.sampled_from(
    [
        *("od ", "os", "both lids", "bilaterally", "untaped ", "lids at rest ", "at resting ", "eyelids at rest "),
        *("with the tape ", "no tape", "natural position", "improving to ", "12 deg ", "18 of 36 points", "40%", "l4"),
        *(": ", ", ", "re-"),
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(FIELD_WORDS, max_size=12))
def test_so_are_they_in_any_mixture(words: list[str]) -> None:
    text = "".join(words)
    everywhere = [match.span() for match in field_limits._words().finditer(text)]
    assert [match.span() for match in field_limits._found_words(text, 0, len(text))] == everywhere


def test_numbers_around_a_date_hide_no_birth_and_no_verb() -> None:
    text = "DOB 3/14/1950, 4/1/2026, started 5/2/2026 ended 6/3/2026"
    starts = [day.start for day in find_time_expressions(text, None).days]
    assert starts == [day.start for day in find_dates(text, None)][1:]
    (period,) = find_time_expressions(text, None).periods
    assert text[period.start : period.end] == "5/2/2026 ended 6/3/2026"
