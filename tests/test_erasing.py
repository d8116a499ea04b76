"""What may be erased is gone from the files, what must be kept is not, and everything around it goes on."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from case_work import CaseWork
from closed_cases import SAID, closed_case, store_of
from databases import database_in, sqlite_only
from envelope import key_file
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_cases import NOTE, always, request_body
from signing_in import sign_in
from sqlalchemy import select, text
from typer.testing import CliRunner

from models.types import Route
from serving.app import create_app
from serving.batch_tables import IdempotencyKeyRow, RequestVersionRow
from serving.cli import app as command_line
from serving.correction_export import export_corrections
from serving.decision_export import export_decisions
from serving.envelope_keys import EnvelopeKeyFile
from serving.erasing import apply_retention, erase_member
from serving.errors import AuthorizationErasedError, ErasureRefusedError, HoldRefusedError, UnknownAuthorizationError
from serving.keeping_tables import ErasureRow
from serving.legal_holds import holds, place_hold, release_hold
from serving.member_record import export_member
from serving.people import Person
from serving.retention import retention_due, years_before
from serving.roles import Role
from serving.scrubbing import scrub
from serving.settings import Settings, retention_table
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.trail_chain import verify
from serving.trail_reading import TrailFilter, oldest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TEN_YEARS = {"": 10}
WHY = "asked for by letter"
ALL_SAID = (*SAID, "M-PA-1")


@pytest.fixture(params=["plain", "sealed"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TestClient]:
    given = Settings(
        database_url=database_in(tmp_path),
        model_dir=tmp_path,
        undo_minutes=0,
        envelope_key_file=key_file(tmp_path) if request.param == "sealed" else None,
    )
    app = create_app(given, triage=always(Route.NURSE_REVIEW, "criteria_not_documented"))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def age(store: Store, years: float) -> None:
    """Let everything have happened so many years ago."""
    then = (NOW - timedelta(days=365.25 * years)).replace(tzinfo=None).isoformat(" ", "microseconds")
    with store.writing() as session:
        for statement in (
            "UPDATE authorizations SET accepted_at = :then, changed_at = :then",
            "UPDATE decisions SET recorded_at = :then",
            "UPDATE case_actions SET takes_effect_at = :then WHERE takes_effect_at IS NOT NULL",
        ):
            session.execute(text(statement), {"then": then})


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("greenlane.db*")))


def erase(store: Store, member_id: str = "M-PA-1") -> None:
    erase_member(store, member_id, TEN_YEARS, why=WHY, by="ruth", now=NOW)


@sqlite_only
def test_no_byte_of_what_was_erased_is_left_in_the_files(client: TestClient, tmp_path: Path) -> None:
    store = store_of(client)
    case = closed_case(client)
    sealed = "envelope.key" in {path.name for path in tmp_path.iterdir()}
    assert [word for word in ALL_SAID if word.encode() in bytes_on_disk(tmp_path)] == (
        ["M-PA-1"] if sealed else list(ALL_SAID)
    )
    age(store, 11)
    hold = place_hold(store, member_id="M-PA-1", why="Pteranodon v. Plan", by="ruth", now=NOW)
    release_hold(store, hold.hold_id, why="Pteranodon lost", by="ruth", now=NOW)
    erase(store)
    assert scrub(store.engine)
    assert [word for word in ALL_SAID if word.encode() in bytes_on_disk(tmp_path)] == []
    with pytest.raises(AuthorizationErasedError):
        store.request(case)


def test_what_updates_keys_and_batches_kept_is_erased_too(client: TestClient, tmp_path: Path) -> None:
    store = store_of(client)
    body = request_body("PA-1", service={"system": "CPT", "code": "72148", "description": "Quetzalcoatlus"})
    taken = client.post("/v1/batches", content=json.dumps(body)).json()
    key = {"Idempotency-Key": "k-1"}
    case = client.post("/v1/authorizations", json=body, headers=key).json()["authorization_id"]
    update = {name: value for name, value in body.items() if name != "documents"}
    update["service"] = {"system": "CPT", "code": "72148"}
    assert client.put(f"/v1/authorizations/{case}", json=update).status_code == 200
    record = tmp_path / "record.json"
    assert client.post(f"/v1/authorizations/{case}/cancellation", json={"reason": "other"}).status_code == 200
    export_member(store, "M-PA-1", record, now=NOW)
    (kept,) = json.loads(record.read_text("utf-8"))["authorizations"]
    assert kept["earlier_requests"][0]["request"]["service"]["description"] == "Quetzalcoatlus"
    assert kept["cancelled"]["reason"] == "other"

    age(store, 11)
    erase(store)
    assert scrub(store.engine)
    assert [word for word in ("Quetzalcoatlus", "M-PA-1") if word.encode() in bytes_on_disk(tmp_path)] == []
    with store.reading() as session:
        assert session.scalars(select(RequestVersionRow.request)).all() == ['{"erased":true}']
        assert session.scalars(select(IdempotencyKeyRow)).all() == []
    assert client.get(f"{taken['status_url']}/results").text == ""
    (problem,) = client.get(f"{taken['status_url']}/problems").text.splitlines()
    assert json.loads(problem) == {
        "line": 1,
        "errors": [{"field": "line", "message": "what this line said was erased"}],
    }
    assert client.post("/v1/authorizations", json=body, headers=key).status_code == 410
    again = client.post("/v1/batches", content=json.dumps(body)).json()
    assert (again["accepted"], again["repeated"], again["refused"]) == (0, 0, 1)


def moved(client: TestClient, external_id: str, member_id: str) -> str:
    """A closed case that was another member's before an update; returns our id."""
    case = closed_case(client, external_id)
    body = {name: value for name, value in request_body(external_id).items() if name != "documents"}
    body["member"]["member_id"] = member_id
    assert client.put(f"/v1/authorizations/{case}", json=body).status_code == 200
    with store_of(client).writing() as session:
        session.get_one(AuthorizationRow, case).work = "decided"
    return case


