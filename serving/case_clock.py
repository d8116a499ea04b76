"""A case's clock in the store: its events, and the due time they make by the rule. Everything in the caller's transaction.

``due_at`` of a case is what :func:`models.clocks.earliest_due` says of its request and its events, or said before an update
that would move it to later; what is stored beside it lets lists colour and count a hundred thousand clocks without
reading a request.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.orm import Session

from features.types import AuthorizationRequest, Urgency
from models.clock_events import (
    ClockEvent,
    ExtensionGranted,
    InformationReceived,
    InformationRequested,
    UrgencyChanged,
)
from models.clocks import earliest_due
from models.turnaround_rules import ExtensionReason
from models.types import DueTime
from serving.clock_tables import ClockEventRow
from serving.records import request_from_record
from serving.tables import AuthorizationRow, CaseActionRow

_INFORMATION_REQUESTED = "information_requested"
_INFORMATION_RECEIVED = "information_received"
_EXTENSION_GRANTED = "extension_granted"
_URGENCY_CHANGED = "urgency_changed"

_OF_THE_DUE_TIME = ("due_at", "due_rule", "due_allowed", "extended_days", "paused_at")

_EVER = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than every pause may last."""


def set_clock(row: AuthorizationRow, due: DueTime, *, whatever_comes: DueTime | None = None) -> None:
    """Write a due time to the case, with the rule that made it and when its alarms are.

    ``whatever_comes``: the due time where a pause that is not over lasts as long as it may; ``due`` where there is none.
    """
    latest = whatever_comes or due
    row.due_at = due.due_at
    row.due_rule = due.rule
    row.due_allowed = due.allowed
    row.extended_days = due.extended_by.days + (due.extended_by.seconds > 0)
    row.amber_at = latest.soon_at
    row.red_at = latest.due_at
    row.paused_at = due.paused_since


def recompute_due(session: Session, row: AuthorizationRow, *, now: datetime) -> DueTime:
    """Set the case's due time and urgency by its request, its events and the rules of its plan; returns what it now is.

    To be called in the transaction of whatever changed any of these; flush that first. ``now`` changes nothing of what is
    stored, only the returned due time: it counts a pause that has not ended as far as then.
    """
    request, events = request_of(row), clock_events(session, row.authorization_id)
    due = earliest_due(request, events)
    set_clock(row, due, whatever_comes=earliest_due(request, events, now=_EVER) if due.paused_since else None)
    row.urgency = _urgency(request, events)
    return earliest_due(request, events, now=now) if due.paused_since else due


def recompute_due_no_later(session: Session, row: AuthorizationRow, *, now: datetime) -> None:
    """:func:`recompute_due`, but the clock ends and raises its alarms no later than before.

    Rule, extension and pause are of the clock that ends sooner, so that a list says which time it counts.
    """
    before = {name: getattr(row, name) for name in _OF_THE_DUE_TIME}
    due_at, red_at, amber_at = row.due_at, row.red_at or row.due_at, row.amber_at
    recompute_due(session, row, now=now)
    if due_at < row.due_at:
        for name, value in before.items():
            setattr(row, name, value)
    row.red_at = min(red_at, row.red_at or red_at)
    row.amber_at = min(amber_at or red_at, row.amber_at or red_at)


def keep_event(
    session: Session, row: AuthorizationRow, event: ClockEvent, *, now: datetime, action_id: str | None = None
) -> None:
    """Store an event and set the due time anew. ``action_id``: the action it is part of, undone with it."""
    kept = ClockEventRow(
        tenant=row.tenant,
        authorization_id=row.authorization_id,
        kind=_kind(event),
        at=event.at,
        reason=event.reason if isinstance(event, ExtensionGranted) else None,
        days=event.days if isinstance(event, ExtensionGranted) else None,
        to_urgency=event.to if isinstance(event, UrgencyChanged) else None,
        action_id=action_id,
        recorded_at=now,
    )
    session.add(kept)
    session.flush()
    recompute_due(session, row, now=now)


def information_came(session: Session, row: AuthorizationRow, *, now: datetime) -> None:
    """Documents came: where information was asked for and none had come since, that is the answer.

    An answer to a letter that can still be undone counts from when the letter does: it stops no clock.
    """
    events = clock_events(session, row.authorization_id)
    asked = max((event.at for event in events if isinstance(event, InformationRequested)), default=None)
    if asked is None or any(isinstance(event, InformationReceived) and event.at >= asked for event in events):
        return
    keep_event(session, row, InformationReceived(max(now, asked)), now=now)


def clock_events(session: Session, authorization_id: str) -> tuple[ClockEvent, ...]:
    """What happened to the case's clock and was not undone, in the order it was recorded."""
    return tuple(_event(row) for row in session.scalars(_EVENTS, {"case": authorization_id}))


def request_of(row: AuthorizationRow) -> AuthorizationRequest:
    """The case's request without its documents: they move no clock."""
    return request_from_record(json.loads(row.request), ())


def _urgency(request: AuthorizationRequest, events: tuple[ClockEvent, ...]) -> Urgency:
    changes = sorted((event.at, number) for number, event in enumerate(events) if isinstance(event, UrgencyChanged))
    return cast("UrgencyChanged", events[changes[-1][1]]).to if changes else request.urgency


def _kind(event: ClockEvent) -> str:
    match event:
        case InformationRequested():
            return _INFORMATION_REQUESTED
        case InformationReceived():
            return _INFORMATION_RECEIVED
        case ExtensionGranted():
            return _EXTENSION_GRANTED
        case UrgencyChanged():
            return _URGENCY_CHANGED


def _event(row: ClockEventRow) -> ClockEvent:
    at = row.at.astimezone(UTC)
    if row.kind == _INFORMATION_REQUESTED:
        return InformationRequested(at)
    if row.kind == _INFORMATION_RECEIVED:
        return InformationReceived(at)
    if row.kind == _EXTENSION_GRANTED:
        return ExtensionGranted(at, cast("ExtensionReason", row.reason), row.days)
    return UrgencyChanged(at, cast("Urgency", row.to_urgency))


_CASE: BindParameter[str] = bindparam("case")
_UNDONE = select(CaseActionRow.undoes).where(CaseActionRow.authorization_id == _CASE, CaseActionRow.undoes.is_not(None))
_EVENTS = (
    select(ClockEventRow)
    .where(
        ClockEventRow.authorization_id == _CASE,
        ClockEventRow.action_id.is_(None) | ClockEventRow.action_id.not_in(_UNDONE),
    )
    .order_by(ClockEventRow.event_id)
)
