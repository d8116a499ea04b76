"""What notes say is unreadable in the database's files where a key is set, and everything else is as without one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from closed_cases import SAID, closed_case, store_of
from envelope import key_file, key_line
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as run_with
from hypothesis import strategies as st
from serving_cases import NOTE as SHORT_NOTE
from serving_cases import always, request_body, routed
from signing_in import sign_in
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from stored_requests import accepted, kept
from typer.testing import CliRunner

from features.request import parse_request
from features.types import AuthorizationRequest, Document
from models.types import Route
from serving.all_tables import all_tables
from serving.app import create_app
from serving.cli import app
from serving.correction_export import export_corrections
from serving.data_keys import DataKeys
from serving.database import migration_config, open_engine
from serving.decision_export import export_decisions
from serving.envelope_keys import EnvelopeKeyFile
from serving.errors import SettingsError, StoreUnavailableError
from serving.roles import Role
from serving.seal_rows import counts, rewrite, sealed_columns
from serving.sealed_types import PLAIN, SEALED, SealedBytes, SealedText, seal_with
from serving.settings import Settings
from serving.store import Store
from serving.trail_chain import verify
from serving.ulid import UlidSource

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOTE = "He completed physical therapy for 8 weeks. Denies saddle anesthesia. Quetzalcoatlus sighting."
WORDS = (b"Quetzalcoatlus", b"physical therapy", b"saddle", b"1968-04-12", b"MRI lumbar")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/greenlane.db"


@pytest.fixture
def keys(tmp_path: Path) -> EnvelopeKeyFile:
    return EnvelopeKeyFile(key_file(tmp_path))


@pytest.fixture(params=["sqlite", "postgresql"])
def sealing_store(request: pytest.FixtureRequest, tmp_path: Path, keys: EnvelopeKeyFile) -> Iterator[Store]:
    """An empty store that seals, once on each database."""
    on_postgresql = request.param == "postgresql"
    url = request.getfixturevalue("postgresql") if on_postgresql else f"sqlite:///{tmp_path}/greenlane.db"
    if on_postgresql:
        Store.open(url, migrate_always=True).close()
        _empty(url)
    store = Store.open(url, migrate_always=True, envelope=keys)
    yield store
    store.close()
    if on_postgresql:
        _empty(url)


def _empty(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE trail DISABLE TRIGGER ALL"))
        # The default tenant was put there by the migration; nobody of a tenant that is not there is signed in.
        filled = [table for table in all_tables().tables if table != "tenants"]
        connection.execute(text(f"TRUNCATE {', '.join(filled)} CASCADE"))
    engine.dispose()


def request(external_id: str, note: str = NOTE) -> AuthorizationRequest:
    body = request_body(external_id, note)
    body["service"]["description"] = "MRI lumbar spine without contrast"
    return parse_request(body)


def keep(store: Store, wanted: AuthorizationRequest) -> str:
    stored = accepted(store, wanted, now=NOW, due_at=NOW)
    kept(store, stored, routed(wanted), now=NOW)
    return stored.authorization_id


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("greenlane.db*")))


def sealed_and_plain(store: Store) -> tuple[int, int]:
    found = list(counts(store))
    return sum(count.sealed for count in found), sum(count.plain for count in found)


def test_the_files_of_a_sealed_database_hold_no_word_of_a_note(url: str, tmp_path: Path, keys: EnvelopeKeyFile) -> None:
    store = Store.open(url, envelope=keys)
    case = keep(store, request("PA-1"))
    assert (tmp_path / "greenlane.db-wal").exists()
    found = bytes_on_disk(tmp_path)
    assert b"PA-1" in found
    assert [word for word in WORDS if word in found] == []
    assert store.request(case).request == request("PA-1")
    store.close()


def test_without_a_key_the_same_words_are_there(url: str, tmp_path: Path) -> None:
    store = Store.open(url)
    keep(store, request("PA-1"))
    found = bytes_on_disk(tmp_path)
    assert all(word in found for word in WORDS)
    store.close()


@run_with(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_every_text_comes_back_to_the_character_from_a_sealed_store(sealing_store: Store, note: str) -> None:
    wanted = request(f"PA-{UlidSource()()}")
    wanted = replace(wanted, documents=(Document("d1", note),))
    case = keep(sealing_store, wanted)
    assert sealing_store.request(case).request == wanted
    result = sealing_store.result(case)
    assert result is not None
    assert json.loads(result.result)["external_id"] == wanted.external_id


@run_with(max_examples=60, deadline=None)
@given(
    value=st.one_of(st.binary(max_size=80), st.binary(max_size=30).map(lambda tail: SEALED.encode() + tail)),
    dialect=st.sampled_from([sqlite.dialect, postgresql.dialect]),
)
def test_a_plain_value_is_never_taken_for_a_sealed_one(value: bytes, dialect: Callable[[], Any]) -> None:
    here = dialect()
    for start in (b"", SEALED.encode(), PLAIN.encode(), PLAIN.encode() * 2):
        column = SealedBytes("documents.content")
        assert column.process_result_value(column.process_bind_param(start + value, here), here) == start + value
    text_column = SealedText("drafts.content")
    said = value.decode("latin-1")
    for opening in ("", SEALED, PLAIN):
        stored = text_column.process_bind_param(opening + said, here)
        assert text_column.process_result_value(stored, here) == opening + said


def test_rows_of_before_stay_readable_and_are_sealed_on_demand(url: str, tmp_path: Path, keys: EnvelopeKeyFile) -> None:
    store = Store.open(url)
    cases = [keep(store, request(f"PA-{number}")) for number in range(3)]
    store.close()
    store = Store.open(url, envelope=keys)
    cases.append(keep(store, request("PA-3")))
    sealed, plain = sealed_and_plain(store)
    assert sealed
    assert plain

    assert sum(rewrite(store, seal=True))
    assert sealed_and_plain(store) == (sealed + plain, 0)
    assert sum(rewrite(store, seal=True)) == 0
    assert [store.request(case).request.documents[0].text for case in cases] == [NOTE] * 4
    store.close()


def test_sealing_goes_on_where_it_was_interrupted(
    sealing_store: Store, keys: EnvelopeKeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.seal_rows.ROWS_AT_ONCE", 2)
    seal_with(sealing_store.engine.dialect, _Plainly())
    for number in range(5):
        keep(sealing_store, request(f"PA-{number}"))
    ring = DataKeys(sealing_store.engine, keys)
    ring.prepare()
    seal_with(sealing_store.engine.dialect, ring)
    steps = rewrite(sealing_store, seal=True)
    assert next(steps) == 2
    steps.close()
    _, plain = sealed_and_plain(sealing_store)
    assert plain
    list(rewrite(sealing_store, seal=True))
    assert sealed_and_plain(sealing_store)[1] == 0


class _Plainly:
    def current(self) -> None:
        return None

    def named(self, key_id: str) -> Any:
        raise AssertionError(key_id)


def test_a_sealed_database_is_refused_in_one_line_without_its_key(
    url: str, tmp_path: Path, keys: EnvelopeKeyFile
) -> None:
    store = Store.open(url, envelope=keys)
    keep(store, request("PA-1"))
    store.close()
    other = tmp_path / "other"
    other.mkdir()
    for envelope in (None, EnvelopeKeyFile(key_file(other))):
        with pytest.raises(StoreUnavailableError, match="GREENLANE_ENVELOPE_KEY_FILE") as refusal:
            Store.open(url, envelope=envelope)
        assert "\n" not in str(refusal.value)


def _stored(store: Store, column: str, value: object, table: str = "documents") -> None:
    with store.engine.execution_options(writes=True).begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = :value"), {"value": value})  # noqa: S608  (our own names)


def _raw(store: Store, column: str, table: str = "documents") -> Any:
    with store.engine.connect() as connection:
        return connection.execute(text(f"SELECT {column} FROM {table}")).scalar()  # noqa: S608  (our own names)


def test_a_changed_value_is_an_error_and_never_text(sealing_store: Store) -> None:
    case = keep(sealing_store, request("PA-1"))
    content, result = bytes(_raw(sealing_store, "content")), str(_raw(sealing_store, "result", "results"))
    for changed in (content[:-1] + bytes([content[-1] ^ 1]), content[:-3], content[:50], content[:20] + b"Z" * 30):
        _stored(sealing_store, "content", changed)
        with pytest.raises(StoreUnavailableError):
            sealing_store.request(case)
    for odd in (result[:-8], result[:60] + "§", result[:47]):
        _stored(sealing_store, "result", odd, "results")
        with pytest.raises(StoreUnavailableError):
            sealing_store.result(case)


def test_a_value_of_another_column_does_not_open(sealing_store: Store) -> None:
    case = keep(sealing_store, request("PA-1"))
    _stored(sealing_store, "result", _raw(sealing_store, "trace", "results"), "results")
    with pytest.raises(StoreUnavailableError, match=r"results\.result"):
        sealing_store.result(case)


def test_a_value_that_cannot_be_sealed_is_not_written(url: str, keys: EnvelopeKeyFile) -> None:
    store = Store.open(url, envelope=keys)
    seal_with(store.engine.dialect, _Failing())
    with pytest.raises(StoreUnavailableError, match="no key today"):
        keep(store, request("PA-1"))
    seal_with(store.engine.dialect, _Plainly())
    assert store.cases(limit=5) == ()
    store.close()


class _Failing(_Plainly):
    def current(self) -> None:
        raise StoreUnavailableError("no key today")


def test_a_new_envelope_key_wraps_the_data_keys_and_rewrites_no_note(sealing_store: Store, tmp_path: Path) -> None:
    case = keep(sealing_store, request("PA-1"))
    before = bytes(_raw(sealing_store, "content"))
    old = (tmp_path / "envelope.key").read_text("ascii").strip()
    new = key_line()
    both = EnvelopeKeyFile(key_file(tmp_path, "# newest first", new, old))
    ring = DataKeys(sealing_store.engine, both)
    ring.prepare()
    assert (ring.rewrap(), ring.rewrap()) == (1, 0)
    assert bytes(_raw(sealing_store, "content")) == before
    # A process that still runs with the old file's keys reads on, and reads the file again for a key it lacks.
    assert sealing_store.request(case).request.documents[0].text == NOTE
    alone = DataKeys(sealing_store.engine, EnvelopeKeyFile(key_file(tmp_path, new)))
    alone.prepare()
    seal_with(sealing_store.engine.dialect, alone)
    assert sealing_store.request(case).request.documents[0].text == NOTE


def test_a_new_data_key_seals_what_comes_and_the_old_one_still_opens(
    sealing_store: Store, keys: EnvelopeKeyFile
) -> None:
    first = keep(sealing_store, request("PA-1"))
    other = DataKeys(sealing_store.engine, keys)
    added = other.add(now=NOW)
    engine_of_another_process = open_engine(sealing_store.engine.url.render_as_string(hide_password=False))
    ring = DataKeys(engine_of_another_process, keys)
    ring.prepare()
    seal_with(engine_of_another_process.dialect, ring)
    second = keep(Store(engine_of_another_process), request("PA-2", "Another note."))
    engine_of_another_process.dispose()
    with sealing_store.engine.connect() as connection:
        heads = {
            bytes(row[0])[: len(SEALED) + 26].decode()
            for row in connection.execute(text("SELECT content FROM documents"))
        }
    assert len(heads) == 2
    assert f"{SEALED}{added}" in heads
    assert sealing_store.request(second).request.documents[0].text == "Another note."
    assert sealing_store.request(first).request.documents[0].text == NOTE


def test_the_way_back_writes_plain_again_and_needs_no_key(url: str, keys: EnvelopeKeyFile) -> None:
    store = Store.open(url, envelope=keys)
    case = keep(store, request("PA-1"))
    ring = DataKeys(store.engine, keys)
    ring.retire(now=NOW)
    seal_with(store.engine.dialect, ring)
    assert sum(rewrite(store, seal=False))
    store.close()
    plain = Store.open(url)
    assert plain.request(case).request.documents[0].text == NOTE
    plain.close()


def test_the_schema_does_not_go_back_over_sealed_values(url: str, keys: EnvelopeKeyFile) -> None:
    store = Store.open(url, envelope=keys)
    config = migration_config()

    def back() -> None:
        with store.engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0008")

    with pytest.raises(StoreUnavailableError, match="unseal"):
        back()
    store.check()
    store.close()


def test_a_value_of_an_older_schema_that_looks_sealed_is_marked_plain(url: str) -> None:
    engine = open_engine(url)
    config = migration_config()
    odd = SEALED.encode() + b"\0 said the note"

    def to(revision: str) -> None:
        with engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    to("0008")
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO authorizations (authorization_id, tenant, external_id, content_hash, likeness, request,"
            " service_system, service_code, urgency, accepted_at, due_at, status, revision, attempts, audit_selected)"
            " VALUES ('A', 'default', 'PA-1', 'h', 'l', '{}', 'CPT', '72148', 'standard', '2026-11-20 12:00:00',"
            " '2026-11-27 12:00:00', 'triaged', 1, 0, 0)"
        )
        for name, content in (("d1", odd), ("d2", b"plain")):
            connection.exec_driver_sql(
                "INSERT INTO documents (authorization_id, document_id, position, revision, type, content_type,"
                " fingerprint, content) VALUES ('A', ?, 0, 1, 'other', 'application/pdf', 'f', ?)",
                (name, content),
            )
    to("head")
    store = Store(engine)
    assert [document.content for document in store.unread_documents("A")] == [odd, b"plain"]
    store.close()


@pytest.mark.parametrize(
    ("lines", "mode", "says"),
    [
        (("AAAA",), 0o600, "line 1"),
        (("# none",), 0o600, "no key"),
        ((key_line(),), 0o640, "chmod 600"),
        (("not base64!",), 0o600, "line 1"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, lines: tuple[str, ...], mode: int, says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as refusal:
        EnvelopeKeyFile(key_file(tmp_path, *lines, mode=mode))
    assert not any(line in str(refusal.value) for line in lines)
    with pytest.raises(SettingsError):
        EnvelopeKeyFile(tmp_path / "nowhere")


def test_every_column_of_free_text_is_one_that_is_sealed() -> None:
    """Whoever adds a column of free text or bytes seals it, or says here why it may be read."""
    readable = {
        "fast_track_switches.why",  # the command asks for no names or notes
        "saved_views.query",  # a filter of the worklist: statuses, lines of business, families
        "trail.details",  # ids and versions, by law of the trail
        "data_keys.wrapped",  # wrapped by the envelope key
        "api_keys.scopes",  # names of what a key may do
        "webhooks.kinds",  # names of kinds of events
        "outbox.content",  # ids, a kind, times, route and outcome (serving/events.py)
        "events.content",  # the same
        "batch_lines.problem",  # line numbers, names of fields and fixed sentences: no value (features/request.py)
    }
    found = {
        f"{table.name}.{column.name}"
        for table in all_tables().sorted_tables
        for column in table.columns
        if str(column.type) in ("TEXT", "BLOB") and column not in sealed_columns().get(table, ())
    }
    assert found == readable


def test_the_documentation_names_every_column_that_is_sealed() -> None:
    page = (Path(__file__).parents[1] / "docs" / "security.md").read_text("utf-8")
    named = re.findall(r"^\| `(\w+\.\w+)` \|[^|]*\| sealed \|$", page, re.MULTILINE)
    there = {f"{table.name}.{column.name}" for table, columns in sealed_columns().items() for column in columns}
    assert sorted(named) == sorted(there)


def test_the_commands_seal_rotate_and_unseal(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(url)
    keep(store, request("PA-1"))
    store.close()
    path = key_file(tmp_path)
    monkeypatch.setenv("GREENLANE_DATABASE_URL", url)

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["encryption", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "documents.content\t0 sealed\t1 plain" in run("status")
    monkeypatch.setenv("GREENLANE_ENVELOPE_KEY_FILE", str(path))
    assert "sealed" in run("seal")
    assert [word for word in WORDS if word in bytes_on_disk(tmp_path)] == []
    assert "documents.content\t1 sealed\t0 plain" in run("status")
    key_file(tmp_path, key_line(), path.read_text("ascii").strip())
    assert run("rotate", "--data-key").startswith("1 data key wrapped anew\ndata key ")
    assert "0 data keys" in run("rotate")
    assert "rows unsealed" in run("unseal")
    monkeypatch.delenv("GREENLANE_ENVELOPE_KEY_FILE")
    assert "documents.content\t0 sealed\t1 plain" in run("status")
    refused = CliRunner().invoke(app, ["encryption", "seal"])
    assert (refused.exit_code, refused.exception.__class__) == (2, SystemExit)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_whole_service_works_on_a_sealed_database_and_no_table_holds_a_word(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgresql") if database == "postgresql" else f"sqlite:///{tmp_path}/greenlane.db"
    if database == "postgresql":
        Store.open(url, migrate_always=True).close()
        _empty(url)
    given = Settings(database_url=url, model_dir=tmp_path, undo_minutes=0, envelope_key_file=key_file(tmp_path))
    triage = always(Route.NURSE_REVIEW, "criteria_not_documented")
    with TestClient(create_app(given, triage=triage, migrate=True), base_url="http://localhost") as client:
        case = closed_case(client)
        more = {"document_id": "d2", "date": "2026-11-12", "text": "Quetzalcoatlus again."}
        answer = client.post(f"/v1/authorizations/{case}/documents", json={"documents": [more]})
        assert answer.status_code == 200
        assert client.get(f"/v1/authorizations/{case}/documents/2/text").json()["text"] == more["text"]
        again = closed_case_body()
        assert client.post("/v1/authorizations", json=again).status_code == 200
        other = {**again, "external_id": "PA-7"}
        reasons = client.post("/v1/authorizations", json=other).json()["reasons"]
        assert "near_duplicate" in {reason["code"] for reason in reasons}
        client.headers["accept"] = "text/html"
        page = client.get(f"/cases/{case}").text
        assert "Quetzalcoatlus again." in page
        assert "Archaeopteryx was mentioned." in page
        draft = client.get(f"/cases/{case}/drafts/refer").json()
        assert draft == {"summary": "Pteranodon half written"}
        for path in ("/", f"/cases/{case}/score", f"/cases/{case}/evidence"):
            assert client.get(path).status_code == 200, path
        sign_in(client, Role.LEAD)
        assert "physical therapy" in client.get("/numbers").text.lower()
        store = store_of(client)
        assert export_decisions(store, tmp_path / "decisions.jsonl").cases == 2
        assert export_corrections(store, tmp_path / "corrections.jsonl") == 1
        assert verify(store).valid
        assert [word for word in SAID if word in _everything(store)] == []
    if database == "postgresql":
        _empty(url)


def closed_case_body() -> dict[str, Any]:
    return request_body("PA-1", f"{SHORT_NOTE} Quetzalcoatlus.")


def _everything(store: Store) -> str:
    """Every value of every table, as the database holds it."""
    with store.engine.connect() as connection:
        rows = [
            connection.execute(text(f"SELECT * FROM {table}")).all()  # noqa: S608  (our own names)
            for table in all_tables().tables
        ]
    return repr(
        [[bytes(value) if isinstance(value, memoryview) else value for value in row] for all_ in rows for row in all_]
    )
