"""What the service costs beside the reading of the notes: ``python -m benchmarks.serving``.

``greenlane serve`` as a process of its own takes requests with notes of 2 and 20 pages on SQLite and on PostgreSQL. Three
things are compared in one run, turn by turn, because other work on the machine makes single figures move:

- one client: each answer's time beside the time that reading, criteria and score of the same request take in this process.
  What is left over is HTTP, validation, storage and audit; at the median it is to cost at most 1.0 times the reading.
- the same in processor time, which a busy machine moves less: the service's process and the database, beside the readers.
- 1, 8 and 32 clients: requests per second, and milliseconds at 50, 95 and 99 %. At 32 clients there are to be at least 0.8
  times as many as the worker processes (``greenlane work``, as many readers) do alone with requests that wait in the
  database. Beside it stands what the reader processes triage alone, without HTTP and without storage.

Prints a table; ``--json FILE`` writes the same figures, ``--strict`` exits 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.notes import BESIDE_THE_REPOSITORY, load_texts
from benchmarks.own_postgresql import own_postgresql
from benchmarks.supervised import ROOT, Supervised, free_port
from features.request import EXAMPLE_REQUEST, parse_request
from features.types import AuthorizationRequest
from serving.jobs import JobQueue
from serving.new_request import parsed_request
from serving.reading import Reader
from serving.records import dumps
from serving.settings import Settings
from serving.store import Store
from serving.tables import ResultRow
from serving.triage_pool import TriagePool, default_processes
from serving.ulid import UlidSource

PAGE = 3_000
"""Characters of a page, as in the other benchmarks."""
MOST_BESIDE_READING = 1.0
LEAST_OF_WORKERS = 0.8
CLIENTS = (1, 8, 32)
SAMPLES = ROOT / "data_samples" / "requests.jsonl"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """What so many clients at once got: requests per second, and milliseconds of their answers."""

    clients: int
    per_second: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of notes of so many pages on one database. Times in milliseconds, medians of single requests at one client."""

    database: str
    pages: int
    requests: int
    answer: float
    reading: float
    beside_reading: float
    """(answer - reading) / reading, the median over requests."""
    processor_beside_reading: float
    """Processor time of service and database over that of the readers, of the same requests."""
    loads: tuple[Load, ...]
    workers_per_second: float
    of_workers: float
    """Requests per second at most clients, of what the worker processes do alone: the medians of the rounds."""
    readers_per_second: float
    of_readers: float
    """The same of what the readers do, without anything being stored."""


class Notes:
    """Requests that nobody has read before, of the same kind every time. ``pages`` of 3,000 characters each."""

    def __init__(self, pages: int, texts: Sequence[str]) -> None:
        self._pages = pages
        self._lines = [line for text in texts for line in text.splitlines() if line.strip()]
        self._chance = random.Random(pages)
        self._numbers = count()
        self._lock = threading.Lock()

    def body(self) -> dict[str, Any]:
        """The next request as an intake system writes it."""
        with self._lock:
            number = next(self._numbers)
            text = self._text(number)
        return {
            **EXAMPLE_REQUEST,
            "external_id": f"PA-{self._pages}-{number:06d}",
            "member": {**EXAMPLE_REQUEST["member"], "member_id": f"M-{self._pages}-{number:06d}"},
            "documents": [{"document_id": "d1", "type": "progress_note", "text": text}],
        }

    def _text(self, number: int) -> str:
        begin = self._chance.randrange(len(self._lines))
        parts, size = [f"Visit {number}."], 0
        while size < self._pages * PAGE:
            line = self._lines[begin % len(self._lines)]
            parts.append(line)
            size += len(line) + 1
            begin += 1
        return "\n".join(parts)[: self._pages * PAGE]


