"""Who has a case. Two people never have one: who takes a case names the turn they saw, and the first one's turn counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from serving.errors import CaseChangedError, NotAllowedError, PersonRefusedError, UnknownAuthorizationError
from serving.last_looks import point_out
from serving.people import SignedIn
from serving.records import dumps
from serving.roles import Permission, Role
from serving.store import Store
from serving.stored_case import refuse_erased
from serving.tables import AuthorizationRow, CaseActionRow, PersonRow
from serving.trail import record
from serving.ulid import UlidSource
from serving.work import ActionKind, Work, may_have
from serving.worklist_filter import LIVE


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a case stands: who has it since when, and what was done on it last (None: nothing was)."""

    authorization_id: str
    external_id: str
    work: Work
    turn: int
    changed_at: datetime | None
    held_by: str | None
    held_since: datetime | None
    last_kind: ActionKind | None
    last_by: str | None
    last_at: datetime | None


def claim(store: Store, who: SignedIn, authorization_id: str, turn: int, now: datetime) -> int:
    """Take a case; who has it already keeps it. ``turn`` is the one that was seen. Returns the case's turn.

    Somebody's case is taken over only by who may assign. Raises UnknownAuthorizationError, NotAllowedError, or
    CaseChangedError where the case moved on, somebody else has it, or it needs nobody.
    """
    _must(who, Permission.WORK_ON_CASES)
    with store.writing() as session:
        row = _row(session, store.tenant, authorization_id)
        if row.assigned_to == who.person.person_id:
            return row.turn
        if row.assigned_to is not None and not who.person.may(Permission.ASSIGN):
            raise CaseChangedError("somebody else has claimed this case")
        if not may_have(who.person.role, row.work):
            raise NotAllowedError("a referred case is a medical director's")
        return _hand(session, store, who, row, turn, ActionKind.CLAIMED, to=who.person.person_id, now=now)


def claim_first(
    store: Store, who: SignedIn, works: Sequence[Work], others: Sequence[ColumnElement[bool]], now: datetime
) -> str | None:
    """Take the soonest due case of these statuses that nobody has and that fits the other conditions.

    Returns its id, None where there is none. However many people ask at once, each gets another case.
    """
    _must(who, Permission.WORK_ON_CASES)
    due = (AuthorizationRow.due_at, AuthorizationRow.authorization_id)
    # PostgreSQL passes over what another transaction is claiming; SQLite has one writer at a time.
    free = (
        select(AuthorizationRow)
        .where(
            AuthorizationRow.tenant == store.tenant,
            AuthorizationRow.assigned_to.is_(None),
            # Nobody is handed a case that is still being read.
            AuthorizationRow.status == "triaged",
            *others,
        )
        .order_by(*due)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    with store.writing() as session:
        found = [session.scalar(free.where(AuthorizationRow.work == work.value)) for work in works if work in LIVE]
        rows = sorted((row for row in found if row is not None), key=lambda row: (row.due_at, row.authorization_id))
        if not rows:
            return None
        first = rows[0]
        _hand(session, store, who, first, first.turn, ActionKind.CLAIMED, to=who.person.person_id, now=now)
        return first.authorization_id


def release(store: Store, who: SignedIn, authorization_id: str, turn: int, now: datetime) -> int:
    """Give a case back; one that nobody has stays so. Returns the case's turn.

    Raises UnknownAuthorizationError, CaseChangedError, or NotAllowedError for somebody else's case unless one may assign.
    """
    _must(who, Permission.WORK_ON_CASES)
    with store.writing() as session:
        row = _row(session, store.tenant, authorization_id)
        if row.assigned_to is None:
            return row.turn
        if row.turn == turn and row.assigned_to != who.person.person_id:
            _must(who, Permission.ASSIGN)
        return _hand(session, store, who, row, turn, ActionKind.RELEASED, to=None, now=now)


def assign(store: Store, who: SignedIn, authorization_id: str, to: str, turn: int, now: datetime) -> int:
    """Give a case to a person, who sees it as changed; who has it already keeps it. Returns the case's turn.

    Raises UnknownAuthorizationError, CaseChangedError, NotAllowedError, or PersonRefusedError where that person is not
    there or does not work on cases.
    """
    _must(who, Permission.ASSIGN)
    with store.writing() as session:
        row = _row(session, store.tenant, authorization_id)
        person = session.get(PersonRow, to)
        if person is None or person.tenant != store.tenant or not person.active:
            raise PersonRefusedError("person: nobody who signs in has this id")
        if not may_have(Role(person.role), row.work):
            raise PersonRefusedError("person: their role does not work on this case as it stands")
        if row.assigned_to == to:
            return row.turn
        turn = _hand(session, store, who, row, turn, ActionKind.ASSIGNED, to=to, now=now)
        if to != who.person.person_id:
            point_out(session, to, authorization_id, now)
        return turn


def standing(store: Store, authorization_id: str) -> Standing:
    """Where a case stands now, for who finds it changed. Raises UnknownAuthorizationError."""
    with store.reading() as session:
        row = _row(session, store.tenant, authorization_id)
        last = session.scalar(
            select(CaseActionRow)
            .where(CaseActionRow.authorization_id == authorization_id)
            .order_by(CaseActionRow.at.desc(), CaseActionRow.action_id.desc())
            .limit(1)
        )
        return Standing(
            authorization_id=authorization_id,
            external_id=row.external_id,
            work=Work(row.work),
            turn=row.turn,
            changed_at=row.changed_at,
            held_by=_name(session, row.assigned_to),
            held_since=row.assigned_at,
            last_kind=ActionKind(last.kind) if last else None,
            last_by=_name(session, last.person_id) if last else None,
            last_at=last.at if last else None,
        )


def _hand(
    session: Session,
    store: Store,
    who: SignedIn,
    row: AuthorizationRow,
    turn: int,
    kind: ActionKind,
    *,
    to: str | None,
    now: datetime,
) -> int:
    if to is not None and Work(row.work) not in LIVE:
        raise CaseChangedError("this case needs nobody now")
    case_id, revision, before = row.authorization_id, row.revision, row.assigned_to
    changed = session.execute(
        update(AuthorizationRow)
        .where(AuthorizationRow.authorization_id == case_id, AuthorizationRow.turn == turn)
        .values(assigned_to=to, assigned_at=now if to else None, turn=turn + 1, changed_at=now)
        .returning(AuthorizationRow.turn),
        execution_options={"synchronize_session": False},
    ).one_or_none()
    if changed is None:
        raise CaseChangedError("the case changed since it was seen")
    action_id = UlidSource()()
    content: Mapping[str, str | None] = {"from": before, "to": to}
    session.add(
        CaseActionRow(
            action_id=action_id,
            tenant=store.tenant,
            authorization_id=case_id,
            revision=revision,
            kind=kind.value,
            person_id=who.person.person_id,
            role=who.person.role.value,
            at=now,
            content=dumps(content),
        )
    )
    session.flush()
    details = {"action_id": action_id, "turn": turn + 1, "revision": revision, **content}
    record(session, store.tenant, kind.value, at=now, who=who, authorization_id=case_id, details=details)
    return turn + 1


def _row(session: Session, tenant: str, authorization_id: str) -> AuthorizationRow:
    row = session.get(AuthorizationRow, authorization_id)
    if row is None or row.tenant != tenant:
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    refuse_erased(row)
    return row


def _must(who: SignedIn, permission: Permission) -> None:
    if not who.person.may(permission):
        raise NotAllowedError("your role does not allow this")


def _name(session: Session, person_id: str | None) -> str | None:
    person = session.get(PersonRow, person_id) if person_id else None
    return person.display_name if person else None
