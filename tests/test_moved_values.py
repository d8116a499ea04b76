"""Values that moved: which of two values of one measurement is the earlier one, and what only looks like a change."""

from __future__ import annotations

import time

import pytest

from features.measurements import find_measurements

MOVED: list[tuple[str, str, list[float], float]] = [
    # text, concept, earlier values, present value
    ("ODI decreased from 48% to 30%", "oswestry", [48], 30),
    ("ODI improved from 48 to 30", "oswestry", [48], 30),
    ("ODI 48% -> 30%", "oswestry", [48], 30),
    ("Oswestry has come down from 48 to 30 percent", "oswestry", [48], 30),
    ("Oswestry 48% at start, 36% today", "oswestry", [48], 36),
    ("ODI 46% (IE 10/5) -> 32%", "oswestry", [46], 32),
    ("On October 1 his Oswestry score was 52 percent. It is 30 percent now.", "oswestry", [52], 30),
    ("LEFS 32 to 47", "lefs", [32], 47),
    ("LEFS 32 → 47/80", "lefs", [32], 47),
    ("LEFS initial: 32/80; current: 47/80", "lefs", [32], 47),
    ("LEFS score today is 47/80 compared to 32/80 at initial evaluation", "lefs", [32], 47),
    ("Her LEFS has gone up from 32 to 47 points", "lefs", [32], 47),
    ("LEFS improved 15 points (32 to 47)", "lefs", [32], 47),
    ("LEFS 30 (8/4), 37 (9/22), 46 (11/3).", "lefs", [30, 37], 46),
    ("LEFS: 8/3 32/80, 9/14 47/80", "lefs", [32], 47),
    ("LEFS 46 (11/3), 37 (9/22), 30 (8/4)", "lefs", [37, 30], 46),
    ("LEFS 32 at IE, 38 at visit 6, 47 at visit 12", "lefs", [32, 38], 47),
    ("Initial LEFS 32. Current LEFS 47.", "lefs", [32], 47),
    ("an increase in LEFS from 32 to 47", "lefs", [32], 47),
    ("At IE 10/1: LEFS 40, good gait. Today LEFS 55.", "lefs", [40], 55),
    ("TUG 22 s, was 31 s", "timed_up_and_go", [31], 22),
    ("TUG: 18.4 sec (IE: 26.1 sec)", "timed_up_and_go", [26.1], 18.4),
    ("TUG improved to 12 seconds from 18 seconds", "timed_up_and_go", [18], 12),
    ("Berg 38 (eval 31)", "berg_balance", [31], 38),
    ("Berg Balance Scale: 31/56 on 8/3/2026, 42/56 on 9/14/2026", "berg_balance", [31], 42),
    ("HIT-6 improved 68 to 56", "hit6", [68], 56),
    ("HA days 25 down to 10", "headache_days", [25], 10),
    ("headache days decreased from 22 to 9 per month", "headache_days", [22], 9),
    ("She had 20 headache days/month before, now 8.", "headache_days", [20], 8),
    ("reduced from 20 to 8 headache days per month", "headache_days", [20], 8),
    ("migraine days 12 -> 5", "migraine_days", [12], 5),
    ("NDI 29/50 initial, 16/50 today", "neck_disability_index", [29], 16),
    ("NDI 58% -> 32%", "neck_disability_index", [29], 16),
    ("QuickDASH: 45 at evaluation, 59 now.", "quickdash", [45], 59),
    ("PSFS average 3.3 to 6.7", "patient_specific_functional_scale", [3.3], 6.7),
    ("KOOS 42 → 60", "knee_function_score", [42], 60),
    ("MIDAS 46 -> 12", "midas", [46], 12),
    ("6MWT 240 m -> 318 m", "six_minute_walk", [240], 318),
    ("Six minute walk test improved from 1000 feet to 1200 feet", "six_minute_walk", [304.8], 365.76),
    ("ambulates 300 ft vs 100 ft at IE", "gait_distance", [30.48], 91.44),
    ("walked 150 feet at evaluation and now 600 feet", "gait_distance", [45.72], 182.88),
    ("Gait: 50 ft with RW at SOC, now 350 ft with SPC", "gait_distance", [15.24], 106.68),
    ("knee flexion 85 -> 110", "joint_flexion", [85], 110),
    ("knee flexion has improved from 85 degrees at evaluation to 110 degrees", "joint_flexion", [85], 110),
    ("Shoulder flexion AROM 95 degrees (was 70 degrees at IE)", "joint_flexion", [70], 95),
    ("On evaluation, knee flexion was 85 degrees and it is now 110 degrees.", "joint_flexion", [85], 110),
    ("R shoulder abduction 80 deg at eval, 120 deg today", "joint_motion", [80], 120),
    ("knee ROM 5-85 -> 0-110", "range_of_motion", [85], 110),
    ("pain 8/10 at eval, now 4/10", "pain_score", [8], 4),
    ("Pain 7 -> 4", "pain_score", [7], 4),
    ("Pain 7 to 4/10", "pain_score", [7], 4),
    ("pain down to 3/10 from 8/10", "pain_score", [8], 3),
    ("average pain from 8 to 4 out of 10", "pain_score", [8], 4),
    ("Pain: IE: 8/10 Current: 3/10", "pain_score", [8], 3),
    ("pain was rated 8/10 initially and is now 5/10", "pain_score", [8], 5),
    ("pain score decreased from an 8 to a 3 following the injection", "pain_score", [8], 3),
    ("VAS 8 before injection, VAS 3 after", "pain_score", [8], 3),
    ("strength improved 3+/5 to 4/5", "muscle_strength", [3.5], 4),
    ("Quad MMT 3/5 -> 4-/5", "muscle_strength", [3], 3.75),
    ("hamstring 4-/5 (previously 3/5)", "muscle_strength", [3], 3.75),
    ("Hip flexion strength 3/5 at initial evaluation; now 4/5", "muscle_strength", [3], 4),
    ("HbA1c 9.2 -> 7.1", "hba1c", [9.2], 7.1),
    ("BMI was 44, now 41", "bmi", [44], 41),
    ("PHQ-9 18 -> 7", "phq9", [18], 7),
]  # fmt: skip


