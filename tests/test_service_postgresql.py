"""The whole service on a real PostgreSQL: a case's way, characters that it cannot hold, its schema back and forth."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fastapi.testclient import TestClient
from postgresql import running_postgresql
from serving_cases import NOTE, always, request_body
from signing_in import add_person, sign_in_again
from sqlalchemy import text

from models.types import Route
from serving.all_tables import all_tables
from serving.app import create_app
from serving.correction_export import export_corrections
from serving.database import migration_config
from serving.decision_export import export_decisions
from serving.people import Person
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.trail_chain import verify

pytestmark = pytest.mark.slow

PAGE = {"accept": "text/html"}
ODD = "a\0b \u2400 \U0001f600 \\u0000 ' %s :name"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # Not pytest's own folder: its path can be too long for a socket, and closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="gl") as folder, running_postgresql(Path(folder) / "data") as url:
        yield url


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[TestClient]:
    settings = Settings(database_url=url, undo_minutes=0, model_dir=Path("none"))
    app = create_app(settings, triage=always(Route.NURSE_REVIEW, "criteria_not_documented"), migrate=True)
    with TestClient(app, base_url="http://localhost", headers=PAGE) as client:
        yield client


@pytest.fixture(scope="module")
def store(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined,no-any-return]  # an ASGI app's type has no state


@pytest.fixture(scope="module")
def people(client: TestClient) -> dict[Role, Person]:
    return {role: add_person(client.app, role) for role in Role}  # type: ignore[arg-type]  # it is the FastAPI


def accepted(client: TestClient, external_id: str, note: str = NOTE, **changes: Any) -> str:
    answer = client.post("/v1/authorizations", json=request_body(external_id, note, **changes))
    assert answer.status_code == 201, answer.text
    assert "system_error" not in answer.text
    return str(answer.json()["authorization_id"])


def turn_of(client: TestClient, case: str) -> str:
    found = re.search(r'name="turn" value="(\d+)"', client.get(f"/cases/{case}").text)
    assert found is not None
    return found[1]


def odd_request(external_id: str) -> dict[str, Any]:
    """A request with NUL wherever one is let in, and with the longest identifiers."""
    body = request_body(external_id, f"{NOTE} {ODD}")
    body["member"]["member_id"] = "M\0" + "m" * 198
    body["coverage"].update(plan_id="p\0", line_of_business="l\0" + "l" * 198)
    body["service"].update(code="7\0" + "2" * 198, description="d\0" * 1000, place_of_service="\0")
    body["diagnoses"] = [{"system": "s\0", "code": "c\0", "description": ODD}]
    body["provider"] = {"npi": "n\0", "specialty": "s\0"}
    return body


def test_a_case_goes_from_intake_to_the_exports(
    client: TestClient, store: Store, people: dict[Role, Person], tmp_path: Path
) -> None:
    case = accepted(client, "PA-1")
    nurse = sign_in_again(client, people[Role.NURSE])
    posted = {"form_token": nurse.form_token}
    assert "PA-1" in client.get("/").text
    assert client.post("/claim-next", data={**posted, "filter": ""}, follow_redirects=False).status_code == 303
    asked = {**posted, "turn": turn_of(client, case), "letter": f"Please send it. {ODD}", "answer_by": "2100-01-01"}
    assert client.post(f"/cases/{case}/request-information", data=asked).status_code == 200
    missed = {**posted, "verdict": "missed", "quote": "completed", "concept": "Low back pain"}
    assert client.post(f"/cases/{case}/corrections", data=missed).status_code == 200
    more = {"documents": [{"document_id": "d2", "text": "Therapy notes of eight weeks."}]}
    assert client.post(f"/v1/authorizations/{case}/documents", json=more).status_code < 300
    second = accepted(client, "PA-2")
    approved = {**posted, "turn": turn_of(client, second)}
    assert client.post(f"/cases/{second}/approve", data=approved).status_code == 200

    assert export_decisions(store, tmp_path / "decisions.jsonl").cases == 2
    rows = [json.loads(line) for line in (tmp_path / "decisions.jsonl").read_text().splitlines()]
    assert {row["request"]["external_id"]: row["outcome"] for row in rows} == {
        "PA-1": "information_requested",
        "PA-2": "approved_as_requested",
    }
    assert export_corrections(store, tmp_path / "corrections.jsonl") == 1
    assert verify(store).valid


def test_what_holds_nul_is_accepted_shown_found_and_counted(
    client: TestClient, store: Store, people: dict[Role, Person]
) -> None:
    answer = client.post("/v1/authorizations", json=odd_request("PA-odd"))
    assert answer.status_code == 201, answer.text
    assert answer.json()["reasons"][0]["code"] == "criteria_not_documented"
    assert client.post("/v1/authorizations", json=odd_request("PA-odd")).status_code == 200
    case = answer.json()["authorization_id"]
    nurse = sign_in_again(client, people[Role.NURSE])
    posted = {"form_token": nurse.form_token}
    assert client.get(f"/cases/{case}").status_code == 200
    assert "l\u2400lll" in client.get("/").text
    found = client.post("/search", data={**posted, "q": "M\0" + "m" * 198})
    assert found.status_code == 200
    missed = {**posted, "verdict": "missed", "quote": "a\u2400b", "concept": "Low back pain"}
    assert client.post(f"/cases/{case}/corrections", data=missed, follow_redirects=False).status_code == 303
    note = {**posted, "text": ODD, "turn": turn_of(client, case)}
    assert client.post(f"/cases/{case}/notes", data=note, follow_redirects=False).status_code == 303
    draft = {**posted, "text": ODD, "draft": "note"}
    assert client.post(f"/cases/{case}/drafts/note", data=draft).status_code == 204
    sign_in_again(client, people[Role.LEAD])
    assert "low back pain" in client.get("/numbers").text.lower()
    sign_in_again(client, people[Role.DATA_SCIENTIST])
    assert client.get("/aggregates").status_code == 200


def test_nul_in_what_is_only_looked_for_is_no_failure_of_ours(client: TestClient, people: dict[Role, Person]) -> None:
    sign_in_again(client, people[Role.NURSE])
    assert client.get("/cases/%00").status_code == 404
    assert client.get("/v1/authorizations/%00").status_code == 404
    auditor = sign_in_again(client, people[Role.AUDITOR])
    for field in ("person", "case", "action", "since", "external_id", "q"):
        answer = client.post("/trail/search", data={"form_token": auditor.form_token, field: "\0"})
        assert answer.status_code < 500, field
    keeper = sign_in_again(client, people[Role.ADMINISTRATOR])
    for name in ("sign_in_name", "name", "display_name", "team"):
        fields = {"name": "x", "sign_in_name": "x", "display_name": "x", "role": "nurse", "team": "t", name: "a\0"}
        assert client.post("/people", data={**fields, "form_token": keeper.form_token}).status_code < 500, name
    client.cookies.clear()
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token is not None
    entry = {"form_token": token[1], "name": "a\0", "password": "\0", "next": "/"}
    assert client.post("/sign-in", data=entry).status_code < 500


@pytest.mark.parametrize("field", ["external_id", "document_id", "content_type"])
def test_a_key_with_nul_is_refused_by_name(client: TestClient, field: str) -> None:
    body = request_body("PA-key")
    (body if field == "external_id" else body["documents"][0])[field] = "a\0"
    answer = client.post("/v1/authorizations", json=body)
    assert answer.status_code == 422
    problem = answer.json()["errors"][0]
    assert (problem["field"].split(".")[-1], problem["message"]) == (field, "must not hold a NUL character")


def test_moments_at_both_ends_of_the_calendar_are_read_whatever_the_server_s_zone_is(
    client: TestClient, store: Store, url: str
) -> None:
    ends = {"PA-first": "0001-01-01T00:00:00Z", "PA-last": "9999-12-01T23:00:00Z"}
    for external_id, moment in ends.items():
        accepted(client, external_id, received_at=moment)
    for zone in ("America/New_York", "Pacific/Kiritimati", "UTC"):
        with store.writing() as session:
            session.execute(text(f"ALTER ROLE CURRENT_USER SET TimeZone = '{zone}'"))
        other = Store.open(url)
        stored = {case.external_id: other.request(case.authorization_id) for case in other.cases(limit=200)}
        assert {ends[name] for name in ends} == {
            stored[name].request.received_at.isoformat().replace("+00:00", "Z") for name in ends
        }
        other.close()


# The last one: it empties what later tables held.
def test_migrations_go_back_and_forth_with_cases_in_the_tables(client: TestClient, store: Store) -> None:
    case = accepted(client, "PA-kept", f"{NOTE} {ODD}")
    assert client.post("/v1/authorizations", json=odd_request("PA-odd-kept")).status_code == 201
    config = migration_config()

    def migrate(to: str) -> None:
        with store.writing() as session:
            config.attributes["connection"] = session.connection()
            (command.upgrade if to == "head" else command.downgrade)(config, to)

    def copies() -> list[tuple[Any, ...]]:
        query = text("SELECT member_id, line_of_business, received_at FROM authorizations ORDER BY external_id")
        with store.reading() as session:
            return [tuple(row) for row in session.execute(query)]

    before = copies()
    for revision in ("0008", "0007", "0006", "0005", "0004", "0003", "0002", "0001"):
        migrate(revision)
    migrate("head")
    store.check()
    assert copies() == before
    assert client.get(f"/v1/authorizations/{case}", headers={"accept": "*/*"}).status_code == 200
    migrate("base")
    migrate("head")
    store.check()
    with store.reading() as session:
        assert session.execute(text("SELECT count(*) FROM authorizations")).scalar() == 0
        differences = compare_metadata(MigrationContext.configure(session.connection()), all_tables())
    # The search by the beginning of an id needs an index of PostgreSQL's own kind, which the tables cannot name.
    assert [(what, index.name) for what, index in differences] == [
        ("remove_index", "ix_authorizations_external_id_prefix")
    ]
