"""Updates, cancellations and questions about requests that were sent before."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from case_work import CaseWork
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving_cases import NOTE, always, request_body, routed
from signing_in import add_person, sign_in_again
from sqlalchemy import select, update

from models.types import Route
from serving.app import create_app
from serving.batch_tables import IdempotencyKeyRow, RequestVersionRow
from serving.job_tables import JobRow
from serving.jobs import MOST_LOST
from serving.outbox import Outbox
from serving.roles import Role
from serving.settings import Settings
from serving.tables import AuthorizationRow, CaseActionRow, TrailRow
from serving.trail_chain import verify
from serving.ulid import UlidSource

Build = Callable[..., FastAPI]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def make(triage: Any = routed, **changes: Any) -> FastAPI:
        settings = Settings(
            database_url=database_in(tmp_path),
            model_dir=tmp_path,
            audit_share=0,
            undo_minutes=0,
            **changes,
        )
        return create_app(settings, triage=triage)

    return make


@pytest.fixture
def nurse_app(build: Build) -> FastAPI:
    return build(always(Route.NURSE_REVIEW, "criteria_not_documented"))


@pytest.fixture
def client(nurse_app: FastAPI) -> Iterator[TestClient]:
    with TestClient(nurse_app, base_url="http://localhost") as client:
        yield client


def sent(client: TestClient, external_id: str = "PA-1", **changes: Any) -> str:
    answer = client.post("/v1/authorizations", json=request_body(external_id, **changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["authorization_id"])


def update_body(external_id: str = "PA-1", **service: Any) -> dict[str, Any]:
    body = request_body(external_id)
    del body["documents"]
    body["service"].update(service)
    return body


def row_of(client: TestClient, case: str) -> AuthorizationRow:
    with client.app.state.store.reading() as session:  # type: ignore[attr-defined]  # an ASGI app's type has no state
        row = session.get(AuthorizationRow, case)
        assert isinstance(row, AuthorizationRow)
        session.expunge(row)
        return row


def move(client: TestClient, case: str, **values: Any) -> None:
    with client.app.state.store.writing() as session:  # type: ignore[attr-defined]  # as above
        session.execute(update(AuthorizationRow).where(AuthorizationRow.authorization_id == case).values(**values))


def acted(client: TestClient, case: str, kind: str) -> None:
    """Somebody did this on the case, and it stands so."""
    who = add_person(client.app, Role.MEDICAL_DIRECTOR)  # type: ignore[arg-type]  # it is the FastAPI
    with client.app.state.store.writing() as session:  # type: ignore[attr-defined]  # as above
        session.add(
            CaseActionRow(
                action_id=UlidSource()(),
                tenant="default",
                authorization_id=case,
                revision=1,
                kind=kind,
                person_id=who.person_id,
                role=who.role.value,
                at=datetime.now(UTC),
                content="{}",
            )
        )
    move(client, case, work=kind if kind in ("referred", "withdrawn") else "decided")


def page(client: TestClient, case: str) -> str:
    who = add_person(client.app, Role.NURSE)  # type: ignore[arg-type]  # it is the FastAPI
    sign_in_again(client, who)
    answer = client.get(f"/cases/{case}", headers={"accept": "text/html"})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def trail(client: TestClient) -> list[tuple[str, dict[str, Any]]]:
    with client.app.state.store.reading() as session:  # type: ignore[attr-defined]  # as above
        return [(row.action, json.loads(row.details)) for row in session.scalars(select(TrailRow))]


def test_an_update_is_triaged_again_and_what_was_before_is_kept(client: TestClient) -> None:
    case = sent(client)
    answer = client.put(f"/v1/authorizations/{case}", json=update_body(units=2, description="MRI"))

    assert answer.status_code == 200
    assert answer.json()["authorization_id"] == case
    row = row_of(client, case)
    assert (row.revision, json.loads(row.request)["service"]["units"], row.service_description) == (2, 2.0, "MRI")
    with client.app.state.store.reading() as session:  # type: ignore[attr-defined]  # as above
        (earlier,) = session.scalars(select(RequestVersionRow))
        assert (earlier.revision, json.loads(earlier.request)["service"]["units"]) == (1, 1.0)
    assert trail(client)[-1] == ("request_updated", {"revision": 2, "fields": ["service.description", "service.units"]})
    assert len(client.app.state.store.history(case)) == 2  # type: ignore[attr-defined]  # as above
    assert "units: 1 → 2" in page(client, case)


def test_an_update_that_says_the_same_changes_nothing(client: TestClient) -> None:
    case = sent(client)
    first = client.get(f"/v1/authorizations/{case}").json()
    assert client.put(f"/v1/authorizations/{case}", json=update_body()).json() == first
    assert row_of(client, case).revision == 1


def test_the_original_body_still_finds_the_case_after_an_update_and_another_does_not(client: TestClient) -> None:
    case = sent(client)
    client.put(f"/v1/authorizations/{case}", json=update_body(units=2))
    again = client.post("/v1/authorizations", json=request_body())
    assert (again.status_code, again.json()["authorization_id"]) == (200, case)
    other = request_body()
    other["service"]["units"] = 2
    assert client.post("/v1/authorizations", json=other).status_code == 409


def test_an_update_never_moves_the_receipt_later_and_expedited_is_due_sooner(client: TestClient) -> None:
    case = sent(client)
    standard = row_of(client, case)
    later = {**update_body(), "received_at": "2026-11-25T00:00:00Z", "urgency": "expedited"}
    answer = client.put(f"/v1/authorizations/{case}", json=later).json()

    row = row_of(client, case)
    assert row.received_at == standard.received_at
    assert row.due_at == standard.received_at + timedelta(days=3) < standard.due_at  # type: ignore[operator]  # it is set
    assert datetime.fromisoformat(answer["due_at"]) == row.due_at
    assert row.urgency == "expedited"


def test_an_update_that_leaves_out_the_receipt_keeps_it(client: TestClient) -> None:
    case = sent(client)
    body = update_body(units=3)
    del body["received_at"]
    client.put(f"/v1/authorizations/{case}", json=body)
    assert row_of(client, case).received_at == datetime(2026, 11, 20, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"external_id": "PA-2"}, "external_id"),
        ({"documents": []}, "documents"),
        ({"diagnoses": []}, "diagnoses"),
        ({"note": "secretword"}, "note"),
    ],
)
def test_an_update_that_is_no_request_names_the_field_and_changes_nothing(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    case = sent(client)
    answer = client.put(f"/v1/authorizations/{case}", json={**update_body(units=2), **change})
    assert answer.status_code == 422
    assert field in [problem["field"] for problem in answer.json()["errors"]]
    assert "secretword" not in answer.text
    assert row_of(client, case).revision == 1


def test_a_decided_case_gets_a_second_look_when_its_request_is_updated(client: TestClient) -> None:
    case = sent(client)
    move(client, case, work="decided")
    client.put(f"/v1/authorizations/{case}", json=update_body(units=4))
    row = row_of(client, case)
    assert (row.work, row.second_look) == ("open", True)
    assert "Request updated: units: 1 → 4" in page(client, case)


@pytest.mark.parametrize("kind", ["referred", "approved", "determined_adversely", "withdrawn"])
def test_a_case_that_people_referred_or_closed_is_never_fast_tracked_by_what_comes(build: Build, kind: str) -> None:
    client = TestClient(build(always(Route.FAST_TRACK, "all_criteria_met")), base_url="http://localhost")
    case = sent(client)
    acted(client, case, kind)
    answer = client.put(f"/v1/authorizations/{case}", json=update_body(units=4)).json()
    assert answer["route"] == "nurse_review"
    assert [reason["code"] for reason in answer["reasons"]] == ["second_look"]
    assert row_of(client, case).work == "open"


def test_giving_up_the_reading_of_what_was_replaced_leaves_what_replaced_it_to_be_read(build: Build) -> None:
    client, later = TestClient(build(), base_url="http://localhost"), {"prefer": "respond-async"}
    case = client.post("/v1/authorizations", json=request_body(), headers=later).json()["authorization_id"]
    service, queue = client.app.state.service, client.app.state.queue  # type: ignore[attr-defined]  # as above
    job = queue.take_of(case)
    assert client.put(f"/v1/authorizations/{case}", json=update_body(units=4), headers=later).status_code == 202
    assert service.work(replace(job, attempts=MOST_LOST + 1)) is None
    waiting = queue.take_of(case)
    assert (waiting.revision, waiting.attempts) == (2, 1)
    assert service.work(waiting).revision == 2


@pytest.mark.parametrize("work", ["open", "awaiting_information", "referred", "withdrawn"])
def test_a_cancelled_case_leaves_the_worklist_and_stays_readable(client: TestClient, work: str) -> None:
    case = sent(client)
    move(client, case, work=work)
    first = client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "entered_in_error"})
    again = client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"})

    assert (first.status_code, first.json()["reason"]) == (200, "entered_in_error")
    assert again.json() == first.json()
    assert row_of(client, case).work == "cancelled"
    assert ("request_cancelled", {"reason": "entered_in_error", "revision": 1}) in trail(client)
    text = page(client, case)
    assert "Cancelled by the intake system" in text
    assert "it was entered in error" in text
    assert "PA-1" not in client.get("/", headers={"accept": "text/html"}).text
    assert "PA-1" in client.get("/?status=cancelled", headers={"accept": "text/html"}).text
    assert verify(client.app.state.store).broken == 0  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("work", ["decided", "fast_tracked"])
def test_an_answered_case_cannot_be_cancelled(client: TestClient, work: str) -> None:
    case = sent(client)
    move(client, case, work=work)
    answer = client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:greenlane:problem:already-determined")
    assert row_of(client, case).work == work


def test_nothing_is_added_to_a_cancelled_case(client: TestClient) -> None:
    case = sent(client)
    client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"})
    documents = client.post(
        f"/v1/authorizations/{case}/documents", json={"documents": [{"document_id": "d2", "text": "x"}]}
    )
    update = client.put(f"/v1/authorizations/{case}", json=update_body(units=2))
    assert (documents.status_code, update.status_code) == (409, 409)
    assert {documents.json()["type"], update.json()["type"]} == {"urn:greenlane:problem:case-cancelled"}
    assert client.post("/v1/authorizations", json=request_body()).status_code == 200


def test_a_case_that_is_cancelled_while_it_is_read_is_not_fast_tracked(build: Build) -> None:
    cases: list[str] = []

    def cancelled_meanwhile(request: Any) -> Any:
        (case,) = [found.authorization_id for found in app.state.store.cases(status="received", limit=2)]
        cases.append(case)
        assert client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"}).status_code == 200
        return routed(request)

    app = build(cancelled_meanwhile)
    client = TestClient(app)
    answer = client.post("/v1/authorizations", json=request_body()).json()
    assert (answer["route"], answer["reasons"][-1]["code"]) == ("nurse_review", "cancelled")
    assert row_of(client, cases[0]).work == "cancelled"


def test_no_person_works_on_a_cancelled_case_or_undoes_what_led_to_it(client: TestClient) -> None:
    case = sent(client)
    nurse = add_person(client.app, Role.NURSE, name="ann")  # type: ignore[arg-type]  # it is the FastAPI
    actions = client.app.state.rooms.of("default").actions  # type: ignore[attr-defined]  # as above
    work = CaseWork(client.app.state.store)  # type: ignore[attr-defined]  # as above
    action = work.act(case, "information_requested", nurse.person_id, datetime.now(UTC), before={"work": "open"})
    client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"})
    from serving.case_rules import refusal, undo_refusal
    from serving.work import ActionKind

    standing = actions.standing(case)
    now = datetime.now(UTC)
    allowed = {kind for kind in ActionKind if refusal(kind, standing, nurse, now=now) is None}
    assert allowed == {ActionKind.NOTED, ActionKind.FACT_CORRECTED}
    assert undo_refusal(standing.done[action], standing, nurse, now=now) is not None


def test_a_system_that_lost_track_asks_by_its_own_ids(client: TestClient) -> None:
    first, second = sent(client, "PA-1"), sent(client, "PA-2")
    client.post(f"/v1/authorizations/{second}/cancellation", json={"reason": "other"})
    answer = client.post("/v1/authorizations/search", json={"external_ids": ["PA-2", "PA-9", "PA-1", "PA-2"]}).json()
    assert [(item["authorization_id"], item["status"], item["cancelled"]) for item in answer["items"]] == [
        (second, "triaged", True),
        (first, "triaged", False),
    ]
    assert answer["items"][1]["route"] == "nurse_review"
    assert answer["items"][1]["revision"] == 1
    assert answer["unknown"] == ["PA-9"]
    too_many = {"external_ids": [f"PA-{number}" for number in range(201)]}
    assert client.post("/v1/authorizations/search", json=too_many).status_code == 422
    assert client.post("/v1/authorizations/search", json={"external_ids": []}).status_code == 422


KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


def test_a_call_with_a_key_is_done_once_and_answered_the_same(client: TestClient) -> None:
    case = sent(client)
    first = client.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers=KEY)
    client.put(f"/v1/authorizations/{case}", json=update_body(units=3))
    again = client.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers=KEY)

    assert again.status_code == 200
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert json.loads(row_of(client, case).request)["service"]["units"] == 3.0


def test_a_key_works_on_every_call_that_changes_something(client: TestClient) -> None:
    bare = {"Idempotency-Key": "k-1"}
    created = [client.post("/v1/authorizations", json=request_body(), headers=bare) for _ in range(2)]
    assert [answer.status_code for answer in created] == [201, 201]
    assert created[0].json() == created[1].json()
    assert created[1].headers["location"] == created[0].headers["location"]
    case = created[0].json()["authorization_id"]
    more = {"documents": [{"document_id": "d2", "text": "More."}]}
    added = [
        client.post(f"/v1/authorizations/{case}/documents", json=more, headers={"Idempotency-Key": "k-2"})
        for _ in range(2)
    ]
    assert added[0].json() == added[1].json()
    taken_back = [
        client.post(
            f"/v1/authorizations/{case}/cancellation", json={"reason": "other"}, headers={"Idempotency-Key": "k-3"}
        )
        for _ in range(2)
    ]
    assert taken_back[0].json() == taken_back[1].json()
    assert taken_back[1].headers["idempotent-replayed"] == "true"


def test_a_key_that_comes_back_with_other_content_is_refused(client: TestClient) -> None:
    client.post("/v1/authorizations", json=request_body("PA-1"), headers=KEY)
    answer = client.post("/v1/authorizations", json=request_body("PA-2"), headers=KEY)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:greenlane:problem:idempotency-key-reused")
    assert client.post("/v1/authorizations/search", json={"external_ids": ["PA-2"]}).json()["items"] == []


def test_a_refused_call_can_be_corrected_under_its_key(client: TestClient) -> None:
    assert client.post("/v1/authorizations", json={**request_body(), "note": 1}, headers=KEY).status_code == 422
    assert client.post("/v1/authorizations", json=request_body(), headers=KEY).status_code == 201


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, "\x7f"])
def test_what_is_no_key_is_refused(client: TestClient, key: str) -> None:
    answer = client.post("/v1/authorizations", json=request_body(), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_keys_are_hashed_their_tenants_own_and_forgotten_after_their_days(client: TestClient) -> None:
    from serving.idempotency import IdempotencyKeys

    client.post("/v1/authorizations", json=request_body(), headers=KEY)
    store = client.app.state.store  # type: ignore[attr-defined]  # as above
    with store.reading() as session:
        (row,) = session.scalars(select(IdempotencyKeyRow))
        assert len(row.key_hash) == 64
        assert "8e03978e" not in row.key_hash
    kept = timedelta(days=7)
    key = "8e03978e-40d5-43dd-bc93-6894a57f9324"
    assert IdempotencyKeys(store.of_tenant("other"), kept=kept).begin(key, "h") is None
    later = IdempotencyKeys(store, kept=kept, clock=lambda: datetime.now(UTC) + timedelta(days=8))
    assert later.begin(key, "other content") is None


def test_a_call_that_was_begun_and_never_answered_can_be_done_again(client: TestClient) -> None:
    from serving.errors import IdempotencyKeyReusedError
    from serving.idempotency import IdempotencyKeys

    keys = IdempotencyKeys(client.app.state.store, kept=timedelta(days=7))  # type: ignore[attr-defined]  # as above
    assert keys.begin("k", "h") is None
    assert keys.begin("k", "h") is None
    with pytest.raises(IdempotencyKeyReusedError):
        keys.begin("k", "other")


def test_a_note_never_stands_in_the_trail_of_an_update(client: TestClient) -> None:
    case = sent(client)
    client.put(f"/v1/authorizations/{case}", json=update_body(description="secretword"))
    assert "secretword" not in json.dumps(trail(client))
    assert NOTE not in json.dumps(trail(client))


LATER = {"Prefer": "respond-async"}


def triage_all(client: TestClient) -> None:
    app = client.app
    assert isinstance(app, FastAPI)
    while (job := app.state.queue.take()) is not None:
        app.state.service.work(job)


@pytest.fixture
def waiting(build: Build) -> Iterator[TestClient]:
    """A client of a service in which nothing is triaged but what is answered at once."""
    with TestClient(build(workers=0), base_url="http://localhost") as client:
        yield client


def jobs_of(client: TestClient, case: str) -> list[tuple[int, str]]:
    store = client.app.state.store  # type: ignore[attr-defined]  # it is the FastAPI
    with store.reading() as session:
        rows = session.execute(
            select(JobRow.revision, JobRow.state).where(JobRow.authorization_id == case).order_by(JobRow.revision)
        )
        return [(row.revision, row.state) for row in rows]


def test_an_update_may_be_answered_later_and_its_repeat_tells_the_result(waiting: TestClient) -> None:
    case = sent(waiting)
    first = waiting.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers={**KEY, **LATER})
    assert (first.status_code, first.json()["status"]) == (202, "received")
    assert first.headers["preference-applied"] == "respond-async"
    assert jobs_of(waiting, case) == [(1, "done"), (2, "waiting")]
    again = waiting.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers=KEY)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    triage_all(waiting)
    late = waiting.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers=KEY)
    assert (late.status_code, late.json()) == (200, waiting.get(f"/v1/authorizations/{case}").json())
    assert late.headers["idempotent-replayed"] == "true"
    assert jobs_of(waiting, case) == [(1, "done"), (2, "done")]


def test_a_repeat_of_what_newer_content_overtook_is_answered_with_the_newest_result(waiting: TestClient) -> None:
    new = waiting.post("/v1/authorizations", json=request_body(), headers={**KEY, **LATER})
    case = new.json()["authorization_id"]
    assert new.status_code == 202
    assert waiting.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers=LATER).status_code == 202
    assert jobs_of(waiting, case) == [(1, "done"), (2, "waiting")]
    triage_all(waiting)
    again = waiting.post("/v1/authorizations", json=request_body(), headers=KEY)
    assert (again.status_code, again.json()) == (200, waiting.get(f"/v1/authorizations/{case}").json())


def test_a_waiting_request_that_is_cancelled_ends_quietly(waiting: TestClient) -> None:
    case = waiting.post("/v1/authorizations", json=request_body(), headers=LATER).json()["authorization_id"]
    assert waiting.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"}).status_code == 200
    who = add_person(waiting.app, Role.NURSE)  # type: ignore[arg-type]  # it is the FastAPI
    sign_in_again(waiting, who)
    page = waiting.get(f"/cases/{case}", headers={"accept": "text/html"})
    assert page.status_code == 202
    assert "No decision is due any more." in page.text
    assert 'class="due' not in page.text
    triage_all(waiting)
    assert jobs_of(waiting, case) == [(1, "done")]
    result = waiting.get(f"/v1/authorizations/{case}").json()
    assert (result["route"], result["reasons"][-1]["code"]) == ("nurse_review", "cancelled")
    page = waiting.get(f"/cases/{case}", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "No decision is due any more." in page.text
    assert 'class="due' not in page.text
    store = waiting.app.state.store  # type: ignore[attr-defined]  # as above
    Outbox(store).release(now=datetime.now(UTC))
    kinds = [event["kind"] for event in waiting.get("/v1/events").json()["items"]]
    assert kinds == ["authorization.cancelled"]


def test_the_page_of_an_updated_case_waits_for_its_result_and_says_what_changed(waiting: TestClient) -> None:
    case = sent(waiting)
    waiting.put(f"/v1/authorizations/{case}", json=update_body(units=2), headers=LATER)
    who = add_person(waiting.app, Role.NURSE)  # type: ignore[arg-type]  # it is the FastAPI
    sign_in_again(waiting, who)
    assert waiting.get(f"/cases/{case}", headers={"accept": "text/html"}).status_code == 202
    triage_all(waiting)
    page = waiting.get(f"/cases/{case}", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "units: 1 → 2" in page.text
