"""The code in docs/webhooks.md and docs/client.md does what they say."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from serving_cases import request_body, routed

from serving.app import create_app
from serving.client import Greenlane
from serving.events import EventKind
from serving.events_api import EventBody
from serving.settings import Settings
from serving.webhook_commands import webhooks_app
from serving.webhook_signature import signed_headers

DOCS = Path(__file__).parents[1] / "docs"
WEBHOOKS = (DOCS / "webhooks.md").read_text("utf-8")
CLIENT = (DOCS / "client.md").read_text("utf-8")
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A service that listens, with a triage that fast-tracks everything."""
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/greenlane.db", model_dir=tmp_path), triage=routed)
    server = uvicorn.Server(uvicorn.Config(app, port=0, access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=30)


def test_the_example_event_is_one_and_every_kind_is_told_of() -> None:
    (example,) = blocks(WEBHOOKS, "json")
    EventBody.model_validate({**json.loads(example), "cursor": "x"})
    assert set(re.findall(r"^\| `(authorization\.\w+)` \|", WEBHOOKS, re.MULTILINE)) == set(EventKind)


def test_every_command_is_documented() -> None:
    told = set(re.findall(r"^\| `greenlane webhooks (\w+)", WEBHOOKS, re.MULTILINE))
    assert told == {command.name for command in webhooks_app.registered_commands}


@pytest.mark.parametrize("number", [0, 1])
def test_the_receivers_of_the_guide_take_what_is_signed_and_refuse_everything_else(number: int) -> None:
    names: dict[str, Any] = {}
    exec(blocks(WEBHOOKS, "python")[number], names)  # noqa: S102  our own documentation
    body = blocks(WEBHOOKS, "json")[0].encode()
    now = datetime.now(UTC)
    good = signed_headers("e1", now, body, [SECRET, SECRET.replace("c3", "dD")])
    late = signed_headers("e1", now - timedelta(minutes=6), body, [SECRET])

    def takes(headers: dict[str, str], received: bytes) -> bool:
        if "receive" in names:
            with redirect_stdout(io.StringIO()):
                return bool(names["receive"](headers, received, SECRET) == 204)
        try:
            return bool(names["check"](headers, received, SECRET)["kind"])
        except ValueError:
            return False

    assert takes(good, body)
    assert not takes(good, body.replace(b"approved", b"approveD"))
    assert not takes(late, body)


def test_the_five_lines_of_the_client_work(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    five, following = blocks(CLIENT, "python")
    # The service of this test is for this machine alone and wants no key.
    here = re.sub(r", key=\"[^\"]*\"", "", five.replace("https://greenlane.example.org", url))
    exec(here, {"request": request_body("PA-docs")})  # noqa: S102  our own documentation
    assert capsys.readouterr().out.startswith("fast_track ['Every criterion")
    with Greenlane(url) as client:
        exec(following, {"client": client, "cursor": None})  # noqa: S102  our own documentation
    assert capsys.readouterr().out == "authorization.triaged PA-docs fast_track\n"


def test_every_method_of_the_client_is_documented() -> None:
    told = set(re.findall(r"^\| `(\w+)\(", CLIENT, re.MULTILINE)) - {"verify_webhook"}
    public = {name for name in vars(Greenlane) if not name.startswith("_")} - {"close"}
    assert told == public
