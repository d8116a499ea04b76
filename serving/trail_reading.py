"""Reading the trail: filtered, newest first or as a case's story, a page at a time. Nothing here writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Select, select

from serving.store import Store
from serving.tables import AuthorizationRow, TrailRow
from serving.trail import Entry, entry_of

_BATCH = 1_000
_MOST_OF_SIGN_INS = 5_000
"""Entries read at most to tell how long a case's visits were."""


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Which entries: of one case, one person, one kind of action, one day (UTC) or everything since a moment."""

    authorization_id: str | None = None
    person_id: str | None = None
    action: str | None = None
    day: date | None = None
    since: datetime | None = None


EVERYTHING = TrailFilter()


def newest(
    store: Store, wanted: TrailFilter = EVERYTHING, *, before: int | None = None, limit: int
) -> tuple[Entry, ...]:
    """At most ``limit`` entries, newest first; ``before`` is the number of the last one of the page before."""
    query = _query(store, wanted).order_by(TrailRow.number.desc()).limit(limit)
    if before is not None:
        query = query.where(TrailRow.number < before)
    return _read(store, query)


def oldest(
    store: Store, wanted: TrailFilter = EVERYTHING, *, after: int | None = None, limit: int
) -> tuple[Entry, ...]:
    """At most ``limit`` entries, oldest first; ``after`` is the number of the last one of the page before."""
    query = _query(store, wanted).order_by(TrailRow.number).limit(limit)
    if after is not None:
        query = query.where(TrailRow.number > after)
    return _read(store, query)


def every(store: Store, wanted: TrailFilter = EVERYTHING) -> Iterator[Entry]:
    """All entries, oldest first. Memory does not grow with the trail."""
    after: int | None = None
    while True:
        found = oldest(store, wanted, after=after, limit=_BATCH)
        yield from found
        if len(found) < _BATCH:
            return
        after = found[-1].number


def around_visits(store: Store, authorization_id: str) -> tuple[Entry, ...]:
    """The entries from which the dwell of a case's visits is told: all of the sign-ins that opened it, since they did."""
    opened = (
        select(TrailRow.sign_in_id, TrailRow.person_id, TrailRow.number)
        .where(TrailRow.tenant == store.tenant, TrailRow.authorization_id == authorization_id)
        .where(TrailRow.action == "case_opened")
    )
    with store.reading() as session:
        rows = session.execute(opened).all()
    if not rows:
        return ()
    query = (
        _query(store, EVERYTHING)
        .where(TrailRow.person_id.in_({row.person_id for row in rows}))
        .where(TrailRow.sign_in_id.in_({row.sign_in_id for row in rows}))
        .where(TrailRow.number >= min(row.number for row in rows))
        .order_by(TrailRow.number)
        .limit(_MOST_OF_SIGN_INS)
    )
    return _read(store, query)


def actions_used(store: Store) -> tuple[str, ...]:
    """Every kind of entry there is, by name. One step through the index a kind, however long the trail."""
    found: list[str] = []
    with store.reading() as session:
        while True:
            query = select(TrailRow.action).where(TrailRow.tenant == store.tenant).order_by(TrailRow.action).limit(1)
            following = session.scalar(query.where(TrailRow.action > found[-1]) if found else query)
            if following is None:
                return tuple(found)
            found.append(following)


def external_ids(store: Store, authorization_ids: set[str]) -> dict[str, str]:
    """The intake system's id of each of these cases."""
    query = select(AuthorizationRow.authorization_id, AuthorizationRow.external_id).where(
        AuthorizationRow.tenant == store.tenant, AuthorizationRow.authorization_id.in_(authorization_ids)
    )
    with store.reading() as session:
        return {row.authorization_id: row.external_id for row in session.execute(query)}


def case_with_external_id(store: Store, external_id: str) -> str | None:
    """Our id of the case with the intake system's id; None where there is none."""
    query = select(AuthorizationRow.authorization_id).where(
        AuthorizationRow.tenant == store.tenant, AuthorizationRow.external_id == external_id
    )
    with store.reading() as session:
        return session.scalar(query)


def _query(store: Store, wanted: TrailFilter) -> Select[TrailRow]:
    query = select(TrailRow).where(TrailRow.tenant == store.tenant)
    if wanted.authorization_id is not None:
        query = query.where(TrailRow.authorization_id == wanted.authorization_id)
    if wanted.person_id is not None:
        query = query.where(TrailRow.person_id == wanted.person_id)
    if wanted.action is not None:
        query = query.where(TrailRow.action == wanted.action)
    if wanted.day is not None:
        midnight = datetime.combine(wanted.day, time(), UTC)
        query = query.where(TrailRow.at >= midnight, TrailRow.at < midnight + timedelta(days=1))
    if wanted.since is not None:
        query = query.where(TrailRow.at >= wanted.since)
    return query


def _read(store: Store, query: Select[TrailRow]) -> tuple[Entry, ...]:
    with store.reading() as session:
        return tuple(entry_of(row) for row in session.scalars(query))
