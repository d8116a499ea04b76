"""Every route of the application, asked by one tenant with another tenant's ids: 404, or nothing of the other's."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving_cases import NOTE, always, request_body
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session
from test_page_permissions import ALLOWED, EVERYBODY, NOBODY, pages

from models.types import Route
from serving.api_keys import Scope
from serving.app import create_app
from serving.batch_tables import BatchLineRow, BatchRow, CancellationRow, RequestVersionRow
from serving.cookies import COOKIE
from serving.errors import PersonRefusedError, UnknownAuthorizationError, UnknownDocumentError, UnknownPersonError
from serving.job_tables import JobRow
from serving.key_store import KeyStore
from serving.last_looks import looked
from serving.outbox_tables import WebhookRow
from serving.people import Person, SignedIn
from serving.prefer import Preference
from serving.roles import PERMISSIONS, Role
from serving.settings import Settings
from serving.sights import opening_of, seen
from serving.store import Store
from serving.tables import (
    AuthorizationRow,
    Base,
    CaseActionRow,
    DecisionRow,
    DocumentRow,
    DraftRow,
    LastLookRow,
    PersonRow,
    ResultRow,
    SavedViewRow,
    TrailRow,
)
from serving.tenant_rooms import TenantRoom, TenantRooms
from serving.tenant_store import TenantStore
from serving.trail_reading import actions_used
from serving.worklist import assign
from serving.workload import WAITING

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SERVING = Path(__file__).parents[1] / "serving"
TO_A_NURSE = always(Route.NURSE_REVIEW, "criteria_not_documented")

NOT_FOUND = "404"
NOTHING = "an answer without anything of the other tenant"
ANSWERS: dict[tuple[str, str], str] = {
    ("POST", "/v1/authorizations"): NOTHING,
    ("GET", "/v1/authorizations"): NOTHING,
    ("GET", "/v1/authorizations/{authorization_id}"): NOT_FOUND,
    ("POST", "/v1/authorizations/{authorization_id}/documents"): NOT_FOUND,
    ("GET", "/v1/authorizations/{authorization_id}/documents/{number}/text"): NOT_FOUND,
    ("POST", "/v1/triage"): NOTHING,
    ("PUT", "/v1/authorizations/{authorization_id}"): NOT_FOUND,
    ("POST", "/v1/authorizations/search"): NOTHING,
    ("POST", "/v1/batches"): NOTHING,
    ("GET", "/v1/batches/{batch_id}"): NOT_FOUND,
    ("GET", "/v1/batches/{batch_id}/problems"): NOT_FOUND,
    ("GET", "/v1/batches/{batch_id}/results"): NOT_FOUND,
    ("GET", "/v1/events"): NOTHING,
    ("GET", "/healthz"): NOTHING,
    ("GET", "/readyz"): NOTHING,
    ("GET", "/metrics"): NOTHING,
    ("GET", "/sign-in"): NOTHING,
    ("POST", "/sign-in"): NOTHING,
    ("GET", "/sign-in/left"): NOTHING,
    ("GET", "/sign-in/oidc"): NOTHING,
    ("GET", "/sign-in/oidc/back"): NOTHING,
    ("POST", "/sign-in/stay"): NOTHING,
    ("POST", "/sign-out"): NOTHING,
    ("GET", "/"): NOTHING,
    ("GET", "/cases/{authorization_id}"): NOT_FOUND,
    ("POST", "/search"): NOTHING,
    ("POST", "/claim-next"): NOTHING,
    ("POST", "/assign"): NOT_FOUND,
    ("POST", "/views"): NOTHING,
    ("POST", "/views/delete"): NOTHING,
    ("POST", "/views/first"): NOTHING,
    ("POST", "/keys"): NOTHING,
    ("POST", "/cases/{authorization_id}/claim"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/release"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/assign"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/score"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/seen"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/approve"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/approve-modified"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/request-information"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/refer"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/withdraw"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/reopen"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/notes"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/corrections"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/undo"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/extend"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/expedite"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/not-expedited"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/keys"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/corrections"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/return"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/determine-adversely"): NOT_FOUND,
    ("POST", "/cases/{authorization_id}/determine-adversely"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/evidence"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/evidence/{fact_id}"): NOT_FOUND,
    ("GET", "/concepts"): NOTHING,
    ("GET", "/numbers"): NOTHING,
    ("GET", "/numbers/now"): NOTHING,
    ("GET", "/numbers/{table}.csv"): NOTHING,
    ("GET", "/aggregates"): NOTHING,
    ("GET", "/aggregates/{table}.csv"): NOTHING,
    ("GET", "/trail"): NOTHING,
    ("GET", "/trail/cases/{authorization_id}"): NOT_FOUND,
    ("POST", "/trail/search"): NOTHING,
    ("POST", "/trail/verify"): NOTHING,
    ("POST", "/trail/export"): NOTHING,
    ("POST", "/cases/{authorization_id}/drafts/{form_name}"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/drafts/{form_name}"): NOT_FOUND,
    ("GET", "/people"): NOTHING,
    ("POST", "/people"): NOTHING,
    ("GET", "/people/{person_id}"): NOT_FOUND,
    ("POST", "/people/{person_id}"): NOT_FOUND,
    ("POST", "/people/{person_id}/password"): NOT_FOUND,
    ("GET", "/jobs"): NOTHING,
    ("POST", "/jobs/{job_id}/retry"): NOT_FOUND,
    ("GET", "/cases/{authorization_id}/being-read"): NOT_FOUND,
    ("GET", "/webhooks"): NOTHING,
    ("POST", "/webhooks/{webhook_id}/redeliver"): NOT_FOUND,
    ("POST", "/v1/authorizations/{authorization_id}/cancellation"): NOT_FOUND,
}
"""What another tenant's ids get. A new route belongs in here; what has somebody's id in its address says 404."""
CSV_TABLES = {"/numbers/{table}.csv": "turnaround", "/aggregates/{table}.csv": "routes"}


@dataclass(frozen=True)
class Side:
    """A tenant with a case, people of every role, and something of everything that people do."""

    room: TenantRoom
    token: str
    people: dict[Role, Person]
    case: str
    action_id: str
    document_id: str
    batch_id: str
    webhook_id: str
    job_id: int

    @property
    def marks(self) -> frozenset[str]:
        """What nobody of another tenant may ever be shown."""
        name = self.room.tenant
        ids = {
            self.case,
            self.action_id,
            self.batch_id,
            self.webhook_id,
            *(person.person_id for person in self.people.values()),
        }
        return frozenset(
            {f"PA-of-{name}", f"Secretword{name}", f"Name of {name}", f"team-{name}", f"view-{name}"} | ids
        )


class Walk:
    """Asks for routes as somebody of one tenant, with the ids of another (or the same) in every place an id can be."""

    def __init__(self, client: TestClient, asker: Side, named: Side) -> None:
        self._client, self._asker, self._named = client, asker, named

    def ask(self, method: str, path: str) -> Any:
        named = self._named
        address = path.format(
            authorization_id=named.case,
            person_id=named.people[Role.NURSE].person_id,
            number=1,
            form_name="note",
            fact_id="f1",
            table=CSV_TABLES.get(path, ""),
            batch_id=named.batch_id,
            webhook_id=named.webhook_id,
            job_id=named.job_id,
        )
        self._client.cookies.clear()
        if path.startswith(("/v1/", "/healthz", "/readyz", "/metrics")):
            return self._call(method, path, address)
        who = self._signed_in(method, path)
        turn = self._turn()
        fields = {
            "form_token": who.form_token if who is not None else "",
            "turn": str(turn),
            "text": "@Nobody looked at it",
            "what": "document_opened",
            "q": f"PA-of-{named.room.tenant}",
            "external_id": f"PA-of-{named.room.tenant}",
            "person": named.people[Role.NURSE].person_id,
            "case": named.case if path == "/trail/export" else f"{named.case} {turn}",
            "action_id": named.action_id,
            "summary": "s",
            "reason": "r",
            "name": f"view-{self._asker.room.tenant}",
            "display_name": "Somebody Else",
            "role": "nurse",
        }
        # What the page that reports sights is sent stands for itself: it takes no other fields.
        if path.endswith("/seen"):
            fields = {name: fields[name] for name in ("form_token", "what")} | {"document_id": named.document_id}
        query = {"case": named.case, "person": named.people[Role.NURSE].person_id} if path == "/trail" else {}
        query |= {"done": named.action_id} if path.startswith("/cases") else {}
        answer = self._client.request(
            method, address, params=query, data=fields if method == "POST" else None, headers={"accept": "text/html"}
        )
        for asked in query.values() if path == "/trail" else ():
            # The filter's fields stand in the page as they were asked for.
            answer._content = answer.content.replace(asked.encode(), b"")
        return answer

    def _call(self, method: str, path: str, address: str) -> Any:
        headers = {"authorization": f"Bearer {self._asker.token}"}
        body: dict[str, Any] | None = None
        if path.endswith("/documents"):
            body = {"documents": [{"document_id": "d9", "text": "More words of it."}]}
        elif path.endswith("/cancellation"):
            body = {"reason": "other"}
        elif path.endswith("/search"):
            asked = f"PA-of-{self._named.room.tenant}"
            answer = self._client.request(method, address, json={"external_ids": [asked]}, headers=headers)
            # What is not known is said again as it was asked for.
            answer._content = answer.content.replace(f'"unknown":["{asked}"]'.encode(), b"")
            return answer
        elif method == "PUT":
            body = {name: value for name, value in body_of("walk").items() if name != "documents"}
        elif method == "POST":
            body = body_of(f"walk-from-{self._asker.room.tenant}")
        return self._client.request(method, address, json=body, headers=headers)

    def _signed_in(self, method: str, path: str) -> SignedIn | None:
        permission = ALLOWED[method, path]
        if permission == NOBODY:
            return None
        role = next(role for role in Role if permission == EVERYBODY or permission in PERMISSIONS[role])
        people = self._asker.room.people
        token = people.sign_in(self._asker.people[role], now=datetime.now(UTC))
        self._client.cookies.set(COOKIE, token)
        return people.signed_in(token, now=datetime.now(UTC))

    def _turn(self) -> int:
        with self._named.room.store.reading() as session:
            return session.get_one(AuthorizationRow, self._named.case).turn


def body_of(tenant: str, **changes: Any) -> dict[str, Any]:
    return request_body(f"PA-of-{tenant}", f"{NOTE} Secretword{tenant}.", **changes)


def settle(client: TestClient, tenant: str) -> Side:
    """Let a tenant have one of everything."""
    app = client.app
    assert isinstance(app, FastAPI)
    rooms: TenantRooms = app.state.rooms
    room = rooms.of(tenant)
    people = {
        # The same sign-in names in every tenant.
        role: room.people.add(role.value, f"Name of {tenant} {role}", role, team=f"team-{tenant}", now=NOW)
        for role in Role
    }
    key = KeyStore(room.store).add(f"Name of {tenant}", tenant, set(Scope), created_by="test", now=NOW)
    headers = {"authorization": f"Bearer {key.token}"}
    case = client.post("/v1/authorizations", json=body_of(tenant), headers=headers).json()["authorization_id"]
    token = room.people.sign_in(people[Role.LEAD], now=datetime.now(UTC))
    who = room.people.signed_in(token, now=datetime.now(UTC))
    assert who is not None
    client.cookies.clear()
    client.cookies.set(COOKIE, token)
    assert client.get(f"/cases/{case}").status_code == 200
    form = {"form_token": who.form_token, "turn": "0"}
    for path, fields in (
        (f"/cases/{case}/claim", {}),
        (f"/cases/{case}/notes", {"text": f"Secretword{tenant}"}),
        (f"/cases/{case}/drafts/note", {"text": f"Secretword{tenant}"}),
        ("/views", {"name": f"view-{tenant}", "filter": "urgency=expedited"}),
    ):
        assert client.post(path, data={**form, **fields}).status_code in (204, 303), path
    batch = client.post("/v1/batches", content=json.dumps(body_of(tenant)), headers=headers).json()
    webhook, _ = room.webhooks.add(f"https://example.com/{tenant}", [], created_by="test", now=NOW)
    with room.store.reading() as session:
        job_id = session.scalars(select(JobRow.job_id).where(JobRow.authorization_id == case)).one()
        noted = select(CaseActionRow).where(CaseActionRow.authorization_id == case, CaseActionRow.kind == "noted")
        action_id = session.scalars(noted).one().action_id
    return Side(room, key.token, people, case, action_id, "d1", batch["batch_id"], webhook.webhook_id, job_id)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("tenants")
    settings = Settings(database_url=database_in(folder), model_dir=folder, api_keys="required", requests_per_minute=0)
    app = create_app(settings, triage=TO_A_NURSE, draw=lambda: 1.0)
    TenantStore(app.state.store).add("acme", "Name of acme", now=NOW)
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def sides(client: TestClient) -> dict[str, Side]:
    return {tenant: settle(client, tenant) for tenant in ("default", "acme")}


def kept_of(side: Side) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that the database holds of a tenant."""
    cases = select(AuthorizationRow.authorization_id).where(AuthorizationRow.tenant == side.room.tenant)
    people = select(PersonRow.person_id).where(PersonRow.tenant == side.room.tenant)
    found = {}
    with side.room.store.reading() as session:
        for table in (
            AuthorizationRow,
            CaseActionRow,
            PersonRow,
            TrailRow,
            BatchRow,
            CancellationRow,
            JobRow,
            WebhookRow,
        ):
            found[table.__tablename__] = _rows(session, table, table.tenant == side.room.tenant)  # type: ignore[attr-defined]  # each has one
        for table in (DocumentRow, ResultRow, DecisionRow, DraftRow, LastLookRow, BatchLineRow, RequestVersionRow):
            found[table.__tablename__] = _rows(session, table, table.authorization_id.in_(cases))  # type: ignore[attr-defined]  # each has one
        found["saved_views"] = _rows(session, SavedViewRow, SavedViewRow.person_id.in_(people))
    return found


