"""docs/api.md says what the service does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import routed

from serving.app import create_app
from serving.errors import SettingsError
from serving.settings import Settings, load_settings

TEXT = (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    return TestClient(create_app(settings, triage=routed))


def test_every_setting_is_documented_with_its_default() -> None:
    documented = dict(re.findall(r"^\| `(GREENLANE_\w+)` \| `([^`]+)` \|", TEXT, re.MULTILINE))
    expected = {
        field.title: {True: "on", False: "off"}[field.default]
        if isinstance(field.default, bool)
        else str(field.default)
        for field in Settings.model_fields.values()
    }
    assert documented == expected


def test_documented_variables_are_read_from_the_environment() -> None:
    settings = load_settings(
        {
            "GREENLANE_FAST_TRACK": "off",
            "GREENLANE_AUDIT_SHARE": "0.5",
            "GREENLANE_MODEL_DIR": "elsewhere",
            "GREENLANE_PORT": "",
            "HOME": "unrelated",
        }
    )
    assert settings == Settings(fast_track_enabled=False, audit_share=0.5, model_dir=Path("elsewhere"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GREENLANE_AUDIT_SHARE", "1.5"), ("GREENLANE_PORT", "eight"), ("GREENLANE_FASTTRACK", "off")],
)
def test_a_wrong_or_mistyped_variable_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable) as refusal:
        load_settings({variable: value})
    assert "\n" not in str(refusal.value)


def test_every_call_of_the_openapi_document_is_documented_and_no_other(client: TestClient) -> None:
    calls = {
        f"{method.upper()} {path}"
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        for method in operations
    }
    assert set(re.findall(r"^\| `((?:GET|POST|PUT) [^`]+)` \|", TEXT, re.MULTILINE)) == calls


def test_the_curl_example_works_as_pasted(client: TestClient) -> None:
    command = re.search(
        r"curl -sS http://127.0.0.1:8000(\S+) -H 'Content-Type: application/json' -d '(.*?)'\n", TEXT, re.S
    )
    assert command is not None
    path, body = command.groups()
    statuses = [client.post(path, json=json.loads(body)).status_code for _ in range(2)]
    assert statuses == [201, 200]


def test_a_page_of_another_site_cannot_post_through_a_browser(client: TestClient) -> None:
    for site, expected in (("cross-site", 403), ("same-site", 403), ("same-origin", 422), ("none", 422)):
        answer = client.post("/v1/authorizations", json={}, headers={"sec-fetch-site": site})
        assert answer.status_code == expected
        assert answer.headers["content-type"] == "application/problem+json"
