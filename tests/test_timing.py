"""Durations, periods and dates given to the mention they belong to."""

from __future__ import annotations

from datetime import date
from functools import cache

import pytest

from features.concepts import ConceptMatcher
from features.lexicon import load_lexicon
from features.sentences import split_sentences
from features.timing import Timing, find_time_expressions, study_date, time_mentions
from features.tokens import tokenize

TODAY = date(2026, 11, 10)


@cache
def matcher() -> ConceptMatcher:
    return ConceptMatcher(load_lexicon())


def timings(text: str, reference: date | None = TODAY) -> dict[str, Timing]:
    """The timing of the first mention of each concept."""
    tokens, sentences = tokenize(text), split_sentences(text)
    mentions = matcher().mentions(tokens, sentences)
    found = time_mentions(tokens, sentences, mentions, find_time_expressions(text, reference), reference)
    assert len(found) == len(mentions)
    named: dict[str, Timing] = {}
    for mention, timing in zip(mentions, found, strict=True):
        for start, end in timing.spans:
            assert 0 <= start < end <= len(text)
        named.setdefault(mention.concept.concept_id, timing)
    return named


def length(text: str, concept: str) -> tuple[float | None, str | None]:
    timing = timings(text)[concept]
    return timing.value, timing.unit


@pytest.mark.parametrize(
    ("text", "concept", "expected"),
    [
        ("Back pain for three months despite four weeks of PT.", "low_back_pain", (3.0, "mo")),
        ("Back pain for three months despite four weeks of PT.", "physical_therapy", (4.0, "wk")),
        ("Failed 8 weeks of PT and naproxen.", "nsaid", (8.0, "wk")),
        ("Naproxen and formal PT for 8 weeks.", "nsaid", (8.0, "wk")),
        ("Naproxen for 2 weeks, then PT for 8 weeks.", "nsaid", (2.0, "wk")),
        ("Naproxen for 2 weeks, then PT for 8 weeks.", "physical_therapy", (8.0, "wk")),
        ("Low back pain. Symptoms for 10 weeks.", "low_back_pain", (10.0, "wk")),
        ("PT for up to 8 weeks.", "physical_therapy", (0.0, "d")),
        ("PT for at least 8 weeks.", "physical_therapy", (8.0, "wk")),
        ("PT. Follow up in 8 weeks.", "physical_therapy", (None, None)),
        ("58-year-old with sciatica.", "radicular_pain", (None, None)),
    ],
)
def test_a_length_goes_to_its_mention(text: str, concept: str, expected: tuple[float | None, str | None]) -> None:
    assert length(text, concept) == expected


@pytest.mark.parametrize(
    ("text", "concept", "began", "ended"),
    [
        ("PT from 8/31/2026 to 10/26/2026.", "physical_therapy", date(2026, 8, 31), date(2026, 10, 26)),
        ("Low back pain. Symptoms began on 7/4/2026.", "low_back_pain", date(2026, 7, 4), None),
        ("PT started 9/8/2026.", "physical_therapy", date(2026, 9, 8), None),
        ("PT completed 10/27/2026.", "physical_therapy", None, date(2026, 10, 27)),
        ("PT since March 2026.", "physical_therapy", date(2026, 3, 31), None),
        ("PT completed in March 2026.", "physical_therapy", None, date(2026, 3, 1)),
    ],
)
def test_a_beginning_and_an_end_are_told_apart_and_never_make_a_length_longer_than_it_was(
    text: str, concept: str, began: date | None, ended: date | None
) -> None:
    timing = timings(text)[concept]
    assert ended is None or timing.ended == ended
    if began == date(2026, 3, 31):
        assert timing.began in (date(2026, 3, 1), date(2026, 3, 31))
    elif began is not None:
        assert timing.began == began


def test_a_length_follows_from_beginning_and_end() -> None:
    timing = timings("PT from 8/31/2026 to 10/26/2026.")["physical_therapy"]
    assert (timing.value, timing.unit) == (56.0, "d")