def test_a_hold_on_whoever_was_the_member_before_an_update_keeps_the_case(client: TestClient) -> None:
    store = store_of(client)
    moved(client, "PA-1", "M-B")
    hold = place_hold(store, member_id="M-PA-1", why="suit", by="ruth", now=NOW)
    place_hold(store.of_tenant("other"), member_id="M-B", why="suit", by="ruth", now=NOW)
    assert hold.cases == 1
    age(store, 11)
    assert list(apply_retention(store, TEN_YEARS, by="ruth", now=NOW)) == []
    for member in ("M-PA-1", "M-B"):
        with pytest.raises(ErasureRefusedError, match="a legal hold stands on 1 of 1"):
            erase(store, member)
    release_hold(store, hold.hold_id, why="over", by="ruth", now=NOW)
    assert [done.cases for done in apply_retention(store, TEN_YEARS, by="ruth", now=NOW)] == [1]


def test_a_member_before_an_update_is_exported_and_erased_with_the_case(client: TestClient, tmp_path: Path) -> None:
    store = store_of(client)
    case = moved(client, "PA-1", "M-\x00B")
    for member in ("M-PA-1", "M-\x00B"):
        assert export_member(store, member, tmp_path / "record.json", now=NOW).cases == 1
        with pytest.raises(UnknownAuthorizationError):
            export_member(store.of_tenant("other"), member, tmp_path / "other.json", now=NOW)
    age(store, 11)
    with pytest.raises(ErasureRefusedError, match="no request"):
        erase(store.of_tenant("other"))
    erase(store)
    with store.reading() as session:
        assert session.get_one(AuthorizationRow, case).erased_at is not None
        assert session.scalars(select(RequestVersionRow.member_id)).all() == [None]


def held_and_released(store: Store, member_id: str) -> str:
    hold = place_hold(store, member_id=member_id, why="Pteranodon v. Plan", by="ruth", now=NOW)
    release_hold(store, hold.hold_id, why="Pteranodon lost", by="ruth", now=NOW)
    return hold.hold_id


def named_in_holds(store: Store) -> dict[str, tuple[str | None, str]]:
    return {hold.hold_id: (hold.member_id, hold.why) for hold in holds(store, released=True)}


def test_retention_takes_members_of_whom_nothing_is_left_out_of_released_holds(client: TestClient) -> None:
    store = store_of(client)
    moved(client, "PA-1", "M-B")
    first, second = held_and_released(store, "M-PA-1"), held_and_released(store, "M-B")
    elsewhere = held_and_released(store.of_tenant("other"), "M-B")
    age(store, 11)
    closed_case(client, "PA-2")
    young, standing = held_and_released(store, "M-PA-2"), place_hold(store, member_id="M-9", why="s", by="r", now=NOW)
    now = datetime.now(UTC)
    assert sum(done.cases for done in apply_retention(store, TEN_YEARS, by="ruth", now=now)) == 1
    assert named_in_holds(store) == {
        first: ("(erased)", "(erased)"),
        second: ("(erased)", "(erased)"),
        young: ("M-PA-2", "Pteranodon v. Plan"),
        standing.hold_id: ("M-9", "s"),
    }
    assert named_in_holds(store.of_tenant("other"))[elsewhere][0] == "M-B"


