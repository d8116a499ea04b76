"""The lead's numbers: frozen results of queries that count in the database. Nothing here names a member.

Moments are UTC, hours are from receipt, in whole tenths; percentiles are the nearest rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from models.intervals import error_bound, wilson_interval
from models.types import Route
from serving.agreement import Agreement, agreement_of
from serving.case_answers import (
    REVIEWER_ANSWERS,
    REVIEWER_ROLES,
    actions_in,
    determinations,
    first_answers,
    result_answered,
    stands,
)
from serving.dialects import MATERIALIZED, SecondsBetween, WholeSteps
from serving.percentiles import HOUR_STEP, percentile, times
from serving.periods import Period
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, ResultRow
from serving.views import SOON
from serving.work import DECIDING, ActionKind
from serving.workload import WAITING, Workload, workload_of_reviewers

AUDIT_CONFIDENCE = 0.95

VERDICTS = ("confirmed", "wrong", "wrong_assertion", "missed")
"""What a reviewer says of a fact."""

_HOUR = timedelta(hours=1)
DUE_STEPS: tuple[tuple[str, timedelta], ...] = (
    ("overdue over 1 d", -24 * _HOUR),
    ("overdue", 0 * _HOUR),
    ("under 4 h", 4 * _HOUR),
    ("4–12 h", 12 * _HOUR),
    ("12–24 h", 24 * _HOUR),
    ("1–2 d", 48 * _HOUR),
    ("2–3 d", 72 * _HOUR),
    ("3–5 d", 120 * _HOUR),
)
"""Bars of the queue by time left: each name with its upper end; what is left over is the last bar."""
LONG_DUE = "over 5 d"
AGE_STEPS: tuple[tuple[str, timedelta], ...] = (
    ("under 4 h", 4 * _HOUR),
    ("4–12 h", 12 * _HOUR),
    ("12–24 h", 24 * _HOUR),
    ("1–2 d", 48 * _HOUR),
    ("2–3 d", 72 * _HOUR),
    ("3–5 d", 120 * _HOUR),
    ("5–7 d", 168 * _HOUR),
)
"""Bars of the queue by time since receipt."""
LONG_OLD = "over 7 d"


@dataclass(frozen=True, slots=True)
class Turnaround:
    """One urgency of one line of business (None: not said). Decided in the period; open, near and overdue now.

    ``target_hours`` is the shortest time that any of the decided cases had.
    """

    urgency: str
    line_of_business: str | None
    decided: int
    in_time: int
    median_hours: float | None
    p90_hours: float | None
    target_hours: float | None
    open: int
    near: int
    overdue: int


@dataclass(frozen=True, slots=True)
class QueueStep:
    """One bar of a histogram of waiting cases."""

    label: str
    expedited: int
    standard: int

    @property
    def cases(self) -> int:
        """Both urgencies."""
        return self.expedited + self.standard


@dataclass(frozen=True, slots=True)
class QuickDecisions:
    """Decisions made in seconds, or without opening the case: a sign that the screen decides and not the reviewer.

    The alarm is on where even the lower end of Wilson's 95 % interval lies above ``tolerated``.
    """

    decided: int
    quick: int
    unopened: int
    seconds: int
    tolerated: float

    @property
    def share(self) -> float | None:
        """The share of all decisions, None without any."""
        return (self.quick + self.unopened) / self.decided if self.decided else None

    @property
    def alarm(self) -> bool:
        """Whether the share is above what is tolerated beyond chance."""
        return wilson_interval(self.quick + self.unopened, self.decided)[0] > self.tolerated


@dataclass(frozen=True, slots=True)
class CorrectedConcept:
    """How often reviewers said what about the facts of one concept; ``verdicts`` in the order of VERDICTS."""

    concept: str
    verdicts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RouteAnswers:
    """First answers to the cases that came one way, for one main reason. ``audited``: it would have been a fast track."""

    route: str | None
    audited: bool
    reason: str | None
    answers: dict[str, int]

    @property
    def cases(self) -> int:
        """All answers together."""
        return sum(self.answers.values())


@dataclass(frozen=True, slots=True)
class BlindAudit:
    """Would-be fast tracks that a person answered: ``errors`` of them not "approved as requested".

    ``bound`` is the exact one-sided 95 % upper bound on that rate.
    """

    cases: int
    errors: int
    bound: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """Requests that came in the period and were read, and how many of them were fast-tracked."""

    read: int
    fast_tracked: int


@dataclass(frozen=True, slots=True)
class LeadNumbers:
    """Everything on the lead's page."""

    period: Period
    as_of: datetime
    turnaround: tuple[Turnaround, ...]
    by_time_left: tuple[QueueStep, ...]
    by_age: tuple[QueueStep, ...]
    workload: tuple[Workload, ...]
    quick: QuickDecisions
    agreement: Agreement
    corrections: tuple[CorrectedConcept, ...]
    routes: tuple[RouteAnswers, ...]
    audit: BlindAudit
    arrived: Arrived