def test_without_the_documents_day_nothing_open_has_a_length() -> None:
    assert timings("PT started 9/8/2026.", None)["physical_therapy"].value is None


def test_a_date_belongs_to_the_study_and_not_to_the_part_of_the_body() -> None:
    found = timings("MRI of the lumbar spine on 3/4/2026.")
    assert found["lumbar_mri"].on == date(2026, 3, 4)
    assert found["lumbar_spine"] == Timing()


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("POLYSOMNOGRAPHY\nDate of study: 9/12/2026\nAHI 22", date(2026, 9, 12)),
        ("X-ray performed 10/05/2026. No fracture.", date(2026, 10, 5)),
        ("DOB 4/12/1968. AHI 22.", None),
        ("AHI 22.", None),
    ],
)
def test_a_report_says_when_its_study_was_done(text: str, day: date | None) -> None:
    assert study_date(text, find_time_expressions(text, TODAY)) == day


@pytest.mark.parametrize(
    "text",
    [
        "A cortisone shot in May 2026 wore off after two weeks.",
        "Cortisone injection in May of 2026 helped for two weeks.",
        "Corticosteroid injection given on May 31, 2026 helped for two weeks.",
    ],
)
def test_a_date_right_after_a_treatment_is_the_treatments(text: str) -> None:
    assert timings(text)["joint_injection"].on == date(2026, 5, 31)


def test_a_verb_of_beginning_takes_its_time_from_what_began() -> None:
    found = timings("L leg pain, 10 wk (onset 8/26, after shoveling), numb foot.")
    assert (found["radicular_pain"].value, found["radicular_pain"].unit) == (10.0, "wk")


def test_a_length_of_the_good_a_treatment_did_is_not_of_the_problem_before_it() -> None:
    assert length("Lumbar radiculopathy. Benefit lasting 4 months.", "radicular_pain") == (None, None)


def test_a_duration_on_a_line_of_its_own_is_of_the_problem_before_it() -> None:
    assert length("Diagnosis: lumbar radiculopathy\nSymptom duration: 10 weeks", "radicular_pain") == (10.0, "wk")


@pytest.mark.parametrize(
    ("text", "concept", "day"),
    [
        ("Right colectomy for adenocarcinoma 3/4/2026.", "tumor_resection", date(2026, 3, 4)),
        ("Stent to the circumflex in 2018.", "percutaneous_coronary_intervention", date(2018, 12, 31)),
        ("S/p CABG x 3 2015.", "coronary_bypass", date(2015, 12, 31)),
        ("Knee MRI from 2/16/2026 was read as mild degeneration.", "knee_mri", date(2026, 2, 16)),
        ("XR left knee, two views, 4/30/2026: no fracture.", "knee_radiograph", date(2026, 4, 30)),
        ("XR left knee after the injury (2/26/2026): effusion only.", "knee_radiograph", date(2026, 2, 26)),
        ("Knee MRI on 2/16/2026 showed an effusion.", "knee_effusion", date(2026, 2, 16)),
        ("Knee MRI on 2/16/2026 was unremarkable; now an effusion.", "knee_effusion", None),
        ("TIA 10/18/2026: right arm weakness.", "focal_neurologic_deficit", date(2026, 10, 18)),
        ("B12 and TSH normal on 3/4/2026.", "vitamin_b12_test", date(2026, 3, 4)),
    ],
)
def test_a_day_is_that_of_what_was_done_then_and_of_what_it_showed(text: str, concept: str, day: date | None) -> None:
    assert timings(text)[concept].on == day


@pytest.mark.parametrize(
    "header", ["Copied forward from the visit of 11/9/2026", "Per note of 11/9/2026", "Text of 11/9/2026 included"]
)
def test_the_day_of_a_copied_note_dates_nothing_it_says(header: str) -> None:
    found = timings(f"{header}: back pain and a TIA.")
    assert found["low_back_pain"] == found["transient_ischemic_attack"] == Timing()