class Caller:
    """One client with one connection, as light as can be: its time is not the service's."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def send(self, body: bytes) -> float:
        """Seconds until the answer is there. Raises AssertionError unless it is the result."""
        begin = time.perf_counter()
        self._connection.request("POST", "/v1/authorizations", body, {"content-type": "application/json"})
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 201, answer.status
        return time.perf_counter() - begin

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Service:
    """``greenlane serve`` with its readers, and the processor time that it and its database took so far."""

    def __init__(self, url: str, model_dir: Path, folder: Path, readers: int) -> None:
        self.port = free_port()
        self._on_postgresql = url.startswith("postgresql")
        settings = {
            "GREENLANE_DATABASE_URL": url,
            "GREENLANE_MODEL_DIR": str(model_dir),
            "GREENLANE_READERS": str(readers),
            "OMP_NUM_THREADS": "1",
        }
        arguments = ("serve", "--port", str(self.port))
        self._process = Supervised("serve", *arguments, folder=folder, settings=settings, port=self.port)

    def __enter__(self) -> Service:
        self._process.start()
        self._process.until_up()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def processor_seconds(self) -> tuple[float, float]:
        """Of service and database, and of the readers."""
        own, readers = _processor_seconds(self._process.pid), 0.0
        for pid in _pids():
            name = _command(pid)
            if "triage_process" in name and _parent(pid) == self._process.pid:
                readers += _processor_seconds(pid)
            elif self._on_postgresql and name.startswith("postgres:"):
                own += _processor_seconds(pid)
        return own, readers


def _pids() -> Iterator[int]:
    return map(int, filter(str.isdecimal, os.listdir("/proc")))


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["0"] * 50


def _processor_seconds(pid: int) -> float:
    return sum(map(int, _stat(pid)[11:13])) / _TICKS


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def alone(notes: Notes, port: int, reader: Reader, requests: int) -> tuple[list[float], list[float]]:
    """Seconds of the answers of one client, and of reading the same requests here, turn by turn."""
    caller, answers, readings = Caller(port), [], []
    for number in range(requests + 2):
        body = notes.body()
        sent = dumps(body).encode()
        request = _parsed(body)
        # By turns which comes first: neither finds what the other left in the processor's caches.
        if number % 2:
            answer, reading = caller.send(sent), _timed(partial(reader.triage, request))
        else:
            reading, answer = _timed(partial(reader.triage, request)), caller.send(sent)
        if number >= 2:
            answers.append(answer)
            readings.append(reading)
    caller.close()
    return answers, readings


def _timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _parsed(body: dict[str, Any]) -> AuthorizationRequest:
    return parse_request(body, now=datetime.now(UTC))


def many(notes: Notes, port: int, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Requests per second of so many clients in about so many seconds, and the seconds of each answer."""
    callers = [Caller(port) for _ in range(clients)]
    bodies = iter(lambda: dumps(notes.body()).encode(), None)
    return _at_once(callers, [caller.send for caller in callers], bodies, seconds)


def readers_alone(notes: Notes, pool: TriagePool, processes: int, seconds: float) -> float:
    """Requests per second that the reader processes triage, handed from one to the next without a pause."""
    requests = iter(lambda: _parsed(notes.body()), None)

    def read(request: AuthorizationRequest) -> float:
        return _timed(lambda: pool.triage(request))

    return _at_once((), [read] * (2 * processes), requests, seconds)[0]


def workers_alone(notes: Notes, settings: Settings, folder: Path, processes: int, jobs: int) -> float:
    """Requests per second that ``greenlane work`` takes from the database, triages and keeps: of so many the middle four
    fifths, when all processes have something to do.
    """
    store, next_id = Store.open(settings.database_url), UlidSource()
    now = datetime.now(UTC)
    with store.writing() as session:
        for _ in range(jobs):
            parsed = parsed_request(dumps(notes.body()).encode(), now)
            new = parsed.numbered(next_id, audit_selected=False, audit_probability=0)
            store.accept_within(session, new, now=now)
    environment = {
        "GREENLANE_DATABASE_URL": settings.database_url,
        "GREENLANE_MODEL_DIR": str(settings.model_dir),
        "OMP_NUM_THREADS": "1",
    }
    worker = Supervised("work", "work", "--processes", str(processes), folder=folder, settings=environment)
    worker.start()
    try:
        queue = JobQueue(store)
        while (depth := queue.depth()).waiting + depth.leased:
            time.sleep(0.5)
    finally:
        worker.stop()
    with store.reading() as session:
        latest = select(ResultRow.triaged_at).order_by(ResultRow.triaged_at.desc()).limit(jobs)
        ends = sorted(session.scalars(latest))
    store.close()
    tenth = len(ends) // 10
    begin, end = ends[tenth], ends[-1 - tenth]
    return (len(ends) - 1 - 2 * tenth) / (end - begin).total_seconds()


def _at_once(
    callers: Sequence[Caller], calls: Sequence[Callable[[Any], float]], items: Iterator[Any], seconds: float
) -> tuple[float, list[float]]:
    # Made beforehand as far as it goes, so that writing requests takes nobody's time.
    lock, taken = threading.Lock(), []
    ready = [next(items) for _ in range(4 * len(calls))]
    begin = time.perf_counter()
    ends = []

    def work(call: Callable[[Any], float]) -> None:
        while time.perf_counter() - begin < seconds:
            with lock:
                item = ready.pop() if ready else next(items)
            took = call(item)
            with lock:
                taken.append(took)
                ends.append(time.perf_counter())

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for caller in callers:
        caller.close()
    return len(taken) / (max(ends) - begin), taken