def _rows(session: Session, table: type[Base], which: Any) -> list[tuple[Any, ...]]:
    names = [column.key for column in inspect(table).columns]
    rows = session.scalars(select(table).where(which))
    return sorted((tuple(getattr(row, name) for name in names) for row in rows), key=repr)


def test_every_route_says_what_another_tenants_ids_get(client: TestClient) -> None:
    calls = {
        (method.upper(), path)
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        for method in operations
    }
    assert calls | pages(client) == ANSWERS.keys()
    with_ids = {route for route in ANSWERS if re.search(r"\{(\w+_id|number|event)\}", route[1])}
    assert all(ANSWERS[route] == NOT_FOUND for route in with_ids)


@pytest.mark.parametrize(("asker", "named"), [("default", "acme"), ("acme", "default")])
def test_another_tenants_ids_lead_nowhere(client: TestClient, sides: dict[str, Side], asker: str, named: str) -> None:
    other = sides[named]
    before = kept_of(other)
    walk = Walk(client, sides[asker], other)
    got: dict[tuple[str, str], str] = {}
    for route, expected in ANSWERS.items():
        answer = walk.ask(*route)
        shown = [mark for mark in other.marks if mark in answer.text or mark in str(answer.headers)]
        if shown:
            got[route] = f"shows {shown}"
        elif expected == NOTHING:
            got[route] = NOTHING if answer.status_code < 500 or answer.status_code == 502 else str(answer.status_code)
        else:
            got[route] = str(answer.status_code)
    assert got == ANSWERS
    after = kept_of(other)
    # The sign-in form counts a failure in the default tenant's trail: nobody was signed in there.
    failed = [row for row in after["trail"] if row not in before["trail"] and "sign_in_failed" not in row]
    assert failed == []
    del before["trail"], after["trail"]
    assert after == before


