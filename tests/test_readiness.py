"""What /readyz says, and how a service that is told to stop ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from running_server import RunningServer
from serving_cases import NOTE, request_body, routed

from serving.app import create_app
from serving.database import open_engine
from serving.documents.pool import ReadingPool
from serving.errors import DatabaseRefusedError
from serving.settings import Settings
from serving.store import Store


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(Settings(database_url=database_in(tmp_path), model_dir=tmp_path), triage=routed)


def test_it_names_everything_that_was_looked_at(app: FastAPI) -> None:
    with TestClient(app) as client:
        checks = client.get("/readyz").json()["checks"]
    assert {name: state for name, state in checks.items() if name != "disk"} == {
        "database": "ok",
        "pipeline": "ok",
        "documents": "ok",
        "model": "no model is promoted: every request goes to a nurse",
    }


def test_a_database_that_only_reads_is_not_ready(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(_: object) -> None:
        raise DatabaseRefusedError("attempt to write a readonly database", "OperationalError")

    monkeypatch.setattr("serving.store.Store.check_writable", read_only)
    with TestClient(app) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "not_ready")
    assert answer.json()["checks"]["database"] == "the database cannot be used right now"


def test_what_a_driver_says_of_a_database_is_for_the_command_line_alone(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Store(open_engine("postgresql+psycopg://quillfeather@127.0.0.1:1/none"))
    with pytest.raises(DatabaseRefusedError, match=r"127\.0\.0\.1"):
        away.check()
    # Only what answers calls: the rest of the application keeps its database.
    monkeypatch.setattr(app.state.readiness, "_store", away)
    monkeypatch.setattr("serving.store.Store.cases", lambda *_, **__: away.check())
    with TestClient(app) as client:
        answers = [client.get("/readyz"), client.get("/v1/authorizations")]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json()["checks"]["database"] == "the database cannot be used right now"
    assert answers[1].json()["detail"] == "the database cannot be used right now"
    assert "a call is not answered: the database cannot be used right now: OperationalError" in caplog.text
    assert not any("127.0.0.1" in said for said in (caplog.text, *(answer.text for answer in answers)))


def test_files_that_cannot_be_read_degrade_it(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_process(_: ReadingPool) -> None:
        raise OSError

    monkeypatch.setattr(ReadingPool, "_start", no_process)
    with TestClient(app) as client:
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["checks"]["documents"] == "files go to a nurse unread: one could not be read just now"


def test_an_app_that_is_to_stop_is_not_ready_and_still_answers(app: FastAPI) -> None:
    with TestClient(app) as client:
        app.state.readiness.stop()
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["service"]) == (503, "is stopping")
        assert client.post("/v1/authorizations", json=request_body()).status_code == 201


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path, GREENLANE_DRAIN_SECONDS="2")
    server.start()
    yield server
    server.close()


@pytest.mark.slow
def test_sigterm_turns_readyz_at_once_answers_what_is_in_flight_and_ends_well(server: RunningServer) -> None:
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    body = request_body("PA-1", f"{NOTE} Low back pain for 3 weeks.\n" * 300)
    answers: list[int] = []

    def post() -> None:
        answers.append(httpx.post(f"{server.url}/v1/authorizations", json=body, timeout=60).status_code)

    in_flight = threading.Thread(target=post)
    in_flight.start()
    ended: list[int] = []
    stopping = threading.Thread(target=lambda: ended.append(server.stop()))
    stopping.start()
    time.sleep(0.2)
    answer = httpx.get(f"{server.url}/readyz")
    assert (answer.status_code, answer.json()["checks"]["service"]) == (503, "is stopping")
    in_flight.join()
    stopping.join()
    assert answers in ([201], [202])
    assert ended == [0]
