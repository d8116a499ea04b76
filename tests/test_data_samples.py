"""The sample requests are well formed, varied and true to themselves; routing them is tested elsewhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from features.request import parse_request
from features.types import DocumentType

SAMPLES = Path(__file__).parents[1] / "data_samples" / "requests.jsonl"
README = SAMPLES.with_name("README.md")
EXPECTATION_FIELDS = ("expected_route", "expected_why", "trap")
# Ages as notes state the patient's own: "61-year-old", "29 y.o."; "33M", "Age 38", "F, 68 y", "Male, 57", "F 50".
PROSE_AGE = re.compile(r"\b(\d{2})[- ]year[- ]old\b|\b(\d{2}) ?(?:y\.o\.|yo\b|y/o\b)")
TERSE_AGE = re.compile(
    r"(?:^|[.:\n] ?)(\d{2}) ?[MF]\b|\bAge (\d{2})\b|\b[MF], (\d{2}) y\b|\bMale, (\d{2})\b|\bF (\d{2})\b"
)
BIRTH_DATE = re.compile(r"\bDOB (\d{2})/(\d{2})/(\d{4})\b")


def read_samples() -> list[dict[str, Any]]:
    with SAMPLES.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


REQUESTS = read_samples()
each_request = pytest.mark.parametrize("request_", REQUESTS, ids=[request["external_id"] for request in REQUESTS])


def age_on(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def stated_ages(text: str) -> list[int]:
    found = [match for pattern in (PROSE_AGE, TERSE_AGE) for match in pattern.finditer(text)]
    return [int(next(group for group in match.groups() if group)) for match in found]


def received_on(request: dict[str, Any]) -> date:
    return datetime.fromisoformat(request["received_at"]).astimezone(UTC).date()


def test_there_are_enough_samples_of_every_service() -> None:
    services = Counter(request["service"]["code"] for request in REQUESTS)
    assert len(REQUESTS) >= 36
    assert all(services[code] >= 12 for code in ("72148", "73721", "E0601"))


def test_at_least_two_thirds_are_hard() -> None:
    hard = [request for request in REQUESTS if request["trap"] != "none"]
    assert len(hard) * 3 >= len(REQUESTS) * 2


def test_both_routes_are_expected_of_every_covered_service() -> None:
    routes = Counter((request["service"]["code"], request["expected_route"]) for request in REQUESTS)
    for code in ("72148", "73721", "E0601"):
        assert routes[code, "fast_track"] >= 4
        assert routes[code, "nurse_review"] >= 8


def test_identifiers_and_texts_are_not_repeated() -> None:
    assert len({request["external_id"] for request in REQUESTS}) == len(REQUESTS)
    assert len({request["member"]["member_id"] for request in REQUESTS}) == len(REQUESTS)
    texts = [document["text"] for request in REQUESTS for document in request["documents"]]
    assert len(set(texts)) == len(texts)


@each_request
def test_a_request_follows_the_contract(request_: dict[str, Any]) -> None:
    read = parse_request({field: value for field, value in request_.items() if field not in EXPECTATION_FIELDS})
    assert read.external_id == request_["external_id"]
    assert [document.text for document in read.documents] == [document["text"] for document in request_["documents"]]


@each_request
def test_an_expectation_is_complete(request_: dict[str, Any]) -> None:
    assert request_["expected_route"] in {"fast_track", "nurse_review"}
    assert re.fullmatch(r"[A-Z0-9].+\.", request_["expected_why"])
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", request_["trap"])
    if request_["expected_route"] == "nurse_review":
        assert request_["trap"] != "none"


@each_request
def test_documents_are_dated_within_the_members_life_and_before_receipt(request_: dict[str, Any]) -> None:
    birth = date.fromisoformat(request_["member"]["birth_date"])
    identifiers = [document["document_id"] for document in request_["documents"]]
    assert 1 <= len(identifiers) <= 4
    assert len(set(identifiers)) == len(identifiers)
    for document in request_["documents"]:
        assert document["type"] in get_args(DocumentType)
        assert document["text"] != ""
        assert birth < date.fromisoformat(document["date"]) <= received_on(request_)


@each_request
def test_ages_in_the_notes_agree_with_the_birth_date(request_: dict[str, Any]) -> None:
    birth = date.fromisoformat(request_["member"]["birth_date"])
    disagreeing = [
        document["document_id"]
        for document in request_["documents"]
        if any(age != age_on(birth, date.fromisoformat(document["date"])) for age in stated_ages(document["text"]))
    ]
    assert bool(disagreeing) == (request_["trap"] == "other_person")


def test_most_requests_state_an_age_that_can_be_checked() -> None:
    stated = [
        request for request in REQUESTS if any(stated_ages(document["text"]) for document in request["documents"])
    ]
    assert len(stated) * 10 >= len(REQUESTS) * 8


def test_a_document_of_another_person_names_another_birth_date() -> None:
    others = [request for request in REQUESTS if request["trap"] == "other_person"]
    assert others
    for request in others:
        text = "\n".join(document["text"] for document in request["documents"])
        born = {f"{year}-{month}-{day}" for month, day, year in BIRTH_DATE.findall(text)}
        assert born
        assert request["member"]["birth_date"] not in born


def test_inactive_coverage_and_minors_are_expected_in_nurse_review() -> None:
    held_back = [
        request
        for request in REQUESTS
        if request["coverage"]["status"] != "active"
        or age_on(date.fromisoformat(request["member"]["birth_date"]), received_on(request)) < 18
    ]
    assert {request["trap"] for request in held_back} == {"inactive_coverage", "minor"}
    assert {request["expected_route"] for request in held_back} == {"nurse_review"}


def test_the_readme_tells_every_trap_with_its_cases() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    for request in REQUESTS:
        if request["trap"] != "none":
            assert request["external_id"].removeprefix("DS-") in rows[request["trap"]]
