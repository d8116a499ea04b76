"""How long the worklist takes with 100,000 open cases: the server's time for one page, and the page's size.

``python -m benchmarks.worklist`` fills a database of its own that is thrown away, asks a server in this process for each
page in turn and prints medians and 95 % beside the budgets: 100 ms at the median, 200 kB. Exit code 1 where
one is broken. ``--postgresql URL`` fills that (empty) database instead.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert, text

from serving.app import create_app
from serving.deps import COOKIE
from serving.people import Person
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, LastLookRow
from serving.ulid import UlidSource
from serving.work import ActionKind, Work

BUDGET_MS = 100.0
BUDGET_KB = 200.0
PAGES = {
    "first page": "/",
    "one service": "/?service=advanced_imaging",
    "expedited, one line": "/?urgency=expedited&line=medicaid",
    "rare line": "/?line=workers_compensation",
    "one code": "/?code=72148",
    "mine": "/?status=open&status=awaiting_information&status=referred&held=mine",
    "my team's": "/?held=team",
    "unassigned": "/?held=nobody",
    "second look": "/?second_look=yes",
    "changed": "/?changed=yes",
    "nothing fits": "/?service=advanced_imaging&line=workers_compensation&second_look=yes",
    "any status": "/?" + "&".join(f"status={work}" for work in Work),
}

_FAMILIES = ("advanced_imaging", "musculoskeletal_surgery", "spine_and_rehab", "sleep", "cardiology", "equipment", None)
_LINES = ("commercial", "medicare_advantage", "medicaid", "exchange", None)
_CODES = ("72148", "73721", "27447", "22612", "64483", "95810", "E0601", "97110", "78452", "K0823")
_LOOKS = 1600
_CHUNK = 5000


def main() -> int:
    """Fill, measure, print; 1 where a budget is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="open cases (default 100,000)")
    parser.add_argument("--rounds", type=int, default=25, help="how often each page is asked for")
    parser.add_argument("--postgresql", metavar="URL", help="an empty PostgreSQL database instead of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = options.postgresql or f"sqlite:///{folder}/greenlane.db"
        settings = Settings(database_url=url, model_dir=Path(folder))
        app = create_app(settings, triage=_unread, migrate=True)
        nurses = [_person(app, number) for number in range(40)]
        store: Store = app.state.store
        fill(store, options.cases, nurses)
        token = app.state.people.sign_in(nurses[0], now=datetime.now(UTC))
        # Without the lifespan, so that no start-up work runs beside the measurement.
        client = TestClient(app, cookies={COOKIE: token})
        return _measure(client, options.rounds)


def fill(store: Store, cases: int, people: Sequence[Person]) -> None:
    """Insert open cases and a tenth as many of every other status; the first person has looked at some."""
    chance = random.Random(6)
    next_id = UlidSource()
    now = datetime.now(UTC)
    works = [Work.OPEN] * cases + [work for work in Work if work is not Work.OPEN for _ in range(cases // 10)]
    chance.shuffle(works)
    seen: list[str] = []
    for begin in range(0, len(works), _CHUNK):
        rows = [
            _row(store.tenant, next_id(), begin + n, work, people, chance, now)
            for n, work in enumerate(works[begin : begin + _CHUNK])
        ]
        seen += [str(row["authorization_id"]) for row in rows[: _LOOKS * _CHUNK // len(works) + 1]]
        with store.writing() as session:
            session.execute(insert(AuthorizationRow), rows)
    looked_at = now - timedelta(hours=2)
    with store.writing() as session:
        session.execute(
            insert(LastLookRow),
            [{"person_id": people[0].person_id, "authorization_id": i, "looked_at": looked_at} for i in seen[:_LOOKS]],
        )
        session.execute(
            insert(CaseActionRow),
            [
                {
                    "action_id": next_id(),
                    "tenant": store.tenant,
                    "authorization_id": case_id,
                    "revision": 1,
                    "kind": ActionKind.NOTED.value,
                    "person_id": people[1].person_id,
                    "role": Role.NURSE.value,
                    "at": now - timedelta(hours=1),
                    "content": "{}",
                }
                for case_id in seen[:_LOOKS:10]
            ],
        )
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ANALYZE"))


def _row(
    tenant: str, case_id: str, number: int, work: Work, people: Sequence[Person], chance: random.Random, now: datetime
) -> dict[str, object]:
    expedited = chance.random() < 0.15
    held = work is not Work.FAST_TRACKED and chance.random() < 0.05
    return {
        "authorization_id": case_id,
        "tenant": tenant,
        "external_id": f"PA-2026-{number:06d}",
        "content_hash": "h",
        "likeness": f"{number}",
        "request": "{" + " " * 900 + "}",
        "service_system": "CPT",
        "service_code": chance.choice(_CODES),
        "service_description": "MRI lumbar spine without contrast",
        "urgency": "expedited" if expedited else "standard",
        "accepted_at": now,
        "due_at": now + timedelta(minutes=chance.randint(-600, 72 * 60 if expedited else 7 * 24 * 60)),
        "status": "triaged",
        "revision": 1,
        "attempts": 0,
        "audit_selected": False,
        "audit_probability": 0.05,
        "route": "fast_track" if work is Work.FAST_TRACKED else "nurse_review",
        "reason_code": "criterion_not_documented",
        "reason_message": "Not every criterion of the policy is documented as met.",
        "member_id": f"M-{number % 70000}",
        "line_of_business": "workers_compensation" if chance.random() < 0.0005 else chance.choice(_LINES),
        "family": chance.choice(_FAMILIES),
        "work": work.value,
        "second_look": chance.random() < 0.01,
        "assigned_to": chance.choice(people).person_id if held else None,
        "assigned_at": now - timedelta(hours=3) if held else None,
        "turn": 0,
        "changed_at": now,
    }


def _measure(client: TestClient, rounds: int) -> int:
    began = time.perf_counter()
    client.get("/")
    print(f"first page after the start: {1000 * (time.perf_counter() - began):.0f} ms")
    taken: dict[str, list[float]] = {name: [] for name in PAGES}
    sizes: dict[str, float] = {}
    for _ in range(rounds):
        for name, path in PAGES.items():
            began = time.perf_counter()
            answer = client.get(path)
            taken[name].append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, answer.status_code
            sizes[name] = len(answer.content) / 1000
    print(f"{'page':24}{'median ms':>10}{'95 % ms':>10}{'kB':>8}")
    for name, times in taken.items():
        print(
            f"{name:24}{statistics.median(times):10.1f}{statistics.quantiles(times, n=20)[-1]:10.1f}{sizes[name]:8.1f}"
        )
    slow = [name for name in PAGES if statistics.median(taken[name]) > BUDGET_MS]
    large = [name for name in PAGES if sizes[name] > BUDGET_KB]
    for name in slow:
        print(f"over {BUDGET_MS:g} ms: {name}")
    for name in large:
        print(f"over {BUDGET_KB:g} kB: {name}")
    return 1 if slow or large else 0


def _person(app: FastAPI, number: int) -> Person:
    person: Person = app.state.people.add(
        f"nurse{number}", f"Nurse {number}", Role.NURSE, team=f"team {number % 5}", now=datetime.now(UTC)
    )
    return person


def _unread(_request: object) -> object:
    raise NotImplementedError("nothing is triaged here")


if __name__ == "__main__":
    sys.exit(main())
