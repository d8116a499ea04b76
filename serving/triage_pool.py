"""A few processes that triage. Reading is pure Python: in processes it uses every core and leaves the service free to answer.

One that dies or hangs is ended and replaced; the request it had is given back to whoever asked and lost to nobody. What goes
between is pickled: both ends are this program, and documents are parsed elsewhere (serving/documents/pool.py).
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection

from features.types import AuthorizationRequest
from models.types import TriageResult
from serving.errors import ReaderEndedError, ServiceStoppingError, ServingError
from serving.settings import Settings
from serving.triage_process import Answer, Orders

_START_SECONDS = 120
_LOOK_SECONDS = 5
"""So long an idle process may take to say how it is."""
_KEPT_BACK = ("GREENLANE_DATABASE_URL", "GREENLANE_OIDC_CLIENT_SECRET")
"""Of the environment: who reads notes needs neither."""
_NOT_STARTED = {
    "model": "no process that reads notes has started",
    "pipeline": "no process that reads notes has started",
}

_log = logging.getLogger("greenlane.serving")


def default_processes() -> int:
    """How many processes triage where nobody says: one for each core, four at most, since each holds the model."""
    return max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1))


class BegunTriage:
    """A request that a process reads already, while whoever asked does something else. Nobody else has the process until the
    ``with`` block ends: without a :meth:`result` it is waited for there, and dropped.
    """

    def __init__(self, finish: Callable[[], TriageResult]) -> None:
        self._finish: Callable[[], TriageResult] | None = finish

    def result(self) -> TriageResult:
        """The result, as :meth:`TriagePool.triage` gives it. To be called once."""
        finish, self._finish = self._finish, None
        if finish is None:
            raise ReaderEndedError("the request could not be read just now; send it again")
        return finish()

    def __enter__(self) -> BegunTriage:
        return self

    def __exit__(self, *_: object) -> None:
        if self._finish is not None:
            with suppress(ServingError):
                self.result()


class TriagePool:
    """Triages in processes of its own. Safe to share between threads: as many requests are read at once as there are
    processes, the others wait their turn. ``timed`` is told the seconds each took.
    """

    def __init__(
        self, settings: Settings, *, processes: int, timed: Callable[[float], None] = lambda _seconds: None
    ) -> None:
        self._orders = Orders(
            settings.model_copy(update={"oidc_client_secret": None, "database_url": ""}),
            settings.reading_seconds,
            logs=bool(logging.getLogger("greenlane").handlers),
        )
        self._timed = timed
        self._readiness: Mapping[str, str] = _NOT_STARTED
        # Last in, first out: a process that runs is taken before another is started.
        self._turns: queue.LifoQueue[_TriageProcess | None] = queue.LifoQueue()
        self._processes: set[_TriageProcess] = set()
        self._changing = threading.Lock()
        self._closed = False
        self._in_line = 0
        self._size = processes
        for _ in range(processes):
            self._turns.put(None)
        weakref.finalize(self, _end_all, self._processes)

    def start(self) -> None:
        """Start every process and wait until all can read, so that the first request is fast. Raises nothing: what does
        not work stands in :meth:`readiness`.
        """
        with ThreadPoolExecutor(self._size) as starting:
            list(starting.map(lambda _: self._warm(), range(self._size)))

    def triage(self, request: AuthorizationRequest) -> TriageResult:
        """The result, as :meth:`serving.reading.Reader.triage` gives it.

        Raises ReaderEndedError where the process died, hung or failed, and ServiceStoppingError after :meth:`close`.
        """
        return self._result(self._ask(request))

    def begin(self, request: AuthorizationRequest) -> BegunTriage | None:
        """Begin to triage, where a process has nothing to do just now and nobody waits for one; else None."""
        if self._in_line:
            return None
        try:
            process = self._turns.get_nowait()
        except queue.Empty:
            return None
        if process is None or process.is_dead():
            # Another one must be started first, which takes seconds.
            self._turns.put(process)
            return None
        try:
            process.give(request)
        except BaseException as error:
            # Whatever it is, the turn goes back.
            self._end(process)
            self._turns.put(None)
            if isinstance(error, OSError):
                return None
            raise
        return BegunTriage(
            lambda: self._result(self._answer(process, lambda begun: begun.receive(self._orders.seconds)))
        )

    def readiness(self) -> dict[str, str]:
        """What works, as :meth:`serving.reading.Reader.readiness` says it; of the last answer where all are busy."""
        try:
            process = self._turns.get_nowait()
        except queue.Empty:
            return dict(self._readiness)
        try:
            if process is not None:
                self._readiness = process.ask(None, _LOOK_SECONDS).readiness
        except OSError:
            self._end(process)
            process = None
        finally:
            self._turns.put(process)
        return dict(self._readiness)

    def close(self) -> None:
        """End every process, also one that is reading. May be called twice."""
        with self._changing:
            self._closed = True
        _end_all(self._processes)

    def _result(self, answer: Answer) -> TriageResult:
        if answer.result is None:
            _log.error("triage failed with %s", answer.failed)
            raise ReaderEndedError("the request could not be read just now; send it again")
        self._timed(answer.seconds)
        return answer.result

    def _ask(self, request: AuthorizationRequest) -> Answer:
        process = self._next_turn()
        if process is not None and process.is_dead():
            # It died while it had nothing to do, so this request has nothing to do with it.
            self._end(process)
            process = None
        return self._answer(process, lambda asked: asked.ask(request, self._orders.seconds))

    def _next_turn(self) -> _TriageProcess | None:
        with self._changing:
            self._in_line += 1
        try:
            return self._turns.get()
        finally:
            with self._changing:
                self._in_line -= 1

    def _answer(self, process: _TriageProcess | None, ask: Callable[[_TriageProcess], Answer]) -> Answer:
        """The answer of the process whose turn it is, or of one that is started; then the turn is given back."""
        kept: _TriageProcess | None = None
        try:
            process = process or self._start()
            answer = ask(process)
            kept, self._readiness = process, answer.readiness
            return answer
        except OSError as error:
            if self._closed:
                raise ServiceStoppingError(
                    "the service is stopping; what it accepted is read when it starts again"
                ) from None
            _log.error("a process that read a request was given up: %s", type(error).__name__)
            raise ReaderEndedError("the request could not be read just now; send it again") from None
        finally:
            if process is not None and kept is None:
                self._end(process)
            self._turns.put(kept)

    def _warm(self) -> None:
        process: _TriageProcess | None = self._turns.get()
        try:
            process = process or self._start()
        except (OSError, ServiceStoppingError) as error:
            _log.error("no process can be started to read notes: %s", type(error).__name__)
        finally:
            self._turns.put(process)

    def _start(self) -> _TriageProcess:
        with self._changing:
            if self._closed:
                raise ServiceStoppingError("the service is stopping; what it accepted is read when it starts again")
            process = _TriageProcess(self._orders)
            self._processes.add(process)
        try:
            self._readiness = process.started()
        except BaseException:
            self._end(process)
            raise
        return process

    def _end(self, process: _TriageProcess | None) -> None:
        if process is None:
            return
        process.end()
        with self._changing:
            self._processes.discard(process)


def _end_all(processes: set[_TriageProcess]) -> None:
    for process in tuple(processes):
        process.end()
    processes.clear()


class _TriageProcess:
    """One process and the way to it."""

    def __init__(self, orders: Orders) -> None:
        self._ending = threading.Lock()
        self._ended = False
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                # Not -m: what is pickled must have the same module's name at both ends.
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", "from serving.triage_process import main; main()"],
                    stdin=theirs.fileno(),
                    env=_environment(),
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        self._channel = Connection(ours.detach())
        self._channel.send(orders)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def started(self) -> Mapping[str, str]:
        """What works, once it has loaded everything. Raises OSError where it does not come so far."""
        return self.receive(_START_SECONDS).readiness

    def ask(self, request: AuthorizationRequest | None, seconds: float) -> Answer:
        """Raises OSError where it does not answer within so many seconds, or died; then it must be ended."""
        self.give(request)
        return self.receive(seconds)

    def give(self, request: AuthorizationRequest | None) -> None:
        """Let it begin. Raises OSError where it is gone."""
        self._channel.send(request)

    def is_dead(self) -> bool:
        """Whether it ended, or says something although nothing was asked."""
        try:
            return self._process.poll() is not None or self._channel.poll()
        except OSError:
            return True

    def end(self) -> None:
        """Kill it. May be called twice, and while another thread waits for its answer."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            self._process.kill()
            self._process.wait()

    def receive(self, seconds: float) -> Answer:
        """What it answers to :meth:`give`. Raises as :meth:`ask`."""
        if not self._channel.poll(seconds):
            raise TimeoutError
        try:
            answer: Answer = self._channel.recv()
        except EOFError:
            raise ConnectionError from None
        return answer


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _KEPT_BACK}
    paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
    # One thread each: the processes share the cores.
    return {"OMP_NUM_THREADS": "1", **kept, "PYTHONPATH": paths}
