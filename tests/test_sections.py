"""Sections: headings in all their spellings, where they count and where they do not, and what they imply."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_time import own_seconds

from features.errors import LexiconError
from features.sections import UNLABELLED, find_sections, load_sections
from features.tokens import tokenize

HEADINGS = {
    "HPI:": "history_of_present_illness",
    "History of Present Illness:": "history_of_present_illness",
    "HISTORY OF PRESENT ILLNESS -": "history_of_present_illness",
    "CC:": "chief_complaint",
    "Chief complaint:": "chief_complaint",
    "REASON FOR VISIT:": "chief_complaint",
    "PMH:": "past_medical_history",
    "PMHx:": "past_medical_history",
    "Past medical history:": "past_medical_history",
    "HER PAST MEDICAL HISTORY:": "past_medical_history",
    "PSH:": "past_surgical_history",
    "FHx:": "family_history",
    "FH:": "family_history",
    "Family History -": "family_history",
    "SHx:": "social_history",
    "HIS SOCIAL HISTORY:": "social_history",
    "Meds:": "medications",
    "CURRENT MEDICATIONS:": "medications",
    "Allergies:": "allergies",
    "ROS:": "review_of_systems",
    "PE:": "physical_exam",
    "O/E:": "physical_exam",
    "Physical   Examination:": "physical_exam",
    "VS:": "vital_signs",
    "IMAGING:": "imaging",
    "X-rays:": "imaging",
    "LABS:": "labs",
    "IMPRESSION:": "assessment",
    "A:": "assessment",
    "Dx:": "assessment",
    "P:": "plan",
    "Plan -": "plan",
    "RECOMMENDATIONS:": "plan",
    "A/P:": "assessment_and_plan",
    "A&P:": "assessment_and_plan",
    "Assessment and Plan:": "assessment_and_plan",
    "ASSESSMENT & PLAN:": "assessment_and_plan",
    "S:": "subjective",
    "O:": "objective",
    "SUBJECTIVE:": "subjective",
    "Procedure performed:": "procedures",
    "Sleep study:": "sleep_study",
    "Conservative treatment:": "therapy",
    "ORDERS:": "orders",
    "Discharge instructions:": "instructions",
    "INDICATION:": "indication",
    "Hospital course:": "hospital_course",
    "1. Plan:": "plan",
    "** PLAN:": "plan",
    "COMPLICATIONS:": "other",
    "WHATEVER THIS MAY BE:": "other",
}


def names(text: str) -> list[str]:
    return [section.name for section in find_sections(text)]


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_known_by_its_synonyms_at_the_start_of_a_line(heading: str) -> None:
    text = f"Seen today.\n{heading} something here"
    opening, section = find_sections(text)
    assert (opening.name, section.name) == (UNLABELLED, HEADINGS[heading])
    assert text[section.heading_start : section.heading_end].rstrip() in heading
    assert text[section.start : section.end] == " something here".removeprefix(" " * heading.endswith(" "))


@pytest.mark.parametrize(
    "text",
    [
        "The plan was to return in six weeks.",
        "She has a family history of cancer.",
        "Her past medical history is significant for gout.",
        "We discussed the assessment: it may change.",
        "Impression of a foreign body in the ear.",
        "Ratio 1 to 2, plan: none of it.",
        "Labs were normal.\nExam was normal.",
        "He takes medications as needed",
        "Heart: regular. HEENT: normal.",
    ],
)
def test_the_same_words_in_running_text_are_no_heading(text: str) -> None:
    assert names(text) == [UNLABELLED]


def test_a_heading_in_capitals_on_its_own_line_opens_a_section() -> None:
    text = "FAMILY HISTORY\nMother with diabetes\n\nASSESSMENT AND PLAN\nRest"
    assert names(text) == ["family_history", "assessment_and_plan"]
    assert names("Family History\nMother with diabetes") == ["family_history"]


def test_transcripts_whose_line_breaks_became_commas_are_read() -> None:
    text = "SUBJECTIVE:, This 23-year-old has allergies.,MEDICATIONS: , Claritin,ALLERGIES: , None.,PLAN:, Rest."
    assert names(text) == ["subjective", "medications", "allergies", "plan"]


def test_headings_follow_each_other_in_one_line() -> None:
    assert names("CC: knee pain. HPI: fell in May. PMH: gout. EXAM: stable.") == [
        "chief_complaint",
        "history_of_present_illness",
        "past_medical_history",
        "physical_exam",
    ]


def test_headings_inside_an_examination_do_not_end_it() -> None:
    text = "PHYSICAL EXAM:\nHEENT: normal\nLUNGS: clear\nKnee: effusion\nPLAN:\nrest"
    assert names(text) == ["physical_exam", "plan"]


def test_two_headings_in_one_take_the_first_name() -> None:
    assert names("HISTORY OF PRESENT ILLNESS/HOSPITAL COURSE: Pain.") == ["history_of_present_illness"]


def test_a_history_beside_its_heading_ends_with_its_line() -> None:
    text = "FH: mother DM\nKnee pain for 6 weeks"
    family, rest = find_sections(text)
    assert (family.name, rest.name) == ("family_history", UNLABELLED)
    assert text[family.start : family.end] == " mother DM"
    assert names("FH: mother DM,\n  father MI\nKnee pain") == ["family_history", UNLABELLED]
    assert names("FAMILY HISTORY:\nmother DM\nfather MI") == ["family_history"]
    assert names("Plan: rest\nPhysical therapy") == ["plan"]


def test_tokens_are_read_like_their_text() -> None:
    text = "HPI: pain\nPLAN: rest"
    assert find_sections(tokenize(text)) == find_sections(text)


@given(st.text(alphabet=st.one_of(st.sampled_from("PLAN: HPI\n-.,/&() "), st.characters()), max_size=200))
def test_sections_follow_each_other_and_cover_the_text(text: str) -> None:
    position = 0
    for section in find_sections(text):
        assert section.name in load_sections().names
        assert section.heading_start == position
        assert section.heading_start <= section.heading_end == section.start <= section.end
        position = section.end
    assert position == len(text)


def test_history_family_and_plan_imply_what_they_say() -> None:
    implied = {name: implication.flag for name, implication in load_sections().implications.items()}
    assert implied["family_history"] == "family"
    assert implied["past_medical_history"] == "historical"
    assert implied["plan"] == implied["orders"] == implied["instructions"] == "hypothetical"
    assert "assessment" not in implied
    assert "problem" not in load_sections().implications["plan"].categories


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("sections: 3", "sections is missing"),
        ("sections: {plan: 3}", "plan must hold headings"),
        ("sections: {plan: {headings: [yes]}}", "plan.headings must be a list"),
        ("sections: {plan: {headings: [p]}, past: {headings: [p]}}", "'p' stands in plan and in past"),
        ("sections: {plan: {headings: [p], implies: {flag: soon}}}", "plan.implies needs a flag"),
        ("[", "not readable"),
    ],
)
def test_a_broken_section_lexicon_is_refused_by_section(content: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(LexiconError) as refused:
        load_sections(path)
    assert str(refused.value).startswith("mine.yaml: ")
    assert problem in str(refused.value)


@pytest.mark.parametrize("piece", ["a", ".", ":", "\n", "- ", " - ", ":,", "a\n", "A", "A: ", "(", "1. ", "FH: a\n"])
def test_no_text_makes_it_slow(piece: str) -> None:
    load_sections()
    hostile = piece * (100_000 // len(piece))
    # 100,000 characters of ordinary notes take 8 ms at hand; a quadratic step would take minutes.
    assert own_seconds(lambda: find_sections(hostile)) < 2