def test_a_member_whom_released_holds_alone_name_is_erased_from_them(any_store: Store) -> None:
    with pytest.raises(ErasureRefusedError, match="no request"):
        erase(any_store)
    hold = place_hold(any_store, member_id="M-PA-1", why="suit", by="ruth", now=NOW)
    with pytest.raises(ErasureRefusedError, match="a legal hold stands"):
        erase(any_store)
    release_hold(any_store, hold.hold_id, why="over", by="ruth", now=NOW)
    erase(any_store)
    assert named_in_holds(any_store) == {hold.hold_id: ("(erased)", "(erased)")}
    entry = oldest(any_store, TrailFilter(action="contents_erased"), limit=5)[0]
    assert (entry.authorization_id, entry.facts["holds"]) == (None, 1)


def test_the_skeleton_the_numbers_and_the_chain_stay(client: TestClient) -> None:
    store = store_of(client)
    case = closed_case(client)
    before = verify(store).head
    age(store, 11)
    erase(store)

    state = verify(store, anchor=before)
    assert state.valid
    entry = oldest(store, TrailFilter(case, action="contents_erased"), limit=5)[0]
    assert {name: entry.facts[name] for name in ("ground", "documents", "results", "drafts")} == {
        "ground": "member_request",
        "documents": 1,
        "results": 1,
        "drafts": 1,
    }
    assert entry.facts["actions"] >= 4
    assert "ruth" not in entry.details
    with store.reading() as session:
        row = session.get_one(AuthorizationRow, case)
        kept = session.scalars(select(ErasureRow)).one()
        assert (row.external_id, row.service_code, row.route, row.work) == ("PA-1", "72148", "nurse_review", "decided")
        assert (row.member_id, row.service_description, row.reason_message) == (None, None, None)
        assert (kept.erased_by, kept.why, kept.cases) == ("ruth", WHY, 1)
        concepts = session.execute(text("SELECT concept FROM case_actions WHERE kind = 'fact_corrected'")).scalars()
        assert list(concepts) == ["physical_therapy"]


def test_an_erased_case_is_gone_for_the_api_and_a_skeleton_on_its_page(client: TestClient) -> None:
    store = store_of(client)
    case = closed_case(client)
    age(store, 11)
    erase(store)
    document = {"documents": [{"document_id": "d2", "date": "2026-11-10", "text": "More."}]}
    for method, path, body in (
        ("GET", f"/v1/authorizations/{case}", None),
        ("GET", f"/v1/authorizations/{case}/documents/1/text", None),
        ("POST", f"/v1/authorizations/{case}/documents", document),
        ("POST", "/v1/authorizations", request_body("PA-1", f"{NOTE} Quetzalcoatlus.")),
        ("POST", "/v1/authorizations", request_body("PA-1", "Anything else.")),
    ):
        answer = client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["type"]) == (410, "urn:greenlane:problem:erased"), path
    assert [item["external_id"] for item in client.get("/v1/authorizations").json()["items"]] == ["PA-1"]

    client.headers["accept"] = "text/html"
    who = sign_in(client, Role.NURSE, "ann")
    page = client.get(f"/cases/{case}")
    assert page.status_code == 410
    assert "were erased on <time>2026-11-20</time>" in page.text
    assert "CPT 72148" in page.text
    assert [word for word in ALL_SAID if word in page.text] == []
    token = {"form_token": who.form_token, "turn": "9", "what": "case_left", "text": "x"}
    for path in ("score", "evidence", "corrections"):
        assert client.get(f"/cases/{case}/{path}").status_code == 410, path
    for path in ("seen", "notes", "approve", "undo", "corrections", "drafts/note", "reopen", "claim", "release"):
        answer = client.post(f"/cases/{case}/{path}", data=token, follow_redirects=False)
        assert answer.status_code < 500, path
        assert answer.status_code not in (200, 204), path
    assert client.get("/", params={"work": "decided"}).status_code == 200

    sign_in(client, Role.AUDITOR)
    assert f"/trail/cases/{case}" in client.get(f"/cases/{case}").text
    trail = client.get(f"/trail/cases/{case}")
    assert trail.status_code == 200
    assert "erased what the case said" in trail.text