def measure(database: str, url: str, pages: int, options: argparse.Namespace, folder: Path) -> Figures:
    """All figures of one kind of notes on one database."""
    notes = Notes(pages, _texts())
    requests = options.requests if pages < 10 else max(8, options.requests // 4)
    reader = Reader.load(Settings(model_dir=options.model_dir))
    settings = Settings(model_dir=options.model_dir, database_url=url)
    pool = TriagePool(settings, processes=options.readers)
    pool.start()
    try:
        with Service(url, options.model_dir, folder, options.readers) as service:
            answers, readings = alone(notes, service.port, reader, requests)
            before = service.processor_seconds()
            loads: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
            rates: dict[int, list[float]] = {clients: [] for clients in CLIENTS}
            by_readers: list[float] = []
            for _ in range(options.rounds):
                for clients in CLIENTS:
                    rate, taken = many(notes, service.port, clients, options.seconds)
                    rates[clients].append(rate)
                    loads[clients] += taken
                by_readers.append(readers_alone(notes, pool, options.readers, options.seconds))
            after = service.processor_seconds()
    finally:
        pool.close()
    jobs = max(20, round(statistics.median(by_readers) * options.seconds))
    by_workers = [workers_alone(notes, settings, folder, options.readers, jobs) for _ in range(options.rounds)]
    workers_per_second = statistics.median(by_workers)
    beside = [(answer - reading) / reading for answer, reading in zip(answers, readings, strict=True)]
    return Figures(
        database=database,
        pages=pages,
        requests=len(answers) + sum(map(len, loads.values())),
        answer=1e3 * statistics.median(answers),
        reading=1e3 * statistics.median(readings),
        beside_reading=statistics.median(beside),
        processor_beside_reading=(after[0] - before[0]) / (after[1] - before[1]),
        loads=tuple(_load(clients, rates[clients], loads[clients]) for clients in CLIENTS),
        workers_per_second=workers_per_second,
        of_workers=statistics.median(rates[CLIENTS[-1]]) / workers_per_second,
        readers_per_second=statistics.median(by_readers),
        of_readers=statistics.median(r / alone for r, alone in zip(rates[CLIENTS[-1]], by_readers, strict=True)),
    )


def _load(clients: int, rates: list[float], taken: list[float]) -> Load:
    cuts = statistics.quantiles((1e3 * seconds for seconds in taken), n=100, method="inclusive")
    return Load(clients, statistics.median(rates), cuts[49], cuts[94], cuts[98])


def _texts() -> list[str]:
    if BESIDE_THE_REPOSITORY.exists():
        return load_texts(BESIDE_THE_REPOSITORY)
    lines = SAMPLES.read_text(encoding="utf-8").splitlines()
    return [d["text"] for line in lines for d in json.loads(line)["documents"] if d.get("text")]


def misses(figures: Figures) -> list[str]:
    """The bars that are missed."""
    found = []
    if figures.beside_reading > MOST_BESIDE_READING:
        found.append(f"beside reading {figures.beside_reading:.2f}, at most {MOST_BESIDE_READING:g}")
    if figures.of_workers < LEAST_OF_WORKERS:
        found.append(f"of the worker processes {figures.of_workers:.2f}, at least {LEAST_OF_WORKERS:g}")
    return [f"{figures.database}, {figures.pages} pages: {miss}" for miss in found]


def main() -> int:
    """Measure and print; with ``--strict`` 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    parser.add_argument(
        "--postgresql", metavar="URL", help="measure on this empty database; else on a server of its own"
    )
    parser.add_argument("--pages", nargs="+", type=int, default=[2, 20])
    parser.add_argument(
        "--requests", type=int, default=60, help="by one client, beside reading (a quarter of long ones)"
    )
    parser.add_argument("--seconds", type=float, default=8, help="each number of clients sends for so long, each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--readers", type=int, default=default_processes(), help="processes that read")
    parser.add_argument("--model-dir", type=Path, default=Settings().model_dir)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    options.model_dir = options.model_dir.resolve()
    # Ended from outside, it still takes the service and the database with it.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        for database in options.databases:
            for pages in options.pages:
                folder = Path(temporary, f"{database}-{pages}")
                folder.mkdir()
                with ExitStack() as stack:
                    url = f"sqlite:///{folder}/greenlane.db"
                    if database == "postgresql":
                        url = options.postgresql or stack.enter_context(own_postgresql()).url
                        Store.open(url, migrate_always=True).close()
                    figures = measure(database, url, pages, options, folder)
                found.append(figures)
                _print(figures)
    missed = [miss for figures in found for miss in misses(figures)]
    for miss in missed:
        print(f"missed: {miss}")
    if options.json:
        options.json.write_text(json.dumps([asdict(figures) for figures in found], indent=2) + "\n", encoding="utf-8")
    return int(bool(missed) and options.strict)


def _print(figures: Figures) -> None:
    print(f"{figures.database}, notes of {figures.pages} pages, {figures.requests} requests")
    print(
        f"  one client: answer {figures.answer:.1f} ms, reading {figures.reading:.1f} ms; the rest beside reading "
        f"{figures.beside_reading:.2f} (bar {MOST_BESIDE_READING:g}), in processor time "
        f"{figures.processor_beside_reading:.2f}"
    )
    print(f"  {'clients':>8}{'a second':>10}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}")
    for load in figures.loads:
        print(f"  {load.clients:>8}{load.per_second:>10.1f}{load.p50:>9.0f}{load.p95:>9.0f}{load.p99:>9.0f}")
    print(
        f"  worker processes alone {figures.workers_per_second:.1f} a second; {CLIENTS[-1]} clients reach "
        f"{figures.of_workers:.2f} of it (bar {LEAST_OF_WORKERS:g})"
    )
    print(
        f"  readers alone, nothing stored, {figures.readers_per_second:.1f} a second; {CLIENTS[-1]} clients reach "
        f"{figures.of_readers:.2f} of it",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
