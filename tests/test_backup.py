"""``greenlane backup`` and ``restore``: what was acknowledged is in the copy, and a copy that is not whole is refused."""

from __future__ import annotations

import json
import sqlite3
import stat
import threading
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import sqlite_only
from fastapi.testclient import TestClient
from serving_cases import NOTE, request_body, routed
from sqlalchemy import select
from typer.testing import CliRunner

from serving.app import create_app
from serving.backup import back_up
from serving.cli import app
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.trail_chain import verify

pytestmark = sqlite_only
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a store that does not exist yet; the commands' settings name it."""
    file = tmp_path / "store" / "greenlane.db"
    monkeypatch.setenv("GREENLANE_DATABASE_URL", f"sqlite:///{file}")
    return file


def filled(file: Path, *external_ids: str) -> None:
    """A store with a person in its trail and a request of each id."""
    settings = Settings(database_url=f"sqlite:///{file}", model_dir=file.parent / "none")
    with TestClient(create_app(settings, triage=routed)) as client:
        for external_id in external_ids:
            assert client.post("/v1/authorizations", json=request_body(external_id, NOTE)).status_code == 201
    store = Store.open(settings.database_url)
    PeopleStore(store).add(f"ann-{len(external_ids)}", "Ann Lee", Role.NURSE, now=NOW)
    store.close()


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def held(file: Path) -> set[str]:
    store = Store.open(f"sqlite:///{file}")
    try:
        assert verify(store).valid
        with store.reading() as session:
            return set(session.scalars(select(AuthorizationRow.external_id)))
    finally:
        store.close()


def test_a_store_comes_back_from_its_backup_whole(place: Path, tmp_path: Path) -> None:
    filled(place, "PA-1", "PA-2")
    copy = tmp_path / "backups" / "monday.db"
    done = run("backup", copy)
    assert done.exit_code == 0, done.stderr
    assert f"{copy}: 2 authorizations; the trail holds\n" in done.stdout
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [file.name for file in copy.parent.iterdir()] == ["monday.db"]

    for file in place.parent.iterdir():
        file.unlink()
    again = run("restore", copy)
    assert again.exit_code == 0, again.stderr
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
    assert held(place) == {"PA-1", "PA-2"}


def test_a_backup_made_while_others_write_holds_all_that_was_acknowledged_before_it(
    place: Path, tmp_path: Path
) -> None:
    settings = Settings(database_url=f"sqlite:///{place}", model_dir=tmp_path / "none")
    acknowledged: list[str] = []
    ended = threading.Event()
    with TestClient(create_app(settings, triage=routed)) as client:

        def write(writer: int) -> None:
            number = 0
            while not ended.is_set():
                external_id = f"PA-{writer}-{number}"
                assert client.post("/v1/authorizations", json=request_body(external_id, NOTE)).status_code == 201
                acknowledged.append(external_id)
                number += 1

        writers = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for writer in writers:
            writer.start()
        while len(acknowledged) < 12:
            ended.wait(0.01)
        before = set(acknowledged)
        done = run("backup", tmp_path / "copy.db")
        ended.set()
        for writer in writers:
            writer.join()
    assert done.exit_code == 0, done.stderr
    assert before <= held(tmp_path / "copy.db")


def test_a_backup_ends_while_somebody_writes_without_a_pause(place: Path, tmp_path: Path) -> None:
    filled(place, "PA-1")
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("CREATE TABLE many_pages (bytes BLOB)")
        connection.executemany("INSERT INTO many_pages VALUES (zeroblob(?))", [(1_000_000,)] * 30)
    begun, ended = threading.Event(), threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        give_up_at = time.monotonic() + 20
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            while not ended.is_set() and time.monotonic() < give_up_at:
                connection.execute("INSERT INTO many_pages VALUES ('x')")
                written += 1
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait(5)
    before = written
    back_up(f"sqlite:///{place}", tmp_path / "copy.db")
    still_writing = writer.is_alive()
    ended.set()
    writer.join()
    assert still_writing
    assert written > before
    assert held(tmp_path / "copy.db") == {"PA-1"}


def test_a_store_with_something_in_it_is_kept_beside_and_only_on_demand(place: Path, tmp_path: Path) -> None:
    filled(place, "PA-1")
    run("backup", tmp_path / "copy.db")
    filled(place, "PA-2", "PA-3")

    refused = run("restore", tmp_path / "copy.db")
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    assert held(place) == {"PA-1", "PA-2", "PA-3"}

    done = run("restore", tmp_path / "copy.db", "--replace")
    assert done.exit_code == 0, done.stderr
    assert held(place) == {"PA-1"}
    kept = Path(done.stdout.splitlines()[-1].removeprefix("the store before it: "))
    assert held(kept) == {"PA-1", "PA-2", "PA-3"}


def test_nothing_is_restored_under_a_service_that_runs(place: Path, tmp_path: Path) -> None:
    filled(place, "PA-1")
    run("backup", tmp_path / "copy.db")
    store = Store.open(f"sqlite:///{place}")
    with store.reading() as session:
        session.scalar(select(AuthorizationRow.external_id))
        refused = run("restore", tmp_path / "copy.db", "--replace")
    store.close()
    assert refused.exit_code == 2
    assert "stop the service" in refused.stderr
    assert held(place) == {"PA-1"}


@pytest.mark.parametrize("damage", ["cut", "overwritten", "no database", "altered trail"])
def test_a_copy_that_is_not_whole_is_refused_and_changes_nothing(place: Path, tmp_path: Path, damage: str) -> None:
    filled(place, "PA-1")
    copy = tmp_path / "copy.db"
    run("backup", copy)
    content = copy.read_bytes()
    if damage == "cut":
        copy.write_bytes(content[: len(content) // 2])
    elif damage == "overwritten":
        copy.write_bytes(content[:8192] + b"\xff" * 8192 + content[16384:])
    elif damage == "no database":
        copy.write_text(json.dumps({"not": "a database"}))
    else:
        with closing(sqlite3.connect(copy)) as connection, connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f'DROP TRIGGER "{trigger}"')
            connection.execute("""UPDATE trail SET details = '{"a":1}' WHERE number = 1""")

    refused = run("restore", copy, "--replace")
    assert refused.exit_code == 2
    assert held(place) == {"PA-1"}
    assert {file.name for file in place.parent.iterdir()} <= {f"greenlane.db{end}" for end in ("", "-wal", "-shm")}
