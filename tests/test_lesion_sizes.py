"""Sizes of nodules, masses and nodes, before and after what they measure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.measurements import find_measurements

SIZES = {"nodule_size", "mass_size", "lymph_node_size", "ground_glass_size"}


def sizes(text: str) -> list[tuple[str, float]]:
    return [(m.concept, m.value) for m in find_measurements(text) if m.concept in SIZES]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14 mm spiculated nodule RUL", [("nodule_size", 14)]),
        ("14mm nodule", [("nodule_size", 14)]),
        ("8-mm solid nodule in the lingula", [("nodule_size", 8)]),
        ("1.4 cm RUL nodule", [("nodule_size", 14)]),
        ("a 9 millimeter pulmonary nodule", [("nodule_size", 9)]),
        ("nodule of 1.2 cm", [("nodule_size", 12)]),
        ("solid nodule in the superior segment LLL measuring 6 mm (series 4)", [("nodule_size", 6)]),
        ("left upper lobe spiculated solid nodule 16 x 14 mm", [("nodule_size", 16)]),
        ("nodule measures 16 mm x 14 mm x 11 mm", [("nodule_size", 16)]),
        ("nodule, 1.1 by 1.3 cm", [("nodule_size", 13)]),
        ("RUL nodule 7 mm (10/2025) -> 13 mm now", [("nodule_size", 7), ("nodule_size", 13)]),
        ("nodule now 11 mm, previously 7 mm", [("nodule_size", 11), ("nodule_size", 7)]),
        ("Nodules up to 9 mm in both lungs", [("nodule_size", 9)]),
        ("part solid nodule with a solid component of 9 mm", [("nodule_size", 9)]),
        ("nodular opacity 12 mm", [("nodule_size", 12)]),
        ("8 mm ground-glass nodule", [("ground_glass_size", 8)]),
        ("ground glass opacity of 22 mm", [("ground_glass_size", 22)]),
        ("GGN 10 mm; no other nodule", []),
        ("3.4 cm hilar mass", [("mass_size", 34)]),
        ("mass in the pancreatic head, 28 mm", [("mass_size", 28)]),
        ("1.1 cm irregular mass at 1 o'clock", [("mass_size", 11)]),
        ("tumor measures 4.2 cm", [("mass_size", 42)]),
        ("enhancing lesion segment 6, 9 mm", [("mass_size", 9)]),
        ("11 mm gastrohepatic node", [("lymph_node_size", 11)]),
        ("Mediastinal nodes up to 8 mm short axis.", [("lymph_node_size", 8)]),
        ("3.3 cm partially cystic R IIA node, 1.4 cm R III node", [("lymph_node_size", 33), ("lymph_node_size", 14)]),
        ("supraclavicular lymph node 1 cm", [("lymph_node_size", 10)]),
        ("NODULE RUL 14 MM", [("nodule_size", 14)]),
    ],
)
def test_a_size_is_of_what_stands_nearest(text: str, expected: list[tuple[str, float]]) -> None:
    assert sizes(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "No nodule. BP 120/80 mm Hg.",
        "Lung nodule. The gallstone is 9 mm.",
        "disc bulge 4 mm",
        "kidney stone 5 mm",
        "slice thickness 5 mm",
        "Nodule clinic. Incision 4 cm long.",
        "pupils 3 mm, reactive",
        "CVP 8 cm H2O",
        "nodule seen on 10/14/2025",
        "3 nodules",
    ],
)
def test_another_length_is_no_lesion(text: str) -> None:
    assert sizes(text) == []


def test_an_earlier_size_is_marked() -> None:
    found = [m for m in find_measurements("nodule 13 mm, previously 7 mm") if m.concept == "nodule_size"]
    assert [m.context for m in found] == [None, "earlier"]


@given(st.lists(st.sampled_from(["nodule ", "13 mm ", "x ", "4 cm", "mass, ", ". ", "was ", "(", "\n"]), max_size=40))
def test_every_size_lies_within_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    for one in find_measurements(text):
        assert 0 <= one.start < one.end <= len(text)
