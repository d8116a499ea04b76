"""What each reviewer holds now, what they did, and how long they read before they decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, literal, select
from sqlalchemy.orm import Session

from serving.case_answers import REVIEWER_ROLES, actions_in
from serving.dialects import MATERIALIZED, HoursBefore, SecondsBetween, WholeSteps
from serving.percentiles import MINUTE_STEP, percentile, times
from serving.periods import Period
from serving.tables import AuthorizationRow, PersonRow, TrailRow
from serving.views import SOON
from serving.work import DECIDING, ActionKind, Work

WAITING = (Work.OPEN, Work.AWAITING_INFORMATION, Work.REFERRED)
"""Where a case still needs a decision."""

READING_SPAN_HOURS = 8
"""A case opened again within a shift was being read since it was first opened in it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What one reviewer holds now and did. ``near`` are those held cases that are due within a day or overdue.

    ``median_minutes`` is from opening a case to deciding it; ``quick`` counts decisions within the threshold after
    opening, ``unopened`` those without any opening before.
    """

    person_id: str
    name: str
    role: str
    team: str | None
    holding: int
    near: int
    decided_today: int
    decided_week: int
    decided: int
    referred: int
    asked: int
    median_minutes: float | None
    quick: int
    unopened: int


def workload_of_reviewers(
    session: Session, tenant: str, period: Period, now: datetime, quick_seconds: int
) -> tuple[Workload, ...]:
    row = AuthorizationRow
    ends = func.coalesce(row.red_at, row.due_at, type_=row.due_at.type)
    holding = session.execute(
        select(row.assigned_to, func.count(), func.sum(case((ends < now + SOON, 1), else_=0)))
        .where(row.tenant == tenant, row.work.in_([work.value for work in WAITING]), row.assigned_to.is_not(None))
        .group_by(row.assigned_to)
    )
    held = {person: (cases, int(near)) for person, cases, near in holding}
    done = _done(session, tenant, now)
    pace = _pace(session, tenant, period, quick_seconds)
    people = session.scalars(select(PersonRow).where(PersonRow.tenant == tenant)).all()
    lines = [
        _workload_of(
            person,
            held.get(person.person_id, (0, 0)),
            done.get(person.person_id, (0, 0)),
            pace.get(person.person_id, _Pace(Counter(), Counter(), 0)),
        )
        for person in people
        if person.person_id in held.keys() | done.keys() | pace.keys()
        or (person.active and person.role in REVIEWER_ROLES)
    ]
    return tuple(sorted(lines, key=lambda line: (line.name.casefold(), line.person_id)))


def _workload_of(person: PersonRow, held: tuple[int, int], done: tuple[int, int], pace: _Pace) -> Workload:
    decided = sum(pace.kinds[kind.value] for kind in DECIDING)
    return Workload(
        person_id=person.person_id,
        name=person.display_name,
        role=person.role,
        team=person.team,
        holding=held[0],
        near=held[1],
        decided_today=done[0],
        decided_week=done[1],
        decided=decided,
        referred=pace.kinds[ActionKind.REFERRED.value],
        asked=pace.kinds[ActionKind.INFORMATION_REQUESTED.value],
        median_minutes=times(percentile(pace.took, 50), MINUTE_STEP / 60),
        quick=pace.quick,
        unopened=decided - pace.took.total(),
    )


def _done(session: Session, tenant: str, now: datetime) -> dict[str, tuple[int, int]]:
    """By person: decided today, decided since Monday."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    week = Period("custom", today - timedelta(days=today.weekday()), today + timedelta(days=1))
    action = actions_in(tenant, week, DECIDING).subquery("action")
    found = session.execute(
        select(action.c.person_id, func.sum(case((action.c.at >= today, 1), else_=0)), func.count()).group_by(
            action.c.person_id
        )
    )
    return {person: (int(of_today), of_week) for person, of_today, of_week in found}


@dataclass(slots=True)
class _Pace:
    """What one person did in the period, counted together: by kind, and decisions by the steps of time they took."""

    kinds: Counter[str]
    took: Counter[int]
    quick: int

    def add(self, kind: str, took: int | None, quick: bool, count: int) -> None:
        """Count some more."""
        self.kinds[kind] += count
        if took is not None:
            self.took[took] += count
            self.quick += count * quick


def _pace(session: Session, tenant: str, period: Period, quick_seconds: int) -> dict[str, _Pace]:
    kinds = (*DECIDING, ActionKind.REFERRED, ActionKind.INFORMATION_REQUESTED)
    action = actions_in(tenant, period, kinds).subquery("action")
    deciding = action.c.kind.in_([kind.value for kind in DECIDING])
    opened = (
        select(func.min(TrailRow.at))
        .where(
            TrailRow.authorization_id == action.c.authorization_id,
            TrailRow.person_id == action.c.person_id,
            TrailRow.action == "case_opened",
            TrailRow.at <= action.c.at,
            TrailRow.at >= HoursBefore(action.c.at, literal(READING_SPAN_HOURS)),
        )
        .scalar_subquery()
    )
    timed = (
        select(
            action.c.person_id,
            action.c.kind,
            case((deciding, SecondsBetween(opened, action.c.at))).label("seconds"),
        )
        .cte("timed")
        .prefix_with(MATERIALIZED)
    )
    quick = case((timed.c.seconds < quick_seconds, 1), else_=0)
    stepped = select(
        timed.c.person_id,
        timed.c.kind,
        WholeSteps(timed.c.seconds, literal(MINUTE_STEP)).label("took"),
        quick.label("quick"),
    ).subquery("stepped")
    groups = tuple(stepped.c)
    pace: dict[str, _Pace] = {}
    found: Iterable[Any] = session.execute(select(*groups, func.count()).group_by(*groups))
    for person, kind, took, is_quick, count in found:
        pace.setdefault(person, _Pace(Counter(), Counter(), 0)).add(kind, took, bool(is_quick), count)
    return pace
