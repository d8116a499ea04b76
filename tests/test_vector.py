"""The numbers a model sees: named, in order, finite, and nothing of who the patient is."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from typing import Any

from building import document, request
from hypothesis import given
from hypothesis import strategies as st

from features.reading import read
from features.types import AuthorizationRequest, Coverage, Member, Provider
from features.vector import SCHEMA, build_vector

NOTE = document(
    "Low back pain for three months. Completed physical therapy from 8/31/2026 to 10/26/2026 without relief. "
    "Will start gabapentin. Possible sciatica."
)


def values(asked: AuthorizationRequest) -> dict[str, float]:
    vector = read(asked).vector
    assert vector.schema is SCHEMA
    return dict(zip([spec.name for spec in SCHEMA.features], vector.values, strict=True))


def test_a_request_has_every_feature_as_a_finite_number() -> None:
    found = values(request(NOTE))
    assert all(math.isfinite(value) for value in found.values())
    assert found["documents"] == 1.0
    assert found["undated_documents"] == 0.0
    assert found["treatments_done"] >= 1.0
    assert found["planned_treatments"] >= 1.0


def test_nothing_read_is_finite_too() -> None:
    vector = build_vector(request(), (), (), ())
    assert all(math.isfinite(value) for value in vector.values)


def test_who_the_patient_is_changes_no_number() -> None:
    plain = request(NOTE)
    someone: list[dict[str, Any]] = [
        {"member": replace(plain.member, sex="female")},
        {"member": replace(plain.member, member_id="M-2")},
        {"member": Member(date(1985, 1, 1), "M-1", "male")},
        {"coverage": Coverage("HMO-9", "medicaid", "active")},
        {"provider": Provider("1", "oncology")},
        {"external_id": "PA-2"},
    ]
    for changes in someone:
        assert read(replace(plain, **changes)).vector == read(plain).vector


def test_no_feature_is_named_after_who_the_patient_is() -> None:
    words = {word for spec in SCHEMA.features for word in spec.name.split("_")}
    assert not words & {
        "sex",
        "gender",
        "race",
        "ethnicity",
        "name",
        "zip",
        "state",
        "address",
        "birth",
        "plan",
        "language",
    }


def test_directions_say_what_is_known_before_any_data() -> None:
    direction = {spec.name: spec.direction for spec in SCHEMA.features}
    assert direction["criteria_met_fraction"] == direction["policy_met"] == 1
    assert direction["criteria_conflicting"] == direction["guards"] == direction["criteria_not_met"] == -1
    assert len({spec.name for spec in SCHEMA.features}) == len(SCHEMA.features)


def test_a_document_without_a_date_is_counted() -> None:
    assert values(request(replace(NOTE, date=None)))["undated_documents"] == 1.0


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=400))
def test_whatever_a_note_says_its_numbers_are_finite(text: str) -> None:
    assert all(math.isfinite(value) for value in values(request(document(text))).values())
