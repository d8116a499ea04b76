"""What people decided goes into the store, and comes out in the columns that training reads."""

from __future__ import annotations

import base64
import csv
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import PATIENT, always, request_body, routed
from typer.testing import CliRunner

from models.decisions import HISTORY_COLUMNS, Decision, Outcome
from models.types import Route
from serving.app import create_app
from serving.cli import app
from serving.decision_export import export_decisions
from serving.errors import DecisionRefusedError, ExportError, UnknownAuthorizationError
from serving.past_decisions import past_cases, record_decision
from serving.settings import Settings
from serving.store import Store

DECIDED = datetime(2026, 11, 23, 9, tzinfo=UTC)
LATER = DECIDED + timedelta(days=3)
TO_A_NURSE = always(Route.NURSE_REVIEW, "x")
APPROVED = Decision(Outcome.APPROVED_AS_REQUESTED, DECIDED, "nurse 7", "nurse")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_in(tmp_path)


@pytest.fixture
def store(url: str) -> Store:
    return Store.open(url)


def submit(url: str, external_id: str, triage: Any = TO_A_NURSE, **changes: Any) -> str:
    """Send a request to a service on the database; returns its authorization id."""
    settings = Settings(database_url=url, audit_share=changes.pop("audit_share", 0.05))
    drawn = changes.pop("drawn", 1.0)
    with TestClient(create_app(settings, triage=triage, draw=lambda: drawn)) as client:
        answer = client.post("/v1/authorizations", json=request_body(external_id, **changes), headers=PATIENT)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["authorization_id"])


