"""What stays true while everything dies: ``python -m benchmarks.chaos --requests 5000``.

Two processes of ``greenlane serve`` and two of ``greenlane work`` on one PostgreSQL. Fifty clients send requests; every
second one of the processes that are up is killed (SIGKILL) and started again at once, mostly not the last one of its kind;
in the middle the database is restarted without a shutdown; the receiver of webhooks fails half the time; nurses approve some
cases. Afterwards every acknowledged request must have been triaged once, every event delivered in its case's order, and the
trail must hold. Prints its counts. Exit code 1 where something does not hold, each named.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import func, select

from benchmarks.flaky_receiver import FlakyReceiver
from benchmarks.own_postgresql import OwnPostgresql, own_postgresql
from benchmarks.supervised import ROOT, Supervised, free_port
from features.request import EXAMPLE_REQUEST
from serving.client import Answer, ClientError, Greenlane, NotInTimeError, UnreachableError
from serving.cookies import COOKIE
from serving.job_tables import JobRow
from serving.outbox_tables import DeliveryRow, EventRow, OutboxRow
from serving.people import SignedIn
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store
from serving.tables import AuthorizationRow, DecisionRow, ResultRow
from serving.webhook_address import AddressRule
from serving.webhooks import Webhooks

SYNC_CHARACTERS = 250
"""Shorter requests are triaged by the process that takes them, longer ones by a worker."""
_SENTENCE = "Low back pain for {weeks} weeks, denies fever. He completed physical therapy for {therapy} weeks. "
_WORD_OF_NOTES = "Xerxanthia"
"""Stands in every note, and so in no log."""
_SENT_TWICE = _MORE_DOCUMENTS = 0.05
_APPROVED = 0.04
_LAST_SPARED = 0.8
_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. ``failing``: the share of webhook calls that the receiver refuses."""

    requests: int
    clients: int = 50
    apis: int = 2
    workers: int = 2
    kill_every: float = 1.0
    failing: float = 0.5
    patience: float = 3600
    """Seconds until it is given up that everything comes to rest."""
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was counted, in the order it is printed, and what does not hold (empty: all does)."""

    counts: dict[str, int | float]
    broken: tuple[str, ...]


class Intake:
    """Clients that send each request until it is acknowledged, whichever process answers."""

    def __init__(self, urls: list[str], plan: Plan, nurse: Nurse) -> None:
        self._urls = urls
        self._services = [Greenlane(url, timeout=60, attempts=1) for url in urls]
        self._plan = plan
        self._nurse = nurse
        self._chance = random.Random(plan.seed)
        numbers = list(range(plan.requests))
        # The same request a second time soon after: while the first may still be under way.
        self._tasks = iter([n for number in numbers for n in self._once_or_twice(number)])
        self._lock = threading.Lock()
        self.acknowledged: dict[str, set[str]] = {}
        self.refused: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(plan.clients)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def is_sending(self) -> bool:
        """Whether any client has something left."""
        return any(thread.is_alive() for thread in self._threads)

    def share_done(self) -> float:
        """Acknowledged requests, of all."""
        with self._lock:
            return len(self.acknowledged) / self._plan.requests

    def _once_or_twice(self, number: int) -> list[int]:
        return [number, number] if self._chance.random() < _SENT_TWICE else [number]

    def _client(self) -> None:
        while True:
            with self._lock:
                number = next(self._tasks, None)
                dice = self._chance.random()
            if number is None:
                return
            answer = self._until_acknowledged(partial(_submit, number))
            if answer is None:
                continue
            with self._lock:
                self.acknowledged.setdefault(answer.external_id, set()).add(answer.authorization_id)
                self.counts["acknowledged with a result" if answer.result else "acknowledged for later"] += 1
            if dice < _MORE_DOCUMENTS:
                self._send_more(answer, number)
            elif dice < _MORE_DOCUMENTS + _APPROVED:
                self._have_approved(answer)

    def _send_more(self, answer: Answer, number: int) -> None:
        document = {"document_id": "d2", "text": f"Addendum {number}: no weakness. {_WORD_OF_NOTES}."}
        if self._until_acknowledged(lambda service: service.add_documents(answer.authorization_id, [document])):
            with self._lock:
                self.counts["documents added"] += 1

    def _have_approved(self, answer: Answer) -> None:
        if self._until_acknowledged(lambda service: service.wait(answer.authorization_id, seconds=5)):
            for url in self._urls:
                if self._nurse.approve(url, answer.authorization_id):
                    with self._lock:
                        self.counts["approvals acknowledged"] += 1
                    return

    def _until_acknowledged(self, call: Callable[[Greenlane], Answer]) -> Answer | None:
        deadline = time.monotonic() + self._plan.patience
        while time.monotonic() < deadline:
            with self._lock:
                service = self._chance.choice(self._services)
            try:
                return call(service)
            except NotInTimeError:
                kind = "not in time"
            except UnreachableError:
                kind = "unreachable"
            except ClientError as error:
                kind = str(error.status)
                if error.status not in (503,):
                    with self._lock:
                        self.refused[kind] += 1
                    if error.status is not None and error.status < 500:
                        return None
            with self._lock:
                self.counts[f"retries: {kind}"] += 1
            time.sleep(_PAUSE)
        return None


class Nurse:
    """Approves cases on the pages, as a person would."""

    def __init__(self, token: str, who: SignedIn) -> None:
        self._who = who
        self._http = httpx2.Client(cookies={COOKIE: token}, timeout=60, follow_redirects=False)

    def approve(self, url: str, authorization_id: str) -> bool:
        """Whether the approval was acknowledged. Anything else is left as it is: a person would look again."""
        case = f"{url}/cases/{authorization_id}"
        try:
            page = self._http.get(case)
            turn = page.text.partition('name="turn" value="')[2].partition('"')[0]
            if page.status_code != 200 or not turn.isdecimal():
                return False
            fields = {"form_token": self._who.form_token, "turn": turn}
            return self._http.post(f"{case}/approve", data=fields).status_code in (200, 303)
        except httpx2.TransportError:
            return False


def _submit(number: int, service: Greenlane) -> Answer:
    return service.submit(body_of(number))


def body_of(number: int) -> dict[str, Any]:
    """A short request with a member of its own; every second is long enough to be left to a worker."""
    note = f"{_WORD_OF_NOTES} visit {number}. " + _SENTENCE.format(weeks=number % 20, therapy=number % 9)
    return {
        **EXAMPLE_REQUEST,
        "external_id": f"PA-{number:06d}",
        "member": {**EXAMPLE_REQUEST["member"], "member_id": f"M-{number:06d}"},
        "documents": [{"document_id": "d1", "type": "progress_note", "text": note * (1 if number % 2 else 4)}],
    }


class Killer:
    """Kills one process after the other, at random among those that are up, and sees to it that all are started again."""

    def __init__(self, processes: list[Supervised], plan: Plan) -> None:
        self._processes = processes
        self._every = plan.kill_every
        self._chance = random.Random(plan.seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills: Counter[str] = Counter()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Kill nothing more; whatever was killed has been started again."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            # One that is still starting is spared, and mostly the last of its kind: they would never come to hold
            # anything that could be lost.
            up = Counter(_kind(process) for process in self._processes if process.is_up())
            spared = 2 if self._chance.random() < _LAST_SPARED else 1
            victims = [p for p in self._processes if p.is_up() and up[_kind(p)] >= spared]
            if victims:
                victim = self._chance.choice(victims)
                victim.kill()
                victim.start()
                self.kills[_kind(victim)] += 1


def _kind(process: Supervised) -> str:
    return process.name.rpartition("-")[0]


def run(plan: Plan, folder: Path, say: Callable[[str], None] = lambda _line: None) -> Outcome:
    """One trial, its logs in ``folder``. Raises ImportError without the wheel pgserver, and TimeoutError."""
    began = time.monotonic()
    with own_postgresql() as database:
        store = Store.open(database.url, migrate_always=True)
        receiver = FlakyReceiver(plan.failing, random.Random(plan.seed))
        now = datetime.now(UTC)
        hooks = Webhooks(store, AddressRule(frozenset(), loopback=True))
        _, receiver.secret = hooks.add(receiver.url, [], created_by="chaos", now=now)
        processes = _processes(plan, database.url, folder)
        try:
            with _running(processes):
                say(f"{len(processes)} processes are up after {time.monotonic() - began:.0f} s")
                intake = Intake([p.url for p in processes if p.port], plan, _nurse(store, now))
                killer = Killer(processes, plan)
                restart = _trouble(intake, killer, database, plan, say)
                for process in processes:
                    process.until_up()
                say(f"all is sent and nothing dies any more, after {time.monotonic() - began:.0f} s")
                rested = _until_at_rest(store, began + plan.patience, processes)
                counts = {
                    "seconds": round(time.monotonic() - began),
                    "kills": killer.kills.total(),
                    **{f"kills: {name}": count for name, count in sorted(killer.kills.items())},
                    "starts": sum(process.starts for process in processes),
                    "seconds the database was away": restart,
                    **dict(sorted(intake.counts.items())),
                }
            return _verdict(plan, store, intake, receiver, counts, rested, folder, database.url)
        finally:
            receiver.close()
            store.close()


def _trouble(intake: Intake, killer: Killer, database: OwnPostgresql, plan: Plan, say: Callable[[str], None]) -> float:
    """Send everything while processes die; returns for how long the database was away."""
    away = 0.0
    intake.start()
    killer.start()
    said = 0.0
    while intake.is_sending():
        time.sleep(_PAUSE)
        share = intake.share_done()
        if not away and share >= 0.5:
            begin = time.monotonic()
            database.restart_at_once()
            away = round(time.monotonic() - begin, 1)
            say(f"the database was restarted in {away} s")
        if share - said >= 0.1:
            said = share
            say(f"{share:.0%} acknowledged, {killer.kills.total()} kills")
    killer.stop()
    return away


def _processes(plan: Plan, url: str, folder: Path) -> list[Supervised]:
    settings = {
        "GREENLANE_DATABASE_URL": url,
        "GREENLANE_MODEL_DIR": str(folder / "models"),
        "GREENLANE_SYNC_CHARACTERS": str(SYNC_CHARACTERS),
        "GREENLANE_READERS": "1",
        "GREENLANE_WORKERS": "0",
        "GREENLANE_UNDO_MINUTES": "0",
        "OMP_NUM_THREADS": "1",
    }
    ports = [free_port() for _ in range(plan.apis)]
    apis = [
        Supervised(f"serve-{n}", "serve", "--port", str(port), folder=folder, settings=settings, port=port)
        for n, port in enumerate(ports)
    ]
    return apis + [
        Supervised(f"work-{n}", "work", "--processes", "1", folder=folder, settings=settings)
        for n in range(plan.workers)
    ]


@contextmanager
def _running(processes: list[Supervised]) -> Iterator[None]:
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.until_up()
        yield
    finally:
        for process in processes:
            process.stop()


def _nurse(store: Store, now: datetime) -> Nurse:
    people = PeopleStore(store)
    person = people.add("nurse", "Nurse", Role.NURSE, now=now)
    token = people.sign_in(person, now=now)
    who = people.signed_in(token, now=now + timedelta(seconds=1))
    assert who is not None
    return Nurse(token, who)


def _until_at_rest(store: Store, deadline: float, processes: list[Supervised]) -> bool:
    """Until no job waits and every event is delivered; whether it came so far."""
    waiting = (
        select(func.count()).select_from(JobRow).where(JobRow.ended_at.is_(None)),
        select(func.count()).select_from(OutboxRow),
        select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == "waiting"),
    )
    while time.monotonic() < deadline:
        for process in processes:
            process.supervise()
        with store.reading() as session:
            if not any(session.scalar(query) for query in waiting):
                return True
        time.sleep(0.5)
    return False


def _verdict(
    plan: Plan,
    store: Store,
    intake: Intake,
    receiver: FlakyReceiver,
    counts: dict[str, int | float],
    rested: bool,
    folder: Path,
    url: str,
) -> Outcome:
    with store.reading() as session:
        cases = session.execute(
            select(
                AuthorizationRow.authorization_id,
                AuthorizationRow.external_id,
                AuthorizationRow.status,
                AuthorizationRow.revision,
            )
        ).all()
        results = Counter(
            (row[0], row[1]) for row in session.execute(select(ResultRow.authorization_id, ResultRow.revision))
        )
        events = session.execute(
            select(EventRow.event_id, EventRow.event_number, EventRow.authorization_id, EventRow.kind, EventRow.content)
        ).all()
        undelivered = session.scalar(select(func.count()).where(DeliveryRow.state != "delivered")) or 0
        dead = session.scalar(select(func.count()).where(JobRow.state == "dead")) or 0
        again = session.scalar(select(func.count()).where(JobRow.attempts > 1)) or 0
        decided = Counter(session.scalars(select(DecisionRow.authorization_id)))
    audit = subprocess.run(
        [sys.executable, "-m", "serving.cli", "audit", "verify"],
        env=Supervised("audit", folder=folder, settings={"GREENLANE_DATABASE_URL": url}).environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    numbers = {row.event_id: row.event_number for row in events}
    triaged = Counter(
        (r.authorization_id, json.loads(r.content)["revision"]) for r in events if r.kind.endswith("triaged")
    )
    told = Counter(event.event_id for event in receiver.taken)
    logs = b"".join(path.read_bytes() for path in folder.glob("*.log"))
    counts |= {
        "requests acknowledged": len(intake.acknowledged),
        "cases": len(cases),
        "results": results.total(),
        "jobs attempted more than once": again,
        "given up to a nurse unread": dead,
        "events": len(events),
        "webhook calls": receiver.heard,
        "webhook calls taken": len(receiver.taken),
        "events taken more than once": sum(count > 1 for count in told.values()),
        "decisions": decided.total(),
        "entries in the trail": int(audit.stdout.split()[0]) if audit.stdout[:1].isdecimal() else 0,
    }
    ids = {row.external_id: {row.authorization_id} for row in cases}
    checks = {
        "everything came to rest": rested,
        "every request was acknowledged": len(intake.acknowledged) == plan.requests,
        "nothing was refused or answered with an error other than 503": not intake.refused,
        "every acknowledged request is one case, of the id that was acknowledged": ids == intake.acknowledged,
        "no case twice": len(ids) == len(cases),
        "every case is triaged": all(row.status == "triaged" for row in cases),
        # Documents may have come before anybody read what was there: then only the newer revision has a result.
        "every case has the result of its revision, and none has two": (
            {(row.authorization_id, row.revision) for row in cases} <= set(results) and max(results.values()) == 1
        ),
        "one event for each result": triaged == results,
        "every event was delivered": set(told) == set(numbers) and not undelivered,
        "the events of a case came in their order": _in_order(
            [(e.authorization_id, numbers.get(e.event_id, -1)) for e in receiver.taken]
        ),
        "every webhook was signed": receiver.unsigned == 0,
        "no case was decided twice": not decided or max(decided.values()) == 1,
        "every acknowledged approval is there": decided.total() >= intake.counts["approvals acknowledged"],
        "every decision has its event": sum(r.kind.endswith("decided") for r in events) == decided.total(),
        "the trail holds": audit.returncode == 0,
        "no note in any log": _WORD_OF_NOTES.encode() not in logs,
    }
    refused = {f"answers with {kind}": count for kind, count in sorted(intake.refused.items())}
    return Outcome({**counts, **refused}, tuple(check for check, holds in checks.items() if not holds))


def _in_order(arrived: list[tuple[str, int]]) -> bool:
    """Whether the first arrivals of each case's events came by their numbers."""
    latest: dict[str, int] = {}
    seen: set[int] = set()
    for case, number in arrived:
        if number in seen:
            continue
        seen.add(number)
        if number < latest.get(case, 0):
            return False
        latest[case] = number
    return True


def main() -> int:
    """Run one trial and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5000, help="requests to send (default 5,000)")
    parser.add_argument("--clients", type=int, default=50, help="clients that send them (default 50)")
    parser.add_argument("--kill-every", type=float, default=1.0, help="seconds between two kills (default 1)")
    parser.add_argument("--patience", type=float, default=3600, help="seconds until it is given up (default an hour)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--logs", type=Path, help="keep the processes' logs in this folder")
    options = parser.parse_args()
    # Ended from outside, it still takes its processes and its database with it.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    plan = Plan(
        requests=options.requests,
        clients=options.clients,
        kill_every=options.kill_every,
        patience=options.patience,
        seed=options.seed,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.logs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        outcome = run(plan, folder, say=lambda line: print(line, flush=True))
    for name, count in outcome.counts.items():
        print(f"{name:40}{count:>10,}")
    for check in outcome.broken:
        print(f"BROKEN: {check}")
    print("all holds" if not outcome.broken else f"{len(outcome.broken)} of what must hold does not")
    return bool(outcome.broken)


if __name__ == "__main__":
    sys.exit(main())