def lead_numbers(store: Store, period: Period, now: datetime, *, quick_seconds: int, tolerated: float) -> LeadNumbers:
    """Count it all, in one look at the database. Raises StoreUnavailableError."""
    with store.reading() as session:
        at_one_moment(session)
        tenant = store.tenant
        queue = _queue(session, tenant, now)
        routes = _routes(session, tenant, period)
        workload = workload_of_reviewers(session, tenant, period, now, quick_seconds)
        return LeadNumbers(
            period=period,
            as_of=now,
            turnaround=_turnaround(session, tenant, period, queue),
            by_time_left=_steps(queue, 2, (*(name for name, _ in DUE_STEPS), LONG_DUE)),
            by_age=_steps(queue, 3, (*(name for name, _ in AGE_STEPS), LONG_OLD)),
            workload=workload,
            quick=QuickDecisions(
                sum(one.decided for one in workload),
                sum(one.quick for one in workload),
                sum(one.unopened for one in workload),
                quick_seconds,
                tolerated,
            ),
            agreement=_agreement(session, tenant, period),
            corrections=corrections(session, tenant, period),
            routes=routes,
            audit=_audit(routes),
            arrived=_arrived(session, tenant, period),
        )


def at_one_moment(session: Session) -> None:
    """Let every query of this session see one state of the database, so that parts add up to their totals."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


_Queue = list[tuple[str, str | None, str, str, int]]
"""Waiting cases: urgency, line of business, step of time left, step of age, how many."""


def _queue(session: Session, tenant: str, now: datetime) -> _Queue:
    row = AuthorizationRow
    # A clock that stands still ends when its pause must; without one it ends when it is due.
    ends = func.coalesce(row.red_at, row.due_at, type_=row.due_at.type)
    left = case(*((ends < now + end, name) for name, end in DUE_STEPS), else_=LONG_DUE)
    age = case(*((row.received_at > now - end, name) for name, end in AGE_STEPS), else_=LONG_OLD)
    waiting = (
        select(row.urgency, row.line_of_business, left.label("left"), age.label("age"))
        .where(row.tenant == tenant, row.work.in_([work.value for work in WAITING]))
        .subquery("waiting")
    )
    groups = (waiting.c.urgency, waiting.c.line_of_business, waiting.c.left, waiting.c.age)
    return [tuple(found) for found in session.execute(select(*groups, func.count()).group_by(*groups))]


def _steps(queue: _Queue, column: int, labels: Iterable[str]) -> tuple[QueueStep, ...]:
    counts: Counter[tuple[Any, bool]] = Counter()
    for group in queue:
        counts[group[column], group[0] == "expedited"] += group[4]
    return tuple(QueueStep(label, counts[label, True], counts[label, False]) for label in labels)


def _turnaround(session: Session, tenant: str, period: Period, queue: _Queue) -> tuple[Turnaround, ...]:
    decided, row = determinations(tenant, period), AuthorizationRow
    timed = (
        select(
            row.urgency,
            row.line_of_business,
            WholeSteps(SecondsBetween(row.received_at, decided.c.at), literal(HOUR_STEP)).label("took"),
            SecondsBetween(row.received_at, row.due_at).label("target"),
            # What was decided while the clock stood still was decided in time.
            case((decided.c.at <= func.coalesce(row.red_at, row.due_at, type_=row.due_at.type), 1), else_=0).label(
                "in_time"
            ),
        )
        .join_from(decided, row, row.authorization_id == decided.c.authorization_id)
        .cte("timed")
        .prefix_with(MATERIALIZED)
    )
    groups = (timed.c.urgency, timed.c.line_of_business, timed.c.took)
    found = session.execute(
        select(*groups, func.count(), func.sum(timed.c.in_time), func.min(timed.c.target)).group_by(*groups)
    )
    done: dict[tuple[str, str | None], list[tuple[int, int, int, float]]] = {}
    for urgency, line, *figures in found:
        done.setdefault((urgency, line), []).append((figures[0], figures[1], int(figures[2]), float(figures[3])))
    now: dict[tuple[str, str | None], Counter[str]] = {}
    for urgency, line, left, _, count in queue:
        now.setdefault((urgency, line), Counter())[left] += count
    return tuple(
        _turnaround_of(key, done.get(key), now.get(key, Counter()))
        for key in sorted(done.keys() | now.keys(), key=lambda key: (key[0], key[1] or ""))
    )


def _turnaround_of(
    key: tuple[str, str | None], steps: Sequence[tuple[int, int, int, float]] | None, left: Counter[str]
) -> Turnaround:
    steps = steps or ()
    took = {step: cases for step, cases, _, _ in steps}
    overdue = [name for name, end in DUE_STEPS if end <= timedelta(0)]
    near = [name for name, end in DUE_STEPS if timedelta(0) < end <= SOON]
    return Turnaround(
        *key,
        decided=sum(took.values()),
        in_time=sum(in_time for _, _, in_time, _ in steps),
        median_hours=times(percentile(took, 50), HOUR_STEP / 3600),
        p90_hours=times(percentile(took, 90), HOUR_STEP / 3600),
        target_hours=times(min((target for *_, target in steps), default=None), 1 / 3600),
        open=left.total(),
        near=sum(left[name] for name in near),
        overdue=sum(left[name] for name in overdue),
    )


def _agreement(session: Session, tenant: str, period: Period) -> Agreement:
    """Cases whose first two answers are of two nurses, the second in the period, nothing of a director's between."""
    second = actions_in(tenant, period, REVIEWER_ANSWERS).subquery("second")
    first, between = aliased(CaseActionRow), aliased(CaseActionRow)
    answers = [kind.value for kind in REVIEWER_ANSWERS]
    others = or_(
        between.kind.in_([kind.value for kind in DECIDING | set(REVIEWER_ANSWERS)]),
        between.kind == ActionKind.RETURNED.value,
    )
    found = session.execute(
        select(first.kind, second.c.kind, func.count())
        .join_from(second, first, first.authorization_id == second.c.authorization_id)
        .where(
            second.c.role.in_(REVIEWER_ROLES),
            first.role.in_(REVIEWER_ROLES),
            first.kind.in_(answers),
            first.person_id != second.c.person_id,
            first.action_id < second.c.action_id,
            stands(first),
            ~select(literal(1))
            .where(
                between.authorization_id == second.c.authorization_id,
                others,
                between.action_id < second.c.action_id,
                between.action_id != first.action_id,
                stands(between),
            )
            .exists(),
        )
        .group_by(first.kind, second.c.kind)
    )
    return agreement_of({(one, other): count for one, other, count in found})


