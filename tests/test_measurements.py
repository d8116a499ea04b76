"""Values with their units as notes write them, near misses, and what keeps a number from being a measured value."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.dates import find_dates, find_periods
from features.durations import find_durations, find_session_counts
from features.errors import LexiconError
from features.laterality import find_laterality
from features.measurements import Measurement, find_measurements, read_measurement_lexicon

VALUES = {
    "bmi": [
        ("BMI 28", 28), ("BMI 28.", 28), ("BMI: 31.8", 31.8), ("(BMI 41.7).", 41.7), ("BMI of 41.7 kg/m2", 41.7),
        ("BMI=36", 36), ("BMI = 36.1, neck", 36.1), ("BMI is 31.8 today", 31.8), ("BMI today is 36", 36),
        ("BMI 27.9\nReferred", 27.9),
        ("body mass index is 32.4", 32.4), ("body mass index of 41 with obesity", 41), ("body mass\nindex 33", 33),
        ("Body Mass Index: 40.2", 40.2), ("BMI 38.2 kg/m²", 38.2), ("BMI (kg/m2): 32", 32), ("BMI was 44.4", 44.4),
        ("BMI currently 39", 39), ("her BMI remains 35.2", 35.2), ("BMI calculated at 41.3", 41.3),
        ("bmi 30, nonsmoker", 30),
        ("BMI31", 31), ("BMI - 29", 29), ("current BMI 50.1 kg/m^2", 50.1), ("BMI now 33", 33),
        ("class III obesity, BMI 46", 46),
        ("BMI about 35", 35),
    ],
    "ahi": [
        ("AHI 22.4", 22.4), ("AHI 26.3/h.", 26.3), ("REI/AHI 22.4 /h", 22.4), ("AHI of 15/hr", 15),
        ("AHI = 28.4", 28.4),
        ("AHI: 31", 31), ("overall AHI 42", 42), ("AHI was 15.0", 15), ("AHI 15 events/hr", 15),
        ("AHI 15 events per hour", 15),
        ("an AHI of 33.2 per hour", 33.2), ("apnea-hypopnea index was 31 events per hour", 31),
        ("apnea hypopnea index of 12", 12), ("Apnea/hypopnea index: 9.5", 9.5), ("AHI (4%) 22", 22), ("AHI 4% 22", 22),
        ("total AHI 18.9", 18.9), ("REI 14.2", 14.2), ("respiratory event index 16/h", 16), ("AHI is 5.1", 5.1),
        ("AHI: 104.2/hr", 104.2), ("diagnostic AHI 27", 27), ("PSG showed AHI 62", 62), ("pAHI 19.5", 19.5),
        ("AHI 8, mild OSA", 8), ("apnoea hypopnoea index 21", 21), ("apnea-hypopnea index (AHI) of 24", 24),
    ],
    "pain_score": [
        ("pain 7/10", 7), ("Back pain 7/10, worse", 7), ("knee pain is 7/10 with standing", 7), ("7/10 pain", 7),
        ("Pain 2/10.", 2),
        ("pain seven out of ten", 7), ("pain 7 out of 10", 7), ("He rates it 7 of 10 on average", 7),
        ("rates her pain 8/10", 8),
        ("pain, rated 5 to 6 out of 10", 5), ("pain 6-7/10", 6), ("NPRS 7/10", 7), ("NRS 7.", 7),
        ("NRS avg 7", 7), ("VAS 8", 8),
        ("pain score 6", 6), ("pain level: 5", 5), ("pain scale 4/10", 4), ("pain at worst 9/10", 9),
        ("pain 10/10", 10),
        ("0/10 pain", 0), ("headache 8/10", 8), ("pain is 8 on a scale of 10", 8), ("pain is 6 on a scale of 0-10", 6),
        ("aching, 4/10", 4), ("PAIN 9/10", 9), ("pain intensity 3/10", 3), ("discomfort 5 of 10", 5),
    ],
    "kellgren_lawrence": [
        ("KL 4", 4), ("KL4", 4), ("KL-3", 3), ("KL grade 3", 3), ("KL gr 2", 2), ("K-L 3", 3), ("K/L grade 4", 4),
        ("KL grade IV", 4),
        ("Kellgren-Lawrence grade 4 disease", 4), ("Kellgren Lawrence 3", 3), ("Kellgren and Lawrence grade 2", 2),
        ("Kellgren-Lawrence grade III", 3), ("KL 2-3", 2), ("KL 0-1].", 0), ("sclerosis = KL 4.", 4),
        ("Kellgren-Lawrence stage 3", 3),
        ("Kellgren-Lawrence grade\n4", 4), ("KL: 3", 3), ("KL 3/4", 3), ("Kellgren-Lawrence (KL) grade 4", 4),
    ],
    "epworth": [
        ("ESS 14", 14), ("ESS 16/24;", 16), ("ESS: 9", 9), ("Epworth 13", 13), ("Epworth 13/24", 13),
        ("Epworth score 11", 11),
        ("Epworth Sleepiness Scale 18", 18), ("Epworth sleepiness scale score of 15 out of 24", 15),
        ("Epworth is 10", 10),
        ("Epworth sleepiness score: 12", 12), ("ESS = 7", 7), ("EPWORTH 20/24", 20), ("Epworth of fourteen", 14),
    ],
    "spo2": [
        ("SpO2 92%", 92), ("SpO2 98%.", 98), ("SpO2 90 w/ walker", 90), ("O2 sat 95%", 95),
        ("oxygen saturation is 97%", 97), ("sats 82%", 82),
        ("pulse ox 94% on room air", 94), ("SaO2 of 88%", 88), ("RA 95%, tol diet", 95), ("95% RA", 95),
        ("93% on 2 L", 93), ("92% 6L NC", 92),
        ("Sat in the exam room sitting quietly on room air 95%", 95), ("saturating 96%", 96),
        ("O2 saturation: 91 percent", 91),
    ],
    "muscle_strength": [
        ("L EHL 4+/5", 4.5), ("strength 5/5", 5), ("5/5 strength throughout", 5), ("everything else 5/5", 5),
        ("quad 4-/5", 3.75),
        ("grip 2/5", 2), ("wrists 3-/5", 2.75), ("MMT 3+/5", 3.5), ("motor 5/5", 5), ("dorsiflexion 4/5", 4),
        ("Hips/knees 3/5", 3),
        ("0/5 strength", 0), ("great toe extension 4+/5", 4.5),
    ],
    "oswestry": [
        ("ODI 46%", 46), ("ODI 52", 52), ("ODI: 44 %", 44), ("Oswestry today is 44 percent", 44),
        ("Oswestry 38%", 38), ("ODI score 60%", 60),
        ("Oswestry Disability Index score 48%", 48), ("ODI of 30%", 30), ("ODI 23/50", 46),
        ("Oswestry Disability Index (ODI): 56%", 56),
        ("ODI was 20%", 20), ("modified Oswestry 62%", 62),
    ],
    "hba1c": [
        ("A1c 7.9 on metformin", 7.9), ("HbA1c 5.5.", 5.5), ("hemoglobin A1c of 8.1%", 8.1), ("A1C: 6.5%", 6.5),
        ("HgbA1c 9", 9),
        ("(A1c 5.6)", 5.6), ("A1c was 10.2 %", 10.2), ("Hgb A1c 7.0", 7), ("glycated hemoglobin 6.1%", 6.1),
        ("A1c=7.2", 7.2),
        ("HbA1c 53 mmol/mol", 7.0), ("A1c today 8.7", 8.7),
    ],
    "ejection_fraction": [
        ("EF 60,", 60), ("EF 30%", 30), ("HFrEF EF 20%", 20), ("LVEF 35-40%", 35), ("LVEF of 55%", 55),
        ("ejection fraction of 55%", 55),
        ("ejection fraction is estimated at 45%", 45), ("Ejection fraction estimated around 60%", 60),
        ("EF: 58%", 58), ("EF 0.55", 55),
        ("left ventricular ejection fraction 25 percent", 25), ("EF = 50%", 50),
    ],
    "neck_circumference": [
        ("neck 16.5 in", 41.91), ("neck 17, Mallampati", 43.18), ('neck 18.25"', 46.355),
        ("neck circumference 17 inches", 43.18),
        ("neck circumference: 42 cm", 42), ("Neck circumference is 16 in", 40.64), ("neck size 18", 45.72),
        ("neck 43 cm", 43),
        ("neck 18 in, Mallampati IV", 45.72), ("neck circ 15.5 in", 39.37), ("neck measures 17 in", 43.18),
        ("neck 44", 44),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("concept", "text", "value"), [(c, t, v) for c, rows in VALUES.items() for t, v in rows])
def test_a_value_is_read_under_its_name(concept: str, text: str, value: float) -> None:
    (measured,) = find_measurements(text)
    assert (measured.concept, measured.comparator, measured.computed) == (concept, "=", False)
    assert measured.value == pytest.approx(value, abs=0.01)


OTHERS = [
    ("BP 132/84", "blood_pressure_systolic", 132, "mm[Hg]"),
    ("blood pressure is 142 over 90", "blood_pressure_diastolic", 90, "mm[Hg]"),
    ("BP118/66.", "blood_pressure_diastolic", 66, "mm[Hg]"),
    ("HR 92", "heart_rate", 92, "{beats}/min"),
    ("pulse of 80", "heart_rate", 80, "{beats}/min"),
    ("BP 132/84, P 76, BMI 28.", "heart_rate", 76, "{beats}/min"),
    ("RR 18", "respiratory_rate", 18, "{breaths}/min"),
    ("tachypneic to 34", "respiratory_rate", 34, "{breaths}/min"),
    ("temp 98.6", "body_temperature", 37.0, "Cel"),
    ("T 39.3 HR 124", "body_temperature", 39.3, "Cel"),
    ("temperature is 101.3 F", "body_temperature", 38.5, "Cel"),
    ("pO2 51", "pao2", 51, "mm[Hg]"),
    ("PaO2 of 58 mmHg", "pao2", 58, "mm[Hg]"),
    ("Ht 70 in", "body_height", 177.8, "cm"),
    ("height 5'10\"", "body_height", 177.8, "cm"),
    ("HEIGHT: 5 feet 2 inches", "body_height", 157.5, "cm"),
    ("ht 165 cm", "body_height", 165, "cm"),
    ("height 1.65 m", "body_height", 165, "cm"),
    ("Wt 318 lb", "body_weight", 144.24, "kg"),
    ("wt 260#", "body_weight", 117.93, "kg"),
    ("weighs 280 pounds", "body_weight", 127.01, "kg"),
    ("Wt 132.4 kg", "body_weight", 132.4, "kg"),
    ("FEV1 36% pred", "fev1", 36, "%"),
    ("FEV1 74%", "fev1", 74, "%"),
    ("FEV1 of 45 percent of predicted", "fev1", 45, "%"),
    ("FEV1/FVC 65%", "fev1_fvc", 65, "%"),
    ("eGFR 45", "egfr", 45, "mL/min/{1.73_m2}"),
    ("GFR 28 mL/min/1.73m2", "egfr", 28, "mL/min/{1.73_m2}"),
    ("RDI 22/h", "rdi", 22, "{events}/h"),
    ("Total 139 events", "event_count", 139, "{events}"),
    ("170 events, AHI pending", "event_count", 170, "{events}"),
    ("96 respiratory events", "event_count", 96, "{events}"),
    ("ROM 0-105", "range_of_motion", 105, "deg"),
    ("ROM 10-70 guarding", "range_of_motion_start", 10, "deg"),
    ("motion 8 to 100, coarse crepitus", "range_of_motion", 100, "deg"),
    ("moves 5 to 105 degrees", "range_of_motion", 105, "deg"),
    ("range of motion of the right knee is 0 to 90 degrees", "range_of_motion", 90, "deg"),
    ("shoulder ROM limited to 60 deg", "range_of_motion", 60, "deg"),
    ("flexion to 90 degrees", "joint_flexion", 90, "deg"),
    ("desats to 84% walking", "spo2_exertion", 84, "%"),
    ("nocturnal desaturation to 79%", "spo2_nadir", 79, "%"),
    ("FVC 45%", "fvc", 45, "%"),
    ("MMSE 28/30", "mmse", 28, "{score}"),
    ("SLR pos L at 35 deg", "straight_leg_raise_angle", 35, "deg"),
    ("straight leg raise is positive on the right at 40 degrees", "straight_leg_raise_angle", 40, "deg"),
    ("STOP-BANG 7", "stop_bang", 7, "{score}"),
    ("MoCA 18/30", "moca", 18, "{score}"),
    ("PHQ-9 3", "phq9", 3, "{score}"),
    ("TSH 1.84 mIU/L", "tsh", 1.84, "m[IU]/L"),
    ("logMAR 0.4", "visual_acuity", 50.2, "{20/x}"),
]


@pytest.mark.parametrize(("text", "concept", "value", "unit"), OTHERS)
def test_a_value_comes_in_its_ucum_unit(text: str, concept: str, value: float, unit: str) -> None:
    (measured,) = [one for one in find_measurements(text) if one.concept == concept]
    assert (measured.value, measured.unit) == (pytest.approx(value, abs=0.06), unit)


OTHER_CONCEPTS = [
    ("supine AHI 50", "ahi_positional"), ("REM AHI 41", "ahi_positional"), ("non-supine AHI 9", "ahi_positional"),
    ("AHI supine 31", "ahi_positional"), ("AHI 41 in REM", "ahi_positional"), ("residual AHI 2.1", "ahi_residual"),
    ("AHI on CPAP 3.2", "ahi_residual"), ("AHI 3.2 on CPAP", "ahi_residual"),
    ("CPAP download: AHI 2.1", "ahi_residual"),
    ("On CPAP her AHI is 1.9", "ahi_residual"), ("3% AHI 18", "ahi_3_percent"), ("AHI (3%) 18", "ahi_3_percent"),
    ("AHI 18 (3% rule)", "ahi_3_percent"), ("AHI 18 by 3% criteria", "ahi_3_percent"), ("prior AHI 40", "ahi_past"),
    ("nadir SpO2 79%", "spo2_nadir"), ("Low SpO2 82%", "spo2_nadir"), ("peak BMI 48", "bmi_past"),
    ("goal BMI 30", "bmi_past"),
    ("birth weight 3 kg", "body_weight_other"), ("ideal body weight 60 kg", "body_weight_other"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "concept"), OTHER_CONCEPTS)
def test_a_qualified_name_is_another_concept(text: str, concept: str) -> None:
    assert [one.concept for one in find_measurements(text)] == [concept]


NEAR_MISSES = [
    "no AHI reported", "AHI pending", "AHI should be 15", "AHI/REI", "AHI 4 days", "BMI percentile 95",
    "BMI > 95th percentile",
    "BMI 95%", "BMI 200", "BMI 3", "BMI goal 30", "BMI not recorded", "Z68.41", "bmid 30",
    "neck pain for 14 years", "neck 2 cm scar", "neck 14 days",
    "L neck x 3 wk", "weight bearing", "lost 14 lb", "weight loss of 14 lb", "weight 150",
    "height of the disc 4 mm", "ess 3", "assess 14",
    "ESS 25", "Epworth 13/30", "ef 40", "EF not done", "EF 4 views", "odi et amo 30", "melodic 40", "KL 5",
    "kl 4", "KL-6 antibody", "K 3.1",
    "Seen 9/10", "GDS 2/15", "pain since 7/10", "Waddell 3/5",
    "LTGs 3 of 5 unmet", "fixation losses 0/10",
    "AST/ALT 20/18", "FEV1 1.2 L", "A1c goal 7", "BMI down from 42", "desaturation of 4%", "ROM 60",
    "A1c in 3 months", "T12 fracture", "P: 60 tablets", "T 38",
    "adverse events 12",
    "15 events per hour", "two events", "30% oxygen", "50% of the time", "SLR negative", "ROM full",
    "SpO2 monitor", "pulse 2+", "strength good", "1/5 goals",
    "HR for 2", "temp 12",
]  # fmt: skip


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_near_misses_are_no_measurements(text: str) -> None:
    assert [one for one in find_measurements(text) if one.comparator == "="] == []


BOUNDS = [
    ("AHI >= 15", ">="), ("AHI must be at least 15", ">="), ("AHI of 15 or more", ">="), ("AHI greater than 30", ">"),
    ("AHI > 30", ">"), ("AHI less than 5", "<"), ("AHI <5", "<"), ("BMI over 40", ">"), ("BMI at least 35", ">="),
    ("BMI ≥35", ">="),
    ("BMI 35 or greater", ">="), ("BMI below 30", "<"), ("eGFR >60", ">"), ("Epworth > 10", ">"),
    ("EF <= 35%", "<="), ("A1c under 8", "<"),
    ("pain less than or equal to 2/10", "<="), ("SpO2 <= 88%", "<="),
]  # fmt: skip


@pytest.mark.parametrize(("text", "comparator"), BOUNDS)
def test_a_bound_is_never_taken_for_a_measured_value(text: str, comparator: str) -> None:
    assert [one.comparator for one in find_measurements(text)] == [comparator]


def test_an_arrow_is_no_bound() -> None:
    assert [(one.value, one.comparator) for one in find_measurements("NPRS 7/10 -> 4/10")] == [(7, "="), (4, "=")]


def test_the_upper_end_of_a_range_is_kept() -> None:
    assert [(one.value, one.high) for one in find_measurements("LVEF 35-40%, pain 6-7/10, KL 2-3")] == [
        (35, 40), (6, 7), (2, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "context"),
    [
        ("SpO2 92% RA", "room_air"),
        ("SpO2 92% on room air", "room_air"),
        ("SpO2 on room air 92%", "room_air"),
        ("O2 sat 95% (RA)", "room_air"),
        ("95% RA", "room_air"),
        ("SpO2 94% 2L", "on_oxygen"),
        ("SpO2 94% on 2 L NC", "on_oxygen"),
        ("92% 6L NC", "on_oxygen"),
        ("SpO2 98%.", None),
    ],
)
def test_a_saturation_says_whether_on_oxygen(text: str, context: str | None) -> None:
    (measured,) = find_measurements(text)
    assert (measured.concept, measured.context) == ("spo2", context)


ACUITIES = [
    ("VAcc OD 20/70, OS 20/30.", [("corrected", 70, "right_eye"), ("corrected", 30, "left_eye")]),
    ("Uncorrected acuity was 20/40 right and 20/80 left.", [("uncorrected", 40, "right_eye"),
    ("uncorrected", 80, "left_eye")]),
    ("she corrected to 20/25 right and 20/30 left", [("corrected", 25, "right_eye"), ("corrected", 30, "left_eye")]),
    ("BAT med OD 20/100", [("glare", 100, "right_eye")]),
    ("BCVA OS 20/50", [("corrected", 50, "left_eye")]),
    ("MRx OD +0.75 x 95 20/60 (PH NI); OS +0.50 20/25", [("corrected", 60, "right_eye"),
    ("corrected", 25, "left_eye")]),
    ("vision 20/30 w/ glasses", [("corrected", 30, None)]),
    ("VA 20/25", [(None, 25, None)]),
    ("20/50 OD", [(None, 50, "right_eye")]),
    ("BCVA left eye 20/80, fellow eye 20/25", [("corrected", 80, "left_eye"), ("corrected", 25, "right_eye")]),
    ("BCVA 20/80 OD, other eye 20/25", [("corrected", 80, "right_eye"), ("corrected", 25, "left_eye")]),
    ("With glare testing 20/70, left eye.", [("glare", 70, "left_eye")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ACUITIES)
def test_an_acuity_has_its_eye_and_its_correction(
    text: str, expected: list[tuple[str | None, float, str | None]]
) -> None:
    found = [
        (one.concept.removeprefix("visual_acuity").strip("_") or None, one.value, one.context)
        for one in find_measurements(text)
    ]
    assert found == expected


def test_a_bmi_is_computed_only_where_none_is_stated() -> None:
    text = "Ht 70 in, Wt 318 lb on clinic scale"
    (bmi,) = [one for one in find_measurements(text) if one.concept == "bmi"]
    assert (bmi.value, bmi.computed) == (45.6, True)
    assert [text[start:end] for start, end in bmi.parts] == ["Ht 70 in", "Wt 318 lb"]
    stated = [one for one in find_measurements(text + ", BMI 44") if one.concept == "bmi"]
    assert [(one.value, one.computed) for one in stated] == [(44, False)]


@pytest.mark.parametrize("text", ["178 cm and 132 kg", "5 ft 3, 168 lb.", "he is 6 feet 1, weighs 250 pounds"])
def test_a_height_beside_a_weight_needs_no_name(text: str) -> None:
    assert [one.concept for one in find_measurements(text) if not one.computed] == ["body_height", "body_weight"]


def test_the_span_covers_name_and_value_and_the_value_its_unit() -> None:
    text = "  Her BMI today is 41.7 kg/m2."
    (bmi,) = find_measurements(text)
    assert text[bmi.start : bmi.end] == "BMI today is 41.7 kg/m2"
    assert text[bmi.value_start : bmi.value_end] == "41.7 kg/m2"


def test_a_part_of_the_text_is_read_with_the_documents_offsets() -> None:
    text = "BMI 28. BMI 31. BMI 35."
    assert [(one.start, one.value) for one in find_measurements(text, 8, 15)] == [(8, 31)]


def _key(one: Measurement, shift: int) -> tuple[str, int, int, int, int, float, str]:
    return (
        one.concept,
        one.start - shift,
        one.end - shift,
        one.value_start - shift,
        one.value_end - shift,
        one.value,
        one.unit,
    )


PIECES = [
    "BMI 28",
    "AHI 22.4 /h",
    "pain 7/10",
    "EHL 4+/5",
    "20/50 OD",
    "ESS 14",
    "92% RA",
    "on CPAP",
    "Ht 70 in",
    "Wt 200 lb",
    "KL 3",
    ",",
    ".",
    "\n",
    "at least",
    "15",
    "İ",
]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=10).map(" ".join), st.integers(0, 60))
def test_a_prefix_shifts_the_offsets_and_nothing_else(text: str, shift: int) -> None:
    plain = find_measurements("\n\n" + text)
    moved = find_measurements("\n" * shift + "\n\n" + text)
    assert [_key(one, 0) for one in plain] == [_key(one, shift) for one in moved]


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error_and_offsets_stay_inside(text: str) -> None:
    for one in find_measurements(text):
        assert 0 <= one.start <= one.value_start < one.value_end <= one.end <= len(text)


@given(st.floats(10, 99).map(lambda value: round(value, 1)))
def test_a_written_bmi_is_read_back(value: float) -> None:
    assert [one.value for one in find_measurements(f"BMI {value}")] == [value]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({}, "connectors"),
        ({"connectors": [], "foreign_units": ["mg"], "anchored": {}, "measurements": [{"concept": "bmi"}]}, "bmi"),
        ({"connectors": [], "foreign_units": ["mg"], "anchored": {}, "measurements": ["bmi"]}, "entry 1"),
    ],
)
def test_a_broken_lexicon_names_the_entry(data: object, named: str) -> None:
    with pytest.raises(LexiconError, match=named):
        read_measurement_lexicon(data)


NASTY = {
    "digits": "1234567890" * 100_000,
    "one character": "a" * 1_000_000,
    "one digit": "1" * 1_000_000,
    "no no no": "no " * 333_333,
    "parentheses": "(" * 500_000 + ")" * 500_000,
    "white space": " " * 1_000_000,
    "line breaks": "\n" * 1_000_000,
}


@pytest.mark.parametrize("kind", NASTY)
def test_no_repeated_input_makes_reading_slow(kind: str) -> None:
    text = NASTY[kind]
    find_measurements("BMI 28")
    started = time.process_time()
    for read in (find_durations, find_session_counts, find_laterality, find_measurements):
        assert len(read(text)) == 0
    assert find_dates(text, None) == []
    assert find_periods(text, None) == []
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "piece",
    ["T 38 ", "20/20 ", "strength 5/5 ", "12 wks ago ", "6/1 to ", "BMI is ", "left ", "1/2 ", "to 7 of 10 ", "9% RA "],
)
def test_cost_grows_with_the_length_of_the_text(piece: str) -> None:
    from datetime import date

    def cost(size: int) -> float:
        text = piece * (size // len(piece))
        started = time.process_time()
        find_measurements(text)
        find_durations(text)
        find_periods(text, date(2026, 11, 10))
        find_laterality(text)
        return time.process_time() - started

    cost(2_000)
    small, large = min(cost(4_000) for _ in range(3)), min(cost(32_000) for _ in range(2))
    assert large < 8 * 2.5 * max(small, 0.002)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("BG 48 and 51 last month.", [48, 51]),
        ("Lows of 47, 52 and 50 at night.", [47, 52, 50]),
        ("He recorded 49 mg/dL at 3 a.m., sweating and shaky.", [49]),
        ("<70: 14 (7%), <54: 2 (50 on 9/2 06:04; 46 on 10/19 05:51).", [50, 46]),
        ("Hypoglycemia, on Lantus 40 units, HDL 45 mg/dL, BMI 38.", []),
        ("Low back pain for 48 weeks, age 52.", []),
    ],
)
def test_low_glucose_values_are_read_from_lists(text: str, values: list[float]) -> None:
    assert [m.value for m in find_measurements(text) if m.concept == "glucose"] == values


@pytest.mark.parametrize(
    ("text", "headache", "migraine"),
    [
        ("24 HA d/mo, 15 of them migraine", [24], [15]),
        ("18 to 20 headache days each month; eleven or twelve of them carry full migraine features", [18], [11]),
        ("only 5-6 clear days/mo", [24], []),
        ("Aug 20, Sept 19, Oct 21 HA days", [19], []),
        ("24, 22 and 23 headache days in August, September and October", [22], []),
        ("headaches on 22 of 30 days, 8-10 migraines a month", [22], [8]),
        ("headaches 5 days a week", [21], []),
        ("rizatriptan 6-7 d/mo for headache", [], []),
        ("She gets a migraine three times a week", [], [12]),
    ],
)
def test_days_with_headache_are_counted_by_the_month(text: str, headache: list[float], migraine: list[float]) -> None:
    found = find_measurements(text)
    assert [m.value for m in found if m.concept == "headache_days"] == headache
    assert [m.value for m in found if m.concept == "migraine_days"] == migraine


@pytest.mark.parametrize(
    ("text", "concept", "values"),
    [
        ("Untreated attacks go on for 10 to 30 hours.", "headache_hours", [10]),
        ("Headaches last up to 3 days.", "headache_hours", [72]),
        ("The procedure lasted 4 hours.", "headache_hours", []),
        ("scheduled 11/18/2026 (13 wks from last)", "injection_interval", [91]),
        ("Last injected 84 days ago.", "injection_interval", [84]),
    ],
)
def test_hours_of_a_headache_and_days_between_injections(text: str, concept: str, values: list[float]) -> None:
    assert [m.value for m in find_measurements(text) if m.concept == concept] == values


def test_headache_days_before_treatment_are_told_from_those_now() -> None:
    found = find_measurements("Baseline before Botox: 22 headache days/month, now 9 headache days/month.")
    assert [(m.value, m.context) for m in found if m.concept == "headache_days"] == [(22, "earlier"), (9, None)]


@pytest.mark.parametrize(
    ("text", "concept", "value"),
    [
        ("CDAI 28", "cdai", 28),
        ("Crohn's CDAI 310", "cdai_crohns", 310),
        ("DAS28-CRP 5.0", "das28", 5.0),
        ("RAPID3 18 of 30", "rapid3", 18),
        ("SJC 8", "swollen_joint_count", 8),
        ("HBI 11", "harvey_bradshaw", 11),
        ("SES-CD 13", "ses_cd", 13),
        ("Calprotectin 1,020", "fecal_calprotectin", 1020),
        ("sensor active 14%", "sensor_active_time", 14),
    ],
)
def test_activity_of_arthritis_and_bowel_disease(text: str, concept: str, value: float) -> None:
    assert [m.value for m in find_measurements(text) if m.concept == concept] == [value]
