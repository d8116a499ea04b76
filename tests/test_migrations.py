"""The schema goes back and forth with data in it, loses only what docs/operations.md says, and new migrations keep the rules.

The data are made by the service itself, so every table holds what it holds in use.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from closed_cases import closed_case, store_of
from databases import PostgresqlDatabases, SqliteDatabases
from fastapi.testclient import TestClient
from serving_cases import always, request_body
from signing_in import add_person, sign_in_again
from sqlalchemy import inspect, select, text

from models.clock_events import UrgencyChanged
from models.types import Route
from serving.all_tables import all_tables
from serving.api_keys import Scope
from serving.app import create_app
from serving.case_clock import keep_event
from serving.case_standing import case_row
from serving.database import migration_config, open_engine
from serving.erasing import apply_retention
from serving.errors import StoreUnavailableError
from serving.fast_track_switches import switch_fast_track
from serving.key_store import KeyStore
from serving.last_looks import looked
from serving.legal_holds import place_hold
from serving.outbox import Outbox
from serving.roles import Role
from serving.saved_views import save_view
from serving.settings import Settings
from serving.sign_in_limit import SignInLimit
from serving.store import Store
from serving.trail_chain import verify
from serving.webhook_address import AddressRule
from serving.webhooks import Webhooks
from serving.worklist_filter import Filter

ROOT = Path(__file__).parents[1]
VERSIONS = ROOT / "serving" / "migrations" / "versions"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
REVISIONS = [each.revision for each in ScriptDirectory.from_config(migration_config()).walk_revisions()]
"""From the newest to the first."""
UNFILLED = {"data_keys"}
"""Holds rows where values are sealed, and then the schema does not go back at all (tests/test_sealing.py)."""
MADE_AGAIN = {("authorizations", "changed_at"), ("authorizations", "work"), ("authorizations", "family")}
"""Columns that a migration fills as well as it can: with when the case came, whether it was fast-tracked, nothing."""

STANDS_OTHERWISE = {"0011": {("authorizations", "work")}}
"""What a step back says in other words: a cancelled case was a withdrawn one."""

Rows = dict[str, list[Mapping[str, Any]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of this test's own."""
    if request.param == "sqlite":
        yield SqliteDatabases().of(tmp_path)
        return
    databases = PostgresqlDatabases(request.getfixturevalue("postgresql"))
    yield databases.of(tmp_path)
    databases.close()


@pytest.fixture
def filled(url: str, tmp_path: Path) -> str:
    """The case that was decided, in a database where every table holds something."""
    settings = Settings(database_url=url, model_dir=tmp_path, undo_minutes=0)
    client = TestClient(create_app(settings, triage=always(Route.NURSE_REVIEW, "criteria_not_documented")))
    store = store_of(client)
    Webhooks(store, AddressRule(frozenset(), loopback=True)).add(
        "http://127.0.0.1:9/hook", [], created_by="a test", now=NOW
    )
    case = closed_case(client)
    lead = add_person(client.app, Role.LEAD)  # type: ignore[arg-type]  # a FastAPI
    who = sign_in_again(client, lead)
    looked(store, who, case, NOW)
    save_view(store, lead.person_id, "Mine", Filter(), is_default=True, now=NOW)
    switch_fast_track(store, ["lumbar-spine-mri"], off=True, switched_by="Ann", why="a test", now=NOW)
    KeyStore(store).add("intake", "default", [Scope.SUBMIT], created_by="Ann", now=NOW)
    SignInLimit(store).begin("nobody", now=NOW)
    place_hold(store, authorization_id=case, why="a letter", by="Ann", now=NOW)
    # Of two that are decided the one without a hold is erased when its time is over.
    closed_case(client, "PA-old")
    assert sum(each.cases for each in apply_retention(store, {"": 1}, by="Ann", now=NOW + timedelta(days=800))) == 1
    Outbox(store).release(now=datetime.now(UTC) + timedelta(hours=1))
    _change_and_take_back(client, store)
    store.close()
    rows = rows_of(url)
    assert {name for name in all_tables().tables if not rows[name]} == UNFILLED
    return case


