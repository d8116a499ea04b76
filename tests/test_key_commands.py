"""``greenlane keys`` and ``greenlane tenants``: what they print, what they keep, and what they refuse."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from sqlalchemy import select
from typer.testing import CliRunner

from serving.api_keys import Scope
from serving.app import create_app
from serving.cli import app as commands
from serving.key_commands import span
from serving.key_store import KeyStore
from serving.settings import Settings
from serving.store import Store
from serving.tables import TrailRow
from serving.tenant_store import TenantStore


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = f"sqlite:///{tmp_path}/greenlane.db"
    monkeypatch.setenv("GREENLANE_DATABASE_URL", found)
    return found


def greenlane(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(commands, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done.exit_code, done.stdout, done.stderr


def printed(*arguments: str) -> str:
    code, out, err = greenlane(*arguments)
    assert code == 0, err
    return out


def token_in(out: str) -> str:
    found = re.search(r"^key \(shown this once\): (glk_\S+)$", out, re.MULTILINE)
    assert found is not None
    return found[1]


def entries(url: str) -> list[tuple[str, str, dict[str, Any]]]:
    store = Store.open(url)
    with store.reading() as session:
        found = [
            (row.tenant, row.action, json.loads(row.details))
            for row in session.scalars(select(TrailRow).order_by(TrailRow.number))
        ]
    store.close()
    return found


def status_with(url: str, token: str) -> int:
    client = TestClient(
        create_app(Settings(database_url=url, model_dir=Path("none"), api_keys="required"), triage=routed)
    )
    answer = client.post("/v1/authorizations", json=request_body(), headers={"authorization": f"Bearer {token}"})
    client.app.state.store.close()  # type: ignore[attr-defined]  # an ASGI app's type has no state
    return answer.status_code


def test_a_key_is_printed_once_and_opens_the_interface(url: str) -> None:
    out = printed("keys", "add", "East clinics", "--scope", "submit", "--scope", "read", "--expires-in", "90d")
    token = token_in(out)
    assert status_with(url, token) == 201
    listed = printed("keys", "list")
    columns = listed.rstrip("\n").split("\t")
    assert columns[0] in token
    assert columns[1:3] == ["default", "read+submit"]
    assert columns[3] == f"until {datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}"
    assert columns[4].startswith("used 2")
    assert columns[5:] == ["-", "East clinics"]
    assert token not in listed


def test_limits_are_kept_with_the_key(url: str) -> None:
    printed("keys", "add", "West", "--scope", "submit", "--requests-per-minute", "30", "--body-limit", "5000")
    assert printed("keys", "list").split("\t")[5] == "30 a minute, 5000 bytes"


def test_a_rotated_key_works_with_both_secrets_and_a_revoked_one_with_none(url: str) -> None:
    first = token_in(printed("keys", "add", "East", "--scope", "submit"))
    key_id = first.split("_")[1]
    out = printed("keys", "rotate", key_id, "--overlap", "24h")
    second = token_in(out)
    assert "the secret before is valid until 2" in out
    assert {status_with(url, token) for token in (first, second)} <= {200, 201}
    assert "the secret before has ended" in printed("keys", "rotate", key_id, "--overlap", "0")
    assert [status_with(url, token) for token in (first, second)] == [401, 401]
    assert printed("keys", "revoke", key_id) == f"{key_id}: revoked\n"
    assert "\trevoked\t" in printed("keys", "list")


def test_every_change_is_in_the_trail_of_its_tenant_with_ids_only(url: str) -> None:
    printed("tenants", "add", "acme", "--display", "Acme Health")
    key_id = token_in(printed("keys", "add", "Secretname", "--tenant", "acme", "--scope", "read")).split("_")[1]
    printed("keys", "rotate", key_id)
    printed("keys", "revoke", key_id)
    printed("tenants", "change", "acme", "--state", "inactive")
    assert entries(url) == [
        ("acme", "tenant_added", {}),
        ("acme", "key_added", {"key_id": key_id, "scopes": ["read"]}),
        ("acme", "key_rotated", {"key_id": key_id, "overlap_seconds": 86400}),
        ("acme", "key_revoked", {"key_id": key_id}),
        ("acme", "tenant_changed", {"active": False}),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("keys", "add", "East", "--scope", "everything"), "submit, read, preview, events"),
        (("keys", "add", "East", "--scope", "read", "--expires-in", "soon"), "30m, 24h or 90d"),
        (("keys", "add", "East", "--scope", "read", "--tenant", "nobody"), "tenant: there is none"),
        (("keys", "add", " ", "--scope", "read"), "name: must be"),
        (("keys", "add", "East", "--scope", "read", "--body-limit", "1"), "body_limit: must be"),
        (("keys", "rotate", "nonsense"), "key_id: there is no such key"),
        (("keys", "revoke", "01JD3K8Q5T6V7W8X9Y0Z1A2B3C"), "key_id: there is no such key"),
        (("tenants", "add", "Acme Health", "--display", "Acme"), "tenant: must be small letters"),
        (("tenants", "add", "default", "--display", "Another"), "tenant: there is one"),
        (("tenants", "change", "default", "--state", "inactive"), "the default tenant stays active"),
        (("people", "list", "--tenant", "nobody"), "tenant: there is none"),
        (("fast-track", "status", "--tenant", "nobody"), "tenant: there is none"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_kept(url: str, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = greenlane(*arguments)
    assert (code, out) == (2, "")
    assert said in " ".join(err.replace("│", " ").split())
    assert entries(url) == [] if Path(url.removeprefix("sqlite:///")).exists() else True


def test_a_span_is_minutes_hours_or_days() -> None:
    assert [span(text) for text in ("30m", "24h", "90d", "0", "0h")] == [
        timedelta(minutes=30),
        timedelta(hours=24),
        timedelta(days=90),
        timedelta(0),
        timedelta(0),
    ]


def test_commands_work_on_what_their_tenant_has(url: str, tmp_path: Path) -> None:
    printed("tenants", "add", "acme", "--display", "Acme Health")
    assert printed("tenants", "list") == "acme\tactive\tAcme Health\ndefault\tactive\tDefault\n"
    printed("people", "add", "ann", "--role", "nurse", "--display", "Ann Lee", "--tenant", "acme")
    printed("people", "add", "ann", "--role", "lead", "--display", "Another Ann")
    assert printed("people", "list", "--tenant", "acme") == "ann\tnurse\t-\tactive\tAnn Lee\n"
    assert printed("people", "list") == "ann\tlead\t-\tactive\tAnother Ann\n"
    printed("people", "change", "ann", "--tenant", "acme", "--state", "inactive")
    assert "inactive" not in printed("people", "list")
    printed("fast-track", "off", "--all", "--why", "a test", "--tenant", "acme")
    assert "off" not in {line.split("\t")[1] for line in printed("fast-track", "status").splitlines()}
    assert "person_added" in printed("audit", "show", "--tenant", "acme", "--format", "jsonl")
    assert "Ann" not in printed("audit", "show", "--format", "jsonl")
    store = Store.open(url)
    key = KeyStore(store).add("A", "acme", {Scope.SUBMIT}, created_by="test", now=datetime.now(UTC))
    assert TenantStore(store).is_active("acme")
    store.close()
    assert status_with(url, key.token) == 201
    out = tmp_path / "history.jsonl"
    assert printed("export", "decisions", "--out", str(out)).startswith("0 cases")
    assert printed("export", "decisions", "--out", str(out), "--tenant", "acme").startswith("1 cases")