def corrections(session: Session, tenant: str, period: Period) -> tuple[CorrectedConcept, ...]:
    """What reviewers said about facts in the period, most corrected concept first; confirmations correct nothing."""
    action = actions_in(tenant, period, (ActionKind.FACT_CORRECTED,)).subquery("action")
    counts: dict[str, Counter[str]] = {}
    groups = (action.c.concept, action.c.verdict)
    for concept, verdict, count in session.execute(select(*groups, func.count()).group_by(*groups)):
        counts.setdefault(concept or "not said", Counter())[verdict] += count
    found = [CorrectedConcept(concept, tuple(one[verdict] for verdict in VERDICTS)) for concept, one in counts.items()]
    return tuple(sorted(found, key=lambda one: (-sum(one.verdicts[1:]), -one.verdicts[0], one.concept)))


def _routes(session: Session, tenant: str, period: Period) -> tuple[RouteAnswers, ...]:
    answer, row = first_answers(tenant, period), AuthorizationRow
    groups = (row.route, ResultRow.held_for_audit, row.reason_code, answer.c.kind)
    found = session.execute(
        select(*groups, func.count())
        .join_from(answer, row, row.authorization_id == answer.c.authorization_id)
        .outerjoin(ResultRow, result_answered(answer))
        .group_by(*groups)
    )
    counts: dict[tuple[str | None, bool, str | None], Counter[str]] = {}
    for route, held, reason, kind, count in found:
        counts.setdefault((route, bool(held), None if held else reason), Counter())[kind] += count
    lines = [RouteAnswers(*key, dict(answers)) for key, answers in counts.items()]
    return tuple(sorted(lines, key=lambda line: (-line.cases, line.route or "", line.reason or "")))


def _audit(routes: Iterable[RouteAnswers]) -> BlindAudit:
    answers = Counter[str]()
    for line in routes:
        if line.audited:
            answers.update(line.answers)
    cases = answers.total()
    errors = cases - answers[ActionKind.APPROVED.value]
    return BlindAudit(cases, errors, error_bound(errors, cases, AUDIT_CONFIDENCE))


def _arrived(session: Session, tenant: str, period: Period) -> Arrived:
    row = AuthorizationRow
    found = session.execute(
        select(func.count(row.route), func.sum(case((row.route == Route.FAST_TRACK.value, 1), else_=0))).where(
            row.tenant == tenant, row.accepted_at >= period.start, row.accepted_at < period.end
        )
    ).one()
    return Arrived(found[0], int(found[1] or 0))
