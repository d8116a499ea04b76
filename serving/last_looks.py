"""What changed on a case since a person last looked at it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from serving.batch_tables import CancellationRow, RequestVersionRow
from serving.errors import UnknownAuthorizationError
from serving.people import SignedIn
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DocumentRow, LastLookRow
from serving.work import ActionKind

REMEMBERED = timedelta(days=30)
"""A look longer ago than this is not compared any more: longer than any case waits for its determination."""
MOST_CHANGED = 1000
"""So many changed cases are told of at most."""

_BEFORE = timedelta(microseconds=1)


class Change(StrEnum):
    """What happened on a case, most telling first."""

    MENTIONED = "mentioned"
    INFORMATION = "information"
    """Documents came after information was requested."""
    DOCUMENTS = "documents"
    CANCELLED = "cancelled"
    UPDATED = "updated"
    ASSIGNED_TO_YOU = "assigned_to_you"
    REASSIGNED = "reassigned"
    RELEASED = "released"
    NOTED = "noted"
    WORKED_ON = "worked_on"


def looked(store: Store, who: SignedIn, authorization_id: str, now: datetime) -> None:
    """The person opened the case and sees it as it is ``now``. Raises UnknownAuthorizationError."""
    with store.writing() as session:
        of_case = select(AuthorizationRow.tenant).where(AuthorizationRow.authorization_id == authorization_id)
        if session.scalar(of_case) != store.tenant:
            raise UnknownAuthorizationError("authorization_id: no authorization has this id")
        session.merge(
            LastLookRow(person_id=who.person.person_id, authorization_id=authorization_id, looked_at=now),
        )


def point_out(session: Session, person_id: str, authorization_id: str, now: datetime) -> None:
    """Let what happens on the case at ``now`` show as a change to somebody who may never have opened it."""
    look = session.get(LastLookRow, (person_id, authorization_id))
    if look is None:
        session.add(LastLookRow(person_id=person_id, authorization_id=authorization_id, looked_at=now - _BEFORE))
    elif look.looked_at <= now - REMEMBERED:
        look.looked_at = now - _BEFORE


def changed_cases(store: Store, person_id: str, now: datetime) -> frozenset[str]:
    """The cases on which something came or others did something since the person's last look; at most MOST_CHANGED."""
    looked_at = LastLookRow.looked_at
    case_id = LastLookRow.authorization_id
    by_others = exists().where(
        CaseActionRow.authorization_id == case_id, CaseActionRow.at > looked_at, CaseActionRow.person_id != person_id
    )
    came = exists().where(DocumentRow.authorization_id == case_id, DocumentRow.received_at > looked_at)
    updated = exists().where(RequestVersionRow.authorization_id == case_id, RequestVersionRow.replaced_at > looked_at)
    cancelled = exists().where(CancellationRow.authorization_id == case_id, CancellationRow.cancelled_at > looked_at)
    query = (
        select(case_id)
        .join(AuthorizationRow, AuthorizationRow.authorization_id == case_id)
        .where(
            LastLookRow.person_id == person_id,
            looked_at > now - REMEMBERED,
            AuthorizationRow.tenant == store.tenant,
            AuthorizationRow.changed_at > looked_at,
            or_(by_others, came, updated, cancelled),
        )
        .order_by(looked_at.desc())
        .limit(MOST_CHANGED)
    )
    with store.reading() as session:
        return frozenset(session.scalars(query))


def changes(store: Store, person_id: str, cases: Collection[str]) -> dict[str, tuple[Change, ...]]:
    """What changed on these cases since the person's last look, most telling first; cases without a change are left out."""
    if not cases:
        return {}
    with store.reading() as session:
        looks = {
            row.authorization_id: row.looked_at
            for row in session.scalars(
                select(LastLookRow)
                .join(AuthorizationRow, AuthorizationRow.authorization_id == LastLookRow.authorization_id)
                .where(
                    AuthorizationRow.tenant == store.tenant,
                    LastLookRow.person_id == person_id,
                    LastLookRow.authorization_id.in_(sorted(cases)),
                )
            )
        }
        documents = session.execute(
            select(DocumentRow.authorization_id, DocumentRow.received_at)
            .join(LastLookRow, LastLookRow.authorization_id == DocumentRow.authorization_id)
            .where(
                LastLookRow.person_id == person_id,
                DocumentRow.authorization_id.in_(sorted(looks)),
                DocumentRow.received_at > LastLookRow.looked_at,
            )
        ).all()
        by_intake = _by_intake(session, looks)
        actions = session.scalars(
            select(CaseActionRow).where(CaseActionRow.authorization_id.in_(sorted(looks))).order_by(CaseActionRow.at)
        ).all()
    return {
        case_id: found
        for case_id, looked_at in looks.items()
        if (
            found := _changes(
                person_id,
                looked_at,
                case_id,
                {row.authorization_id for row in documents},
                actions,
                by_intake.get(case_id, frozenset()),
            )
        )
    }


def _by_intake(session: Session, looks: Mapping[str, datetime]) -> dict[str, frozenset[Change]]:
    """What the intake system did to the requests themselves since each look."""
    found: dict[str, frozenset[Change]] = {}
    for change, case_id, at in (
        (Change.UPDATED, RequestVersionRow.authorization_id, RequestVersionRow.replaced_at),
        (Change.CANCELLED, CancellationRow.authorization_id, CancellationRow.cancelled_at),
    ):
        for key, moment in session.execute(select(case_id, at).where(case_id.in_(sorted(looks)))):
            if moment > looks[key]:
                found[key] = found.get(key, frozenset()) | {change}
    return found


def _changes(
    person_id: str,
    looked_at: datetime,
    case_id: str,
    with_new: set[str],
    actions: Sequence[CaseActionRow],
    by_intake: frozenset[Change],
) -> tuple[Change, ...]:
    of_case = [action for action in actions if action.authorization_id == case_id]
    found: set[Change] = set(by_intake)
    if case_id in with_new:
        asked = any(action.kind == ActionKind.INFORMATION_REQUESTED for action in of_case)
        found.add(Change.INFORMATION if asked else Change.DOCUMENTS)
    for action in of_case:
        if action.at > looked_at and action.person_id != person_id:
            found.add(_change(person_id, ActionKind(action.kind), json.loads(action.content)))
    return tuple(change for change in Change if change in found)


def _change(person_id: str, kind: ActionKind, content: Mapping[str, object]) -> Change:
    if kind is ActionKind.NOTED:
        mentions = content.get("mentions")
        return Change.MENTIONED if isinstance(mentions, list) and person_id in mentions else Change.NOTED
    if kind in (ActionKind.CLAIMED, ActionKind.ASSIGNED):
        return Change.ASSIGNED_TO_YOU if content.get("to") == person_id else Change.REASSIGNED
    return Change.RELEASED if kind is ActionKind.RELEASED else Change.WORKED_ON
