"""The store: what it keeps is what came in, its schema is its migrations, and writes survive."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from databases import database_in, sqlite_only
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_cases import request_body, routed
from sqlalchemy import text, update
from stored_requests import accepted, kept

from features.request import parse_request
from features.types import AuthorizationRequest, Document
from models.types import Route
from serving.all_tables import all_tables
from serving.database import migration_config, open_engine
from serving.documents.read_document import ReadDocument
from serving.errors import ContentConflictError, StoreUnavailableError, UnknownAuthorizationError
from serving.records import ReceivedDocument, request_from_record, request_record
from serving.store import Store
from serving.stored_case import ListPosition, StoredRequest
from serving.tables import AuthorizationRow
from serving.tenant_store import TenantStore
from serving.ulid import UlidSource, is_ulid

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def store(any_store: Store) -> Store:
    """On each database: what holds for one holds for the other."""
    return any_store


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path}/greenlane.db")
    yield store
    store.close()


def request(external_id: str = "PA-1", text: str = "Denies fever.") -> AuthorizationRequest:
    return parse_request(request_body(external_id, text))


def accept(
    store: Store, wanted: AuthorizationRequest, *, content_hash: str = "h", due_at: datetime = NOW
) -> StoredRequest:
    return accepted(store, wanted, now=NOW, due_at=due_at, content_hash=content_hash)


def keep(store: Store, stored: StoredRequest, *, route: Route = Route.FAST_TRACK) -> bool:
    result = routed(stored.request, route)
    return kept(store, stored, result, now=NOW)


@sqlite_only  # test_service_postgresql.py asks the same there
def test_the_schema_of_the_migrations_is_the_schema_of_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/greenlane.db"
    Store.open(url).close()
    with open_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), all_tables()) == []


def test_migrations_go_back_and_forth(tmp_path: Path) -> None:
    engine = open_engine(database_in(tmp_path))
    for step in ("head", "base", "head"):
        with engine.execution_options(writes=True).begin() as connection:
            config = migration_config()
            config.attributes["connection"] = connection
            (command.downgrade if step == "base" else command.upgrade)(config, step)
    Store.open(database_in(tmp_path)).check()
    engine.dispose()


def test_whose_cases_and_people_are_there_are_tenants_after_the_migration(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/greenlane.db"
    engine = open_engine(url)
    with engine.execution_options(writes=True).begin() as connection:
        config = migration_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        connection.exec_driver_sql(
            "INSERT INTO people (person_id, tenant, sign_in_name, display_name, role, active, created_at) "
            "VALUES ('01JD3K8Q5T6V7W8X9Y0Z1A2B3C', 'acme', 'ann', 'Ann', 'nurse', 1, '2026-11-20 12:00:00.000000')"
        )
    store = Store.open(url)
    assert [(tenant.tenant, tenant.active) for tenant in TenantStore(store).everyone()] == [
        ("acme", True),
        ("default", True),
    ]
    store.close()


@sqlite_only  # PostgreSQL is migrated by one command, not by every process that starts
def test_two_processes_that_start_on_one_new_file_both_get_the_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/greenlane.db"
    failures: list[BaseException] = []

    def start() -> None:
        try:
            Store.open(url).check()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@sqlite_only
def test_sqlite_acknowledges_only_what_is_on_disk(sqlite_store: Store) -> None:
    with sqlite_store._engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/nowhere/greenlane.db"])
def test_a_database_that_cannot_be_opened_is_one_clear_error(url: str) -> None:
    with pytest.raises(StoreUnavailableError) as failure:
        Store.open(url)
    assert "\n" not in str(failure.value)


@sqlite_only
def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "greenlane.db").write_bytes(b"not a database, but long enough to look like one " * 50)
    with pytest.raises(StoreUnavailableError) as failure:
        Store.open(f"sqlite:///{tmp_path}/greenlane.db")
    assert "\n" not in str(failure.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_every_text_comes_back_to_the_character(store: Store, text: str) -> None:
    wanted = replace(request(f"PA-{UlidSource()()}"), documents=(Document("d1", text),))
    stored = accept(store, wanted)
    assert store.request(stored.authorization_id).request == wanted


def test_a_request_survives_its_record() -> None:
    body = request_body()
    body["service"] |= {"start_date": "2026-12-01", "end_date": "2026-12-31", "place_of_service": "22"}
    wanted = parse_request(body)
    assert request_from_record(request_record(wanted), wanted.documents) == wanted


def test_an_external_id_is_stored_once_and_other_content_is_refused(store: Store) -> None:
    first = accept(store, request(), content_hash="a")
    assert accept(store, request(), content_hash="a").authorization_id == first.authorization_id
    with pytest.raises(ContentConflictError):
        accept(store, request(), content_hash="b")


def test_tenants_do_not_see_each_other(tmp_path: Path) -> None:
    url = database_in(tmp_path)
    ours = Store.open(url)
    theirs = Store(open_engine(url), tenant="other")
    stored = accept(ours, request(), content_hash="a")
    accept(theirs, request(), content_hash="b")

    with pytest.raises(UnknownAuthorizationError):
        theirs.request(stored.authorization_id)
    assert len(ours.cases(limit=10)) == len(theirs.cases(limit=10)) == 1


def test_a_connection_that_broke_meanwhile_is_replaced(any_store: Store) -> None:
    if any_store.engine.dialect.name == "sqlite":
        pytest.skip("a file does not break off")
    accept(any_store, request())
    other = open_engine(any_store.engine.url.render_as_string(hide_password=False))
    with other.connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND datname = current_database()"
            )
        )
    other.dispose()
    assert len(any_store.cases(limit=10)) == 1


def test_a_connection_is_asked_whether_it_works_only_after_a_rest(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any_store.engine.dialect.name == "sqlite":
        pytest.skip("a file does not break off")
    dialect, asked = any_store.engine.dialect, []
    do_ping = dialect.do_ping
    monkeypatch.setattr(dialect, "do_ping", lambda connection: asked.append(connection) or do_ping(connection))
    for _ in range(5):
        any_store.cases(limit=10)
    assert not asked
    monkeypatch.setattr("serving.database._TRUSTED_SECONDS", 0.0)
    any_store.cases(limit=10)
    assert len(asked) == 1


def test_a_record_that_cannot_be_read_keeps_nobody_from_writing(any_store: Store) -> None:
    stored = accept(any_store, request())
    with any_store.writing() as session:
        session.execute(update(AuthorizationRow).values(request="not JSON"))
    # Held, the error holds whatever was open when it was raised.
    with pytest.raises(ValueError, match="Expecting value") as held:
        any_store.request(stored.authorization_id)
    another = Store(open_engine(any_store.engine.url.render_as_string(hide_password=False)))
    accept(another, request("PA-2"))
    another.close()
    accept(any_store, request("PA-3"))
    assert held.value is not None


def test_the_first_result_of_a_revision_stays(store: Store) -> None:
    stored = accept(store, request())
    assert keep(store, stored, route=Route.NURSE_REVIEW)
    assert not keep(store, stored, route=Route.FAST_TRACK)

    result = store.result(stored.authorization_id)
    assert result is not None
    assert result.route is Route.NURSE_REVIEW
    assert store.cases(limit=10)[0].route is Route.NURSE_REVIEW


def test_a_late_result_of_an_older_revision_does_not_route_the_newer_one(store: Store) -> None:
    stored = accept(store, request())
    store.add_documents(stored.authorization_id, [ReceivedDocument(Document("d2", "More."), b"More.")], now=NOW)
    assert keep(store, stored)
    earlier = store.result_of(stored.authorization_id, 1)
    assert earlier is not None
    assert earlier.route is Route.NURSE_REVIEW

    listed = store.cases(limit=10)[0]
    assert (listed.status, listed.route) == ("received", None)

    assert store.result(stored.authorization_id) is None


def test_paging_neither_skips_nor_repeats_cases_that_are_due_at_the_same_moment(store: Store) -> None:
    for number in range(7):
        accept(store, request(f"PA-{number}"), due_at=NOW + timedelta(microseconds=number // 3))
    seen: list[str] = []
    position = None
    while page := store.cases(limit=2, after=position):
        seen += [case.external_id for case in page]
        position = ListPosition(page[-1].due_at, page[-1].authorization_id)
    assert sorted(seen) == [f"PA-{number}" for number in range(7)]
    assert seen[:3] == ["PA-0", "PA-1", "PA-2"]


@sqlite_only  # which plan PostgreSQL takes depends on how much it holds; benchmarks/worklist.py measures it
def test_the_list_is_read_from_an_index(sqlite_store: Store, tmp_path: Path) -> None:
    plan = sqlite3.connect(tmp_path / "greenlane.db").execute(
        "EXPLAIN QUERY PLAN SELECT * FROM authorizations WHERE tenant = 'default' "
        "AND (due_at, authorization_id) > ('2026', '0') ORDER BY due_at, authorization_id LIMIT 50"
    )
    steps = " ".join(row[3] for row in plan)
    assert "ix_authorizations_due" in steps
    assert "TEMP B-TREE" not in steps


def test_ulids_grow_also_when_the_clock_steps_back() -> None:
    ticks = iter([5.0, 5.0, 4.0, 6.0])
    source = UlidSource(clock=lambda: next(ticks))
    made = [source() for _ in range(4)]
    assert made == sorted(set(made))
    assert all(is_ulid(ulid) for ulid in made)
    assert not is_ulid("8" + made[0][1:])
    assert not is_ulid(made[0].lower())


@sqlite_only  # PostgreSQL came after the first schema; its migrations back and forth are in test_service_postgresql.py
def test_a_database_of_the_first_schema_keeps_its_rows_and_tells_when_documents_came(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/greenlane.db")

    def migrate_to(revision: str) -> None:
        with engine.execution_options(writes=True).begin() as connection:
            config = migration_config()
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    migrate_to("0001")
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO authorizations (authorization_id, tenant, external_id, content_hash, likeness, request,"
            " service_system, service_code, urgency, accepted_at, due_at, status, revision, attempts, audit_selected)"
            " VALUES ('A', 'default', 'PA-1', 'h', 'l', '{}', 'CPT', '72148', 'standard', '2026-11-20 12:00:00',"
            " '2026-11-27 12:00:00', 'triaged', 2, 0, 0)"
        )
        for number in (1, 2):
            connection.exec_driver_sql(
                "INSERT INTO documents (authorization_id, document_id, position, revision, type, content_type,"
                " fingerprint, content) VALUES ('A', ?, ?, ?, 'other', 'text/plain', 'f', '')",
                (f"d{number}", number, number),
            )
            connection.exec_driver_sql(
                "INSERT INTO results (authorization_id, revision, triaged_at, route, held_for_audit, pipeline_version,"
                " result, trace) VALUES ('A', ?, ?, 'nurse_review', 0, '1', '', '')",
                (number, f"2026-11-2{number} 13:00:00"),
            )
    migrate_to("head")
    with engine.connect() as connection:
        came = connection.exec_driver_sql("SELECT received_at FROM documents ORDER BY document_id").scalars().all()
        share = connection.exec_driver_sql("SELECT audit_probability FROM authorizations").scalar()
    assert [str(moment)[:19] for moment in came] == ["2026-11-20 12:00:00", "2026-11-22 13:00:00"]
    assert share is None


def test_what_was_read_from_files_leaves_and_comes_back_with_the_schema(tmp_path: Path) -> None:
    engine = open_engine(database_in(tmp_path))
    config = migration_config()

    def run(step: Callable[[Config, str], None], revision: str) -> None:
        with engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            step(config, revision)

    run(command.upgrade, "head")
    store = Store(engine)
    wanted = replace(request(), documents=(Document("d1", "", content_type="application/pdf"),))
    case = accept(store, wanted).authorization_id
    read = ReadDocument("First.\f\nSecond.", "pdf 1", (0, 8), recognized_pages=(2,))
    store.keep_reading(case, "d1", read)
    assert store.document(case, 1) == read.applied_to(wanted.documents[0])
    assert store.unread_documents(case) == ()
    run(command.downgrade, "0003")
    run(command.upgrade, "head")
    assert [file.document_id for file in store.unread_documents(case)] == ["d1"]
    assert store.keep_reading(case, "d1", read) == read
    assert store.keep_reading(case, "d1", ReadDocument("Other.", "pdf 2")) == read
    engine.dispose()
