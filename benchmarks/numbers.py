"""How long the numbers take to count: 100,000 cases, 200,000 actions, a trail of openings, made up and thrown away.

``python -m benchmarks.numbers [--url URL] [--cases N]``; without a URL, a SQLite file in a temporary directory.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import insert

from serving.aggregates import aggregates
from serving.numbers import lead_numbers
from serving.periods import period_of
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, PersonRow, ResultRow, TrailRow

DAYS = 90
NURSES = 40
TENANT = "default"
FAMILIES = ("advanced_imaging", "joint_procedures", "spine", "durable_equipment", "drugs", "home_health", None)
LINES = ("commercial", "medicare_advantage", "medicaid", None)
CONCEPTS = (
    "physical_therapy",
    "low_back_pain",
    "bmi",
    "ahi",
    "saddle_anesthesia",
    "fever",
    "nsaid",
    "oxygen_saturation",
)
REASONS = ("criteria_not_documented", "score_below_threshold", "criteria_conflicting", "no_policy", "coverage_unknown")


def fill(store: Store, cases: int, now: datetime, *, seed: int = 7) -> None:
    """Make up the cases of DAYS days, most of them decided, two actions a case on average."""
    chance = random.Random(seed)
    people = [_person(number, now) for number in range(NURSES)]
    rows: dict[Any, list[dict[str, Any]]] = {
        model: [] for model in (PersonRow, AuthorizationRow, ResultRow, CaseActionRow, TrailRow)
    }
    rows[PersonRow] = people
    # Ids grow with time, as ours do.
    ages = sorted((chance.random() * DAYS for _ in range(cases)), reverse=True)
    for number, age in enumerate(ages):
        _case(chance, number, now - timedelta(days=age), now, people, rows)
    with store.writing() as session:
        for model, values in rows.items():
            for start in range(0, len(values), 5000):
                session.execute(insert(model), values[start : start + 5000])


def _person(number: int, now: datetime) -> dict[str, Any]:
    return {
        "person_id": f"P{number:025d}",
        "tenant": TENANT,
        "sign_in_name": f"nurse{number}",
        "display_name": f"Nurse {number:02d}",
        "role": "nurse",
        "team": f"Team {number % 4}",
        "active": True,
        "created_at": now,
    }


def _case(
    chance: random.Random,
    number: int,
    received: datetime,
    now: datetime,
    people: list[dict[str, Any]],
    rows: dict[Any, list[dict[str, Any]]],
) -> None:
    key = f"C{number:025d}"
    urgency = "expedited" if chance.random() < 0.2 else "standard"
    due = received + timedelta(hours=72 if urgency == "expedited" else 168)
    score = round(chance.betavariate(4, 2), 4)
    fast, held = chance.random() < 0.25, chance.random() < 0.03
    nurse = people[int(chance.random() ** 1.5 * NURSES)]["person_id"]
    took = timedelta(hours=chance.expovariate(1 / (30 if urgency == "expedited" else 70)))
    decided = not fast and received + took < now
    route = "fast_track" if fast else "nurse_review"
    work = "fast_tracked" if fast else "decided" if decided else "open"
    rows[AuthorizationRow].append(
        {
            "authorization_id": key,
            "tenant": TENANT,
            "external_id": f"PA-{number}",
            "content_hash": "0" * 64,
            "likeness": "0" * 64,
            "request": "x" * 1200,
            "service_system": "CPT",
            "service_code": "72148",
            "urgency": urgency,
            "accepted_at": received,
            "received_at": received,
            "due_at": due,
            "status": "triaged",
            "revision": 1,
            "attempts": 1,
            "audit_selected": held,
            "audit_probability": 0.05,
            "route": route,
            "reason_code": "all_criteria_met" if fast else "selected_for_review" if held else chance.choice(REASONS),
            "family": chance.choice(FAMILIES),
            "line_of_business": chance.choice(LINES),
            "work": work,
            "assigned_to": nurse if work == "open" and chance.random() < 0.5 else None,
        }
    )
    rows[ResultRow].append(
        {
            "authorization_id": key,
            "revision": 1,
            "triaged_at": received,
            "route": route,
            "held_for_audit": held and not fast,
            "pipeline_version": "1",
            "result": "y" * 2000,
            "trace": "z" * 4000,
            "approval_score": score,
        }
    )
    if decided:
        _decide(chance, key, received + took, nurse, score, people, rows)


def _decide(
    chance: random.Random,
    key: str,
    at: datetime,
    nurse: str,
    score: float,
    people: list[dict[str, Any]],
    rows: dict[Any, list[dict[str, Any]]],
) -> None:
    reading = timedelta(seconds=chance.lognormvariate(6, 1.2))
    _open(rows, key, nurse, at - reading)

    def act(
        kind: str, when: datetime, who: str = nurse, *, concept: str | None = None, verdict: str | None = None
    ) -> None:
        rows[CaseActionRow].append(
            {
                "action_id": f"A{len(rows[CaseActionRow]):025d}",
                "tenant": TENANT,
                "authorization_id": key,
                "revision": 1,
                "kind": kind,
                "person_id": who,
                "role": "nurse",
                "at": when,
                "content": json.dumps({"concept": concept, "verdict": verdict}) if concept else "{}",
                "concept": concept,
                "verdict": verdict,
            }
        )

    act("claimed", at - reading - timedelta(minutes=1))
    if chance.random() < 0.6:
        verdict = chance.choice(("confirmed", "confirmed", "wrong", "wrong_assertion", "missed"))
        act("fact_corrected", at, concept=chance.choice(CONCEPTS), verdict=verdict)
    if chance.random() < 0.15:
        act("information_requested", at)
    act(
        "approved"
        if chance.random() < score
        else chance.choice(("approved_modified", "approved", "determined_adversely")),
        at,
    )
    if chance.random() < 0.05:
        other = chance.choice(people)["person_id"]
        act("approved" if chance.random() < 0.8 else "referred", at + timedelta(minutes=30), other)


def _open(rows: dict[Any, list[dict[str, Any]]], key: str, nurse: str, at: datetime) -> None:
    for action in ("case_opened", "evidence_opened", "evidence_opened", "case_left"):
        rows[TrailRow].append(
            {
                "number": len(rows[TrailRow]) + 1,
                "tenant": TENANT,
                "at": at,
                "person_id": nurse,
                "role": "nurse",
                "sign_in_id": nurse,
                "action": action,
                "authorization_id": key,
                "details": '{"revision":1}',
                "previous_hash": "0" * 64,
                "hash": "0" * 64,
            }
        )


def main() -> None:
    """Fill, count, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--cases", type=int, default=100_000)
    given = parser.parse_args()
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(given.url or f"sqlite:///{folder}/numbers.db", migrate_always=True)
        fill(store, given.cases, now)
        for name in ("today", "7d", "30d", "custom"):
            first = (now - timedelta(days=DAYS)).date().isoformat()
            period = period_of(name, first, now.date().isoformat(), now)
            lead = partial(lead_numbers, store, period, now, quick_seconds=30, tolerated=0.05)
            science = partial(aggregates, store, period, now)
            print(f"{period.words}: lead {_median(lead):.0f} ms, aggregates {_median(science):.0f} ms")
        store.close()


def _median(count: Callable[[], object]) -> float:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        count()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


if __name__ == "__main__":
    main()
