"""Requests that look like another one: the same member, and the same or a related service.

Two requests of one member are near duplicates where

- they ask for the same service within NEAR_DUPLICATE_SPAN, or for overlapping dates, or with a document of the same words;
- or their services have a coverage policy of one family and their dates overlap or a document is the same.

Any of them sends the later request to a nurse. A person is told apart by the member id, by birth date and sex where one of
the two requests has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Exists, Select, bindparam, func, literal_column, or_, select, union
from sqlalchemy.orm import Session, aliased

from features.errors import PolicyError
from features.policy import load_policies
from models.near_duplicates import NEAR_DUPLICATE_SPAN
from models.types import Route
from serving.batch_tables import CancellationRow, RequestVersionRow
from serving.tables import AuthorizationRow, DocumentRow, has_tenant

LOOKED_BACK = timedelta(days=366)
"""Requests farther apart are not compared: a service that is repeated every year has the same documents again."""

_MOST_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Likeness:
    """What two requests of one member have in common."""

    same_service: bool
    same_family: bool
    within_span: bool
    dates: tuple[date, date] | None
    documents: int

    @property
    def is_near_duplicate(self) -> bool:
        """Whether a nurse should compare the two."""
        told = self.dates is not None or self.documents > 0
        return (self.same_service and (self.within_span or told)) or (self.same_family and told)


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Another request that this one looks like. ``is_earlier``: it was there when this one came or was last changed."""

    authorization_id: str
    external_id: str
    service: str
    accepted_at: datetime
    work: str
    route: str | None
    is_earlier: bool
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class _Request:
    """A request as far as it is compared. ``documents`` are hashes of their words, of their bytes where they have few."""

    row: AuthorizationRow
    record: Mapping[str, Any]
    families: frozenset[str]
    documents: frozenset[str]


def has_near_duplicate(session: Session, row: AuthorizationRow) -> bool:
    """Whether this request looks like one that was there before, or like one that was fast-tracked since.

    The order is that of acceptance; a request that was updated or got documents counts as new from then on. What was
    cancelled before this request came does not count.
    """
    # Fast-tracked whatever the order: of two that are read at one time, the second to be read is held back.
    return any(found.is_earlier or found.route == Route.FAST_TRACK.value for found in near_duplicates(session, row))


def near_duplicates(session: Session, row: AuthorizationRow) -> tuple[NearDuplicate, ...]:
    """Every request that looks like this one, earlier or later, newest first."""
    came_at = _came_at(session, [row])[row.authorization_id]
    candidates = session.scalars(_ALIKE[row.member_id is not None], _asked(row, came_at)).all()
    if not candidates:
        return ()
    own, *others = _compared(session, [row, *candidates])
    others_came_at = _came_at(session, candidates)
    cancelled = _cancelled_at(session, [other.row.authorization_id for other in others])
    found = []
    for other in others:
        ended = cancelled.get(other.row.authorization_id)
        if (ended is not None and ended <= came_at) or not _same_member(own.record, other.record):
            continue
        likeness = _likeness(own, other, came_at, others_came_at[other.row.authorization_id])
        if likeness.is_near_duplicate:
            found.append(_near_duplicate(row, other, likeness, came_at))
    return tuple(sorted(found, key=lambda each: (each.accepted_at, each.authorization_id), reverse=True))


def _came_at(session: Session, rows: Sequence[AuthorizationRow]) -> dict[str, datetime]:
    """When each request came to be what it is: accepted, updated, or given its newest document."""
    came = {row.authorization_id: row.accepted_at for row in rows}
    changed = [row.authorization_id for row in rows if row.revision > 1]
    for case, at in (
        (RequestVersionRow.authorization_id, RequestVersionRow.replaced_at),
        (DocumentRow.authorization_id, DocumentRow.received_at),
    ):
        if changed:
            for authorization_id, last in session.execute(
                select(case, func.max(at)).where(case.in_(changed)).group_by(case)
            ):
                came[authorization_id] = max(came[authorization_id], _aware(last or came[authorization_id]))
    return came


def _aware(moment: datetime) -> datetime:
    # An aggregate of a column comes without its time zone from SQLite.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _cancelled_at(session: Session, cases: Sequence[str]) -> dict[str, datetime]:
    """When each of these cases was cancelled; those that were not are left out."""
    rows = session.execute(
        select(CancellationRow.authorization_id, CancellationRow.cancelled_at).where(
            CancellationRow.authorization_id.in_(cases)
        )
    )
    return {row.authorization_id: row.cancelled_at for row in rows}


def asked_about(session: Session, row: AuthorizationRow) -> dict[str, Any]:
    """What :data:`IS_ANY_ALIKE` is asked with about a case."""
    return _asked(row, _came_at(session, [row])[row.authorization_id])


def _asked(row: AuthorizationRow, came_at: datetime) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "case": row.authorization_id,
        "likeness": row.likeness,
        "person": row.person_likeness,
        "member": row.member_id,
        "earliest": came_at - LOOKED_BACK,
        "latest": came_at + LOOKED_BACK,
    }


