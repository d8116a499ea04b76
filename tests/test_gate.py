"""The outermost layer: what it logs of a call that did not end as it should."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving_cases import routed
from signing_in import sign_in

from serving.app import create_app
from serving.gate import Gate
from serving.metrics import Metrics
from serving.settings import Settings


def test_a_client_that_left_is_no_error_of_ours(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/g.db", model_dir=tmp_path), triage=routed)
    client = TestClient(app)
    sign_in(client)
    caplog.set_level(logging.INFO)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    sent = _posted(app, "/cases/01JD3K8Q5T6V7W8X9Y0Z1A2B3C/seen", cookies)
    assert sent == []
    assert "POST /cases/{authorization_id}/seen 499 " in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert 'status="499"' in client.get("/metrics").text
    app.state.store.close()


def test_an_error_of_ours_is_still_one(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("secretword")

    sent = _posted(Gate(broken, metrics=Metrics(), public_url=None), "/", "")
    assert sent[0]["status"] == 500
    assert "ValueError at test_gate.py" in caplog.text
    assert "secretword" not in caplog.text


@pytest.mark.parametrize("method", ["QUILLFEATHER", "PROPFIND", "get"])
def test_a_method_that_is_none_is_not_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    caplog.set_level(logging.INFO, "greenlane.access")
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/g.db", model_dir=tmp_path), triage=routed)
    sent = _posted(app, "/healthz", "", method)
    assert sent[0]["status"] == 405
    (line,) = (record for record in caplog.records if record.name == "greenlane.access")
    assert line.getMessage().startswith("(other) ")
    assert vars(line)["method"] == "(other)"
    metrics = TestClient(app).get("/metrics").text
    assert 'method="(other)"' in metrics
    assert f'method="{method}"' not in metrics
    app.state.store.close()


def _posted(app: Callable[..., Awaitable[None]], path: str, cookies: str, method: str = "POST") -> list[dict[str, Any]]:
    """Post half a body and leave."""
    coming = [
        {"type": "http.request", "body": b'{"form_token": ', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"cookie", cookies.encode()), (b"host", b"testserver")],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }

    async def receive() -> dict[str, Any]:
        return coming.pop(0) if coming else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent
