"""How long closed cases are kept, and which of them that time is over for.

Ten years by default: 42 CFR 422.504(d) (Medicare Advantage) and 42 CFR 438.3(u) (Medicaid managed care). HIPAA asks for six
years of its own documentation (45 CFR 164.316(b)(2)(i)), which the trail is. States may ask for more, and for minors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select

from serving.legal_holds import is_held
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DecisionRow
from serving.work import Work

CLOSED = (Work.DECIDED, Work.WITHDRAWN, Work.FAST_TRACKED, Work.CANCELLED)
OTHER_LINES = ""
"""Stands in a table of years for every line of business it does not name."""


@dataclass(frozen=True, slots=True)
class DueLine:
    """Cases of one line of business (None: not said) whose time is over: how many, and how many a hold keeps."""

    line_of_business: str | None
    years: int
    cases: int
    held: int


def years_of(line_of_business: str | None, years: Mapping[str, int]) -> int:
    """How many years a case of this line is kept."""
    return years.get(line_of_business or OTHER_LINES, years[OTHER_LINES])


def retention_due(store: Store, years: Mapping[str, int], *, now: datetime) -> tuple[DueLine, ...]:
    """The cases with contents whose time is over, by line of business."""
    row = AuthorizationRow
    due = (
        select(row.line_of_business, is_held().label("held"))
        .where(row.tenant == store.tenant, is_due(years, now))
        .subquery("due")
    )
    groups = (due.c.line_of_business, due.c.held)
    query = select(*groups, func.count()).group_by(*groups)
    found: dict[str | None, list[int]] = {}
    with store.reading() as session:
        for line, held, count in session.execute(query):
            found.setdefault(line, [0, 0])[bool(held)] += count
    return tuple(
        DueLine(line, years_of(line, years), sum(counts), counts[True])
        for line, counts in sorted(found.items(), key=lambda item: item[0] or "")
    )


def is_due(years: Mapping[str, int], now: datetime) -> ColumnElement[bool]:
    """Whether a case with contents was closed, and nothing happened on it, for longer than its line of business asks."""
    line = AuthorizationRow.line_of_business
    named = [name for name in years if name != OTHER_LINES]
    others = or_(line.is_(None), line.not_in(named))
    conditions = [and_(line == name, is_quiet_since(years_before(now, years[name]))) for name in named]
    return and_(is_closed(now), or_(*conditions, and_(others, is_quiet_since(years_before(now, years[OTHER_LINES])))))


def is_closed(now: datetime) -> ColumnElement[bool]:
    """Whether a case with contents needs nobody any more, and nothing done on it can still be undone.

    A decision from another system closes a case too, unless the case changed after it was recorded.
    """
    row = AuthorizationRow
    decided_elsewhere = exists(literal(1)).where(
        DecisionRow.authorization_id == row.authorization_id,
        DecisionRow.action_id.is_(None),
        DecisionRow.recorded_at >= func.coalesce(row.changed_at, row.accepted_at),
    )
    can_be_undone = exists(literal(1)).where(
        CaseActionRow.authorization_id == row.authorization_id, CaseActionRow.takes_effect_at > now
    )
    return and_(
        row.erased_at.is_(None),
        row.status == "triaged",
        or_(row.work.in_([work.value for work in CLOSED]), decided_elsewhere),
        ~can_be_undone,
    )


def is_quiet_since(moment: datetime) -> ColumnElement[bool]:
    """Whether nothing happened on a case since then: no change, no document, no decision."""
    row = AuthorizationRow
    decided_since = exists(literal(1)).where(
        DecisionRow.authorization_id == row.authorization_id, DecisionRow.recorded_at >= moment
    )
    return and_(row.accepted_at < moment, or_(row.changed_at.is_(None), row.changed_at < moment), ~decided_since)


def years_before(now: datetime, years: int) -> datetime:
    """The same day and hour so many years ago; February 29 becomes the 28th, which keeps a day longer."""
    try:
        return now.replace(year=now.year - years)
    except ValueError:
        return now.replace(year=now.year - years, day=28)