def test_the_same_requests_with_ones_own_ids_are_answered(client: TestClient, sides: dict[str, Side]) -> None:
    """The walk above asks for things that are there: what is refused there is found here."""
    own = settle_again(client, sides["acme"])
    walk = Walk(client, own, own)
    answers = {route: walk.ask(*route) for route, expected in ANSWERS.items() if expected == NOT_FOUND}
    assert {
        route: answer.status_code for route, answer in answers.items() if answer.status_code in (401, 403, 404)
    } == {}
    assert {answer.status_code for answer in answers.values()} <= {200, 201, 204, 303, 409, 422}


def settle_again(client: TestClient, side: Side) -> Side:
    """The same tenant with another case that nobody has touched."""
    headers = {"authorization": f"Bearer {side.token}"}
    body = request_body("PA-own", f"{NOTE} Another one.")
    case = client.post("/v1/authorizations", json=body, headers=headers).json()["authorization_id"]
    client.cookies.clear()
    client.cookies.set(COOKIE, side.room.people.sign_in(side.people[Role.NURSE], now=datetime.now(UTC)))
    assert client.get(f"/cases/{case}").status_code == 200
    return replace(side, case=case)


def test_lists_and_numbers_count_ones_own_alone(client: TestClient, sides: dict[str, Side]) -> None:
    for side in sides.values():
        headers = {"authorization": f"Bearer {side.token}"}
        with side.room.store.reading() as session:
            cases = select(AuthorizationRow.authorization_id).where(AuthorizationRow.tenant == side.room.tenant)
            own = set(session.scalars(cases))
            still = set(session.scalars(cases.where(AuthorizationRow.work.in_([work.value for work in WAITING]))))
        listed = client.get("/v1/authorizations", headers=headers).json()["items"]
        assert {case["authorization_id"] for case in listed} == own
        assert sum(counted.cases for counted in side.room.worklist_counts.of_all("")) == len(own)
        client.cookies.clear()
        client.cookies.set(COOKIE, side.room.people.sign_in(side.people[Role.LEAD], now=datetime.now(UTC)))
        lines = list(csv.DictReader(client.get("/numbers/turnaround.csv").text.splitlines()))
        waiting = sum(int(line[next(name for name in line if name.casefold() == "waiting")]) for line in lines)
        assert 0 < waiting == len(still)


