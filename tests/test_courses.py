"""How a treatment went, from the words near it."""

from __future__ import annotations

import pytest

from features.courses import packaged_courses
from features.tokens import tokenize
from features.types import Course


def course(text: str, treatment: str = "PT") -> Course | None:
    tokens = tokenize(text)
    first = tokens.words.index(treatment.lower())
    reader = packaged_courses()
    return reader.nearest(tokens, reader.mentions(tokens, 0, len(tokens)), first, first + 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("completed PT", Course.COMPLETED),
        ("PT was finished", Course.COMPLETED),
        ("graduated from PT", Course.COMPLETED),
        ("failed PT", Course.FAILED),
        ("PT did not help", Course.FAILED),
        ("PT without relief", Course.FAILED),
        ("PT gave only temporary relief", Course.FAILED),
        ("currently in PT", Course.ONGOING),
        ("continues with PT", Course.ONGOING),
        ("could not tolerate PT", Course.NOT_TOLERATED),
        ("declined PT", Course.DECLINED),
        ("refuses PT", Course.DECLINED),
        ("PT is contraindicated", Course.CONTRAINDICATED),
        ("never attended PT", Course.NOT_ATTENDED),
        ("did not attend PT", Course.NOT_ATTENDED),
        ("no-showed PT", Course.NOT_ATTENDED),
        ("discharged from PT for nonattendance", Course.NOT_ATTENDED),
        ("tried PT", Course.STATED),
        ("pain despite PT", Course.STATED),
        ("PT authorization received", Course.PLANNED),
        ("PT to be completed", Course.PLANNED),
        ("advised PT", Course.PLANNED),
        ("prescribed PT", Course.PLANNED),
        ("PT", None),
        ("knee brace and PT", None),
    ],
)
def test_the_words_near_a_treatment_say_how_it_went(text: str, expected: Course | None) -> None:
    assert course(text) is expected


def test_the_nearest_words_win_and_a_comma_parts() -> None:
    text = "completed PT, failed naproxen"
    assert course(text) is Course.COMPLETED
    assert course(text, "naproxen") is Course.FAILED


def test_what_was_prescribed_and_done_was_done() -> None:
    assert course("was prescribed PT and completed it") is Course.COMPLETED
    assert course("was told to do PT, which did not help") is Course.FAILED


def test_words_too_far_away_say_nothing() -> None:
    assert course("completed " + "very " * 20 + "PT") is None
