"""What reading costs, counted in calls and not in seconds, so that a busy machine cannot fail it.

Seconds are measured in benchmarks/, which also sees what happens inside a regular expression.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.limits import DENSE_PIECES, HOSTILE_PIECES, document
from features.facts import FactReader

CHARACTERS = 4_000
"""More than any window: from here on twice the text is twice the windows."""
PIECES = sorted({*HOSTILE_PIECES.values(), *DENSE_PIECES.values()})


class _Counter:
    calls = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        self.calls += event in ("call", "c_call")


@contextmanager
def counted() -> Iterator[_Counter]:
    counter = _Counter()
    before = sys.getprofile()
    sys.setprofile(counter)
    try:
        yield counter
    finally:
        sys.setprofile(before)


@pytest.fixture(scope="module")
def reader() -> FactReader:
    return FactReader()


def calls(reader: FactReader, text: str) -> int:
    reader.facts([document(text)])  # what is compiled or loaded with the first text that needs it
    with counted() as counter:
        reader.facts([document(text)])
    return counter.calls


def of_length(piece: str, characters: int) -> str:
    return (piece * (characters // len(piece) + 1))[:characters]


@pytest.mark.parametrize("piece", sorted(HOSTILE_PIECES.values()))
def test_twice_the_text_takes_hardly_more_than_twice_the_calls(reader: FactReader, piece: str) -> None:
    one, two = (calls(reader, of_length(piece, times * CHARACTERS)) for times in (1, 2))
    assert two <= 2.4 * one + 200


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=6))
def test_so_it_is_for_any_mixture(reader: FactReader, pieces: list[str]) -> None:
    piece = "".join(pieces)
    one, two = (calls(reader, of_length(piece, times * CHARACTERS)) for times in (1, 2))
    assert two <= 2.4 * one + 200