@pytest.mark.parametrize(("text", "concept", "earlier", "present"), MOVED, ids=[row[0] for row in MOVED])
def test_both_values_are_read_and_the_earlier_one_is_known(
    text: str, concept: str, earlier: list[float], present: float
) -> None:
    found = [one for one in find_measurements(text) if one.concept == concept]
    assert [one.value for one in found if one.context == "earlier"] == pytest.approx(earlier, abs=0.01)
    assert [one.value for one in found if one.context is None] == pytest.approx([present], abs=0.01)
    assert all(one.high is None for one in found)


UNMOVED = [
    "pain 6 to 7/10",
    "pain ranges from 3 to 8/10",
    "pain goes from 8/10 to 3/10 with rest",
    "pain decreased from 8/10 to 3/10 with medication",
    "pain 4/10 at rest, 8/10 with activity",
    "pain 9/10 without medication and 5/10 with medication",
    "NPRS 2/10 at best, 6/10 at worst",
    "Pain: current 4/10, best 2/10, worst 7/10",
    "knee flexion from 5 to 90 degrees",
    "knee flexion 0 to 110 degrees",
    "hip abduction 3/5 to 4/5",
    "LEFS 47, goal 60",
    "Goal: improve LEFS from 32 to 50",
    "LTG: LEFS 32 -> 50",
    "patient will increase Berg from 38 to 45",
    "LEFS 47/80 (+15 from eval)",
    "BP 140/90 -> 120/80",
    "SpO2 dropped from 94% to 86% with walking",
    "4 to 6 migraine days per month",
    "15-20 headache days a month",
    "baseline ODI 46%",
    "initial evaluation: pain 8/10",
]


@pytest.mark.parametrize("text", UNMOVED)
def test_what_is_a_range_a_goal_or_relief_for_hours_has_not_moved(text: str) -> None:
    assert "earlier" not in [one.context for one in find_measurements(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Goal: improve LEFS from 32 to 50", "LTG: LEFS 32 -> 50", "STG 1: LEFS 40",
        "Goals (open, 4 wk): kneel 10 min; LEFS 60",
        "LTG not met: stairs without rail, QuickDASH 15", "Three goals stay open: sit 90 minutes and Oswestry 20",
        "Long term goals:\n1) stairs\n2) LEFS 60\n3) Berg 50", "Unmet goals:\n- flexion 120 degrees\n- TUG 10 s",
    ],
)  # fmt: skip
def test_a_goal_is_no_measured_value(text: str) -> None:
    assert find_measurements(text) == []


@pytest.mark.parametrize("text", ["Goals reviewed. LEFS 45", "Goals set\n\nLEFS 45", "LTG 1 open. LEFS now 45"])
def test_a_value_after_a_sentence_about_goals_is_read(text: str) -> None:
    assert [one.value for one in find_measurements(text) if one.context is None] == [45]


def test_the_value_of_the_other_side_is_not_of_the_series() -> None:
    found = find_measurements("Grip L 38 -> 52 lb (R 60).")
    assert [(round(one.value, 1), one.context) for one in found] == [(17.2, "earlier"), (23.6, None)]


TABLES = [
    "            9/28     11/9\nFlex L      78       112\nTUG         24 s     13.2 s\n"
    "LEFS        22       45\nNPRS act    7        3\n",
    "| Measure | Initial | Current | Goal |\n|---|---|---|---|\n| Knee flexion | 78 | 112 | 120 |\n"
    "| TUG | 24 s | 13.2 s | 10 s |\n| LEFS | 22/80 | 45/80 | 60/80 |\n| Pain | 7/10 | 3/10 | 2/10 |\n",
    "Outcome\tInitial eval (9/28)\tToday (11/9)\nKnee flexion\t78\t112\n"
    "TUG\t24 s\t13.2 s\nLEFS\t22\t45\nPain\t7/10\t3/10\n",
    "Test          11/9       9/28\nFlex L        112        78\n"
    "TUG           13.2       24\nLEFS          45         22\nPain          3/10       7/10",
]


