"""What holds a request back although it is no criterion: documents about someone else, a missing side, copied rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from building import VISIT, days_before, document, request

from features.guards import about_someone_else, copied_from_policy, pages_in_words, requested_side, unreadable
from features.policy import load_policies
from features.reading import read
from features.types import Coverage, Diagnosis, Document, DocumentProblem, Guard, Member, Service

MAN = Member(date(1968, 4, 12), "M-1", "male")  # 58 on the day of the visit
WOMAN = Member(date(1968, 4, 12), "M-1", "female")


def codes(*args: Any, **changes: Any) -> set[str]:
    return {guard.code for guard in guards(*args, **changes)}


def guards(*args: Any, **changes: Any) -> tuple[Guard, ...]:
    return read(request(*args, **changes)).guards


@pytest.mark.parametrize(
    ("text", "member", "what"),
    [
        ("58-year-old man with low back pain.", MAN, None),
        ("58 y/o M here for knee pain.", MAN, None),
        ("57-year-old man with low back pain since spring.", MAN, None),
        ("34-year-old man with low back pain.", MAN, "age"),
        ("This is a 71 yo male.", MAN, "age"),
        ("58-year-old woman with low back pain.", MAN, "sex"),
        ("A 58 year old gentleman.", WOMAN, "sex"),
        ("58-year-old woman with low back pain.", Member(date(1968, 4, 12)), None),
        ("Sex: F. Low back pain.", MAN, "sex"),
        ("Gender: male", MAN, None),
        ("DOB: 04/12/1968. Low back pain.", MAN, None),
        ("DOB 4/12/68", MAN, None),
        ("Date of birth: 1968-04-12", MAN, None),
        ("DOB: 04/12/1969. Low back pain.", MAN, "birth date"),
        ("Date of birth: 1975-09-30", MAN, "birth date"),
        ("His 84-year-old mother lives with him.", MAN, None),
        ("He cares for his 6-year-old daughter.", MAN, None),
        ("Mother had back surgery at age 40.", MAN, None),
        ("Age: 35. Low back pain.", MAN, "age"),
        ("Age/sex: 71 Y M. Low back pain.", MAN, "age"),
        ("CLINIC. 34M with low back pain.", MAN, "age"),
        ("58M, roofer. Left ankle fracture age 12, healed.", MAN, None),
        ("Migraine, onset age 19, no change. Diabetes since age 11. New headache after age 50.", MAN, None),
        ("58M seen for TIA. ABCD2 = 5 (age 1, BP 1).", MAN, None),
        ("Walked 290 m in 6 min. Total sleep time 6 h 36 m. RTC 3 M.", MAN, None),
        ("58 yo M. Temp 98 F, 98.6 F at home.", MAN, None),
        ("58 yo here for f/u of knee pain.", MAN, None),
        ("58-year-old library manager with back pain.", WOMAN, None),
        ("58M. Cannot lift his 2 y/o, lives near a 6-year-old boy.", MAN, None),
        ("58M with back pain. Page 2. A 34-year-old with knee pain.", MAN, "age"),
        ("58M with back pain. Patient is 34 years old.", MAN, "age"),
    ],
)
def test_a_document_that_contradicts_the_member_is_noticed(text: str, member: Member, what: str | None) -> None:
    assert about_someone_else(document(text), request(member=member)) == what


def test_an_age_is_that_of_the_documents_own_day() -> None:
    old = document("49-year-old man with low back pain.", day=date(2017, 6, 1))
    assert about_someone_else(old, request(member=MAN)) is None


def test_the_guard_of_another_persons_document_names_no_value() -> None:
    (guard,) = [
        g
        for g in guards(document("34-year-old man, DOB 01/02/1992, with low back pain for weeks."), member=MAN)
        if g.code == "document_about_someone_else"
    ]
    assert "1992" not in guard.message
    assert "34" not in guard.message
    assert "d1" in guard.message


@pytest.mark.parametrize(("status", "held"), [("active", False), ("unknown", False), ("inactive", True)])
def test_inactive_coverage_holds_back(status: Any, held: bool) -> None:
    assert ("coverage_inactive" in codes(coverage=Coverage(status=status))) == held


def test_a_minor_a_retrospective_review_and_too_many_units_are_outside_the_policy() -> None:
    assert "age_outside_policy" in codes(member=Member(date(2009, 4, 12)))
    assert "review_type" in codes(review_type="retrospective")
    assert "review_type" in codes(review_type="concurrent")
    assert "units" in codes(service=Service("CPT", "72148", units=2))
    assert not {"age_outside_policy", "review_type", "units"} & codes(service=Service("CPT", "72148", units=1))


@pytest.mark.parametrize(
    ("code", "held"), [("M54.16", False), ("m5416", False), ("M54", False), ("J06.9", True), ("M5", True)]
)
def test_a_diagnosis_must_be_one_the_policy_lists(code: str, held: bool) -> None:
    assert ("diagnosis_not_listed" in codes(diagnosis=code)) == held


def knee(description: str | None, diagnosis: str | None = None, text: str = "Knee pain for months.") -> dict[str, Any]:
    return {
        "service": Service("CPT", "73721", description),
        "diagnoses": (Diagnosis("ICD-10-CM", "M23.91", diagnosis),),
        "documents": (document(text),),
    }


@pytest.mark.parametrize(
    ("description", "diagnosis", "side"),
    [
        ("MRI right knee without contrast", None, "right"),
        ("MRI knee LT", None, "left"),
        ("MRI knee", "Derangement of left knee", "left"),
        ("MRI left knee", "Derangement of left knee", "left"),
        ("MRI left knee", "Derangement of right knee", None),
        ("MRI knee", None, None),
        (None, None, None),
    ],
)
def test_the_requested_side_is_read_from_the_request(description: Any, diagnosis: Any, side: Any) -> None:
    assert requested_side(request(**knee(description, diagnosis))) == side


def test_a_side_that_is_needed_and_unclear_holds_back() -> None:
    assert "side_unclear" in codes(**knee("MRI knee"))
    assert "side_unclear" in codes(**knee("MRI left knee", "Derangement of right knee"))
    assert "side_unclear" in codes(**knee("MRI left knee", text="Knee pain for months, effusion, locking."))
    assert "side_unclear" not in codes(code="72148")


def test_findings_on_the_other_side_hold_back() -> None:
    text = "Right knee pain for three months. Right knee effusion. Right knee joint line tenderness."
    assert "wrong_side" in codes(**knee("MRI left knee", text=text))
    assert "wrong_side" not in codes(**knee("MRI right knee", text=text))


@pytest.mark.parametrize("policy", load_policies().policies, ids=lambda policy: policy.policy_id)
def test_a_note_that_repeats_a_criterion_word_for_word_proves_nothing(policy: Any) -> None:
    statements = [node.statement for node in policy.criteria.walk() if len(node.statement.split()) >= 9]
    assert statements
    for statement in statements:
        assert copied_from_policy(document(f"HPI: {statement.upper()}. Thank you."), policy)
    assert not copied_from_policy(document("Low back pain for three months despite physical therapy."), policy)


def test_coverage_language_holds_back() -> None:
    text = (
        "MRI is covered when the patient has had six weeks of care. The patient must have tried physical therapy. "
        "Low back pain for three months."
    )
    assert "copied_policy_text" in codes(document(text))


@pytest.mark.parametrize(
    "text",
    [
        "Low back pain for 3 months.",
        "LBP x3mo. SLR +. EHL 4/5. PT 8/31-10/26, no relief.",
        "PATIENT WITH LOW BACK PAIN FOR THREE MONTHS",
        "Patient: María Núñez. She has had low back pain for three months and did not improve with therapy.",
        "L4-5 5/5 2+ 2+ 120/80 98.6 72 16 reflexes symmetric, gait normal, no clonus",
        "Line one has low back pain.\r\n\r\nLine two has leg pain.\r\n\tTabbed line.",
        "Temp 37 °C, BMI 31 kg/m², “smart quotes”, café, naïve — low back pain for weeks",
    ],
)
def test_ordinary_notes_are_readable(text: str) -> None:
    assert unreadable(document(text, day=VISIT)) is None


def test_notes_about_another_part_of_the_body_go_to_a_nurse() -> None:
    assert "wrong_body_part" in codes(
        document("She has had right knee pain since June. Knee effusion, McMurray positive.")
    )
    assert "wrong_body_part" not in codes(document("Low back pain since June, also right knee pain with an effusion."))


def test_a_diagnosis_the_notes_only_deny_goes_to_a_nurse() -> None:
    denied = "Low back pain for 3 months. No radiculopathy. SLR negative."
    assert "diagnosis_not_supported" in codes(document(denied))
    assert "diagnosis_not_supported" not in codes(document("Low back pain for 3 months with L5 radiculopathy."))
    assert "diagnosis_not_supported" not in codes(document(denied), diagnosis="M54.50")


def test_what_a_test_is_to_show_may_be_suspected() -> None:
    asked = {"code": "95810", "diagnosis": "G47.33"}
    assert "diagnosis_not_supported" not in codes(document("Loud snoring. I suspect obstructive sleep apnea."), **asked)
    assert "diagnosis_not_supported" in codes(document("Loud snoring. No obstructive sleep apnea."), **asked)


def test_documents_older_than_the_policy_allows_go_to_a_nurse() -> None:
    old = document("Low back pain.", day=days_before(500))
    assert "documents_too_old" in codes(old)
    assert "documents_too_old" not in codes(old, document("Low back pain.", "d2"))


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ((3,), "page 3"),
        ((2, 3), "pages 2-3"),
        ((2, 5, 6, 7, 9), "pages 2, 5-7, 9"),
        (tuple(range(1, 40, 2)), "pages 1, 3, 5, 7, 9, 11, 13, 15 and others"),
    ],
)
def test_pages_are_named_shortly(pages: tuple[int, ...], words: str) -> None:
    assert pages_in_words(pages) == words


def test_every_doubt_about_a_file_is_a_guard() -> None:
    read = replace(
        document("Low back pain for 3 months."),
        content_type="application/pdf",
        read_by="pdf 1",
        page_starts=(0, 4, 9),
        unread_pages=(2,),
        recognized_pages=(3,),
        problems=(DocumentProblem("unread_attachment", "holds other files that were not read"),),
    )
    assert {"unreadable_document", "recognized_text", "unread_attachment"} <= codes(read)
    assert "recognized_text" not in codes(replace(read, trusts_recognition=True))
    assert unreadable(read) is None


def test_a_file_that_could_not_be_read_has_one_reason_and_no_facts() -> None:
    unread = Document("d1", "", content_type="application/pdf", read_by="pool 1", unread="took too long to read")
    asked = request(unread)
    reading = read(asked)
    assert reading.facts == ()
    assert [g.message for g in reading.guards if g.code == "unreadable_document"] == [
        "Document d1 took too long to read."
    ]
