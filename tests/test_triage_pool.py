"""Triage in processes of its own: the same answers, and nothing that happens to a process is an answer."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving_cases import request_body

from features.request import parse_request
from features.types import AuthorizationRequest
from serving.errors import ReaderEndedError, ServiceStoppingError
from serving.reading import Reader
from serving.settings import Settings
from serving.triage_pool import TriagePool

pytestmark = pytest.mark.slow


def settings_in(folder: Path, **changes: Any) -> Settings:
    return Settings(model_dir=folder, database_url="sqlite:///secret-place.db", **changes)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TriagePool]:
    pool = TriagePool(settings_in(tmp_path_factory.mktemp("models")), processes=1)
    pool.start()
    yield pool
    pool.close()


def request(text: str = "He completed physical therapy for 8 weeks.") -> AuthorizationRequest:
    return parse_request(request_body("PA-1", text))


def pids(pool: TriagePool) -> set[int]:
    return {process.pid for process in pool._processes}


def kill(pool: TriagePool) -> None:
    """Kill the only process, and return when it is dead."""
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


LONG = "He completed physical therapy for 8 weeks. Denies fever.\n" * 30_000


def test_a_process_gives_the_same_answer_as_triage_here(pool: TriagePool, tmp_path: Path) -> None:
    assert pool.triage(request()) == Reader.load(settings_in(tmp_path)).triage(request())
    assert pool.readiness()["pipeline"] == "ok"


def test_a_process_that_died_idle_is_replaced_and_nobody_notices(pool: TriagePool) -> None:
    before = pids(pool)
    kill(pool)
    assert pool.triage(request()).external_id == "PA-1"
    assert pids(pool).isdisjoint(before)


def test_a_process_that_dies_in_the_middle_is_no_answer_and_the_next_request_is_read(pool: TriagePool) -> None:
    (pid,) = pids(pool)
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(ReaderEndedError):
        pool.triage(request(LONG))
    assert pool.triage(request()).external_id == "PA-1"


def test_a_process_that_hangs_is_ended_after_its_time(tmp_path: Path) -> None:
    pool = TriagePool(settings_in(tmp_path, reading_seconds=0.5), processes=1)
    pool.start()
    (pid,) = pids(pool)
    os.kill(pid, signal.SIGSTOP)
    begin = time.monotonic()
    with pytest.raises(ReaderEndedError):
        pool.triage(request())
    assert time.monotonic() - begin < 10
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    pool.close()


def test_several_threads_share_the_processes(tmp_path: Path) -> None:
    pool = TriagePool(settings_in(tmp_path), processes=2)
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda n: pool.triage(parse_request(request_body(f"PA-{n}"))).external_id, range(24)))
    assert names == [f"PA-{n}" for n in range(24)]
    assert len(pids(pool)) == 2
    pool.close()
    with pytest.raises(ServiceStoppingError):
        pool.triage(request())


def test_what_was_begun_is_the_same_answer_and_has_the_process_meanwhile(pool: TriagePool) -> None:
    alone = pool.triage(request())
    begun = pool.begin(request())
    assert begun is not None
    with begun:
        assert pool.begin(request()) is None
        assert begun.result() == alone
        with pytest.raises(ReaderEndedError):
            begun.result()
    assert pool.triage(request()) == alone


def test_what_was_begun_and_not_asked_for_is_nobody_s_answer(pool: TriagePool) -> None:
    dropped = pool.begin(parse_request(request_body("PA-dropped", "Denies fever.")))
    assert dropped is not None
    with dropped:
        pass
    for n in range(3):
        assert pool.triage(parse_request(request_body(f"PA-{n}"))).external_id == f"PA-{n}"


@pytest.mark.parametrize("asked", [True, False])
def test_a_process_that_dies_with_what_was_begun_is_replaced(pool: TriagePool, asked: bool) -> None:
    pool.triage(request())
    begun = pool.begin(request(LONG))
    assert begun is not None
    with begun:
        kill(pool)
        if asked:
            with pytest.raises(ReaderEndedError):
                begun.result()
    assert pool.triage(request()).external_id == "PA-1"


def test_nothing_begins_while_others_wait_for_their_turn(pool: TriagePool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pool.begin(request())
    assert first is not None
    with ThreadPoolExecutor(1) as threads:
        with first:
            waits = threads.submit(pool.triage, parse_request(request_body("PA-waits")))
            deadline = time.monotonic() + 5
            while not pool._in_line:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert waits.result(timeout=30).external_id == "PA-waits"
    assert not pool._in_line
    # Its turn is given back, and who waits has not woken yet.
    monkeypatch.setattr(pool, "_in_line", 1)
    assert pool.begin(request()) is None


@pytest.mark.parametrize("error", [ValueError, BrokenPipeError])
def test_what_cannot_be_given_to_a_process_takes_nobody_s_turn(
    pool: TriagePool, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    pool.triage(request())

    def give(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("serving.triage_pool._TriageProcess.give", give)
        if error is ValueError:
            with pytest.raises(ValueError):  # noqa: PT011  # whatever it says
                pool.begin(request())
        else:
            assert pool.begin(request()) is None
    assert pool.triage(request()).external_id == "PA-1"


def test_nothing_begins_where_a_process_must_be_started_first(pool: TriagePool) -> None:
    pool.triage(request())
    kill(pool)
    assert pool.begin(request()) is None
    assert pool.triage(request()).external_id == "PA-1"


def test_closing_ends_what_is_being_read(tmp_path: Path) -> None:
    pool = TriagePool(settings_in(tmp_path), processes=1)
    pool.start()
    closing = threading.Timer(0.3, pool.close)
    closing.start()
    with pytest.raises(ServiceStoppingError):
        pool.triage(request(LONG))


def test_a_process_gets_no_secret_of_the_service(pool: TriagePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_DATABASE_URL", "postgresql://somebody:secret-place@host/db")
    pool.triage(request())
    kill(pool)
    pool.triage(request())
    (pid,) = pids(pool)
    assert b"secret-place" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_stop_meant_for_the_service_does_not_end_what_is_being_read(pool: TriagePool) -> None:
    pool.triage(request())
    (pid,) = pids(pool)
    for kind in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, kind)
    assert pool.triage(request()).external_id == "PA-1"
    assert pids(pool) == {pid}


def test_where_no_process_comes_up_nothing_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.triage_pool.sys.executable", "/nowhere/python")
    pool = TriagePool(settings_in(tmp_path), processes=1)
    pool.start()
    assert pool.readiness()["pipeline"] != "ok"
    with pytest.raises(ReaderEndedError):
        pool.triage(request())