def test_exports_for_training_leave_erased_cases_out(client: TestClient, tmp_path: Path) -> None:
    store = store_of(client)
    closed_case(client)
    age(store, 11)
    erase(store)
    closed_case(client, "PA-2")
    assert export_decisions(store, tmp_path / "decisions.jsonl").cases == 1
    assert export_corrections(store, tmp_path / "corrections.jsonl") == 1
    assert "PA-1" not in (tmp_path / "decisions.jsonl").read_text("utf-8")


def test_a_new_request_of_the_member_is_a_new_case_and_no_duplicate_of_the_erased(client: TestClient) -> None:
    store = store_of(client)
    closed_case(client)
    age(store, 11)
    erase(store)
    body = request_body("PA-9", f"{NOTE} Quetzalcoatlus.")
    body["member"]["member_id"] = "M-PA-1"
    answer = client.post("/v1/authorizations", json=body)
    assert answer.status_code == 201
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["criteria_not_documented"]


@pytest.mark.parametrize(
    ("years", "approvers", "despite", "says"),
    [
        (9.5, 0, False, "must still be kept"),
        (9.5, 1, True, "two people"),
        (9.5, 2, True, None),
        (10.5, 0, False, None),
    ],
)
def test_what_must_be_kept_is_erased_only_where_two_people_approve(
    tmp_path: Path, years: float, approvers: int, despite: bool, says: str | None
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/greenlane.db")
    case = CaseWork(store).case(received=NOW, work="decided")
    with store.writing() as session:
        session.get_one(AuthorizationRow, case).member_id = "M-1"
    age(store, years)
    people = tuple(Person(str(n), f"p{n}", "P", Role.LEAD, None, True) for n in range(approvers))

    def attempt() -> None:
        erase_member(store, "M-1", TEN_YEARS, why=WHY, by="ruth", now=NOW, despite_retention=despite, approvers=people)

    if says is None:
        attempt()
        assert store.cases(limit=5)[0].authorization_id == case
    else:
        with pytest.raises(ErasureRefusedError, match=says):
            attempt()
    with store.reading() as session:
        assert (session.get_one(AuthorizationRow, case).erased_at is not None) == (says is None)
    store.close()


@pytest.mark.parametrize(
    "approvers",
    [
        [Person("1", "ann", "A", Role.LEAD, None, True)] * 2,
        [Person("1", "ann", "A", Role.LEAD, None, True), Person("2", "ben", "B", Role.LEAD, None, False)],
        [Person("1", "ann", "A", Role.LEAD, None, True), Person("2", "ruth", "R", Role.LEAD, None, True)],
    ],
)
def test_one_person_twice_somebody_inactive_or_who_erases_does_not_approve(
    tmp_path: Path, approvers: list[Person]
) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/greenlane.db")
    with pytest.raises(ErasureRefusedError, match="two people"):
        erase_member(store, "M-1", TEN_YEARS, why=WHY, by="Ruth", now=NOW, despite_retention=True, approvers=approvers)
    store.close()


@pytest.mark.parametrize("work", ["open", "awaiting_information", "referred"])
def test_an_open_case_is_never_erased(any_store: Store, work: str) -> None:
    case = CaseWork(any_store).case(received=NOW - timedelta(days=8000), work=work)
    with any_store.writing() as session:
        session.get_one(AuthorizationRow, case).member_id = "M-1"
    people = [Person(str(n), f"p{n}", "P", Role.LEAD, None, True) for n in range(2)]
    with pytest.raises(ErasureRefusedError, match="not closed"):
        erase_member(any_store, "M-1", TEN_YEARS, why=WHY, by="ruth", now=NOW, despite_retention=True, approvers=people)
    assert list(apply_retention(any_store, TEN_YEARS, by="ruth", now=NOW)) == []


def test_years_differ_by_line_of_business_and_what_is_on_hold_is_counted(any_store: Store) -> None:
    work = CaseWork(any_store)
    long_ago = NOW - timedelta(days=8 * 366)
    short = [work.case(received=long_ago, line="commercial", work="decided") for _ in range(3)]
    work.case(received=long_ago, line="medicaid", work="decided")
    work.case(received=long_ago - timedelta(days=1500), line=None, work="fast_tracked")
    place_hold(any_store, authorization_id=short[0], why="suit", by="ruth", now=NOW)
    years = retention_table("10,commercial=7")
    lines = [
        (line.line_of_business, line.years, line.cases, line.held) for line in retention_due(any_store, years, now=NOW)
    ]
    assert lines == [(None, 10, 1, 0), ("commercial", 7, 3, 1)]

    done = list(apply_retention(any_store, years, by="ruth", now=NOW, at_once=2))
    assert [erasure.cases for erasure in done] == [2, 1]
    assert list(apply_retention(any_store, years, by="ruth", now=NOW)) == []
    assert [line.held for line in retention_due(any_store, years, now=NOW)] == [1]


def test_a_year_is_a_year_also_on_the_29th_of_february() -> None:
    assert years_before(datetime(2028, 2, 29, 5, tzinfo=UTC), 10) == datetime(2018, 2, 28, 5, tzinfo=UTC)
    assert years_before(datetime(2028, 2, 29, 5, tzinfo=UTC), 8) == datetime(2020, 2, 29, 5, tzinfo=UTC)


@pytest.mark.parametrize("value", ["", "x", "0", "10,10", "commercial=7", "10,a=b", "101", "-1"])
def test_years_that_cannot_be_meant_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="must"):
        retention_table(value)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hold case"), st.integers(0, 3)),
        st.tuples(st.just("hold member"), st.integers(0, 1)),
        st.tuples(st.just("release"), st.integers(0, 9)),
        st.tuples(st.just("retention"), st.just(0)),
        st.tuples(st.just("erase"), st.integers(0, 1)),
        st.tuples(st.just("erase despite"), st.integers(0, 1)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS, ages=st.lists(st.integers(1, 20), min_size=4, max_size=4))
