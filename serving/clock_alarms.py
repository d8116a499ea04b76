"""Alarms before a breach: which clocks are near their end or past it, counted for watchers and listed by id.

Nothing here names a member or an intake system's id. A clock that stands still raises no alarm before its pause must end.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from serving.errors import InvalidParameterError, StoreUnavailableError
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.views import SOON
from serving.worklist_filter import LIVE, URGENCIES

_MOST_DIGITS = 4
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_PAGE = 500

_log = logging.getLogger("greenlane.serving")


@dataclass(frozen=True, slots=True)
class AlarmCounts:
    """Cases without an answer, of all tenants, by urgency: past their due time, and within the rule's alarm before it."""

    overdue: Mapping[str, int]
    soon: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DueCase:
    """A case without an answer whose clock is near its end. ``due_at`` is UTC."""

    authorization_id: str
    due_at: datetime
    urgency: str
    overdue: bool


class AlarmWatch:
    """Writes a line to the log every so often while clocks are near their end or past it; never an id."""

    def __init__(self, store: Store, *, every: timedelta) -> None:
        self._store = store
        self._every = every

    def run(self, stopping: threading.Event) -> None:
        """Look until told to stop; the first time after one interval."""
        while not stopping.wait(self._every.total_seconds()):
            self.look(datetime.now(UTC))

    def look(self, now: datetime) -> None:
        """Say once how many clocks raise an alarm, nothing where none does."""
        try:
            counts = alarm_counts(self._store, now)
        except StoreUnavailableError as error:
            _log.error("clocks cannot be looked at: %s", type(error).__name__)
            return
        if any(counts.overdue.values()) or any(counts.soon.values()):
            _log.warning("clocks: overdue %s; due soon %s", _words(counts.overdue), _words(counts.soon))


def alarm_counts(store: Store, now: datetime) -> AlarmCounts:
    """How many clocks raise an alarm now, of all tenants. Raises StoreUnavailableError."""
    row = AuthorizationRow
    raised = or_(row.amber_at <= now, and_(row.amber_at.is_(None), row.due_at <= now + SOON), _ends() < now)
    query = (
        select(row.urgency, func.count(), func.sum(case((_ends() < now, 1), else_=0)))
        .where(row.work.in_([work.value for work in LIVE]), raised)
        .group_by(row.urgency)
    )
    with store.reading() as session:
        found = {urgency: (int(count), int(late)) for urgency, count, late in session.execute(query)}
    counts = {urgency: found.get(urgency, (0, 0)) for urgency in URGENCIES}
    return AlarmCounts(
        overdue={urgency: late for urgency, (_, late) in counts.items()},
        soon={urgency: count - late for urgency, (count, late) in counts.items()},
    )


def due_cases(store: Store, *, within: timedelta, now: datetime) -> Iterator[DueCase]:
    """The tenant's cases without an answer that are overdue or due within a span, soonest first."""
    row = AuthorizationRow
    ends = _ends()
    query = (
        select(row.authorization_id, ends.label("ends"), row.urgency)
        .where(
            row.tenant == store.tenant,
            row.work.in_([work.value for work in LIVE]),
            # No clock ends before what it is ordered by, and there is an index for that.
            row.due_at <= now + within,
            ends <= now + within,
        )
        .order_by(ends, row.authorization_id)
    )
    with store.reading() as session:
        for found in session.execute(query.execution_options(yield_per=_PAGE)):
            yield DueCase(found.authorization_id, found.ends.astimezone(UTC), found.urgency, found.ends < now)


def span_of(written: str) -> timedelta:
    """A span of time such as 30m, 4h or 2d. Raises InvalidParameterError."""
    found = re.fullmatch(rf"([0-9]{{1,{_MOST_DIGITS}}})([mhd])", written)
    if found is None:
        raise InvalidParameterError("within", "must be a number of minutes, hours or days, such as 30m, 4h or 2d")
    return int(found[1]) * _UNITS[found[2]]


def _ends() -> ColumnElement[datetime]:
    return func.coalesce(AuthorizationRow.red_at, AuthorizationRow.due_at, type_=AuthorizationRow.due_at.type)


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {urgency}" for urgency, count in counts.items())
