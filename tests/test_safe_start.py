"""What the service does not start with, and what it says then."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from test_cli import process

from serving.app import create_app
from serving.errors import SettingsError
from serving.safe_start import refuse_plain_http
from serving.settings import Settings

PUBLIC = "https://greenlane.example.org"
EVERYWHERE = "0.0.0.0"  # noqa: S104  (a setting under test)


@pytest.mark.parametrize(
    ("host", "public_url", "api_keys", "needs"),
    [
        ("127.0.0.1", None, None, False),
        ("::1", None, None, False),
        ("localhost", "http://127.0.0.1:8000", None, False),
        ("127.0.0.1", None, "required", True),
        ("127.0.0.1", None, "optional", False),
        # Behind a proxy on the same machine others reach it too.
        ("127.0.0.1", PUBLIC, None, True),
        (EVERYWHERE, PUBLIC, None, True),
        (EVERYWHERE, PUBLIC, "required", True),
        (EVERYWHERE, "http://127.0.0.1:8000", None, True),
        ("10.0.0.7", PUBLIC, None, True),
        ("greenlane.internal", PUBLIC, None, True),
    ],
)
def test_keys_are_needed_wherever_others_reach_the_service(
    host: str, public_url: str | None, api_keys: str | None, needs: bool
) -> None:
    given = {"host": host, "public_url": public_url, "api_keys": api_keys}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # checked there
    assert settings.needs_keys is needs


@pytest.mark.parametrize(("host", "public_url"), [(EVERYWHERE, PUBLIC), ("127.0.0.1", PUBLIC), (EVERYWHERE, None)])
def test_a_service_that_others_reach_does_not_start_without_keys(
    host: str, public_url: str | None, tmp_path: Path
) -> None:
    given = {"public_url": public_url} if public_url else {}
    settings = Settings(host=host, api_keys="optional", database_url=f"sqlite:///{tmp_path}/g.db", **given)  # type: ignore[arg-type]  # as above
    with pytest.raises(SettingsError, match="GREENLANE_API_KEYS") as refusal:
        create_app(settings, triage=routed)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "g.db").exists()


def test_nobody_listens_for_others_without_saying_by_which_https_address_they_come() -> None:
    with pytest.raises(SettingsError, match="GREENLANE_PUBLIC_URL"):
        refuse_plain_http(Settings(host=EVERYWHERE))
    refuse_plain_http(Settings(host=EVERYWHERE, public_url=PUBLIC))
    refuse_plain_http(Settings())


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "greenlane: GREENLANE_PUBLIC_URL: must say the https:// address"),
        (
            {"GREENLANE_PUBLIC_URL": PUBLIC, "GREENLANE_API_KEYS": "optional"},
            "greenlane: GREENLANE_API_KEYS: `optional` is for development only",
        ),
        ({"GREENLANE_PUBLIC_URL": PUBLIC, "GREENLANE_API_KEYS": "sometimes"}, "greenlane: GREENLANE_API_KEYS: "),
    ],
)
def test_the_command_says_so_in_one_line(environment: dict[str, str], said: str, tmp_path: Path) -> None:
    done = process("serve", "--host", EVERYWHERE, "--port", "0", cwd=tmp_path, **environment)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_a_call_without_a_key_in_development_belongs_to_the_default_tenant(tmp_path: Path) -> None:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/g.db", model_dir=tmp_path), triage=routed)
    case = TestClient(app).post("/v1/authorizations", json=request_body()).json()["authorization_id"]
    assert app.state.rooms.of("default").store.request(case).authorization_id == case
    app.state.store.close()
