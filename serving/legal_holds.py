"""Legal holds: as long as one stands on a member or a case, nothing of it is erased, whatever else allows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, text, update
from sqlalchemy.orm import Session

from serving.database import without_nul
from serving.errors import HoldRefusedError, UnknownAuthorizationError
from serving.keeping_tables import LegalHoldRow
from serving.member_cases import ever_of_member, ever_of_same_member, has_contents
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.trail import record
from serving.ulid import UlidSource

PLACED = "hold_placed"
RELEASED = "hold_released"
NOBODY = "(erased)"
"""Stands in the released holds of a member of whom everything was erased."""
_KEEPING_LOCK = 0x6B656570
"""PostgreSQL's advisory lock under which holds are placed and contents erased: one of the two comes first."""


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A hold on a member (their id) or on one case; ``cases`` is how many cases it keeps today."""

    hold_id: str
    member_id: str | None
    authorization_id: str | None
    why: str
    placed_by: str
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None
    cases: int


def place_hold(
    store: Store,
    *,
    member_id: str | None = None,
    authorization_id: str | None = None,
    why: str,
    by: str,
    now: datetime,
) -> LegalHold:
    """Keep everything of a member, also what comes later, or one case. In the trail with ids alone.

    Raises HoldRefusedError, or UnknownAuthorizationError.
    """
    if bool(member_id) == bool(authorization_id):
        raise HoldRefusedError("name either a member or an authorization")
    if not why.strip():
        raise HoldRefusedError("--why: say why")
    with store.writing() as session:
        lock_keeping(session)
        if authorization_id:
            case = session.get(AuthorizationRow, authorization_id)
            if case is None or case.tenant != store.tenant:
                raise UnknownAuthorizationError("--authorization: no authorization has this id")
        row = LegalHoldRow(
            hold_id=UlidSource()(),
            tenant=store.tenant,
            member_id=without_nul(member_id) if member_id else None,
            authorization_id=authorization_id or None,
            why=why,
            placed_by=by,
            placed_at=now,
        )
        session.add(row)
        session.flush()
        hold = _hold(session, row)
        _record(session, store.tenant, PLACED, row, now)
        return hold


def release_hold(store: Store, hold_id: str, *, why: str, by: str, now: datetime) -> LegalHold:
    """End a hold. Raises HoldRefusedError where there is none of this id that still stands."""
    if not why.strip():
        raise HoldRefusedError("--why: say why")
    with store.writing() as session:
        row = session.get(LegalHoldRow, hold_id, with_for_update=True)
        if row is None or row.tenant != store.tenant or row.released_at is not None:
            raise HoldRefusedError("HOLD: no hold of this id stands; greenlane hold list prints them")
        row.released_at, row.released_by, row.release_why = now, by, why
        session.flush()
        hold = _hold(session, row)
        _record(session, store.tenant, RELEASED, row, now)
        return hold


def holds(store: Store, *, released: bool = False) -> tuple[LegalHold, ...]:
    """The holds that stand, oldest first; with ``released`` those that ended too."""
    query = select(LegalHoldRow).where(LegalHoldRow.tenant == store.tenant).order_by(LegalHoldRow.hold_id)
    if not released:
        query = query.where(LegalHoldRow.released_at.is_(None))
    with store.reading() as session:
        return tuple(_hold(session, row) for row in session.scalars(query))


def is_held() -> ColumnElement[bool]:
    """Whether a hold stands on the case of the enclosing query, or on whoever is or was its member."""
    return exists(literal(1)).where(
        LegalHoldRow.tenant == AuthorizationRow.tenant,
        LegalHoldRow.released_at.is_(None),
        or_(
            LegalHoldRow.authorization_id == AuthorizationRow.authorization_id,
            ever_of_same_member(LegalHoldRow.member_id),
        ),
    )


def holds_of(tenant: str, member_id: str) -> Select[LegalHoldRow]:
    """The holds on a member, also those that were released."""
    return select(LegalHoldRow).where(LegalHoldRow.tenant == tenant, LegalHoldRow.member_id == without_nul(member_id))


def forget_released(session: Session, tenant: str) -> None:
    """Take the member and the words out of released holds on members of whom nothing is left to erase."""
    session.execute(
        update(LegalHoldRow)
        .where(
            LegalHoldRow.tenant == tenant,
            LegalHoldRow.released_at.is_not(None),
            LegalHoldRow.member_id != NOBODY,
            ~has_contents(LegalHoldRow.tenant, LegalHoldRow.member_id),
        )
        .values(member_id=NOBODY, why=NOBODY, release_why=NOBODY)
        .execution_options(synchronize_session=False)
    )


def lock_keeping(session: Session) -> None:
    """Wait for whoever places a hold or erases. SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _KEEPING_LOCK})


def _hold(session: Session, row: LegalHoldRow) -> LegalHold:
    subject = (
        ever_of_member(row.tenant, row.member_id)
        if row.member_id is not None
        else AuthorizationRow.authorization_id == row.authorization_id
    )
    cases = session.scalar(
        select(func.count()).select_from(AuthorizationRow).where(and_(AuthorizationRow.tenant == row.tenant, subject))
    )
    return LegalHold(
        row.hold_id,
        row.member_id,
        row.authorization_id,
        row.why,
        row.placed_by,
        row.placed_at,
        row.released_by,
        row.released_at,
        cases or 0,
    )


def _record(session: Session, tenant: str, action: str, row: LegalHoldRow, now: datetime) -> None:
    details = {"hold_id": row.hold_id, "on": "member" if row.member_id is not None else "authorization"}
    record(session, tenant, action, at=now, authorization_id=row.authorization_id, details=details)
