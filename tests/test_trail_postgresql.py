"""The trail on a real PostgreSQL: one chain whoever writes, refused changes, and proof after somebody got past that."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from postgresql import running_postgresql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from serving.store import Store
from serving.trail import record
from serving.trail_chain import head_of, verify

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    # Not pytest's own folder: its path can be too long for a socket, and closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="gl") as folder, running_postgresql(Path(folder) / "data") as url:
        yield url


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[Store]:
    store = Store.open(url, migrate_always=True)
    yield store
    store.close()


def grow(store: Store, entries: int) -> None:
    for number in range(entries):
        with store.writing() as session:
            record(session, store.tenant, "case_opened", at=NOW, details={"revision": number})


def test_entries_of_several_processes_make_one_chain(url: str, store: Store) -> None:
    # A store of its own has a lock of its own: only the database keeps these in order, as it does for processes.
    stores = [Store.open(url) for _ in range(8)]
    threads = [threading.Thread(target=grow, args=(each, 15)) for each in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in stores:
        each.close()
    state = verify(store, anchor=head_of(store))
    assert state.valid
    assert state.checked == 120


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail SET action = 'x' WHERE number = 1",
        "DELETE FROM trail WHERE number = 1",
        "TRUNCATE trail",
        "INSERT INTO trail SELECT * FROM trail WHERE number = 1 ON CONFLICT (number) DO UPDATE SET action = 'x'",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(store: Store, statement: str) -> None:
    grow(store, 1)
    with pytest.raises(DBAPIError, match="append-only"), store.writing() as session:
        session.execute(text(statement))
    assert verify(store).valid


@pytest.mark.parametrize(
    ("change", "number", "fault"),
    [
        ("UPDATE trail SET person_id = 'somebody else' WHERE number = 3", 3, "content"),
        ("UPDATE trail SET at = at + interval '1 microsecond' WHERE number = 3", 3, "content"),
        ("DELETE FROM trail WHERE number = 3", 3, "missing"),
    ],
)
def test_what_an_owner_of_the_table_changes_is_named(store: Store, change: str, number: int, fault: str) -> None:
    grow(store, 5)
    with store.reading() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(change))
        session.commit()
    state = verify(store)
    assert state.first is not None
    assert (state.first.number, state.first.fault) == (number, fault)
    _put_back(store)


def _put_back(store: Store) -> None:
    with store.reading() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM trail"))
        session.commit()
