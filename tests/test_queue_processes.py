"""The queue with real processes: killed in the middle, stopped in the middle, and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from running_server import ROOT, RunningServer
from serving_cases import NOTE, request_body, until_read
from sqlalchemy import func, select

from benchmarks.supervised import free_port
from serving.job_tables import JobRow
from serving.store import Store
from serving.tables import ResultRow

pytestmark = pytest.mark.slow

LATER = {"prefer": "respond-async"}
SHORT = f"{NOTE} Low back pain for three months, denies fever.\n" * 20
LONG = f"{NOTE} Low back pain for three months, denies fever.\n" * 6_000


class Shop:
    """A store, and processes that work on it."""

    def __init__(self, folder: Path, store: Store, url: str) -> None:
        self.folder = folder
        self.store = store
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GREENLANE_")},
            "PYTHONPATH": str(ROOT),
            "GREENLANE_DATABASE_URL": url,
            "GREENLANE_MODEL_DIR": str(folder / "models"),
            "GREENLANE_STOP_SECONDS": "2",
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command of ours in a process of its own."""
        log = (self.folder / "work.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "serving.cli", *arguments], env=self.environment, cwd=ROOT, stdout=log, stderr=log
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def states(self) -> dict[str, int]:
        """How many jobs stand how."""
        with self.store.reading() as session:
            return dict(session.execute(select(JobRow.state, func.count()).group_by(JobRow.state)).all())  # type: ignore[arg-type]  # rows of two are pairs

    def until(self, holds: Callable[[dict[str, int]], bool], seconds: float = 60) -> None:
        """Wait until the counts are as wanted."""
        deadline = time.monotonic() + seconds
        while not holds(self.states()):
            assert time.monotonic() < deadline, (self.states(), (self.folder / "work.log").read_text())
            time.sleep(0.02)

    def results(self) -> int:
        """How many results there are."""
        with self.store.reading() as session:
            return session.scalar(select(func.count()).select_from(ResultRow)) or 0


@pytest.fixture
def shop(any_store: Store, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    is_sqlite = "sqlite" in request.node.name
    url = f"sqlite:///{tmp_path}/greenlane.db" if is_sqlite else request.getfixturevalue("postgresql")
    shop = Shop(tmp_path, any_store, url)
    yield shop
    shop.close()


@pytest.fixture
def server(shop: Shop, tmp_path: Path) -> Iterator[RunningServer]:
    """The API alone: it takes no jobs."""
    given = {name: value for name, value in shop.environment.items() if name.startswith("GREENLANE_")}
    server = RunningServer(tmp_path, **given, GREENLANE_WORKERS="0", GREENLANE_READERS="0")
    server.start()
    yield server
    server.close()


def send(server: RunningServer, count: int, text: str) -> list[str]:
    with httpx.Client(base_url=server.url, timeout=60) as client:
        answers = [
            client.post("/v1/authorizations", json=request_body(f"PA-{n}", f"{text}{n}"), headers=LATER)
            for n in range(count)
        ]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["authorization_id"] for answer in answers]


def test_workers_killed_in_the_middle_leave_every_request_triaged_once(shop: Shop, server: RunningServer) -> None:
    cases = send(server, 60, SHORT)
    for share in (5, 25):
        worker = shop.run("work", "--processes", "2")
        shop.until(lambda states, share=share: states.get("done", 0) >= share)  # type: ignore[misc]  # a lambda with a default
        worker.kill()
        worker.wait()
    both = [shop.run("work", "--once", "--processes", "1") for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert shop.states() == {"done": 60}
    assert shop.results() == 60
    assert {httpx.get(f"{server.url}/v1/authorizations/{case}").status_code for case in cases} == {200}
    assert "physical" not in (shop.folder / "work.log").read_text()


def test_a_worker_that_is_stopped_hands_back_what_it_cannot_finish(shop: Shop, server: RunningServer) -> None:
    send(server, 2, LONG)
    worker = shop.run("work", "--processes", "1")
    shop.until(lambda states: states.get("leased", 0) == 1)
    begin = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 0
    assert time.monotonic() - begin < 15
    assert "leased" not in shop.states()
    with shop.store.reading() as session:
        left = session.scalars(select(JobRow.attempts).where(JobRow.ended_at.is_(None))).all()
    assert set(left) <= {0}


@pytest.mark.parametrize("any_store", ["sqlite"], indirect=True)
def test_a_server_that_is_stopped_finishes_or_hands_back_and_the_next_one_goes_on(shop: Shop, tmp_path: Path) -> None:
    given = {name: value for name, value in shop.environment.items() if name.startswith("GREENLANE_")}
    server = RunningServer(tmp_path, **given)
    server.start()
    short = httpx.post(f"{server.url}/v1/authorizations", json=request_body("PA-a"), timeout=60)
    assert short.status_code == 201
    (case,) = send(server, 1, LONG)
    shop.until(lambda states: states.get("leased", 0) == 1)
    begin = time.monotonic()
    server.stop()
    assert time.monotonic() - begin < 20
    assert "leased" not in shop.states()
    server.start()
    with httpx.Client(base_url=server.url) as client:
        assert until_read(client, case, seconds=60)["external_id"] == "PA-0"
    server.close()
    assert shop.results() == 2


@pytest.mark.parametrize("any_store", ["sqlite"], indirect=True)
def test_a_reader_that_is_killed_costs_an_attempt_and_no_request(shop: Shop, tmp_path: Path) -> None:
    given = {name: value for name, value in shop.environment.items() if name.startswith("GREENLANE_")}
    server = RunningServer(tmp_path, **given, GREENLANE_READERS="1")
    server.start()
    (case,) = send(server, 1, LONG)
    shop.until(lambda states: states.get("leased", 0) == 1)
    readers = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _is_reader_of(pid, server.pid)]
    for pid in readers:
        os.kill(pid, signal.SIGKILL)
    assert len(readers) == 1
    with httpx.Client(base_url=server.url) as client:
        assert until_read(client, case, seconds=60)["external_id"] == "PA-0"
        assert httpx.post(f"{server.url}/v1/authorizations", json=request_body("PA-b"), timeout=60).status_code == 201
    server.close()
    with shop.store.reading() as session:
        assert sorted(session.scalars(select(JobRow.attempts)).all()) == [1, 2]


def _is_reader_of(pid: int, parent: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[1]) == parent and "triage_process" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("any_store", ["sqlite"], indirect=True)
def test_the_command_line_lists_what_waits_and_has_it_tried_again(shop: Shop, server: RunningServer) -> None:
    (case,) = send(server, 1, SHORT)

    def ours(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving.cli", "jobs", *arguments]
        return subprocess.run(command, env=shop.environment, cwd=ROOT, capture_output=True, text=True, check=False)

    number, listed, state, attempts, error, due = ours("list").stdout.rstrip("\n").split("\t")
    assert (listed, state, attempts, error) == (case, "waiting", "0", "-")
    assert due.endswith("Z")
    assert ours("list", "--dead").stdout == ""
    assert ours("retry", number).stdout == f"{number}: {case} is tried again\n"
    unknown = ours("retry", "999")
    assert (unknown.returncode, unknown.stderr) == (1, "999: job_id: no job has this number\n")


def test_a_worker_answers_prometheus_while_it_works(shop: Shop, server: RunningServer) -> None:
    port = free_port()
    shop.run("work", "--metrics-port", str(port))
    assert httpx.post(f"{server.url}/v1/authorizations", json=request_body(), headers=LATER).status_code == 202
    shop.until(lambda states: states.get("done") == 1)
    deadline = time.monotonic() + 20
    while 'greenlane_triaged_total{route="nurse_review"} 1.0' not in (
        told := httpx.get(f"http://127.0.0.1:{port}").text
    ):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    assert 'greenlane_jobs{state="waiting"} 0.0' in told
    assert "PA-1" not in told


def test_a_port_that_is_taken_is_one_line_and_nothing_is_begun(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        worker = shop.run("work", "--metrics-port", str(taken.getsockname()[1]))
        assert worker.wait(timeout=60) == 2
    said = (shop.folder / "work.log").read_text().strip()
    assert "\n" not in said
    assert "--metrics-port: cannot listen on 127.0.0.1" in said
