"""How a saturation was measured, and the time it was too low."""

from __future__ import annotations

import pytest

from features.measurements import find_measurements

REST, EXERTION = "spo2", "spo2_exertion"
AIR, OXYGEN = "room_air", "on_oxygen"

WALKS = [
    "rest 94% RA, ambulating 85% RA, 93% on 2L",
    "Rest RA 94%; exercise RA 85%; exercise 2 LPM 93%",
    "Resting 94 RA / walking 85 RA / walking 93 on 2L",
    "SpO2 at rest on room air 94%, exertional on RA 85%, exertional on 2L 93%",
    "AMBULATORY OXIMETRY\n1) Rest, room air, seated 8 min ..... 94 %, HR 86\n2) Walk, room air, 120 m ..... 85 %, HR 121\n"
    "3) Walk, 3 L/min NC, 290 m ..... 93 %, HR 112",
]


@pytest.mark.parametrize("text", WALKS)
def test_a_walk_test_in_three_parts_is_read_with_its_conditions(text: str) -> None:
    read = [(one.concept, one.value, one.context) for one in find_measurements(text) if one.unit == "%"]
    assert read == [(REST, 94, AIR), (EXERTION, 85, AIR), (EXERTION, 93, OXYGEN)]


@pytest.mark.parametrize(
    ("text", "concept", "context"),
    [
        ("SpO2 86% (seated, wearing his 2 L NC)", REST, OXYGEN),
        ("O2 off 20 min, rest, ROOM AIR: 86%", REST, AIR),
        ("O2 sat after 10 min seated, RA: 86%", REST, AIR),
        ("sat in chair, recovery min 1 RA 86%", "spo2_recovery", AIR),
        ("ED sat 86% RA; HFNC 3 days", "spo2_arrival", AIR),
        ("with walking it fell to 86% saturation", EXERTION, None),
        ("6MWT nadir 86%, corrected on 2 LPM", EXERTION, None),
        ("pH 7.38 pO2 57 SaO2 86%, FiO2 0.21", REST, None),
        ("ABG on room air: pH 7.38  pO2 57  SaO2 86%", REST, AIR),
    ],
)
def test_a_saturation_has_the_condition_its_words_say(text: str, concept: str, context: str | None) -> None:
    saturations = [one for one in find_measurements(text) if one.concept.startswith("spo2")]
    assert [(one.concept, one.value, one.context) for one in saturations] == [(concept, 86, context)]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("42 min below 88%", 42),
        ("T88 12 min", 12),
        ("Time <= 88%: 8.4 min", 8.4),
        ("96 minutes at or below 88%", 96),
        ("SpO2 <=88% for 42 min", 42),
        ("spent 1 h 12 min at or below 88%", 72),
    ],
)
def test_the_time_at_a_low_saturation_is_read(text: str, minutes: float) -> None:
    read = [(one.concept, one.value, one.unit) for one in find_measurements(text)]
    assert read == [("time_at_or_below_88", minutes, "min")]


@pytest.mark.parametrize("text", ["FEV1 55%, DLCO 60% predicted, on room air", "pain 60% better, RA flare"])
def test_other_percentages_are_no_saturations(text: str) -> None:
    assert not [one for one in find_measurements(text) if one.concept.startswith("spo2")]


@pytest.mark.parametrize(
    ("text", "flow", "high"),
    [
        ("2 LPM NC continuous", 2, None),
        ("O2 at 2 L via nasal cannula", 2, None),
        ("home oxygen 2 liters per minute", 2, None),
        ("3 L nasal cannula", 3, None),
        ("concentrator at 1.5 L/min", 1.5, None),
        ("titrate 2-4 LPM", 2, 4),
    ],
)
def test_a_flow_of_oxygen_is_read(text: str, flow: float, high: float | None) -> None:
    read = [(one.value, one.high) for one in find_measurements(text) if one.concept == "oxygen_flow"]
    assert read == [(flow, high)]


@pytest.mark.parametrize("text", ["FEV1 1.2 L (34%)", "FVC 1.82 L", "2 L of saline", "walks 3 l", "drank 2 liters"])
def test_other_liters_are_no_flow(text: str) -> None:
    assert not [one for one in find_measurements(text) if one.concept == "oxygen_flow"]


def test_minutes_at_a_low_saturation_are_no_length_of_the_recording() -> None:
    text = "8 h 10 min recorded, 68 minutes spent below 88%"
    read = {(one.concept, one.value) for one in find_measurements(text)}
    assert read == {("sleep_time", 490.0), ("time_at_or_below_88", 68.0)}
