"""From the outbox to the events: numbers are given one process at a time, so that they become visible in their order.

Whoever reads the events up to a number has read all that will ever stand before it. An outbox row's own number cannot
promise that: it is taken when the row is written, and another transaction with a smaller one may commit later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Row, bindparam, delete, exists, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from serving.outbox_tables import DeliveryRow, EventRow, OutboxRow, WebhookRow
from serving.store import Store
from serving.tables import UtcDateTime
from serving.ulid import UlidSource
from serving.written_once import write_once

RELEASED_AT_ONCE = 500
"""Most events of one transaction."""
_RELEASE_LOCK = 0x67_6C_6F_75
"""PostgreSQL's advisory lock of who gives numbers ("glou")."""


class Outbox:
    """The outbox of every tenant. Safe to share between threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_id = UlidSource()

    def release(self, *, now: datetime) -> int:
        """Number what is due and queue it for the webhooks that want it; returns how many events that were.

        An event waits for the earlier ones of its case, also while one of them can still be undone. 0 as well while
        another process releases.
        """
        asked = {"now": now}
        with self._store.reading() as session:
            if session.scalar(_ANY_DUE, asked) is None:
                return 0
        with self._store.writing() as session:
            if not _is_ours(session):
                return 0
            rows = session.connection().execute(_DUE, asked).all()
            last = session.scalar(_LAST_NUMBER) or 0
            events = [self._event(row, number, now) for number, row in enumerate(rows, start=last + 1)]
            write_once(session, *events)
            numbers = [row.outbox_number for row in rows]
            session.connection().execute(delete(OutboxRow).where(OutboxRow.outbox_number.in_(numbers)))
            write_once(session, *_deliveries(session, events, now))
            return len(events)

    def _event(self, row: Row[Any], number: int, now: datetime) -> EventRow:
        return EventRow(
            event_number=number,
            event_id=self._next_id(),
            tenant=row.tenant,
            authorization_id=row.authorization_id,
            kind=row.kind,
            content=row.content,
            at=row.at,
            released_at=now,
            action_id=row.action_id,
        )


def _is_ours(session: Session) -> bool:
    """Whether this transaction gives the numbers; SQLite lets one transaction write at a time anyway."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _RELEASE_LOCK}))


# Built once: an idle service asks every second.
_NOW: BindParameter[datetime] = bindparam("now", type_=UtcDateTime)
_earlier = aliased(OutboxRow)
_IS_DUE = or_(OutboxRow.not_before.is_(None), OutboxRow.not_before <= _NOW) & ~exists().where(
    _earlier.authorization_id == OutboxRow.authorization_id,
    _earlier.outbox_number < OutboxRow.outbox_number,
    _earlier.not_before > _NOW,
)
_ANY_DUE = select(OutboxRow.outbox_number).where(_IS_DUE).limit(1)
_DUE = (
    select(*OutboxRow.__table__.columns)
    .where(_IS_DUE)
    .order_by(OutboxRow.outbox_number)
    .limit(RELEASED_AT_ONCE)
    .with_for_update(of=OutboxRow)
)
_LAST_NUMBER = select(func.max(EventRow.event_number))


def _deliveries(session: Session, events: Sequence[EventRow], now: datetime) -> list[DeliveryRow]:
    tenants = {event.tenant for event in events}
    webhooks = session.scalars(select(WebhookRow).where(WebhookRow.active, WebhookRow.tenant.in_(tenants))).all()
    return [
        DeliveryRow(
            webhook_id=webhook.webhook_id,
            event_number=event.event_number,
            authorization_id=event.authorization_id,
            state="waiting",
            attempts=0,
            queued_at=now,
            next_at=now,
        )
        for webhook in webhooks
        for event in events
        if webhook.tenant == event.tenant and wants(webhook, event.kind)
    ]


def wants(webhook: WebhookRow, kind: str) -> bool:
    """Whether the webhook is to be told of this kind of event."""
    kinds = json.loads(webhook.kinds)
    return not kinds or kind in kinds
