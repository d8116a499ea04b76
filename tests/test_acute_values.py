"""Values of acute illness: what moved, blood gases, oxygen above what is used at home, and what was so on arrival."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_time import own_seconds

from features.acute_values import find_acute_values, is_of_arrival
from features.extract import extract
from features.measurements import find_measurements
from features.types import Document


def values(text: str, concept: str) -> list[float]:
    measured = find_measurements(text)
    return [one.value for one in (*measured, *find_acute_values(text, measured)) if one.concept == concept]


@pytest.mark.parametrize(
    ("text", "concept", "found"),
    [
        ("Cr 2.4 (base 1.6)", "creatinine_rise", [0.8]),
        ("creatinine is 2.9, up from her baseline of 1.4", "creatinine_rise", []),
        ("Cr 2.9 up from 2.1", "creatinine_rise", [0.8]),
        ("AKI Cr 1.1 to 3.4", "creatinine_rise", [2.3]),
        ("Cr 2.0 (1.5 on 11/11, base 1.3)", "creatinine_rise", [0.5]),
        ("Cr 1.4 <- 2.8", "creatinine_rise", [-1.4]),
        ("Cr 2.5, BUN 38", "creatinine_rise", []),
        ("Cr 1.1-1.4", "creatinine_rise", []),
        ("Hgb 8.9 (11/16 1800) -> 6.6", "hemoglobin_fall", [2.3]),
        ("hemoglobin 6.6 falling from 8.9", "hemoglobin_fall", [2.3]),
        ("Hgb 9.8 (13.1 in Sept)", "hemoglobin_fall", [3.3]),
        ("Hgb 9.4 stable", "hemoglobin_fall", []),
        ("ABG 7.24/58/61", "blood_ph", [7.24]),
        ("ABG 7.24/58/61", "paco2", [58]),
        ("VBG pH 7.02, HCO3 6, AG 29", "blood_ph", [7.02]),
        ("VBG 7.21.", "blood_ph", [7.21]),
        ("urine pH 7.0", "blood_ph", []),
        ("gap 18, bicarb 12", "anion_gap", [18]),
        ("gap 18, bicarb 12", "bicarbonate", [12]),
        ("lactic acid 3.9", "lactate", [3.9]),
        ("Na 118, K 6.4", "potassium", [6.4]),
        ("K 6.4", "potassium", []),
        ("ANC 90", "neutrophil_count", [90]),
        ("ANC 0.3", "neutrophil_count", [300]),
        ("WBC 19.4", "white_count", [19.4]),
        ("NIHSS 21", "nih_stroke_scale", [21]),
        ("GCS 6", "coma_scale", [6]),
        ("MAP 58-64", "mean_arterial_pressure", [58]),
        ("PEG gives 60% of calories, 1,200 mL/day", "enteral_calorie_share", [60]),
        ("PEG gives 60% of calories, 1,200 mL/day", "enteral_volume", [1200]),
        ("HR 120s, SBP in the 80s", "heart_rate", [120]),
        ("HR 120s, SBP in the 80s", "blood_pressure_systolic", [80]),
        ("temperature reached 38.9 at 03:15", "body_temperature", [38.9]),
    ],
)  # fmt: skip
def test_values_as_they_are_written(text: str, concept: str, found: list[float]) -> None:
    assert values(text, concept) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "liters"),
    [
        ("91% on 6 L NC. COPD on home O2 2 L.", [4]),
        ("on 3L, baseline RA", [3]),
        ("needs 5 L oxygen (no home oxygen)", [5]),
        ("95% 2 L (RA base)", [2]),
        ("93% on 2 L, home oxygen 2 L", [0]),
        ("SpO2 93% 2 L NC (home setting 2 L)", []),
        ("oxygen-dependent COPD (2 liters, all day)", []),
        ("received 3 L LR, no home O2", []),
        ("on 4 L", []),
    ],
)
def test_oxygen_above_what_is_used_at_home(text: str, liters: list[float]) -> None:
    assert values(text, "oxygen_flow_above_home") == pytest.approx(liters)


@pytest.mark.parametrize(
    ("text", "word", "arrival"),
    [
        ("Admitted 11/8 with T 39.4, HR 124.", "HR", True),
        ("Admitted with T 39.4; now HR 82", "HR", False),
        ("ED: BP 204/118 HR 128", "HR", True),
        ("On arrival RR 34. Today HR 88.", "HR", False),
        ("HR 112 in bed", "HR", False),
        ("Presented with fever, HR 130 -> overnight HR 118", "HR", True),
    ],
)
def test_what_was_so_on_arrival(text: str, word: str, arrival: bool) -> None:
    sentence = text.rfind(". ", 0, text.index(word)) + 1
    assert is_of_arrival(text, text.index(word), sentence) is arrival


def test_a_value_of_the_arrival_says_so() -> None:
    facts = extract([Document("d", "Came in with HR 131. Today HR 82.", "progress_note", date(2026, 11, 10))])
    assert [(fact.value, fact.context) for fact in facts if fact.concept == "heart_rate"] == [
        (131, "arrival"),
        (82, None),
    ]


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("On BiPAP 12/5 overnight.", set()),
        ("Plan: start IV furosemide 80 mg BID.", set()),
        ("If sats drop would start HFNC.", {"hypothetical"}),
        ("Low threshold for BiPAP.", {"hypothetical"}),
        ("Off BiPAP since the 7th.", {"historical"}),
        ("IV vancomycin completed 11/9.", {"historical"}),
        ("IV cefepime - DISCONTINUED.", {"historical"}),
        ("Avoid BiPAP.", {"negated"}),
        ("He may need IV cefepime.", {"uncertain"}),
        ("Declines BiPAP.", {"negated"}),
    ],
)
def test_care_counts_when_it_is_given_or_ordered(text: str, flags: set[str]) -> None:
    facts = [fact for fact in extract([Document("d", text, "progress_note")]) if fact.category == "care"]
    assert facts
    for fact in facts:
        assert {
            f for f in ("hypothetical", "historical", "negated", "uncertain") if getattr(fact.assertion, f)
        } == flags


PIECES = [
    "Cr 2.5 ", "(1.4 ", "baseline 1.1", " on 11/11", "Hgb 8.9 ", "-> 6.6 ", "falling from 9.8 ", "ABG 7.24/58/61 ", "VBG ",
    "pH 7.02 ", "on 4 L NC ", "home O2 2 L ", "no home oxygen ", "baseline RA", ") ", ", ", ". ", "\n", "x ", "\u0130",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=120))
def test_any_text_is_read_and_offsets_lie_inside_it(text: str) -> None:
    for one in find_acute_values(text, find_measurements(text)):
        assert 0 <= one.start < one.end <= len(text)


@pytest.mark.parametrize("text", ["on 4 l nc " * 20_000, "abg " * 50_000, "no home o2 " * 20_000, "( " * 100_000])
def test_long_repetitions_cost_no_more_than_their_length(text: str) -> None:
    assert own_seconds(lambda: find_acute_values(text, ())) < 5
