"""The data scientist's numbers: counts without anybody's name, small cells withheld."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from models.types import Route
from serving.case_answers import ANSWERS, first_answers, result_answered
from serving.numbers import VERDICTS, at_one_moment, corrections
from serving.periods import Period
from serving.store import Store
from serving.suppression import ShownCounts, shown_counts
from serving.tables import AuthorizationRow, ResultRow
from serving.work import ActionKind

WEEK = timedelta(days=7)
NO_FAMILY = "no policy"
UNREAD = "being_read"


@dataclass(frozen=True, slots=True)
class CountTable:
    """Counts by row and column as they may be shown."""

    columns: tuple[str, ...]
    labels: tuple[str, ...]
    counts: ShownCounts


@dataclass(frozen=True, slots=True)
class ScoreDecile:
    """Answered cases whose score lay from ``low`` up to ``low + 0.1``. None: withheld, or no case."""

    low: float
    cases: int | None
    approved: int | None
    mean_score: float | None


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days of arrivals (fewer at the start of the period); ``mean_score`` None where cases are withheld."""

    first: date
    cases: int | None
    fast_tracked: int | None
    mean_score: float | None


@dataclass(frozen=True, slots=True)
class Aggregates:
    """Everything on the data scientist's page."""

    period: Period
    as_of: datetime
    routes: CountTable
    answers: CountTable
    deciles: tuple[ScoreDecile, ...]
    corrections: CountTable
    weeks: tuple[Week, ...]

    @property
    def withheld(self) -> int:
        """How many cells are withheld in the tables by family and concept."""
        return sum(table.counts.withheld for table in (self.routes, self.answers, self.corrections))


def aggregates(store: Store, period: Period, now: datetime) -> Aggregates:
    """Count it all, in one look at the database. Raises StoreUnavailableError."""
    with store.reading() as session:
        at_one_moment(session)
        tenant = store.tenant
        return Aggregates(
            period=period,
            as_of=now,
            routes=_routes(session, tenant, period),
            answers=_answers(session, tenant, period),
            deciles=_deciles(session, tenant, period),
            corrections=_corrections(session, tenant, period),
            weeks=_weeks(session, tenant, period),
        )


def _crossed(columns: Sequence[str], counts: Mapping[tuple[str, str], int]) -> CountTable:
    labels = tuple(sorted({label for label, _ in counts}))
    rows = [[counts.get((label, column), 0) for column in columns] for label in labels]
    return CountTable(tuple(columns), labels, shown_counts(rows))


def _counted(found: Iterable[Sequence[Any]], row_when_none: str, column_when_none: str) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for row, column, count in found:
        counts[row or row_when_none, column or column_when_none] += count
    return counts


def _routes(session: Session, tenant: str, period: Period) -> CountTable:
    row = AuthorizationRow
    found = session.execute(
        select(row.family, row.route, func.count())
        .where(row.tenant == tenant, row.accepted_at >= period.start, row.accepted_at < period.end)
        .group_by(row.family, row.route)
    ).all()
    columns = (Route.FAST_TRACK.value, Route.NURSE_REVIEW.value, UNREAD)
    return _crossed(columns, _counted(found, NO_FAMILY, UNREAD))


def _answers(session: Session, tenant: str, period: Period) -> CountTable:
    answer, row = first_answers(tenant, period), AuthorizationRow
    found = session.execute(
        select(row.family, answer.c.kind, func.count())
        .join_from(answer, row, row.authorization_id == answer.c.authorization_id)
        .group_by(row.family, answer.c.kind)
    ).all()
    return _crossed([kind.value for kind in ANSWERS], _counted(found, NO_FAMILY, ""))


def _deciles(session: Session, tenant: str, period: Period) -> tuple[ScoreDecile, ...]:
    answer = first_answers(tenant, period)
    score = ResultRow.approval_score
    tenth = case(*((score < (step + 1) / 10, step) for step in range(9)), else_=9)
    scored = (
        select(
            tenth.label("tenth"),
            score.label("score"),
            case((answer.c.kind == ActionKind.APPROVED.value, 1), else_=0).label("approved"),
        )
        .join_from(answer, ResultRow, result_answered(answer))
        .where(score.is_not(None))
        .subquery("scored")
    )
    found = session.execute(
        select(scored.c.tenth, func.count(), func.sum(scored.c.approved), func.avg(scored.c.score)).group_by(
            scored.c.tenth
        )
    )
    figures = {tenth: (int(cases), int(approved), float(mean)) for tenth, cases, approved, mean in found}
    rows = [[figures[tenth][1], figures[tenth][0] - figures[tenth][1]] for tenth in sorted(figures)]
    shown = dict(
        zip(sorted(figures), zip(shown_counts(rows).rows, shown_counts(rows).totals, strict=True), strict=True)
    )
    return tuple(_decile(tenth, figures, shown) for tenth in range(10))


def _decile(tenth: int, figures: Mapping[int, tuple[int, int, float]], shown: Mapping[int, Any]) -> ScoreDecile:
    if tenth not in figures:
        return ScoreDecile(tenth / 10, 0, 0, None)
    (approved, _), total = shown[tenth]
    return ScoreDecile(tenth / 10, total, approved, None if total is None else figures[tenth][2])


def _corrections(session: Session, tenant: str, period: Period) -> CountTable:
    counts: dict[tuple[str, str], int] = {}
    for one in corrections(session, tenant, period):
        for verdict, count in zip(VERDICTS, one.verdicts, strict=True):
            counts[one.concept, verdict] = count
    return _crossed(VERDICTS, counts)


def _weeks(session: Session, tenant: str, period: Period) -> tuple[Week, ...]:
    """Weeks end with the period's last day, so that the last one is whole."""
    starts: list[datetime] = []
    start = period.end
    while start > period.start:
        start = max(start - WEEK, period.start)
        starts.append(start)
    row = AuthorizationRow
    number = case(*((row.accepted_at >= begun, index) for index, begun in enumerate(starts)))
    weekly = (
        select(number.label("week"), row.route, ResultRow.approval_score)
        .join_from(
            row,
            ResultRow,
            and_(ResultRow.authorization_id == row.authorization_id, ResultRow.revision + 0 == row.revision),
        )
        .where(row.tenant == tenant, row.accepted_at >= period.start, row.accepted_at < period.end)
        .subquery("weekly")
    )
    fast = case((weekly.c.route == Route.FAST_TRACK.value, 1), else_=0)
    found: dict[Hashable, Sequence[Any]] = {
        week: figures
        for week, *figures in session.execute(
            select(weekly.c.week, func.count(), func.sum(fast), func.avg(weekly.c.approval_score)).group_by(
                weekly.c.week
            )
        )
    }
    numbered = list(reversed(list(enumerate(starts))))
    figures = [found.get(index, (0, 0, None)) for index, _ in numbered]
    shown = shown_counts([[int(fast), int(cases) - int(fast)] for cases, fast, _ in figures])
    return tuple(
        Week(begun.date(), total, cells[0], float(mean) if total is not None and mean is not None else None)
        for (_, begun), (_, _, mean), cells, total in zip(numbered, figures, shown.rows, shown.totals, strict=True)
    )