def test_nothing_on_hold_is_ever_erased(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], ages: list[int]
) -> None:
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('hold')}/greenlane.db")
    work = CaseWork(store)
    cases = [work.case(received=NOW - timedelta(days=366 * years), work="decided") for years in ages]
    members = {case: f"M-{number % 2}" for number, case in enumerate(cases)}
    with store.writing() as session:
        for case, member in members.items():
            session.get_one(AuthorizationRow, case).member_id = member
    people = [Person(str(n), f"p{n}", "P", Role.LEAD, None, True) for n in range(2)]
    standing: list[tuple[str, set[str]]] = []
    kept = set(cases)
    for step, number in steps:
        held = set().union(*(subject for _, subject in standing)) if standing else set()
        if step == "hold case":
            hold = place_hold(store, authorization_id=cases[number], why="suit", by="ruth", now=NOW)
            standing.append((hold.hold_id, {cases[number]}))
        elif step == "hold member":
            hold = place_hold(store, member_id=f"M-{number}", why="suit", by="ruth", now=NOW)
            standing.append((hold.hold_id, {case for case, member in members.items() if member == f"M-{number}"}))
        elif step == "release" and standing:
            hold_id, _ = standing.pop(number % len(standing))
            release_hold(store, hold_id, why="over", by="ruth", now=NOW)
        elif step == "retention":
            list(apply_retention(store, TEN_YEARS, by="ruth", now=NOW))
        elif step.startswith("erase"):
            despite = step == "erase despite"
            with suppress(ErasureRefusedError):
                erase_member(
                    store,
                    f"M-{number}",
                    TEN_YEARS,
                    why=WHY,
                    by="ruth",
                    now=NOW,
                    despite_retention=despite,
                    approvers=people if despite else (),
                )
        with store.reading() as session:
            left = set(
                session.scalars(select(AuthorizationRow.authorization_id).where(AuthorizationRow.erased_at.is_(None)))
            )
        assert held & kept <= left
        kept = left
    assert verify(store).broken == 0
    store.close()


