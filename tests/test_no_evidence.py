"""Words that sound like evidence and are none: advice, other people's care, answers of "no", attendance that was not."""

from __future__ import annotations

from datetime import date

import pytest

from features.extract import extract
from features.types import Course, Document, Fact

TOOK_PLACE = {Course.COMPLETED, Course.ONGOING, Course.FAILED, Course.NOT_TOLERATED, Course.STATED}


def facts(text: str, concept: str) -> list[Fact]:
    found = [f for f in extract([Document("d1", text, date=date(2026, 10, 20))]) if f.concept == concept]
    assert found, f"{concept} is not even mentioned"
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Discussed red flag symptoms: saddle anesthesia, incontinence, foot drop.",
        "Return precautions given for foot drop.",
        "ER precautions: foot drop, incontinence.",
        "Red flags reviewed: foot drop.",
        "Call immediately for foot drop.",
        "He could develop foot drop.",
        "Educated on foot drop as a warning sign.",
        "Instructed patient to watch for foot drop.",
        "Husband has a foot drop.",
        "Roommate has a foot drop.",
        "His mother had a foot drop.",
        "ROS: foot drop: N.",
        "Foot drop?  no",
        "foot drop [ ]   saddle numbness [ ]",
        "RED FLAGS: [ ] foot drop  [ ] fever",
        "No numbness, weakness or foot drop.",
    ],
)
def test_a_symptom_the_patient_does_not_have_is_no_finding(text: str) -> None:
    assert not any(fact.assertion.is_patients_own for fact in facts(text, "progressive_motor_deficit"))


@pytest.mark.parametrize(
    "text",
    [
        "Husband did 8 weeks of PT.",
        "His wife completed PT from 8/3/2026 to 10/5/2026.",
        "He never attended\nphysical therapy from 8/3/2026 to 10/5/2026.",
        "He was told to start\nphysical therapy for 8 weeks.",
        "PT 8/3 to 10/5/2026, attended 2 visits.",
        "PT 2x/week x 6 weeks.",
        "Physical therapy 8 weeks was recommended.",
        "Physical therapy is scheduled, 12 visits over 6 weeks.",
        "Declined physical therapy.",
        "Start physical therapy 2 times a week for 6 weeks.",
    ],
)
def test_therapy_the_patient_did_not_have_did_not_take_place(text: str) -> None:
    found = facts(text, "physical_therapy")
    assert not any(fact.course in TOOK_PLACE and fact.assertion.is_patients_own for fact in found)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("Chronic foot drop since childhood polio.", "progressive_motor_deficit"),
        ("Stress incontinence after her second delivery.", "bladder_or_bowel_dysfunction"),
        ("Can do 5 METs of exercise without symptoms.", "cancer"),
        ("Echo: mild pulmonary hypertension.", "hypertension"),
        ("Tender over the lateral tibial plateau.", "persistent_symptoms"),
    ],
)
def test_another_thing_in_like_words_is_not_the_concept(text: str, concept: str) -> None:
    assert not any(fact.concept == concept for fact in extract([Document("d1", text)]))


@pytest.mark.parametrize(
    "text",
    ["No varus or valgus laxity.", "Lachman: [x] neg [ ] pos", "Lachman neg, McMurray positive.", "Lachman 1A."],
)
def test_a_sign_that_is_not_positive_stays_so(text: str) -> None:
    signs = [f for f in extract([Document("d1", text)]) if f.concept in ("lachman", "collateral_laxity")]
    assert signs
    assert all(sign.assertion.negated for sign in signs)