@pytest.mark.parametrize("text", TABLES, ids=["plain", "markdown", "tabs", "newest first"])
def test_a_table_with_a_column_for_each_day_is_read_by_its_heading(text: str) -> None:
    found = find_measurements(text)
    values = {(one.concept, one.context): one.value for one in found}
    assert values == {
        ("joint_flexion", "earlier"): 78, ("joint_flexion", None): 112,
        ("timed_up_and_go", "earlier"): 24, ("timed_up_and_go", None): 13.2,
        ("lefs", "earlier"): 22, ("lefs", None): 45,
        ("pain_score", "earlier"): 7, ("pain_score", None): 3,
    }  # fmt: skip
    assert len(found) == len(values)


KINDS: list[tuple[str, str, float]] = [
    ("Lower Extremity Functional Scale: 41/80", "lefs", 41), ("LEFS=52", "lefs", 52),
    ("Neck Disability Index 22/50", "neck_disability_index", 22), ("NDI: 44%", "neck_disability_index", 22),
    ("QuickDASH 38.6", "quickdash", 38.6), ("Quick-DASH score of 52%", "quickdash", 52), ("DASH 40/100", "quickdash", 40),
    ("Timed Up and Go: 14.2 sec", "timed_up_and_go", 14.2), ("TUG 19 seconds with RW", "timed_up_and_go", 19),
    ("Berg Balance Scale 44/56", "berg_balance", 44), ("BBS 39", "berg_balance", 39),
    ("6MWT 310 m", "six_minute_walk", 310), ("6 minute walk test: 1000 ft", "six_minute_walk", 304.8),
    ("PSFS 4.3/10", "patient_specific_functional_scale", 4.3), ("KOOS JR 55", "knee_function_score", 55),
    ("HIT-6 score 66", "hit6", 66), ("Headache Impact Test (HIT-6): 64", "hit6", 64), ("MIDAS score of 42", "midas", 42),
    ("22 headache days per month", "headache_days", 22), ("headache days/month: 18", "headache_days", 18),
    ("twenty headache days a month", "headache_days", 20), ("MHD 21", "headache_days", 21),
    ("12 migraine days per month", "migraine_days", 12), ("monthly migraine days 9", "migraine_days", 9),
    ("ambulates 200 ft with RW", "gait_distance", 60.96), ("Gait x 150 feet CGA", "gait_distance", 45.72),
    ("gait speed 0.8 m/s", "gait_speed", 0.8), ("Tinetti 19/28", "tinetti", 19), ("DGI 17/24", "dynamic_gait_index", 17),
    ("FGA 21/30", "functional_gait_assessment", 21), ("5xSTS 16.4 s", "five_times_sit_to_stand", 16.4),
    ("grip 42 lb", "grip_strength", 19.05), ("Roland-Morris 14/24", "roland_morris", 14),
]  # fmt: skip


@pytest.mark.parametrize(("text", "concept", "value"), KINDS)
def test_scores_of_function_are_read_under_their_names(text: str, concept: str, value: float) -> None:
    (measured,) = [one for one in find_measurements(text) if one.concept == concept]
    assert (measured.value, measured.comparator, measured.context) == (pytest.approx(value, abs=0.01), "=", None)


@pytest.mark.parametrize(
    "text",
    [
        "LEFS 12 visits", "LEFS 95", "tug of war 12 s", "Berg 60", "quickdash to the store", "midas touch", "hit 6 times",
        "walks 3 times a week", "walked for 20 minutes", "walk 2 miles is the goal of 6", "Neck Disability Index 62/50",
        "DASH diet 30 days", "dash 40", "TUG", "headaches 3 weeks ago", "goal: walk 500 ft", "unable to walk 100 ft",
    ],
)  # fmt: skip
def test_what_looks_like_a_score_of_function_is_none(text: str) -> None:
    scores = {concept for _, concept, _ in KINDS} - {"gait_distance"}
    found = [one.concept for one in find_measurements(text)]
    assert not scores & set(found)
    assert "gait_distance" not in found or text.startswith("walk 2 miles")


def test_reading_stays_linear_in_long_rows_of_values() -> None:
    def seconds(count: int) -> float:
        text = "LEFS 32 (8/3), 41, was 30, now 47 -> 48; pain 8/10 at eval, now 4/10 and then " * count
        start = time.perf_counter()
        find_measurements(text)
        return time.perf_counter() - start

    seconds(20)
    short, long = min(seconds(100) for _ in range(3)), min(seconds(800) for _ in range(3))
    assert long < 24 * short