def test_a_hold_names_one_thing_that_is_there_and_says_why(any_store: Store) -> None:
    case = CaseWork(any_store).case(received=NOW)
    for wrong in ({}, {"member_id": "M-1", "authorization_id": case}):
        with pytest.raises(HoldRefusedError):
            place_hold(any_store, why="suit", by="ruth", now=NOW, **wrong)  # type: ignore[arg-type]  # texts all
    with pytest.raises(HoldRefusedError):
        place_hold(any_store, authorization_id=case, why=" ", by="ruth", now=NOW)
    with pytest.raises(UnknownAuthorizationError):
        place_hold(any_store.of_tenant("other"), authorization_id=case, why="suit", by="ruth", now=NOW)
    hold = place_hold(any_store, authorization_id=case, why="suit", by="ruth", now=NOW)
    assert holds(any_store.of_tenant("other")) == ()
    with pytest.raises(HoldRefusedError):
        release_hold(any_store.of_tenant("other"), hold.hold_id, why="over", by="ruth", now=NOW)
    release_hold(any_store, hold.hold_id, why="over", by="ruth", now=NOW)
    with pytest.raises(HoldRefusedError):
        release_hold(any_store, hold.hold_id, why="over", by="ruth", now=NOW)
    assert holds(any_store) == ()
    assert [each.released_by for each in holds(any_store, released=True)] == ["ruth"]


def test_a_member_gets_everything_that_is_kept_about_them(client: TestClient, tmp_path: Path) -> None:
    case = closed_case(client)
    closed_case(client, "PA-2")
    out = tmp_path / "record.zip"
    done = export_member(store_of(client), "M-PA-1", out, now=NOW)
    assert (done.cases, done.documents) == (1, 1)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        record = json.loads(archive.read("record.json"))
        (kept,) = record["authorizations"]
        assert archive.read(kept["documents"][0]["file"]).decode() == f"{NOTE} Quetzalcoatlus."
        assert sorted(archive.namelist()) == [f"documents/{case}/1.txt", "record.json"]
    assert kept["request"]["member"]["birth_date"] == "1968-04-12"
    assert kept["decisions"][0]["outcome"] == "approved_as_requested"
    assert kept["results"][0]["facts"]
    assert "Archaeopteryx was mentioned." in json.dumps(kept["actions"])
    assert {"case_opened", "approved", "member_exported"} <= {entry["action"] for entry in kept["trail"]}
    assert "Pteranodon" not in json.dumps(record)

    export_member(store_of(client), "M-PA-1", tmp_path / "record.json", now=NOW)
    again = json.loads((tmp_path / "record.json").read_text("utf-8"))["authorizations"][0]
    assert again["documents"][0]["text"].endswith("Quetzalcoatlus.")
    with pytest.raises(UnknownAuthorizationError):
        export_member(store_of(client), "M-nobody", tmp_path / "nobody.json", now=NOW)
    assert not (tmp_path / "nobody.json").exists()


def test_the_commands_keep_export_and_erase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/greenlane.db"
    monkeypatch.setenv("GREENLANE_DATABASE_URL", url)
    store = Store.open(url, envelope=EnvelopeKeyFile(key_file(tmp_path)))
    monkeypatch.setenv("GREENLANE_ENVELOPE_KEY_FILE", str(tmp_path / "envelope.key"))
    case = CaseWork(store).case(received=NOW - timedelta(days=5000), work="decided")
    with store.writing() as session:
        session.get_one(AuthorizationRow, case).member_id = "M-1"

    def run(*words: str, said: str = "", code: int = 0) -> str:
        result = CliRunner().invoke(command_line, list(words), input=said)
        assert result.exit_code == code, result.output
        return result.output

    assert "1 due\t0 of them on hold" in run("retention", "due")
    placed = run("hold", "place", "--member", "-", "--why", "suit", "--by", "ruth", said="M-1\n")
    hold_id = placed.split(":")[0]
    assert "keeps 1 case of today" in placed
    assert "member M-1\t1 case\tstands\tsuit" in run("hold", "list")
    assert "0 cases erased" in run("retention", "apply", "--yes")
    refused = run("member", "erase", "--why", "asked", "--yes", said="M-1\n", code=2)
    assert "a legal hold stands on 1 of 1 requests" in refused
    assert "M-1" not in refused
    assert "1 request with 0 documents" in run("member", "export", "--out", str(tmp_path / "m.json"), said="M-1\n")
    run("retention", "apply", code=2)
    assert "released" in run("hold", "release", hold_id, "--why", "settled")
    assert "1 case erased" in run("member", "erase", "--why", "asked", "--yes", said="M-1\n")
    run("member", "erase", "--why", "asked", "--yes", said="M-1\n", code=2)
    assert "entries hold" in run("audit", "verify")
    store.close()
