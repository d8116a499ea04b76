"""What stands in the log: one line each, of fields that are known, joined to an answer by the request's id."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from databases import database_in
from fastapi.testclient import TestClient
from running_server import ROOT, RunningServer
from serving_cases import request_body, routed

from serving.app import create_app
from serving.log_lines import JsonLines, TextLines
from serving.request_id import during_request, request_id_of
from serving.settings import Settings
from serving.ulid import is_ulid

SECRETS = ("Zyxwvutsrq", "Quillfeather", "Bramblethorn")

# In a process of its own, with every logger as loud as it can be, so that what libraries set at import is seen as well.
FULL_FLOW = """
import logging, sys
from fastapi.testclient import TestClient
from serving.app import create_app
from serving.settings import Settings
from serving.stderr_log import log_to_stderr
log_to_stderr(sys.argv[1])
sys.path.insert(0, "tests")
from serving_cases import request_body
from signing_in import sign_in
app = create_app(Settings(database_url=sys.argv[2], model_dir=sys.argv[3], audit_share=0))
for name in (None, *logging.root.manager.loggerDict):
    logging.getLogger(name).setLevel(1)
name, town, word = sys.argv[4:]
body = request_body(f"PA-{name}", f"{name} {town} completed physical therapy for 8 weeks. Denies {word}.")
body["member"]["member_id"] = name
with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
    stored = client.post("/v1/authorizations", json=body).json()
    sign_in(client)
    client.get(f"/cases/{stored['authorization_id']}")
    client.get(f"/cases/{name}", headers={"X-Request-Id": name})
    client.get("/v1/authorizations", params={"cursor": word})
    client.get("/", params={"q": word})
    client.post("/v1/authorizations", json={**body, "urgency": word})
    client.post(f"/v1/authorizations/{stored['authorization_id']}/documents", json={"documents": [
        {"document_id": town, "type": "letter", "text": f"{word} {town}"}]})
    def broken(*_, **__):
        raise ValueError(f"{name} {word}")
    type(app.state.store).accept = broken
    client.post("/v1/authorizations", json={**body, "external_id": "PA-2"})
logging.getLogger("some.library").error("could not read %s", word)
"""


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(Settings(database_url=database_in(tmp_path), model_dir=tmp_path), triage=routed))


def test_an_answer_carries_the_id_that_its_lines_and_its_problem_carry(
    client: TestClient, written: Callable[[], list[str]]
) -> None:
    sent = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = client.post("/v1/authorizations", json=request_body(urgency="soon"), headers={"X-Request-Id": sent})
    assert answer.headers["X-Request-Id"] == sent
    assert answer.json()["request_id"] == sent
    line = json.loads(written()[-1])
    assert {name: line[name] for name in ("request_id", "event", "method", "route", "status")} == {
        "request_id": sent,
        "event": "answered",
        "method": "POST",
        "route": "/v1/authorizations",
        "status": 422,
    }


def test_every_line_about_a_case_names_it_by_our_id(client: TestClient, written: Callable[[], list[str]]) -> None:
    stored = client.post("/v1/authorizations", json=request_body()).json()["authorization_id"]
    client.get(f"/v1/authorizations/{stored}")
    lines = [json.loads(line) for line in written()]
    assert [line["authorization_id"] for line in lines] == [stored] * 3
    assert lines[0]["request_id"] == lines[1]["request_id"] != lines[2]["request_id"]
    assert all(isinstance(line["ms"], float) for line in lines if line["event"] == "answered")


@pytest.mark.parametrize(
    "sent",
    [None, "", "John-Smith", "PA-2026-000123", "deadbeef", "x" * 26, "abcdefab-cdefabcd", "4bf92f35\n77b34da6a3ce"],
)
def test_an_id_that_may_hold_a_name_is_replaced(sent: str | None) -> None:
    assert is_ulid(request_id_of(sent))


@pytest.mark.parametrize(
    "sent", ["01JD3K8Q5T6V7W8X9Y0Z1A2B3C", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "4bf92f3577b34da6a3ce929d0e0e4736"]
)
def test_the_id_of_a_sender_that_can_only_be_an_id_is_kept(sent: str) -> None:
    assert request_id_of(sent) == sent


@pytest.mark.parametrize("lines", [JsonLines(), TextLines()])
def test_neither_an_exception_nor_what_a_library_says_is_written(lines: logging.Formatter) -> None:
    try:
        raise ValueError(SECRETS[0])
    except ValueError:
        ours = logging.LogRecord("greenlane.serving", 40, __file__, 1, "it failed", (), sys.exc_info())
    theirs = logging.LogRecord("library", 40, "/there/place.py", 7, "read %s", (SECRETS[1],), None)
    theirs.patient = SECRETS[2]
    said = lines.format(ours) + lines.format(theirs)
    assert not any(secret in said for secret in SECRETS)
    assert "ValueError" in said
    assert "a library said something at place.py:7" in said


def test_a_line_stays_one_line_and_carries_the_request_s_id() -> None:
    record = logging.LogRecord("greenlane.serving", 20, __file__, 1, "two\nlines", (), None)
    with during_request("01JD3K8Q5T6V7W8X9Y0Z1A2B3C"):
        assert TextLines().format(record).endswith("two lines request_id=01JD3K8Q5T6V7W8X9Y0Z1A2B3C")
        assert "\n" not in JsonLines().format(record)


@pytest.mark.slow
@pytest.mark.parametrize("lines", ["json", "text"])
def test_no_word_of_a_request_reaches_the_log_of_a_whole_service_at_its_loudest(tmp_path: Path, lines: str) -> None:
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-c", FULL_FLOW, lines, database_in(tmp_path), str(tmp_path), *SECRETS],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "TMPDIR": str(tmp_path)},
        check=False,
    )
    everything = (run.stdout + run.stderr).lower()
    assert not any(secret.lower() in everything for secret in SECRETS)
    assert run.returncode == 0, "the flow failed; its output is not shown here because it may quote a note"
    assert "triaged" in everything
    assert "valueerror at" in everything
    assert "a library said something" in everything
    if lines == "json":
        assert all(set(json.loads(line)) >= {"time", "level", "logger", "event"} for line in run.stderr.splitlines())


@pytest.mark.slow
def test_a_service_that_runs_writes_json_where_it_is_told_to(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, GREENLANE_LOG_FORMAT="json")
    server.start()
    try:
        asked = httpx.get(f"{server.url}/v1/authorizations/Quillfeather")
    finally:
        server.stop()
        server.close()
    lines = [json.loads(line) for line in (tmp_path / "server.log").read_text().splitlines()]
    (mine,) = [line for line in lines if line.get("request_id") == asked.headers["X-Request-Id"]]
    assert mine["route"] == "/v1/authorizations/{authorization_id}"
    assert "quillfeather" not in json.dumps(lines).lower()


@pytest.fixture
def written() -> Callable[[], list[str]]:
    """The lines of JSON that were written since the test began."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(JsonLines().format(record))

    ours = logging.getLogger("greenlane")
    handler = Kept()
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)

    def lines() -> list[str]:
        ours.removeHandler(handler)
        ours.setLevel(logging.NOTSET)
        return found

    return lines
