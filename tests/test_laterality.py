"""Sides as notes write them, near misses, and which side belongs to a finding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.laterality import find_laterality, side_of

SIDES = [
    ("left knee pain", "left"),
    ("RIGHT KNEE 4 VIEWS", "right"),
    ("pain in the left leg", "left"),
    ("left-sided sciatica", "left"),
    ("osteoarthritis, left knee", "left"),
    ("positive on the right at 40 degrees", "right"),
    ("weakness on the left", "left"),
    ("patient left knee swollen", "left"),
    ("L knee", "left"),
    ("R leg", "right"),
    ("Rt knee", "right"),
    ("Lt. hip", "left"),
    ("pain (L)", "left"),
    ("72148-RT", "right"),
    ("MR KNEE RT WO CONTRAST", "right"),
    ("L EHL 4+/5", "left"),
    ("L-sided L5 radiculopathy", "left"),
    ("SLR pos L at 35 deg", "left"),
    ("R quad 4+/5", "right"),
    ("R L4 radiculopathy", "right"),
    ("R L4-5 TFESI", "right"),
    ("lists to R.", "right"),
    ("R groin/anterior thigh", "right"),
    ("bilateral knee pain", "bilateral"),
    ("weak bilaterally", "bilateral"),
    ("bilat leg pain", "bilateral"),
    ("b/l LE edema", "bilateral"),
    ("both knees", "bilateral"),
    ("both upper eyelids", "bilateral"),
    ("margins of both of her eyes", "bilateral"),
    ("B knees", "bilateral"),
    ("vision OD foggy", "right"),
    ("lens OS 2+ NS", "left"),
    ("macula flat OU", "bilateral"),
]


@pytest.mark.parametrize(("text", "side"), SIDES)
def test_a_side_is_read(text: str, side: str) -> None:
    (mention,) = find_laterality(text)
    assert mention.side == side


@pytest.mark.parametrize(("text", "letters"), [("R>L crackles", ["R", "L"]), ("R and L upper lid", ["R", "L"])])
def test_both_letters_are_read(text: str, letters: list[str]) -> None:
    assert [text[one.start : one.end] for one in find_laterality(text)] == letters


@pytest.mark.parametrize(
    "text",
    [
        "right now",
        "right away",
        "he is all right",
        "it was right after lunch",
        "the right thing to do",
        "right-handed",
        "R hand dominant",
        "left the clinic",
        "he left AMA",
        "left against medical advice",
        "what is left",
        "3 pills left",
        "left untreated",
        "she left",
        "R/O fracture",
        "r/o meniscus",
        "L4-5 stenosis",
        "L5 radiculopathy",
        "signed, R.N.",
        "vitamin B",
        "hepatitis B",
        "2 L NC",
        "O2 2L",
        "Dr. R Smith",
        "HR 80 R 18",
        "RT fitted mask",
        "aspirin 81 OD",
        "heroin OD last year",
        "OS amorphous",
        "both parents",
        "both of which",
        "copyright",
        "cleft palate",
    ],
)
def test_other_words_are_no_sides(text: str) -> None:
    assert find_laterality(text) == []


OF_FINDING = [
    ("Left knee small effusion, medial joint line tender", "joint line", "left"),
    ("Left knee small effusion, medial joint line tender", "effusion", "left"),
    ("pain in the right hip", "pain", "right"),
    ("left knee pain", "left knee pain", "left"),
    ("right knee pain, left knee normal", "pain", "right"),
    ("left knee swollen, right knee normal", "swollen", "left"),
    ("left knee pain and swelling, right knee effusion", "effusion", "right"),
    ("Right knee: full motion, no effusion; left knee swollen", "effusion", "right"),
    ("Right knee: full motion, no effusion; left knee swollen", "swollen", "left"),
    ("right and left knee pain", "knee pain", "bilateral"),
    ("Positive McMurray on the left", "McMurray", "left"),
    ("the right knee is stable but the left has an effusion", "effusion", "left"),
    ("the right knee is stable but the left has an effusion", "stable", "right"),
    ("bilateral knee pain", "knee pain", "bilateral"),
    ("no effusion of either joint", "effusion", None),
    ("McMurray positive, right knee.", "McMurray", "right"),
    ("Lachman positive (left)", "Lachman", "left"),
]


@pytest.mark.parametrize(("text", "finding", "side"), OF_FINDING)
def test_the_side_of_a_finding(text: str, finding: str, side: str | None) -> None:
    start = text.index(finding)
    assert side_of(text, start, start + len(finding), 0, len(text)) == side


PIECES = [
    "left ", "RIGHT ", "knee ", "L ", "R", "(L)", "Rt ", "B knees", "bilateral ", "b/l ", "both ", "upper ", "OD ", "OS",
    "OU ", "-LT", "L4-5 ", "hand ", "on the ", "=", ">", ", ", ". ", "\n", "x ", "\u0130",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=200))
def test_any_text_is_read_without_an_error_and_offsets_stay_inside(text: str) -> None:
    for one in find_laterality(text):
        assert 0 <= one.start < one.end <= len(text)


@given(st.text(alphabet="LRBO leftrigh()/.-45ODSU", max_size=80), st.integers(0, 30))
def test_a_prefix_shifts_the_offsets_and_nothing_else(text: str, shift: int) -> None:
    plain = find_laterality(". " + text)
    moved = find_laterality("." * shift + ". " + text)
    assert [(one.start, one.side) for one in plain] == [(one.start - shift, one.side) for one in moved]


def test_the_hand_that_holds_the_cane_is_no_side_of_the_complaint() -> None:
    assert find_laterality("She uses a cane in the right hand.") == []
    assert find_laterality("Ambulates with cane in her left hand.") == []
    assert [mention.side for mention in find_laterality("Pain in the right hand.")] == ["right"]
