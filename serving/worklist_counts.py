"""How many cases each value of a filter would show.

Counting 100,000 cases takes longer than a page may, so what is counted is a table of the combinations that occur, once
for each status; every number on the page is a sum over it. A small status is counted for every page. A large one is
counted again in the background when its numbers are older than MOST_AGE, so no page waits for it after the first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, func, select

from serving.store import Store
from serving.tables import AuthorizationRow
from serving.work import Work
from serving.worklist_filter import Filter, Holder, Viewer

SMALL = 2_000
"""Up to so many cases of a status are counted for every page: it takes milliseconds."""
MOST_COUNTED = 200_000
"""So many cases of a status are counted at most; numbers of more are shown as at least that."""
MOST_AGE = 5.0
"""Seconds after which the numbers of a large status are counted again."""

_MOST_KEPT = 60

_Seen: TypeAlias = "dict[tuple[Work, str, str, str, Holder | None, bool], int]"
_KINDS = range(6)
_CELL = (
    AuthorizationRow.work,
    AuthorizationRow.urgency,
    AuthorizationRow.line_of_business,
    AuthorizationRow.family,
    AuthorizationRow.assigned_to,
    AuthorizationRow.second_look,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """So many cases are alike in everything a filter asks about."""

    work: Work
    urgency: str
    line: str
    family: str
    assigned_to: str | None
    second_look: bool
    cases: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The cells of what was counted at one time; ``at`` in seconds of a clock that only moves forward."""

    cells: tuple[Cell, ...]
    at: float

    @property
    def cases(self) -> int:
        """How many cases these are."""
        return sum(cell.cases for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Facets:
    """Numbers of a filter's values: each with the other kinds as chosen. ``total`` fits the whole filter.

    ``at_least``: more than MOST_COUNTED cases have one of the chosen statuses, so there may be more.
    """

    total: int = 0
    at_least: bool = False
    works: Mapping[Work, int] = field(default_factory=dict)
    families: Mapping[str, int] = field(default_factory=dict)
    urgencies: Mapping[str, int] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    holders: Mapping[Holder, int] = field(default_factory=dict)
    second_look: int = 0


class WorklistCounts:
    """Counts of one store, kept in memory. Safe to share between threads."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._kept: dict[tuple[Work, str], Counted] = {}
        self._counting: set[tuple[Work, str]] = set()
        self._lock = threading.Lock()

    def for_page(self, viewer: Viewer, changed: Collection[str]) -> PageCounts:
        """The numbers of one page for one viewer, each status counted at most once."""
        return PageCounts(self, viewer, changed)

    def of_all(self, code: str) -> tuple[Counted, ...]:
        """Every status; with a ``code`` only requests for that service."""
        return tuple(self._counted(work, code) for work in Work)

    def of_cases(self, code: str, cases: Collection[str]) -> tuple[Counted, ...]:
        """The same among these cases of the tenant only."""
        if not cases:
            return ()
        # By their primary key alone: any other condition tempts SQLite to read the whole worklist's index.
        return (self._count([AuthorizationRow.authorization_id.in_(sorted(cases))], code),)

    def _counted(self, work: Work, code: str) -> Counted:
        key = (work, code)
        # To count one service's cases the whole status is read.
        is_large = self._counted(work, "").cases > SMALL if code else None
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and (is_large or (is_large is None and kept.cases > SMALL)):
                if self._clock() - kept.at > MOST_AGE and key not in self._counting:
                    self._counting.add(key)
                    threading.Thread(target=self._count_again, args=(key,), name="counting", daemon=True).start()
                return kept
        return self._keep(key, self._count(self._of_work(work), code))

    def _count_again(self, key: tuple[Work, str]) -> None:
        try:
            work, code = key
            self._keep(key, self._count(self._of_work(work), code))
        finally:
            with self._lock:
                self._counting.discard(key)

    def _keep(self, key: tuple[Work, str], counted: Counted) -> Counted:
        with self._lock:
            if key not in self._kept and len(self._kept) >= _MOST_KEPT:
                del self._kept[min(self._kept, key=lambda kept: self._kept[kept].at)]
            self._kept[key] = counted
        return counted

    def _of_work(self, work: Work) -> list[ColumnElement[bool]]:
        return [AuthorizationRow.tenant == self._store.tenant, AuthorizationRow.work == work.value]

    def _count(self, conditions: Collection[ColumnElement[bool]], code: str) -> Counted:
        query = select(*_CELL).where(*conditions)
        if code:
            query = query.where(AuthorizationRow.service_code.in_({code, code.upper()}))
        some = query.limit(MOST_COUNTED + 1).subquery()
        begun = self._clock()
        with self._store.reading() as session:
            rows = session.execute(select(*some.c, func.count().label("cases")).group_by(*some.c)).mappings().all()
        return Counted(
            tuple(
                Cell(
                    work=Work(row["work"]),
                    urgency=row["urgency"],
                    line=row["line_of_business"] or "",
                    family=row["family"] or "",
                    assigned_to=row["assigned_to"],
                    second_look=bool(row["second_look"]),
                    cases=row["cases"],
                )
                for row in rows
            ),
            begun,
        )


class PageCounts:
    """The numbers of one page. ``changed``: the cases that changed since the viewer's last look."""

    def __init__(self, counts: WorklistCounts, viewer: Viewer, changed: Collection[str]) -> None:
        self._counts = counts
        self._viewer = viewer
        self._changed = changed
        self._seen: dict[tuple[str, bool], tuple[_Seen, bool]] = {}

    def facets(self, chosen: Filter) -> Facets:
        """The numbers beside each value of the filter."""
        key = (chosen.code, chosen.changed)
        if key not in self._seen:
            counts = self._counts
            counted = counts.of_cases(chosen.code, self._changed) if chosen.changed else counts.of_all(chosen.code)
            capped = any(some.cases > MOST_COUNTED for some in counted)
            self._seen[key] = (_seen_by(self._viewer, counted), capped)
        seen, capped = self._seen[key]
        return _facets(seen, chosen, capped=capped)


def _seen_by(viewer: Viewer, counted: Iterable[Counted]) -> _Seen:
    """The cells with who has the cases as the viewer sees it: far fewer than there are people."""
    seen: _Seen = {}
    for some in counted:
        for cell in some.cells:
            key = (cell.work, cell.urgency, cell.line, cell.family, _holder(viewer, cell.assigned_to), cell.second_look)
            seen[key] = seen.get(key, 0) + cell.cases
    return seen


def _facets(seen: _Seen, chosen: Filter, *, capped: bool) -> Facets:
    values: tuple[dict[Any, int], ...] = ({}, {}, {}, {}, {}, {})
    total = 0
    wanted = (
        frozenset(chosen.works),
        frozenset(chosen.urgencies),
        frozenset(chosen.lines),
        frozenset(chosen.families),
        _wanted_holders(chosen.holders),
        frozenset({True}) if chosen.second_look else frozenset(),
    )
    for cell, cases in seen.items():
        missed = [kind for kind in _KINDS if wanted[kind] and cell[kind] not in wanted[kind]]
        # A value is counted where the case fits every other kind, as if this kind were not chosen.
        for kind in _KINDS if not missed else missed if len(missed) == 1 else ():
            values[kind][cell[kind]] = values[kind].get(cell[kind], 0) + cases
        total += 0 if missed else cases
    works, urgencies, lines, families, held, second_look = values
    holders = {
        Holder.MINE: held.get(Holder.MINE, 0),
        Holder.TEAM: held.get(Holder.MINE, 0) + held.get(Holder.TEAM, 0),
        Holder.NOBODY: held.get(Holder.NOBODY, 0),
    }
    return Facets(total, capped, works, families, urgencies, lines, holders, second_look.get(True, 0))


def _wanted_holders(holders: Collection[Holder]) -> frozenset[Holder | None]:
    return frozenset({*holders, Holder.MINE} if Holder.TEAM in holders else holders)


def _holder(viewer: Viewer, assigned_to: str | None) -> Holder | None:
    if assigned_to is None:
        return Holder.NOBODY
    if assigned_to == viewer.person_id:
        return Holder.MINE
    return Holder.TEAM if assigned_to in viewer.team else None
