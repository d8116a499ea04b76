"""What a request becomes at the edge: every field kept, defaults as the contract says, nothing rewritten."""

from __future__ import annotations

import base64
import copy
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_args

import pytest
from building import RECEIVED, body
from hypothesis import given
from hypothesis import strategies as st

from features.errors import RequestRefusedError
from features.request import EXAMPLE_REQUEST, parse_documents, parse_request, request_to_json
from features.types import CodeSystem, DocumentType, Sex

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SMALLEST: dict[str, Any] = {
    "external_id": "PA-1",
    "member": {"birth_date": "1968-04-12"},
    "service": {"system": "CPT", "code": "72148"},
    "diagnoses": [{"system": "ICD-10-CM", "code": "M54.16"}],
    "documents": [{"document_id": "d1", "text": "Low back pain."}],
}


def test_the_smallest_request_of_the_contract_has_its_defaults() -> None:
    request = parse_request(SMALLEST, now=NOW)
    assert request.review_type == "prospective"
    assert request.urgency == "standard"
    assert request.received_at == NOW
    assert request.member.sex == "unknown"
    assert request.member.member_id is None
    assert request.coverage.status == "unknown"
    assert request.documents[0].type == "other"
    assert request.documents[0].content_type == "text/plain"
    assert request.documents[0].date is None


@pytest.mark.parametrize("field", sorted(SMALLEST))
def test_every_required_field_is_missed_by_name(field: str) -> None:
    rest = {name: value for name, value in SMALLEST.items() if name != field}
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(rest, now=NOW)
    assert refused.value.problems == ((field, "is required"),)


def test_the_contracts_example_survives_the_way_in_and_out() -> None:
    request = parse_request(EXAMPLE_REQUEST, now=NOW)
    again = parse_request(request_to_json(request), now=NOW + timedelta(days=3))
    assert again == request
    assert request.received_at == RECEIVED


def test_received_at_is_turned_to_utc() -> None:
    eastern = datetime(2026, 11, 20, 10, 4, 5, tzinfo=timezone(timedelta(hours=-5)))
    assert parse_request(body(received_at=eastern.isoformat()), now=NOW).received_at == RECEIVED


@pytest.mark.parametrize("system", get_args(CodeSystem))
def test_every_code_system_of_the_contract_is_read(system: str) -> None:
    assert parse_request(body(service={"system": system, "code": "X1"})).service.system == system


@pytest.mark.parametrize("kind", get_args(DocumentType))
def test_every_document_type_of_the_contract_is_read(kind: str) -> None:
    documents = parse_documents([{"document_id": "d1", "type": kind, "text": "Back pain."}])
    assert documents[0].type == kind


@pytest.mark.parametrize("sex", get_args(Sex))
def test_every_sex_of_the_contract_is_read(sex: str) -> None:
    assert parse_request(body(member={"birth_date": "1968-04-12", "sex": sex})).member.sex == sex


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_documents_text_is_kept_to_the_character(text: str) -> None:
    assert parse_documents([{"document_id": "d1", "text": text}])[0].text == text


def test_another_content_type_needs_data_and_stays_unread() -> None:
    pdf = {"document_id": "d1", "content_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.7").decode()}
    (read,) = parse_documents([pdf])
    assert read.content_type == "application/pdf"
    assert read.text == ""


def test_a_birth_date_today_is_no_future() -> None:
    today = datetime.now(UTC).date()
    assert parse_request(body(member={"birth_date": today.isoformat()})).member.birth_date == today
    assert parse_request(body(member={"birth_date": "1900-01-01"})).member.birth_date == date(1900, 1, 1)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(body(member={"birth_date": "1899-12-31"}, diagnoses=[], urgency="soon"))
    assert {field for field, _ in refused.value.problems} == {"member.birth_date", "diagnoses", "urgency"}


@given(
    st.dictionaries(
        st.sampled_from([*SMALLEST, "provider", "coverage", "urgency", "received_at", "review_type"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.text(max_size=5), max_size=3)
        ),
        min_size=1,
    )
)
def test_whatever_is_sent_is_read_or_refused_by_field_in_one_line(changes: dict[str, Any]) -> None:
    problems: tuple[tuple[str, str], ...] = ()
    try:
        request = parse_request({**SMALLEST, **changes}, now=NOW)
    except RequestRefusedError as refused:
        problems = refused.problems
    if problems:
        assert all("\n" not in message and message for _, message in problems)
        assert all(re.fullmatch(r"[a-z_]+(\.\w+)*", field) for field, _ in problems)
    else:
        assert parse_request(request_to_json(request)) == request


@pytest.mark.parametrize("number", [0, 1.5, "0", "20261120", True])
@pytest.mark.parametrize("place", ["member.birth_date", "service.start_date", "documents.0.date", "received_at"])
def test_a_number_is_no_date(place: str, number: object) -> None:
    sent: Any = copy.deepcopy(EXAMPLE_REQUEST)
    *path, last = place.split(".")
    inner = sent
    for step in path:
        inner = inner[int(step) if step.isdecimal() else step]
    inner[last] = number
    with pytest.raises(RequestRefusedError) as refused:
        parse_request(sent)
    assert [field for field, _ in refused.value.problems] == [place]


def test_documents_that_arrive_later_have_ids_of_their_own() -> None:
    document = {"document_id": "d2", "text": "More."}
    with pytest.raises(RequestRefusedError) as refused:
        parse_documents([document, document])
    assert refused.value.problems == (("documents", "two documents have the same document_id"),)