def test_a_case_is_not_given_to_a_person_of_another_tenant(sides: dict[str, Side]) -> None:
    own, other = sides["default"], sides["acme"]
    people = own.room.people
    lead = people.signed_in(people.sign_in(own.people[Role.LEAD], now=NOW), now=NOW)
    assert lead is not None
    with own.room.store.reading() as session:
        turn = session.get_one(AuthorizationRow, own.case).turn
    with pytest.raises(PersonRefusedError):
        assign(own.room.store, lead, own.case, other.people[Role.NURSE].person_id, turn, NOW)


def test_nothing_below_the_pages_opens_another_tenants_case_either(sides: dict[str, Side]) -> None:
    own, other = sides["default"], sides["acme"]
    store: Store = own.room.store
    people = own.room.people
    nurse = people.signed_in(people.sign_in(own.people[Role.NURSE], now=NOW), now=NOW)
    assert nurse is not None
    case = other.case
    for ask in (
        lambda: store.request(case),
        lambda: store.result(case),
        lambda: store.history(case),
        lambda: store.document(case, 1),
        lambda: store.unread_documents(case),
        lambda: own.room.drafts.drafts_of(nurse.person.person_id, case),
        lambda: own.room.drafts.clear(nurse.person.person_id, case, "note"),
        lambda: looked(store, nurse, case, NOW),
        lambda: seen(store, nurse, case, "case_opened"),
        lambda: opening_of(store, nurse, case),
        lambda: own.room.actions.standing(case),
    ):
        with pytest.raises((UnknownAuthorizationError, UnknownDocumentError)):
            ask()
    with pytest.raises(UnknownPersonError):
        people.person(other.people[Role.NURSE].person_id)


