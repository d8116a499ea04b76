"""What intake systems are told: the kinds of events, and how one is written with what it tells of.

An event holds ids, a kind, times and the route or the outcome: no name, no fact, no word of a note. The receiver fetches
the result with its own rights (minimum necessary, 45 CFR 164.502(b)).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from models.decisions import Outcome
from models.types import Route
from serving.outbox_tables import EventRow, OutboxRow
from serving.records import dumps
from serving.tables import AuthorizationRow
from serving.written_once import write_once


class EventKind(StrEnum):
    """What happened to a case."""

    TRIAGED = "authorization.triaged"
    """A result was stored; ``route`` says which way it went."""
    DECIDED = "authorization.decided"
    """A determination, or a withdrawal, took effect; ``outcome`` says which."""
    INFORMATION_REQUESTED = "authorization.information_requested"
    DOCUMENTS_ADDED = "authorization.documents_added"
    UPDATED = "authorization.updated"
    """The intake system changed the request; a result of the new revision follows."""
    REOPENED = "authorization.reopened"
    """What was decided does not stand any more; the case is being worked on again."""
    CANCELLED = "authorization.cancelled"
    """The intake system took the request back. Nothing more is told of the case."""


def record_event(
    session: Session,
    case: AuthorizationRow,
    kind: EventKind,
    *,
    at: datetime,
    revision: int | None = None,
    route: Route | None = None,
    outcome: Outcome | None = None,
    action_id: str | None = None,
    not_before: datetime | None = None,
) -> None:
    """Write an event in the caller's own transaction: there is no event without what it tells of, and none is lost.

    Flush the case's changes first: events of one case are numbered in the order in which its row was held. ``revision``
    is the case's by default. Nobody is told before ``not_before``.
    """
    content = {
        "kind": kind.value,
        "at": _stamp(at),
        "authorization_id": case.authorization_id,
        "external_id": case.external_id,
        "revision": case.revision if revision is None else revision,
        "route": route.value if route else None,
        "outcome": outcome.value if outcome else None,
        "result": f"/v1/authorizations/{case.authorization_id}",
    }
    write_once(
        session,
        OutboxRow(
            tenant=case.tenant,
            authorization_id=case.authorization_id,
            kind=kind.value,
            content=dumps(content),
            at=at,
            not_before=not_before,
            action_id=action_id,
        ),
    )


def take_back_event(session: Session, case: AuthorizationRow, action_id: str, *, at: datetime) -> None:
    """The action was undone: drop its event; where that left the house already, say what holds now."""
    waiting = delete(OutboxRow).where(
        OutboxRow.authorization_id == case.authorization_id, OutboxRow.action_id == action_id
    )
    if session.execute(waiting.returning(OutboxRow.outbox_number)).all():
        return
    of_case = select(EventRow).where(EventRow.authorization_id == case.authorization_id)
    told = session.scalar(of_case.where(EventRow.action_id == action_id))
    if told is None:
        return
    if told.kind != EventKind.REOPENED:
        record_event(session, case, EventKind.REOPENED, at=at)
        return
    before = session.scalar(
        of_case.where(
            EventRow.event_number < told.event_number, EventRow.kind.in_([EventKind.DECIDED, EventKind.TRIAGED])
        )
        .order_by(EventRow.event_number.desc())
        .limit(1)
    )
    if before is not None:
        _say_again(session, case, before, at)


def _say_again(session: Session, case: AuthorizationRow, before: EventRow, at: datetime) -> None:
    said = json.loads(before.content)
    record_event(
        session,
        case,
        EventKind(before.kind),
        at=at,
        revision=said["revision"],
        route=Route(said["route"]) if said["route"] else None,
        outcome=Outcome(said["outcome"]) if said["outcome"] else None,
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
