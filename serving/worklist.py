"""The worklist: cases in the order in which they are due, never by score; and who takes, gives back or gives out a case.

What is read here comes from one index that holds everything a filter asks about (``ix_authorizations_worklist``), one
stretch of it for each status; the rows themselves are only fetched for the page that is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, RowMapping, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute

from models.types import Route
from serving.claims import assign, claim, claim_first, release
from serving.clock_view import ListedClock
from serving.last_looks import Change, changed_cases, changes, looked, point_out
from serving.people import SignedIn
from serving.roles import Permission, Role, may
from serving.store import Store
from serving.stored_case import ListPosition
from serving.tables import AuthorizationRow, PersonRow, UtcDateTime
from serving.work import Work
from serving.worklist_filter import NEEDS_A_PERSON, Filter, Holder, Viewer

__all__ = [
    "CASES_PER_PAGE",
    "Change",
    "Colleague",
    "Page",
    "WorklistCase",
    "assign",
    "changed_cases",
    "changes",
    "claim",
    "claim_next",
    "colleagues",
    "looked",
    "point_out",
    "release",
    "search",
    "viewer_of",
    "worklist_page",
]

CASES_PER_PAGE = 50

_HIGHEST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class WorklistCase:
    """A line of the worklist. ``assigned_to`` is a person's id; route and reason are None while no result is stored."""

    authorization_id: str
    external_id: str
    due_at: datetime
    urgency: str
    service_system: str
    service_code: str
    service_description: str | None
    line_of_business: str | None
    work: Work
    second_look: bool
    assigned_to: str | None
    assigned_at: datetime | None
    turn: int
    route: Route | None
    reason_code: str | None
    reason_message: str | None
    clock: ListedClock

    @property
    def position(self) -> ListPosition:
        """Where it stands in the list."""
        return ListPosition(self.due_at, self.authorization_id)


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases in due order, and whether there are others before and after them."""

    cases: tuple[WorklistCase, ...]
    has_earlier: bool = False
    has_later: bool = False


@dataclass(frozen=True, slots=True)
class Colleague:
    """Who a case can be with. ``takes_cases``: they are active and their role works on cases."""

    person_id: str
    display_name: str
    team: str | None
    takes_cases: bool


_COLUMNS = (
    AuthorizationRow.authorization_id,
    AuthorizationRow.external_id,
    AuthorizationRow.due_at,
    AuthorizationRow.urgency,
    AuthorizationRow.service_system,
    AuthorizationRow.service_code,
    AuthorizationRow.service_description,
    AuthorizationRow.line_of_business,
    AuthorizationRow.work,
    AuthorizationRow.second_look,
    AuthorizationRow.assigned_to,
    AuthorizationRow.assigned_at,
    AuthorizationRow.turn,
    AuthorizationRow.route,
    AuthorizationRow.reason_code,
    AuthorizationRow.reason_message,
)
_CLOCK = (
    AuthorizationRow.received_at,
    AuthorizationRow.due_allowed,
    AuthorizationRow.extended_days,
    AuthorizationRow.amber_at,
    AuthorizationRow.red_at,
    AuthorizationRow.paused_at,
)
_CLOCK_NAMES = frozenset(column.key for column in _CLOCK)


def worklist_page(
    store: Store,
    viewer: Viewer,
    chosen: Filter,
    *,
    changed: Collection[str] = (),
    after: ListPosition | None = None,
    before: ListPosition | None = None,
    limit: int = CASES_PER_PAGE,
) -> Page:
    """The first ``limit`` cases that fit, or those next to a position; soonest due first.

    ``changed``: the cases that changed since the viewer's last look, asked for only where the filter wants those. A page
    ``before`` a position that is not full is the first page.
    """
    if before is not None:
        found = _cases(store, viewer, chosen, changed, before, "before", limit + 1)
        if len(found) > limit:
            return Page(found[1:], has_earlier=True, has_later=True)
        after = None
    found = _cases(store, viewer, chosen, changed, after, "after", limit + 1)
    return Page(found[:limit], has_earlier=after is not None, has_later=len(found) > limit)


def search(store: Store, wanted: str, *, limit: int = CASES_PER_PAGE) -> Page:
    """Cases of this external id, else those whose external id begins so or whose member id it is; soonest due first."""
    if not wanted or "\0" in wanted:
        return Page(())
    of_tenant = AuthorizationRow.tenant == store.tenant
    in_order = select(*_COLUMNS, *_CLOCK).order_by(AuthorizationRow.due_at, AuthorizationRow.authorization_id)
    with store.reading() as session:
        exact = session.execute(in_order.where(of_tenant, AuthorizationRow.external_id == wanted)).mappings()
        if cases := tuple(_case(row) for row in exact):
            return Page(cases)
        if session.get_bind().dialect.name == "sqlite":
            # Its LIKE takes no index; its text is in the order of code points.
            begins: ColumnElement[bool] = AuthorizationRow.external_id.between(wanted, wanted + _HIGHEST)
        else:
            begins = AuthorizationRow.external_id.startswith(wanted, autoescape=True)
        ids = union_all(
            select(AuthorizationRow.authorization_id).where(of_tenant, begins).limit(limit + 1).subquery().select(),
            select(AuthorizationRow.authorization_id)
            .where(of_tenant, AuthorizationRow.member_id == wanted)
            .limit(limit + 1)
            .subquery()
            .select(),
        )
        matching = in_order.where(AuthorizationRow.authorization_id.in_(ids)).limit(limit + 1)
        found = session.execute(matching).mappings().all()
    return Page(tuple(_case(row) for row in found[:limit]), has_later=len(found) > limit)


def claim_next(
    store: Store, who: SignedIn, viewer: Viewer, chosen: Filter, now: datetime, *, changed: Collection[str] = ()
) -> str | None:
    """Claim the soonest due case that fits and that nobody has; its id, or None where there is none.

    Nurses get open cases, a medical director those referred to one, unless the filter asks for other ones only.
    """
    own = Work.REFERRED if who.person.may(Permission.DETERMINE_ADVERSELY) else Work.OPEN
    works = [own] if own in chosen.works else [work for work in chosen.works if work in NEEDS_A_PERSON]
    return claim_first(store, who, works, conditions(viewer, chosen, changed, holders=False), now)


def conditions(
    viewer: Viewer, chosen: Filter, changed: Collection[str] = (), *, holders: bool = True
) -> list[ColumnElement[bool]]:
    """What a case must be to fit, its status apart. ``holders`` False leaves out who has it."""
    found: list[ColumnElement[bool]] = []
    if chosen.families:
        found.append(_any_of(AuthorizationRow.family, chosen.families))
    if chosen.lines:
        found.append(_any_of(AuthorizationRow.line_of_business, chosen.lines))
    if chosen.urgencies:
        found.append(AuthorizationRow.urgency.in_(chosen.urgencies))
    if chosen.code:
        found.append(AuthorizationRow.service_code.in_({chosen.code, chosen.code.upper()}))
    if chosen.second_look:
        found.append(AuthorizationRow.second_look.is_(True))
    if chosen.changed:
        found.append(AuthorizationRow.authorization_id.in_(changed))
    if holders and chosen.holders:
        found.append(_held(viewer, chosen.holders))
    return found


def colleagues(store: Store) -> dict[str, Colleague]:
    """Everybody of the tenant by id, in the order of their names."""
    query = (
        select(PersonRow.person_id, PersonRow.display_name, PersonRow.team, PersonRow.role, PersonRow.active)
        .where(PersonRow.tenant == store.tenant)
        .order_by(PersonRow.display_name, PersonRow.person_id)
    )
    with store.reading() as session:
        return {
            row.person_id: Colleague(row.person_id, row.display_name, row.team, row.active and _works(row.role))
            for row in session.execute(query)
        }


def viewer_of(who: SignedIn, everybody: Mapping[str, Colleague]) -> Viewer:
    """The person as the one who looks; without a team they are their own."""
    person = who.person
    team = {other.person_id for other in everybody.values() if person.team and other.team == person.team}
    return Viewer(person.person_id, frozenset(team | {person.person_id}))


def _cases(
    store: Store,
    viewer: Viewer,
    chosen: Filter,
    changed: Collection[str],
    position: ListPosition | None,
    side: Literal["before", "after"],
    limit: int,
) -> tuple[WorklistCase, ...]:
    due = (AuthorizationRow.due_at, AuthorizationRow.authorization_id)
    query = select(*due, AuthorizationRow.work).where(*conditions(viewer, chosen, changed))
    if position is not None:
        here = tuple_(literal(position.due_at, UtcDateTime), literal(position.authorization_id))
        query = query.where(tuple_(*due) > here if side == "after" else tuple_(*due) < here)
    in_order = query.order_by(*(due if side == "after" else [column.desc() for column in due])).limit(limit)
    # Changed cases are few and found by their ids. Else one stretch of the index for each status: asked for together,
    # the cases of several statuses would all have to be sorted.
    of_tenant = AuthorizationRow.tenant == store.tenant
    queries = (
        [query]
        if chosen.changed
        else [in_order.where(of_tenant, AuthorizationRow.work == w.value) for w in chosen.works]
    )
    with store.reading() as session:
        found = [
            (row.due_at, row.authorization_id)
            for some in queries
            for row in session.execute(some)
            if Work(row.work) in chosen.works
        ]
        nearest = sorted(found, reverse=side == "before")[:limit]
        ids = [case_id for _, case_id in nearest]
        rows = session.execute(select(*_COLUMNS, *_CLOCK).where(AuthorizationRow.authorization_id.in_(ids))).mappings()
        return tuple(sorted((_case(row) for row in rows), key=lambda case: (case.due_at, case.authorization_id)))


def _case(row: RowMapping) -> WorklistCase:
    clock = ListedClock(due_at=row["due_at"], **{name: row[name] for name in _CLOCK_NAMES})
    rest = {name: value for name, value in row.items() if name not in _CLOCK_NAMES}
    route = Route(row["route"]) if row["route"] else None
    return WorklistCase(**{**rest, "work": Work(row["work"]), "route": route, "clock": clock})


def _any_of(column: InstrumentedAttribute[str | None], values: Collection[str]) -> ColumnElement[bool]:
    named = column.in_([value for value in values if value])
    return or_(column.is_(None), column == "", named) if "" in values else named


def _held(viewer: Viewer, holders: Collection[Holder]) -> ColumnElement[bool]:
    people: set[str] = set()
    if Holder.MINE in holders:
        people.add(viewer.person_id)
    if Holder.TEAM in holders:
        people |= viewer.team
    theirs = AuthorizationRow.assigned_to.in_(sorted(people))
    nobodys = AuthorizationRow.assigned_to.is_(None)
    if Holder.NOBODY not in holders:
        return theirs
    return or_(theirs, nobodys) if people else nobodys


def _works(role: str) -> bool:
    return may(Role(role), Permission.WORK_ON_CASES)
