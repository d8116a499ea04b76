"""``greenlane doctor``: it finds what is missing, says what to do, and tells nothing that is secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import database_in, sqlite_only
from trail_attacks import replace_trail, trail_rows
from typer.testing import CliRunner

from serving.cli import app
from serving.doctor import Finding, examine
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A deployment with a store that somebody works in, and no model."""
    url = database_in(tmp_path)
    store = Store.open(url)
    PeopleStore(store).add("ann", "Ann Lee", Role.NURSE, now=datetime.now(UTC))
    store.close()
    return {"GREENLANE_DATABASE_URL": url, "GREENLANE_MODEL_DIR": str(tmp_path / "models")}


def found(environment: dict[str, str]) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(environment)}


def test_a_deployment_without_a_model_works_and_is_told_what_that_means(environment: dict[str, str]) -> None:
    findings = found(environment)
    assert findings["database"].state == "ok"
    assert findings["trail"].found == "the newest 1 of 1 entries hold"
    assert findings["model"].state == "warn"
    assert "every request goes to a nurse" in findings["model"].found
    assert not [finding for finding in findings.values() if finding.state == "fail"]
    assert all(finding.advice for finding in findings.values() if finding.state != "ok")


def test_a_setting_that_is_none_of_ours_is_named(environment: dict[str, str]) -> None:
    finding = found({**environment, "GREENLANE_AUDIT_SHAER": "0.1"})["settings"]
    assert finding.state == "fail"
    assert "GREENLANE_AUDIT_SHAER" in finding.found


def test_a_database_that_cannot_be_reached_is_a_finding(environment: dict[str, str]) -> None:
    url = "postgresql+psycopg://nobody:hunter2@127.0.0.1:1/none"
    findings = examine({**environment, "GREENLANE_DATABASE_URL": url})
    (finding,) = [finding for finding in findings if finding.check == "database"]
    assert finding.state == "fail"
    assert "hunter2" not in repr(findings)


def test_an_altered_trail_is_found(environment: dict[str, str]) -> None:
    url = environment["GREENLANE_DATABASE_URL"]
    rows = trail_rows(url)
    rows[0]["details"] = '{"role":"lead"}'
    replace_trail(url, rows)
    assert found(environment)["trail"].state == "fail"


@sqlite_only
def test_a_file_that_others_may_read_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    database = tmp_path / "greenlane.db"
    tmp_path.chmod(0o755)
    database.chmod(0o644)
    assert found(environment)["database file"].state == "warn"
    database.chmod(0o600)
    assert found(environment)["database file"].state == "ok"


@sqlite_only
def test_a_store_that_cannot_be_written_fails(environment: dict[str, str], tmp_path: Path) -> None:
    assert found(environment)["database"].state == "ok"
    url = f"sqlite:///file:{tmp_path}/greenlane.db?mode=ro&uri=true"
    finding = found({**environment, "GREENLANE_DATABASE_URL": url})["database"]
    assert finding.state == "fail"


def test_the_command_ends_with_one_only_where_something_fails(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0
    told: list[dict[str, Any]] = json.loads(done.stdout)
    assert {"check", "state", "found", "advice"} == set(told[0])
    monkeypatch.setenv("GREENLANE_PORT", "none")
    assert CliRunner().invoke(app, ["doctor"]).exit_code == 1
