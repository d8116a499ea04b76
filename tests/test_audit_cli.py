"""``greenlane audit``: what it proves, what it names, and its exit codes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from trail_attacks import chained, replace_trail, trail_rows
from typer.testing import CliRunner

from serving.cli import app
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store
from serving.trail import record
from serving.trail_chain import head_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CASE = "01JD3K8Q5T6V7W8X9Y0Z1A2B3D"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A trail of five entries: Ann Lee was added and signed in, then three days of the service."""
    url = database_in(tmp_path)
    monkeypatch.setenv("GREENLANE_DATABASE_URL", url)
    store = Store.open(url)
    people = PeopleStore(store)
    people.sign_in(people.add("ann", "Ann Lee", Role.NURSE, now=NOW), now=NOW)
    for day in range(3):
        with store.writing() as session:
            at = NOW + timedelta(days=day)
            record(session, store.tenant, "case_opened", at=at, authorization_id=CASE if day else None)
    store.close()
    return url


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["audit", *arguments])


def test_a_whole_trail_holds_with_its_count_and_head(database: str) -> None:
    store = Store.open(database)
    head = head_of(store)
    store.close()
    done = run("verify")
    assert done.exit_code == 0
    assert done.stdout == f"5 entries hold\nhead {head}\n"
    assert run("anchor").stdout == f"{head}\n"


def test_one_altered_entry_is_named_and_ends_with_one(database: str) -> None:
    rows = trail_rows(database)
    rows[2]["details"] = '{"revision":2}'
    replace_trail(database, rows)
    done = run("verify")
    assert done.exit_code == 1
    assert done.stdout.startswith("entry 3: its hash does not match its content\n")
    assert "5 entries read, 1 place broken" in done.stdout


def test_an_anchor_shows_what_the_chain_alone_cannot(database: str) -> None:
    anchor = run("anchor").stdout.strip()
    kept = run("verify", "--since", anchor)
    assert kept.exit_code == 0
    assert "nothing up to entry 5 was changed or removed since the anchor" in kept.stdout

    rows = trail_rows(database)
    replace_trail(database, rows[:-1])
    assert run("verify").exit_code == 0
    assert run("verify", "--since", anchor).stdout.startswith("entry 5: is gone, and the anchor names it\n")

    rows[1]["action"] = "signed_out"
    replace_trail(database, chained(rows, 1))
    assert run("verify").exit_code == 0
    rewritten = run("verify", "--since", anchor)
    assert rewritten.exit_code == 1
    assert rewritten.stdout.startswith("entry 5: its hash is not the anchor's")


def test_entries_are_shown_by_person_case_and_time(database: str) -> None:
    def actions(*arguments: str) -> list[str]:
        return [json.loads(line)["action"] for line in run("show", *arguments).stdout.splitlines()]

    assert actions() == ["person_added", "signed_in", "case_opened", "case_opened", "case_opened"]
    assert actions("--person", "ann") == ["signed_in"]
    assert actions("--case", CASE) == ["case_opened"] * 2
    assert actions("--since", "2026-11-22") == ["case_opened"]
    first = json.loads(run("show").stdout.splitlines()[0])
    assert {name: first[name] for name in ("number", "at", "previous_hash")} == {
        "number": 1,
        "at": "2026-11-20T12:00:00.000000Z",
        "previous_hash": "0" * 64,
    }
    table = run("show", "--format", "table").stdout
    assert "Ann Lee" in table
    assert "signed in" in table


def test_what_cannot_be_asked_is_one_line(database: str) -> None:
    assert trail_rows(database)
    for arguments, named in (
        (("verify", "--since", "5"), "NUMBER:HASH"),
        (("show", "--person", "bob"), "--person"),
        (("show", "--case", "PA-1"), "--case"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2, arguments
        assert named in done.output
        assert done.output.count("\n") == 1
