"""PostgreSQL's own tools carry a store over whole, by the commands of docs/operations.md."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from closed_cases import closed_case, store_of
from databases import PostgresqlDatabases
from fastapi.testclient import TestClient
from serving_cases import always
from sqlalchemy.engine import make_url
from test_migrations import rows_of

from models.types import Route
from serving.app import create_app
from serving.doctor import examine
from serving.settings import Settings
from serving.store import Store
from serving.trail_chain import verify

DOCS = (Path(__file__).parents[1] / "docs" / "operations.md").read_text()


def test_a_dump_that_is_restored_elsewhere_holds_everything_and_its_trail(postgresql: str, tmp_path: Path) -> None:
    pgserver = pytest.importorskip("pgserver")
    tools = Path(pgserver.__file__).parent / "pginstall" / "bin"
    databases = PostgresqlDatabases(postgresql)
    url = databases.of(tmp_path)
    settings = Settings(database_url=url, model_dir=tmp_path, undo_minutes=0)
    client = TestClient(create_app(settings, triage=always(Route.NURSE_REVIEW, "criteria_not_documented")))
    closed_case(client)
    restored = make_url(url).set(database="greenlane_restored")
    plain = {
        "$DATABASE": make_url(url).set(drivername="postgresql").render_as_string(hide_password=False),
        "$SERVER": make_url(postgresql).set(drivername="postgresql").render_as_string(hide_password=False),
        "$RESTORED": restored.set(drivername="postgresql").render_as_string(hide_password=False),
    }
    try:
        for line in re.findall(r"^(?:pg_dump|createdb|pg_restore) .*$", DOCS, re.MULTILINE):
            program, *arguments = shlex.split(line)
            for name, value in plain.items():
                arguments = [re.sub(re.escape(name) + r"\b", value, argument) for argument in arguments]
            subprocess.run([tools / program, *arguments], cwd=tmp_path, check=True)
        # The service still had the database open while it was copied.
        store_of(client).close()
        store = Store.open(restored.render_as_string(hide_password=False))
        assert rows_of(store.engine.url.render_as_string(hide_password=False)) == rows_of(url)
        assert verify(store).first is None
        store.close()
        found = examine({"GREENLANE_DATABASE_URL": restored.render_as_string(hide_password=False)})
        assert {each.check: each.state for each in found}["database"] == "ok"
        assert {each.check: each.state for each in found}["trail"] == "ok"
    finally:
        databases._drop(restored.render_as_string(hide_password=False))
        databases.close()