def _alike(by_member: bool) -> tuple[Select[AuthorizationRow], Exists]:
    """Each way to be alike from its own index: with ``or`` SQLite would look at every case of the year."""
    case: BindParameter[str] = bindparam("case")
    tenant: BindParameter[str] = bindparam("tenant")
    member: BindParameter[str] = bindparam("member")
    own = aliased(DocumentRow)
    own_wordings = select(own.wording).where(own.authorization_id == case, own.wording.is_not(None))
    ids = select(AuthorizationRow.authorization_id).where(AuthorizationRow.tenant == tenant)
    same_person = ids.where(AuthorizationRow.person_likeness == bindparam("person"))
    alike = [
        ids.where(AuthorizationRow.likeness == bindparam("likeness")),
        same_person.where(AuthorizationRow.member_id.is_(None)) if by_member else same_person,
        select(DocumentRow.authorization_id).where(DocumentRow.wording.in_(own_wordings)),
    ]
    if by_member:
        alike.append(ids.where(AuthorizationRow.member_id == member))
    found = select(AuthorizationRow).where(
        AuthorizationRow.authorization_id.in_(union(*alike)),
        has_tenant(tenant),
        AuthorizationRow.erased_at.is_(None),
        AuthorizationRow.authorization_id != case,
        AuthorizationRow.accepted_at.between(bindparam("earliest"), bindparam("latest")),
    )
    if by_member:
        # Where both have an id, that alone says whether they are one.
        found = found.where(or_(AuthorizationRow.member_id == member, AuthorizationRow.member_id.is_(None)))
    rows = found.order_by(AuthorizationRow.accepted_at.desc()).limit(_MOST_COMPARED)
    return rows, found.with_only_columns(literal_column("1")).exists()


# Built once: SQLAlchemy takes as long to put a statement together as a database to answer it.
_EVERY_WAY = {by_member: _alike(by_member) for by_member in (False, True)}
_ALIKE = {by_member: rows for by_member, (rows, _) in _EVERY_WAY.items()}
IS_ANY_ALIKE = {by_member: any_of_them for by_member, (_, any_of_them) in _EVERY_WAY.items()}
"""Whether there is a request that may be a near duplicate, of a case with and without a member id: for most there is none."""


def _compared(session: Session, rows: Sequence[AuthorizationRow]) -> list[_Request]:
    held: dict[str, set[str]] = {}
    documents = session.execute(
        select(DocumentRow.authorization_id, DocumentRow.wording, DocumentRow.fingerprint).where(
            DocumentRow.authorization_id.in_([row.authorization_id for row in rows])
        )
    )
    for document in documents:
        held.setdefault(document.authorization_id, set()).add(document.wording or document.fingerprint)
    return [
        _Request(row, json.loads(row.request), _families(row), frozenset(held.get(row.authorization_id, ())))
        for row in rows
    ]


def _families(row: AuthorizationRow) -> frozenset[str]:
    """The families of every policy that lists the service code, in force or not: known before anything is triaged."""
    try:
        policies = load_policies().policies
    except PolicyError:
        return frozenset()
    service = (row.service_system, row.service_code.upper())
    return frozenset(
        policy.family
        for policy in policies
        if any((code.system, code.code.upper()) == service for code in policy.codes)
    )


def _same_member(own: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    one, two = own["member"], other["member"]
    if one["member_id"] and two["member_id"]:
        return bool(one["member_id"] == two["member_id"])
    return bool((one["birth_date"], one["sex"]) == (two["birth_date"], two["sex"]))


def _likeness(own: _Request, other: _Request, came_at: datetime, other_came_at: datetime) -> Likeness:
    return Likeness(
        same_service=(own.row.service_system, own.row.service_code.upper())
        == (other.row.service_system, other.row.service_code.upper()),
        same_family=bool(own.families & other.families),
        within_span=any(abs(at - came_at) <= NEAR_DUPLICATE_SPAN for at in (other.row.accepted_at, other_came_at)),
        dates=_overlap(_days(own.record), _days(other.record)),
        documents=len(own.documents & other.documents),
    )


def _days(record: Mapping[str, Any]) -> tuple[date, date] | None:
    """First and last day of the service; one day where only one is given, None where none is."""
    days = [date.fromisoformat(day) for day in _given(record["service"]["start_date"], record["service"]["end_date"])]
    return (min(days), max(days)) if days else None


def _given(*values: str | None) -> Iterable[str]:
    return (value for value in values if value)


def _overlap(own: tuple[date, date] | None, other: tuple[date, date] | None) -> tuple[date, date] | None:
    if own is None or other is None:
        return None
    first, last = max(own[0], other[0]), min(own[1], other[1])
    return (first, last) if first <= last else None


def _near_duplicate(own: AuthorizationRow, other: _Request, likeness: Likeness, came_at: datetime) -> NearDuplicate:
    row = other.row
    here = (came_at, own.authorization_id)
    words = row.service_description or ""
    return NearDuplicate(
        authorization_id=row.authorization_id,
        external_id=row.external_id,
        service=f"{words} {row.service_system} {row.service_code}".strip(),
        accepted_at=row.accepted_at.astimezone(UTC),
        work=row.work,
        route=row.route,
        is_earlier=(row.accepted_at, row.authorization_id) < here,
        likeness=likeness,
    )
