"""What was accepted is never lost and never stored twice, also when the server dies in the middle of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from databases import on_sqlite, sqlite_only, stored_rows, writing
from running_server import RunningServer
from serving_cases import NOTE, request_body
from sqlalchemy import text

CLIENTS = 20
REQUESTS = 500


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path)
    server.start()
    yield server
    server.close()


class Intake:
    """Clients that send every request until it is answered, as a good intake system does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._next = iter(range(REQUESTS))
        self._lock = threading.Lock()
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.retries = 0

    def run(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        return threads

    def answered(self) -> int:
        with self._lock:
            return len(self.answers)

    def _client(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while True:
                with self._lock:
                    number = next(self._next, None)
                if number is None:
                    return
                name = f"PA-{number:03d}"
                text = f"{NOTE} Visit {number}: low back pain for {number % 20} weeks, denies fever.\n" * (
                    1 + number % 7
                )
                self._send(client, name, json.dumps(request_body(name, text)))

    def _send(self, client: httpx.Client, name: str, body: str) -> None:
        while True:
            try:
                answer = client.post("/v1/authorizations", content=body)
            except httpx.TransportError:
                with self._lock:
                    self.retries += 1
                time.sleep(0.05)
                continue
            with self._lock:
                self.answers.setdefault(name, []).append(
                    (answer.status_code, answer.json().get("authorization_id", ""))
                )
            return


@pytest.mark.slow
def test_five_hundred_requests_of_twenty_clients_survive_a_server_that_is_killed_twice(
    server: RunningServer, tmp_path: Path
) -> None:
    intake = Intake(server.url)
    threads = intake.run()
    for share in (0.25, 0.6):
        while intake.answered() < REQUESTS * share:
            time.sleep(0.005)
        server.kill()
        before = intake.answered()
        assert before < REQUESTS
        server.start()
    for thread in threads:
        thread.join()

    assert intake.retries > 0
    assert sorted(intake.answers) == [f"PA-{number:03d}" for number in range(REQUESTS)]
    assert {status for answers in intake.answers.values() for status, _ in answers} <= {200, 201, 202}
    until_all_are_triaged(server.url)
    stored = _all_cases(server.url)
    assert len(stored) == REQUESTS
    assert {name: answers[-1][1] for name, answers in intake.answers.items()} == stored
    assert stored_rows(server.database_url, "SELECT count(*) FROM results") == [(REQUESTS,)]
    if on_sqlite():
        assert stored_rows(server.database_url, "PRAGMA integrity_check") == [("ok",)]
    assert NOTE.split()[1] not in (tmp_path / "server.log").read_text()


@pytest.mark.slow
def test_requests_without_a_result_are_triaged_when_the_server_starts(server: RunningServer) -> None:
    answer = httpx.post(f"{server.url}/v1/authorizations", json=request_body(), timeout=60)
    server.kill()
    with writing(server.database_url) as connection:
        # As a kill between the two commits leaves it: the request is there, its result is not.
        connection.execute(text("DELETE FROM results"))
        connection.execute(text("UPDATE authorizations SET status = 'received', route = NULL"))
        connection.execute(
            text("UPDATE jobs SET state = 'leased', ended_at = NULL, run_after = '2000-01-01 00:00:00.000000'")
        )
    server.start()

    until_all_are_triaged(server.url)
    item = httpx.get(f"{server.url}/v1/authorizations").json()["items"][0]
    assert item["route"] == answer.json()["route"]
    assert httpx.get(f"{server.url}/v1/authorizations/{item['authorization_id']}").json() == answer.json()


@pytest.mark.slow
@sqlite_only
def test_an_operator_s_stop_leaves_no_write_ahead_log_behind(server: RunningServer, tmp_path: Path) -> None:
    httpx.post(f"{server.url}/v1/authorizations", json=request_body(), timeout=60)
    assert (tmp_path / "greenlane.db-wal").exists()
    server.stop()
    assert not (tmp_path / "greenlane.db-wal").exists()


def until_all_are_triaged(url: str) -> None:
    """What was interrupted waits for the lease of the process that died, or for a look at who is still there."""
    deadline = time.monotonic() + 60
    while httpx.get(f"{url}/v1/authorizations", params={"status": "received"}).json()["items"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _all_cases(url: str) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor = None
    while True:
        query = {"limit": "200", **({"cursor": cursor} if cursor else {})}
        page = httpx.get(f"{url}/v1/authorizations", params=query).json()
        for item in page["items"]:
            assert item["status"] == "triaged"
            assert item["external_id"] not in found
            found[item["external_id"]] = item["authorization_id"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
