"""Who saw what of a case, for how long, and with which versions: recorded, bounded, and without a word of a note."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from serving_cases import request_body, routed
from signing_in import sign_in
from sqlalchemy import select

from features.types import AuthorizationRequest
from models.types import ThresholdCertificate, TriageResult
from serving.app import create_app
from serving.dwell import dwell
from serving.errors import UnknownAuthorizationError
from serving.people import IDLE_LIMIT, SignedIn
from serving.records import dumps
from serving.roles import Role
from serving.settings import Settings
from serving.sight_rate import SightRate
from serving.sights import Sight, seen
from serving.store import Store
from serving.tables import TrailRow
from serving.trail import Entry, entry_of
from serving.trail_chain import verify
from serving.versions_used import versions_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CERTIFICATE = ThresholdCertificate("advanced_imaging", 0.01, 0.95, "ltt", 400, 0, 0.941, "2026-11-01", "a" * 64)


def certified(request: AuthorizationRequest) -> TriageResult:
    version = "2026.11.1+lexicon.635f1024.policies.a6d6265d.features.789acad7.routing.1"
    return replace(routed(request), certificate=CERTIFICATE, pipeline_version=version)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    url = database_in(tmp_path)
    with TestClient(create_app(Settings(database_url=url, model_dir=tmp_path), triage=certified)) as client:
        yield client


def store_of(client: TestClient) -> Store:
    store: Store = client.app.state.store  # type: ignore[attr-defined]  # the application, not any ASGI callable
    return store


def entries_of(client: TestClient, *actions: str) -> list[Entry]:
    with store_of(client).reading() as session:
        entries = [entry_of(row) for row in session.scalars(select(TrailRow).order_by(TrailRow.number))]
    return [entry for entry in entries if not actions or entry.action in actions]


def new_case(client: TestClient, external_id: str = "PA-1") -> str:
    return str(client.post("/v1/authorizations", json=request_body(external_id)).json()["authorization_id"])


def report(client: TestClient, who: SignedIn, case: str, *sights: dict[str, Any], **more: Any) -> Any:
    return client.post(f"/cases/{case}/seen", json={"form_token": who.form_token, "seen": list(sights), **more})


def test_opening_a_case_is_recorded_with_every_version_that_was_shown(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    assert client.get(f"/cases/{case}").status_code == 200

    (entry,) = entries_of(client, Sight.CASE_OPENED)
    assert (entry.person_id, entry.sign_in_id, entry.authorization_id) == (
        who.person.person_id,
        who.sign_in_id,
        case,
    )
    assert entry.role == "nurse"
    result = store_of(client).result(case)
    assert result is not None
    assert entry.facts == versions_of(result)
    stated = json.loads(result.result)["certificate"]
    assert entry.facts == {
        "revision": 1,
        "pipeline_version": "2026.11.1+lexicon.635f1024.policies.a6d6265d.features.789acad7.routing.1",
        "lexicon": "635f1024",
        "policy": {"policy_id": "lumbar-spine-mri", "version": "2026.1"},
        "model": {"name": "greenlane-approval", "version": "3"},
        "certificate": hashlib.sha256(dumps(stated).encode()).hexdigest(),
    }


def test_nobody_sees_a_case_without_being_recorded(client: TestClient) -> None:
    case = new_case(client)
    assert client.get(f"/cases/{case}", follow_redirects=False).status_code == 303
    sign_in(client, Role.DATA_SCIENTIST)
    assert client.get(f"/cases/{case}").status_code == 403
    assert entries_of(client, Sight.CASE_OPENED) == []


def test_what_the_browser_reports_is_recorded_with_ids_of_ours_alone(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    answer = report(
        client,
        who,
        case,
        {"what": "document_opened", "document_id": "d1"},
        {"what": "evidence_opened", "fact_id": "f2"},
        {"what": "evidence_opened", "fact_id": "f1", "criterion_id": "coverage"},
        {"what": "evidence_opened", "criterion_id": "therapy"},
        {"what": "case_left", "seconds": 0},
    )
    assert answer.status_code == 204
    (opened,) = entries_of(client, Sight.CASE_OPENED)
    shown = {"revision": 1, "opened": opened.number}
    reported = entries_of(client, Sight.DOCUMENT_OPENED, Sight.EVIDENCE_OPENED, Sight.CASE_LEFT)
    assert [entry.facts for entry in reported] == [
        {**shown, "document": 1},
        {**shown, "fact_id": "f2", "criterion_id": "therapy"},
        {**shown, "fact_id": "f1", "criterion_id": "coverage"},
        {**shown, "criterion_id": "therapy"},
        {**shown, "seconds": 0},
    ]
    assert verify(store_of(client)).valid


def test_the_same_sight_twice_in_a_report_is_one_entry(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    report(client, who, case, *[{"what": "evidence_opened", "fact_id": "f1"}] * 3)
    assert len(entries_of(client, Sight.EVIDENCE_OPENED)) == 1


IMPOSSIBLE: list[tuple[dict[str, Any], str]] = [
    ({"what": "evidence_opened", "fact_id": "f9"}, "fact_id"),
    ({"what": "evidence_opened", "criterion_id": "Jane Roe"}, "criterion_id"),
    ({"what": "evidence_opened"}, "fact_id"),
    ({"what": "document_opened", "document_id": "Jane Roe.pdf"}, "document_id"),
    ({"what": "document_opened"}, "document_id"),
    ({"what": "case_left"}, "seconds"),
    ({"what": "case_left", "seconds": -1}, "seconds"),
    ({"what": "case_left", "seconds": 10**9}, "seconds"),
    ({"what": "score_opened"}, "what"),
    ({"what": "case_opened"}, "what"),
    ({"what": "determined_adversely"}, "what"),
]


def test_a_sight_that_cannot_be_is_refused_and_nothing_of_the_report_recorded(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    before = entries_of(client)
    for sight, field in IMPOSSIBLE:
        answer = report(client, who, case, {"what": "evidence_opened", "fact_id": "f1"}, sight)
        assert answer.status_code == 422, sight
        assert field in answer.json()["errors"][0]["field"], sight
        assert "Jane" not in answer.text
    assert entries_of(client) == before


def test_what_was_not_opened_cannot_have_been_seen(client: TestClient) -> None:
    ann, case = sign_in(client, name="ann"), new_case(client)
    sight = {"what": "evidence_opened", "fact_id": "f1"}
    assert report(client, ann, case, sight).status_code == 422
    client.get(f"/cases/{case}")
    (opened,) = entries_of(client, Sight.CASE_OPENED)
    bob = sign_in(client, name="bob")
    assert report(client, bob, case, sight).status_code == 422
    assert report(client, bob, case, sight, opened=opened.number).status_code == 422
    assert entries_of(client, Sight.EVIDENCE_OPENED) == []


def test_a_report_without_this_sign_in_s_token_is_refused(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    sight = {"what": "evidence_opened", "fact_id": "f1"}
    assert report(client, who, case, sight, form_token="another").status_code == 403
    assert client.post(f"/cases/{case}/seen", json={"seen": [sight]}).status_code == 403
    assert client.post(f"/cases/{case}/seen", json=[1]).status_code == 403
    assert client.post(f"/cases/{case}/seen", data={**sight, "form_token": "another"}).status_code == 403
    client.cookies.clear()
    assert report(client, who, case, sight).status_code == 401
    assert entries_of(client, Sight.EVIDENCE_OPENED) == []


def test_a_plain_form_opens_evidence_and_leads_to_it(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    form = {"form_token": who.form_token, "what": "evidence_opened", "fact_id": "f1", "criterion_id": ""}
    answer = client.post(f"/cases/{case}/seen", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case}#fact-f1")
    assert [entry.facts["fact_id"] for entry in entries_of(client, Sight.EVIDENCE_OPENED)] == ["f1"]


def test_what_is_reported_belongs_to_the_revision_that_was_shown(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    client.post(f"/v1/authorizations/{case}/documents", json={"documents": [{"document_id": "d2", "text": "More."}]})
    report(client, who, case, {"what": "evidence_opened", "fact_id": "f1"})
    (entry,) = entries_of(client, Sight.EVIDENCE_OPENED)
    assert entry.facts["revision"] == 1


def test_nobody_looks_longer_than_the_case_was_open(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    report(client, who, case, {"what": "case_left", "seconds": 3000})
    (entry,) = entries_of(client, Sight.CASE_LEFT)
    assert entry.facts["seconds"] < 60


def test_more_than_anybody_can_see_is_refused(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    client.get(f"/cases/{case}")
    sights = [{"what": "evidence_opened", "fact_id": "f1"}] * 100
    assert report(client, who, case, *sights, sights[0]).status_code == 422
    answers = [report(client, who, case, *sights).status_code for _ in range(4)]
    assert answers[0] == 204
    assert answers[-1] == 429


def test_a_sign_in_may_report_again_after_a_while() -> None:
    moment = 0.0
    rate = SightRate(lambda: moment)
    assert rate.allows("a", 240)
    assert not rate.allows("a", 1)
    assert rate.allows("b", 1)
    moment = 1.0
    assert rate.allows("a", 4)
    assert not rate.allows("a", 1)


def test_opening_the_score_is_recorded_with_the_case_s_revision(client: TestClient) -> None:
    who, case = sign_in(client), new_case(client)
    number = seen(store_of(client), who, case, "score_opened")
    (entry,) = entries_of(client, Sight.SCORE_OPENED)
    assert (entry.number, entry.facts) == (number, {"revision": 1})
    with pytest.raises(UnknownAuthorizationError):
        seen(store_of(client), who, "01JD3K8Q5T6V7W8X9Y0Z1A2B3C", "score_opened")
    with pytest.raises(ValueError, match="imagined"):
        seen(store_of(client), who, case, "imagined")


def entry(number: int, later: float, action: str, case: str | None = "A", sign_in_id: str = "S", **facts: Any) -> Entry:
    at = NOW + timedelta(seconds=later)
    return Entry(number, "default", at, "P", "nurse", sign_in_id, action, case, dumps(facts), "0" * 64)


def looked(*entries: Entry) -> list[tuple[int, int | None, bool]]:
    return [(visit.number, visit.seconds, visit.measured) for visit in dwell(entries)]


def test_dwell_is_what_the_browser_counted() -> None:
    entries = (
        entry(1, 0, "case_opened"),
        entry(2, 5, "case_opened", "B"),
        entry(3, 90, "case_left", "B", opened=2, seconds=40),
        entry(4, 100, "case_left", opened=1, seconds=33),
    )
    assert looked(*entries) == [(1, 33, True), (2, 40, True)]
    assert looked(*reversed(entries)) == [(1, 33, True), (2, 40, True)]


def test_dwell_without_a_script_lasts_until_the_same_sign_in_is_elsewhere() -> None:
    entries = (
        entry(1, 0, "case_opened"),
        entry(2, 20, "case_opened", "B", "another sign-in"),
        entry(3, 60, "approved"),
        entry(4, 75, "case_opened", "B"),
        entry(5, 80, "signed_out", None),
    )
    assert looked(*entries) == [(1, 75, False), (2, None, False), (4, 5, False)]


def test_a_pause_longer_than_a_sign_in_may_idle_does_not_count() -> None:
    assert looked(entry(1, 0, "case_opened"), entry(2, 99_999, "signed_out", None)) == [
        (1, int(IDLE_LIMIT.total_seconds()), False)
    ]


def test_a_page_that_comes_back_adds_to_its_visit() -> None:
    entries = (
        entry(1, 0, "case_opened"),
        entry(2, 30, "case_left", opened=1, seconds=30),
        entry(3, 90, "case_left", opened=1, seconds=12),
    )
    assert looked(*entries) == [(1, 42, True)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["case_opened", "case_left", "approved", "signed_in"]),
            st.sampled_from(["A", "B", None]),
            st.sampled_from(["S", "T"]),
            st.integers(-5, 2000),
            st.integers(1, 9),
        ),
        max_size=12,
    )
)
def test_every_opening_is_one_visit_and_no_dwell_is_negative(
    steps: list[tuple[str, str | None, str, int, int]],
) -> None:
    entries, at = [], 0
    for number, (action, case, sign_in_id, later, opened) in enumerate(steps, start=1):
        at += later
        facts = {"opened": opened, "seconds": abs(later)} if action == "case_left" else {}
        entries.append(entry(number, at, action, case, sign_in_id, **facts))
    visits = dwell(entries)
    assert [visit.number for visit in visits] == [
        each.number for each in entries if each.action == "case_opened" and each.authorization_id
    ]
    assert all(visit.seconds is None or visit.seconds >= 0 for visit in visits)