def exported(store: Store, path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    export_decisions(store, path, **options)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {row["request"]["external_id"]: row for row in rows}


def test_each_way_a_case_can_go_has_its_source(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-nurse")
    submit(url, "PA-fast", routed)
    submit(url, "PA-audit", routed, drawn=0.01, audit_share=0.2)
    submit(url, "PA-director")
    submit(url, "PA-open")
    for name in ("PA-nurse", "PA-audit"):
        record_decision(store, name, APPROVED, now=DECIDED)
    adverse = Decision(Outcome.ADVERSE, DECIDED, "dr 2", "medical_director")
    record_decision(store, "PA-director", adverse, now=DECIDED)
    overturned = Decision(
        Outcome.APPROVED_AS_REQUESTED, DECIDED + timedelta(days=30), "dr 3", "medical_director", "overturned"
    )
    record_decision(store, "PA-director", overturned, now=overturned.decided_at)

    rows = exported(store, tmp_path / "decisions.jsonl")

    assert {name: row["source"] for name, row in rows.items()} == {
        "PA-nurse": "nurse",
        "PA-fast": "fast_track",
        "PA-audit": "blind_audit",
        "PA-director": "medical_director",
        "PA-open": None,
    }
    assert rows["PA-audit"]["audit_probability"] == 0.2
    assert rows["PA-fast"]["audit_probability"] == 0.05
    assert rows["PA-fast"]["outcome"] == "approved_as_requested"
    assert (rows["PA-director"]["outcome"], rows["PA-director"]["overturned_to"]) == (
        "adverse",
        "approved_as_requested",
    )
    assert rows["PA-director"]["overturned_at"] == "2026-12-23T09:00:00Z"
    assert all(tuple(sorted(row)) == tuple(sorted(HISTORY_COLUMNS)) for row in rows.values())


def test_the_share_of_the_day_of_the_draw_is_kept(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-1", audit_share=0.3)
    submit(url, "PA-2", audit_share=0.01)
    rows = exported(store, tmp_path / "decisions.jsonl")
    assert [row["audit_probability"] for row in rows.values()] == [0.3, 0.01]


def test_asking_first_and_approving_later_stays_a_request_that_needed_asking(
    url: str, store: Store, tmp_path: Path
) -> None:
    submit(url, "PA-1")
    record_decision(store, "PA-1", replace(APPROVED, outcome=Outcome.INFORMATION_REQUESTED), now=DECIDED)
    record_decision(store, "PA-1", replace(APPROVED, decided_at=LATER), now=LATER)
    row = exported(store, tmp_path / "decisions.jsonl")["PA-1"]
    assert (row["outcome"], row["overturned_to"]) == ("information_requested", None)


def test_documents_bring_when_they_came_and_their_bytes(url: str, store: Store, tmp_path: Path) -> None:
    scan = {"document_id": "d2", "content_type": "image/png", "data": base64.b64encode(b"\x89PNG").decode()}
    note = {"document_id": "d1", "type": "progress_note", "date": "2026-11-10", "text": "Low back pain.\r\n\tété"}
    case = submit(url, "PA-1", documents=[note, scan])
    settings = Settings(database_url=url)
    with TestClient(create_app(settings, triage=always(Route.NURSE_REVIEW, "x"))) as client:
        more = {"documents": [{"document_id": "d3", "text": "More."}]}
        assert client.post(f"/v1/authorizations/{case}/documents", json=more).status_code == 200
    row = exported(store, tmp_path / "decisions.jsonl")["PA-1"]
    sent = {document["document_id"]: document for document in row["request"]["documents"]}
    assert sent["d1"]["text"] == note["text"]
    assert sent["d2"]["data"] == scan["data"]
    assert sorted(row["documents_added"]) == ["d1", "d2", "d3"]
    assert row["documents_added"]["d1"] == row["request"]["received_at"]
    assert row["documents_added"]["d3"] != row["request"]["received_at"]


def test_csv_holds_the_same_as_json_lines(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-1", text='He said "no,\nnever".')
    record_decision(store, "PA-1", APPROVED, now=DECIDED)
    row = exported(store, tmp_path / "decisions.jsonl")["PA-1"]
    export_decisions(store, tmp_path / "decisions.csv")
    with (tmp_path / "decisions.csv").open(newline="") as file:
        read = next(csv.DictReader(file))
    assert tuple(read) == HISTORY_COLUMNS
    assert json.loads(read["request"]) == row["request"]
    assert (read["outcome"], read["decided_at"]) == (row["outcome"], row["decided_at"])


def test_since_leaves_out_what_came_before(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-1")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert exported(store, tmp_path / "decisions.jsonl", since=tomorrow) == {}


def test_export_goes_through_pages_without_losing_or_repeating(url: str, store: Store) -> None:
    names = [f"PA-{number}" for number in range(7)]
    with TestClient(create_app(Settings(database_url=url), triage=routed)) as client:
        for name in names:
            client.post("/v1/authorizations", json=request_body(name))
    assert [case.request.external_id for case in past_cases(store, page=3)] == names


def test_the_file_is_for_its_owner_only_and_replaces_at_once(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-1")
    path = tmp_path / "decisions.jsonl"
    path.write_text("earlier")
    export_decisions(store, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".*pending")) == []
    with pytest.raises(ExportError, match=r"must end in \.jsonl or \.csv"):
        export_decisions(store, tmp_path / "decisions.xlsx")


def test_only_a_medical_director_records_an_adverse_determination(url: str, store: Store) -> None:
    submit(url, "PA-1")
    with pytest.raises(DecisionRefusedError, match="only a medical director"):
        record_decision(store, "PA-1", replace(APPROVED, outcome=Outcome.ADVERSE), now=DECIDED)


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (replace(APPROVED, decided_at=DECIDED - timedelta(days=9)), "before the request was received"),
        (replace(APPROVED, decided_at=LATER + timedelta(days=1)), "lies in the future"),
        (replace(APPROVED, kind="overturned"), "nothing was decided yet"),
    ],
)
def test_a_decision_that_cannot_be_is_refused(url: str, store: Store, decision: Decision, said: str) -> None:
    submit(url, "PA-1")
    with pytest.raises(DecisionRefusedError, match=said):
        record_decision(store, "PA-1", decision, now=LATER)


def test_nothing_is_overturned_before_it_was_decided(url: str, store: Store) -> None:
    submit(url, "PA-1")
    record_decision(store, "PA-1", replace(APPROVED, decided_at=LATER), now=LATER)
    with pytest.raises(DecisionRefusedError, match="before the decision it overturns"):
        record_decision(store, "PA-1", replace(APPROVED, kind="overturned"), now=LATER)


def test_a_fast_track_that_was_taken_back_says_so(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-1", routed)
    taken_back = Decision(Outcome.APPROVED_MODIFIED, DECIDED, "nurse 7", "nurse", "overturned")
    record_decision(store, "PA-1", taken_back, now=LATER)
    row = exported(store, tmp_path / "decisions.jsonl")["PA-1"]
    assert (row["source"], row["outcome"], row["overturned_to"]) == (
        "fast_track",
        "approved_as_requested",
        "approved_modified",
    )
    assert row["decided_at"] <= row["overturned_at"]


def test_an_audited_case_of_before_the_share_was_kept_is_left_out_and_counted(
    url: str, store: Store, tmp_path: Path
) -> None:
    submit(url, "PA-1", routed, drawn=0.0)
    record_decision(store, "PA-1", APPROVED, now=DECIDED)
    with store._engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("UPDATE authorizations SET audit_probability = NULL")
    done = export_decisions(store, tmp_path / "decisions.jsonl")
    assert (done.cases, done.unweighed) == (0, 1)


def test_a_decision_about_nothing_we_know_is_refused(store: Store) -> None:
    with pytest.raises(UnknownAuthorizationError):
        record_decision(store, "PA-1", APPROVED, now=DECIDED)


def test_the_commands_take_decisions_in_and_write_history_out(url: str, store: Store, tmp_path: Path) -> None:
    submit(url, "PA-1", received_at="2024-11-20T15:04:05Z")
    lines = [
        {"external_id": "PA-1", "outcome": "approved_as_requested", "decided_at": "2024-11-23T09:00:00Z",
         "decided_by": "nurse 7", "role": "nurse"},
        {"external_id": "PA-2", "outcome": "approved_as_requested", "decided_at": "2024-11-23T09:00:00Z",
         "decided_by": "nurse 7", "role": "nurse"},
        {"external_id": "PA-1", "outcome": "no"},
    ]  # fmt: skip
    file = tmp_path / "decided.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    environment = {"GREENLANE_DATABASE_URL": url}
    run = CliRunner()
    first = run.invoke(app, ["import", "decisions", str(file)], env=environment)
    assert (first.exit_code, first.stdout) == (1, "1 decisions recorded, 0 recorded before, 2 refused\n")
    assert f"{file}:2: external_id: no authorization has this id" in first.stderr
    assert f"{file}:3: outcome" in first.stderr
    again = run.invoke(app, ["import", "decisions", str(file)], env=environment)
    assert again.stdout == "0 decisions recorded, 1 recorded before, 2 refused\n"
    out = tmp_path / "history" / "decisions.jsonl"
    done = run.invoke(app, ["export", "decisions", "--out", str(out)], env=environment)
    assert (done.exit_code, done.stdout) == (0, f"1 cases in {out}, 0 of them not decided yet\n")
    assert json.loads(out.read_text())["outcome"] == "approved_as_requested"