def test_a_sign_in_belongs_to_one_tenant(sides: dict[str, Side]) -> None:
    own, other = sides["default"].room.people, sides["acme"].room.people
    token = other.sign_in(sides["acme"].people[Role.NURSE], now=NOW)
    assert own.signed_in(token, now=NOW) is None
    assert own.idled_out(token, now=NOW) is None
    own.sign_out(token, now=NOW)
    who = other.signed_in(token, now=NOW)
    assert who is not None
    assert not own.gave_form(who.person.person_id, who.form_token)
    assert other.gave_form(who.person.person_id, who.form_token)


def test_nobody_of_an_inactive_tenant_is_signed_in(client: TestClient, sides: dict[str, Side]) -> None:
    side = sides["acme"]
    tenants = TenantStore(side.room.store)
    client.cookies.clear()
    client.cookies.set(COOKIE, side.room.people.sign_in(side.people[Role.NURSE], now=datetime.now(UTC)))
    assert client.get("/").status_code == 200
    tenants.change("acme", active=False, now=NOW)
    try:
        assert client.get("/").status_code == 303
    finally:
        tenants.change("acme", active=True, now=NOW)
    assert client.get("/").status_code == 200


def test_an_external_id_and_a_member_are_known_to_their_own_tenant_alone(
    client: TestClient, sides: dict[str, Side]
) -> None:
    """Equal ids with other content are no conflict, and equal content is no near duplicate and no other member's text."""
    results = []
    for side in sides.values():
        headers = {"authorization": f"Bearer {side.token}"}
        text = f"{NOTE} The same words in both, to the letter."
        body = request_body("PA-both", text, member={"member_id": f"M-{side.room.tenant}", "birth_date": "1968-04-12"})
        answer = client.post("/v1/authorizations", json=body, headers=headers)
        assert answer.status_code == 201
        results.append([reason["code"] for reason in answer.json()["reasons"]])
        again = client.post("/v1/authorizations", json={**body, "external_id": "PA-again"}, headers=headers)
        assert "near_duplicate" in [reason["code"] for reason in again.json()["reasons"]]
    assert results == [["criteria_not_documented"]] * 2