def _change_and_take_back(client: TestClient, store: Store) -> None:
    """What an intake system does with requests after it sent them, and what moves a clock."""
    sent = client.post("/v1/authorizations", json=request_body("PA-2"), headers={"idempotency-key": "once"}).json()
    changed = request_body("PA-2", urgency="expedited")
    del changed["documents"]
    assert client.put(f"/v1/authorizations/{sent['authorization_id']}", json=changed).status_code == 200
    with store.writing() as session:
        row = case_row(session, store.tenant, sent["authorization_id"], to_change=True)
        keep_event(session, row, UrgencyChanged(NOW, "standard"), now=NOW)
    assert client.post("/v1/batches", content=json.dumps(request_body("PA-3"))).status_code == 202
    other = client.post("/v1/authorizations", json=request_body("PA-4")).json()
    address = f"/v1/authorizations/{other['authorization_id']}/cancellation"
    assert client.post(address, json={"reason": "entered_in_error"}).status_code == 200


def rows_of(url: str) -> Rows:
    """Everything in the database, by table, in the order of the keys."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            found: Rows = {}
            for name in inspect(connection).get_table_names():
                if name == "alembic_version":
                    continue
                keys = inspect(connection).get_pk_constraint(name)["constrained_columns"]
                query = text(f'SELECT * FROM "{name}" ORDER BY {", ".join(keys)}')  # noqa: S608  (names of our own schema)
                found[name] = [dict(row) for row in connection.execute(query).mappings()]
            return found
    finally:
        engine.dispose()


def migrate(url: str, to: str, *, back: bool = False) -> None:
    engine = open_engine(url)
    try:
        with engine.execution_options(writes=True).begin() as connection:
            config = migration_config()
            config.attributes["connection"] = connection
            (command.downgrade if back else command.upgrade)(config, to)
    finally:
        engine.dispose()


def differences(before: Rows, after: Rows, *, besides: set[tuple[str, str]] = frozenset()) -> list[str]:  # type: ignore[assignment]  # an empty set is one
    """Where a table or column that both have differs."""
    found = []
    for table in before.keys() & after.keys():
        if len(before[table]) != len(after[table]):
            found.append(table)
            continue
        for old, new in zip(before[table], after[table], strict=True):
            shared = [name for name in old.keys() & new.keys() if (table, name) not in besides]
            found += [f"{table}.{name}" for name in shared if old[name] != new[name]]
    return sorted(set(found))


def lost_between(before: Rows, after: Rows) -> set[str]:
    """Tables, and columns of tables that stay, that are gone."""
    tables = before.keys() - after.keys()
    columns = {
        f"{table}.{name}"
        for table in after
        for name in (before[table][0].keys() - after[table][0].keys() if before[table] and after[table] else ())
    }
    return tables | columns


def test_each_step_back_keeps_what_stays_and_loses_what_the_operations_page_says(url: str, filled: str) -> None:
    documented = dict(
        re.findall(r"^\| back to `(\d{4})` \| (.+?) \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    )
    before = rows_of(url)
    for revision in REVISIONS[1:]:
        migrate(url, revision, back=True)
        after = rows_of(url)
        assert differences(before, after, besides=STANDS_OTHERWISE.get(revision, set())) == [], revision
        assert set(re.findall(r"`([a-z_.]+)`", documented[revision])) == lost_between(before, after), revision
        before = after
    migrate(url, "base", back=True)
    assert rows_of(url) == {}


@pytest.mark.slow
def test_a_database_of_every_older_schema_comes_up_with_its_data_and_works(
    url: str, filled: str, tmp_path: Path
) -> None:
    result = next(row["result"] for row in rows_of(url)["results"] if row["authorization_id"] == filled)
    settings = Settings(database_url=url, model_dir=tmp_path, undo_minutes=0)
    for number, revision in enumerate(REVISIONS[1:]):
        migrate(url, revision, back=True)
        before = rows_of(url)
        migrate(url, "head")
        assert differences(before, rows_of(url), besides=MADE_AGAIN) == [], revision
        client = TestClient(create_app(settings, triage=always(Route.NURSE_REVIEW, "criteria_not_documented")))
        store = store_of(client)
        store.check()
        assert client.get(f"/v1/authorizations/{filled}").text == result
        assert client.post("/v1/authorizations", json=request_body(f"PA-new-{number}")).status_code == 201
        assert verify(store).first is None
        with store.reading() as session:
            assert "default" in session.scalars(select(all_tables().tables["tenants"].c.tenant)).all()
        store.close()


def test_a_version_stays_ready_on_a_newer_schema_and_is_not_on_an_older_one(url: str) -> None:
    store = Store(open_engine(url))
    for revision, ready in (("0099", True), (REVISIONS[0], True), (REVISIONS[1], False)):
        with store.writing() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        if ready:
            store.check()
        else:
            with pytest.raises(StoreUnavailableError, match="another schema"):
                store.check()
    store.close()


# For every migration after this one: it runs while the version of greenlane before it still serves (docs/operations.md).
RULES_BEGIN_AFTER = "0013"
CONTRACT = "contract"
"""A migration whose docstring begins with this word takes away what no running version uses any more."""


def newer_migrations() -> list[Path]:
    return [file for file in sorted(VERSIONS.glob("[0-9]*.py")) if file.name[:4] > RULES_BEGIN_AFTER]


def broken_rules(source: str) -> list[str]:
    """What of a migration's upgrade the version before it could not live with."""
    tree = ast.parse(source)
    if (ast.get_docstring(tree) or "").lower().startswith(CONTRACT):
        return []
    upgrade = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    found = []
    for call in (node for node in ast.walk(upgrade) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in ("drop_column", "drop_table", "rename_table", "batch_alter_table"):
            found.append(f"{name}: the version before still uses it")
        if name == "alter_column" and {word.arg for word in call.keywords} & {"new_column_name", "type_", "nullable"}:
            found.append("alter_column: the version before still writes it as it was")
        if name == "add_column" and _is_demanding(call):
            found.append("add_column: NOT NULL without server_default, which the version before does not fill")
        if name in ("execute", "exec_driver_sql") and call.args:
            said = ast.unparse(call.args[0]).upper()
            if re.search(r"\b(DROP (TABLE|COLUMN)|RENAME|SET NOT NULL)\b", said):
                found.append(f"{name}: drops, renames or demands in SQL")
    return found


def _is_demanding(call: ast.Call) -> bool:
    for column in (node for argument in call.args for node in ast.walk(argument) if isinstance(node, ast.Call)):
        words = {word.arg: ast.unparse(word.value) for word in column.keywords}
        if words.get("nullable") == "False" and "server_default" not in words:
            return True
    return False


def test_no_new_migration_takes_from_the_version_that_still_runs_what_it_needs() -> None:
    assert {file.name: found for file in newer_migrations() if (found := broken_rules(file.read_text()))} == {}


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ('op.drop_column("people", "team")', "drop_column"),
        ('op.rename_table("people", "persons")', "rename_table"),
        ('op.alter_column("people", "team", new_column_name="group")', "alter_column"),
        ('op.alter_column("people", "team", nullable=False)', "alter_column"),
        ('op.add_column("people", sa.Column("team", sa.Text(), nullable=False))', "add_column"),
        ('op.execute("ALTER TABLE people DROP COLUMN team")', "execute"),
        ('op.execute(f"ALTER TABLE {name} ALTER team SET NOT NULL")', "execute"),
    ],
)
def test_the_rules_find_what_breaks_them(step: str, named: str) -> None:
    source = f'"""A migration."""\ndef upgrade():\n    {step}\ndef downgrade():\n    pass\n'
    assert [found.partition(":")[0] for found in broken_rules(source)] == [named]
    assert broken_rules(source.replace("A migration.", "Contract: no version uses it since 1.4.")) == []


@pytest.mark.parametrize(
    "step",
    [
        'op.add_column("people", sa.Column("team", sa.Text(), nullable=True))',
        'op.add_column("people", sa.Column("team", sa.Text(), nullable=False, server_default=""))',
        'op.create_index("ix_people_team", "people", ["team"])',
        'op.create_table("teams", sa.Column("team", sa.Text(), nullable=False))',
        "op.execute(\"UPDATE people SET team = ''\")",
    ],
)
def test_the_rules_leave_alone_what_widens(step: str) -> None:
    source = f'"""A migration."""\ndef upgrade():\n    {step}\ndef downgrade():\n    op.drop_column("people", "team")\n'
    assert broken_rules(source) == []
