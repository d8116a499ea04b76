"""The result of an examination sign: which words give it one, and to which signs of a list."""

from __future__ import annotations

import pytest

from features.sign_results import read_results

SIGNS = ("straight leg raise", "lachman", "anterior drawer", "mcmurray", "slr")


def results(text: str) -> list[str | None]:
    lower = text.lower()
    spans = sorted((lower.index(sign), lower.index(sign) + len(sign)) for sign in SIGNS if sign in lower)
    found = read_results(text, spans, 0, len(text))
    for result in found:
        assert result is None or text[result.start : result.end]
    return [result.result if result else None for result in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lachman positive.", ["positive"]),
        ("Lachman: positive", ["positive"]),
        ("Positive Lachman.", ["positive"]),
        ("+ Lachman", ["positive"]),
        ("Lachman +", ["positive"]),
        ("Lachman (+)", ["positive"]),
        ("Lachman 2B", ["positive"]),
        ("Lachman grade 2", ["positive"]),
        ("Lachman with soft end point", ["positive"]),
        ("McMurray is painful medially", ["positive"]),
        ("SLR + at 40 degrees", ["positive"]),
        ("Straight leg raise reproduces leg pain", ["positive"]),
        ("Lachman negative.", ["negative"]),
        ("Lachman: neg", ["negative"]),
        ("Negative Lachman.", ["negative"]),
        ("Lachman (-)", ["negative"]),
        ("Lachman 1A", ["negative"]),
        ("Lachman with firm end point", ["negative"]),
        ("Lachman stable", ["negative"]),
        ("SLR negative bilaterally", ["negative"]),
        ("Lachman and anterior drawer are negative", ["negative", "negative"]),
        ("Lachman, anterior drawer and McMurray were positive", ["positive", "positive", "positive"]),
        ("Lachman neg, McMurray pos", ["negative", "positive"]),
        ("Lachman negative, positive McMurray", ["negative", "positive"]),
        ("Positive Lachman and McMurray", ["positive", "positive"]),
        ("Lachman was performed", [None]),
        ("Lachman", [None]),
        ("Lachman not tested; gait normal", [None]),
        ("Will check Lachman. Pain is present", [None]),
    ],
)
def test_a_result_goes_to_its_signs(text: str, expected: list[str | None]) -> None:
    assert results(text) == expected


def test_nothing_outside_the_sentence_is_read() -> None:
    text = "Lachman. Positive attitude."
    assert read_results(text, [(0, 7)], 0, 8) == [None]
