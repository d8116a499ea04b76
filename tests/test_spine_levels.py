"""At which level of the spine a finding is, as reports and notes write it."""

from __future__ import annotations

import pytest

from features.spine_levels import SpineLevels, find_levels

NAMED = [
    ("L4-5", {"L4-5"}), ("L4-L5", {"L4-5"}), ("L4/5", {"L4-5"}),
    ("L4/L5", {"L4-5"}), ("L5-S1", {"L5-S1"}), ("L5/S1", {"L5-S1"}),
    ("L4 on L5", {"L4-5"}), ("L3-5", {"L3-4", "L4-5"}),
    ("L4-S1", {"L4-5", "L5-S1"}), ("L4 and L5", {"L4-5"}), ("C6-7", {"C6-7"}),
    ("C7-T1", {"C7-T1"}), ("T11-12", {"T11-12"}),
    ("T12-L1", {"T12-L1"}), ("L5", {"L4-5", "L5-S1"}), ("S1 root", {"L5-S1", "S1-2"}),
]  # fmt: skip
NOT_NAMED = [
    "June 4 2026",
    "T-score -1.4",
    "T2-weighted images",
    "T1 weighted",
    "strength 4/5",
    "L 4/5",
    "6/12/26",
    "HbA1c 5.4",
    "L1234",
]


def _name(space: int) -> str:
    names = (
        [f"C{n}" for n in range(1, 8)] + [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)] + ["S1", "S2"]
    )
    one, two = names[space], names[space + 1]
    return f"{one}-{two[1:]}" if one[0] == two[0] else f"{one}-{two}"


@pytest.mark.parametrize(("text", "spaces"), NAMED)
def test_a_level_is_read_as_its_spaces(text: str, spaces: set[str]) -> None:
    (mention,) = find_levels(text)
    assert {_name(space) for space in mention.spaces} == spaces


@pytest.mark.parametrize("text", NOT_NAMED)
def test_what_looks_like_a_level_is_none(text: str) -> None:
    assert find_levels(text) == []


FOUND = [
    ("L4-5: severe central *stenosis*. L3-4 mild. L5-S1 normal", {"L4-5"}),
    ("Severe central canal *stenosis* L3-4 at level of listhesis", {"L3-4"}),
    ("L4-5: 3 mm anterolisthesis. Facet arthropathy. Severe central canal *stenosis*, crowding", {"L4-5"}),
    ("L3-4: disc bulge, left foraminal stenosis with left L3 root contact; moderate central *stenosis*. L4-5: mild", {"L3-4"}),  # noqa: E501  # one sentence as it stands in a report
    ("MRI: L5-S1 left paracentral extrusion displacing the S1 root and *narrowing* the lateral recess", {"L5-S1"}),
    ("grade 1 *anterolisthesis* of L4 on L5, 4 mm", {"L4-5"}),
    ("His *spondylolisthesis* and stenosis at L4-5 are documented", {"L4-5"}),
    ("MRI shows *stenosis*, moderate, L5-S1: normal", None),
    ("L4-5 severe. Other levels no significant *stenosis*.", set()),
    ("L4-5 severe *stenosis*, other levels mild.", {"L4-5"}),
    ("Severe *stenosis* is seen.", None),
    ("Second visit.\nL3-4 bulge.\nSevere *stenosis* is seen.", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "spaces"), FOUND)
def test_a_finding_is_at_the_level_its_words_belong_to(text: str, spaces: set[str] | None) -> None:
    start = text.index("*")
    end = text.index("*", start + 1) - 1
    levels = SpineLevels(text.replace("*", "")).of(start, end)
    assert (None if levels is None else {_name(space) for space in levels}) == spaces
