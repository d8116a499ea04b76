"""How mobility examinations, position needs and sleep complaints are written, and what only looks like them."""

from __future__ import annotations

from datetime import date

import pytest

from features.facts import FactReader
from features.types import Document, Fact

READER = FactReader()


def facts(text: str) -> list[Fact]:
    return READER.document_facts(Document("d1", text, "progress_note", date(2026, 11, 2)))


def holds(text: str, concept: str) -> bool:
    return any(fact.concept == concept and not fact.assertion.negated for fact in facts(text))


SAID = {
    "impaired_daily_activities_at_home": [
        "unable to get to bathroom in time", "needs help for toileting due to weakness", "MRADLs impaired",
        "it takes her 8 minutes to reach the bathroom", "bathing is done in bed, dressing with max A",
        "ambulates 10 ft with max assist", "wet 4 of 7 days on the way to the toilet",
    ],
    "cane_unsuitable": ["cane insufficient", "Cane: knees give", "two falls with a quad cane", "can't use a cane"],
    "walker_unsuitable": [
        "falls with rolling walker", "unable to use walker due to poor balance", "rollator: 14 ft, then sits",
        "walker not safe because of hand weakness", "managed 10 feet with her rollator",
    ],
    "manual_chair_unsuitable": [
        "cannot propel manual wheelchair", "lightweight chair tried, failed", "can't self-propel",
        "Manual chair, 3 strokes then arms fall", "propels 5 ft then stops",
    ],
    "upper_limb_loss": [
        "UE strength 2/5 bilaterally", "shoulder flexion 50 R/45 L", "grip strength 5 lb", "MMT UE 3-/5",
        "shoulder pain 9/10 when pushing", "left hemiparesis",
    ],
    "scooter_ruled_out": [
        "cannot operate tiller", "POV not appropriate because of trunk control", "scooter does not fit in home",
        "turning radius too large",
    ],
    "drives_power_chair_safely": [
        "able to operate joystick", "joystick trial: independent and safe", "drove the demo power chair safely",
    ],
    "use_in_the_home_agreed": ["agrees to use power wheelchair in the home", "will use it daily inside the house"],
    "home_fits_chair": ["home evaluation completed", "doorways 36 in", "ramp in place", "single-level home"],
    "ordinary_bed_not_feasible": [
        "positioning not feasible in an ordinary bed", "a regular mattress does not allow this", "wedge pillow failed",
    ],
    "head_above_30_degrees": ["HOB > 30 degrees most of the time", "HOB 45 deg", "head elevated 30-45 degrees"],
    "frequent_repositioning": ["repositioned every 2 hours", "turned q2h by caregiver", "frequent changes in position"],
    "immediate_position_change": ["cannot delay position change", "must be raised at once, no delay possible"],
    "bed_rails_needed": ["side rails needed for safe turning", "uses rail to reposition", "seizure precautions, rails up"],
    "loud_snoring": ["snores every night", "loud habitual snoring", "snoring heard through the wall"],
    "witnessed_apnea": ["wife witnesses apneas", "stops breathing in sleep", "husband hears pauses"],
    "rem_sleep_behavior_disorder": ["acts out dreams", "suspected REM sleep behavior disorder"],
    "home_sleep_test_failed": ["HSAT negative but high suspicion", "technically inadequate recording"],
}  # fmt: skip


@pytest.mark.parametrize(("concept", "text"), [(concept, text) for concept, texts in SAID.items() for text in texts])
def test_each_way_of_saying_it_is_read(concept: str, text: str) -> None:
    assert holds(text, concept)


@pytest.mark.parametrize(
    ("concept", "text"),
    [
        ("impaired_daily_activities_at_home", "She does not need help with bathing."),
        ("impaired_daily_activities_at_home", "He bathes and dresses independently."),
        ("cane_unsuitable", "Cane: adequate for short distances"),
        ("cane_unsuitable", "does not use a cane"),
        ("walker_unsuitable", "No falls with walker"),
        ("walker_unsuitable", "She walks 150 feet with a rolling walker."),
        ("upper_limb_loss", "UE strength 4+/5 bilaterally, grip 50 lb"),
        ("drives_power_chair_safely", "Joystick trial: hit the door frame twice, unsafe."),
        ("home_fits_chair", "Home evaluation pending"),
        ("head_above_30_degrees", "HOB 20 degrees"),
        ("bed_rails_needed", "She does not need rails"),
        ("moves_in_bed_alone", "He has not slept flat since June"),
        ("moves_in_bed_alone", "unable to sleep flat"),
        ("loud_snoring", "snores on his back after beer"),
        ("central_or_complex_apnea", "Obstructive apneas 88, central apneas 1, central apnea index 0.2"),
        ("stroke", "No stroke."),
    ],
)
def test_what_only_looks_like_it_is_not_read(concept: str, text: str) -> None:
    assert not holds(text, concept)


def test_a_disease_is_not_denied_by_what_is_not_recommended_for_it() -> None:
    assert holds("Because of the stroke, home testing is not recommended.", "stroke")


def test_a_sentence_before_a_line_of_boxes_belongs_to_none_of_them() -> None:
    line = "Home oxygen order. [x] E1390 concentrator [ ] portable oxygen  flow 2 LPM"
    assert holds(line, "oxygen_order")
    assert not holds(line, "portable_oxygen")