def test_an_idempotency_key_is_known_to_its_own_tenant_alone(client: TestClient, sides: dict[str, Side]) -> None:
    cases = set()
    for side in sides.values():
        headers = {"authorization": f"Bearer {side.token}", "idempotency-key": "the-same"}
        body = request_body("PA-once", f"{NOTE} Of {side.room.tenant}.")
        first, again = (client.post("/v1/authorizations", json=body, headers=headers) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert ("idempotent-replayed" in first.headers, "idempotent-replayed" in again.headers) == (False, True)
        cases |= {first.json()["authorization_id"], again.json()["authorization_id"]}
        assert client.post("/v1/batches", content=json.dumps(body), headers=headers).status_code == 422
    assert len(cases) == 2


def test_an_auditor_sees_which_kinds_of_entries_their_own_tenant_has(sides: dict[str, Side]) -> None:
    store = sides["acme"].room.store
    TenantStore(store).change("acme", display_name="Name of acme", now=NOW)
    assert "tenant_changed" in actions_used(store)
    assert "tenant_changed" not in actions_used(sides["default"].room.store)


def test_what_every_tenant_sent_is_triaged_after_a_start(tmp_path: Path) -> None:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    first = create_app(settings, triage=TO_A_NURSE)
    TenantStore(first.state.store).add("acme", "Acme", now=NOW)
    for tenant in ("default", "acme"):
        body = json.dumps(request_body(f"PA-{tenant}")).encode()
        first.state.rooms.of(tenant).service.submit(body, Preference(respond_async=True))
    first.state.store.close()
    app = create_app(settings, triage=TO_A_NURSE)
    rooms: TenantRooms = app.state.rooms
    stores = [rooms.of(tenant).store for tenant in ("default", "acme")]
    assert all(store.cases(status="received", limit=1) for store in stores)
    with TestClient(app):
        for _ in range(100):
            if not any(store.cases(status="received", limit=1) for store in stores):
                break
            time.sleep(0.1)
        assert [store.cases(status="received", limit=1) for store in stores] == [(), ()]


def test_endpoints_work_in_the_room_of_who_asks() -> None:
    """What is the default tenant's own stands on the application; an endpoint that took it from there would be nobody's."""
    of_default = re.compile(r"app\.state\.(store|service|people|drafts|actions|worklist_counts)\b")
    found = {
        f"{path.name}: {line.strip()}"
        for path in SERVING.glob("*.py")
        if path.name not in ("app.py", "run.py")
        for line in path.read_text("utf-8").splitlines()
        if of_default.search(line)
    }
    # Whether the database answers is no tenant's.
    assert found == set()
