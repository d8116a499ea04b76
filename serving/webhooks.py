"""A tenant's webhooks: where events are sent, the secrets that sign them, and what could not be delivered."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, ColumnExpressionArgument, Select, delete, select, update
from sqlalchemy.orm import Session

from serving.deliveries import is_open, open_counts
from serving.errors import UnknownWebhookError, WebhookRefusedError
from serving.events import EventKind
from serving.outbox_tables import DeliveryRow, EventRow, WebhookRow
from serving.people import SignedIn
from serving.records import dumps
from serving.store import Store
from serving.trail import record
from serving.ulid import UlidSource
from serving.webhook_address import AddressRule
from serving.webhook_signature import SECRET_PREFIX

MOST_WEBHOOKS = 20
"""Of one tenant. Every event is queued for each of them."""
_SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook without its secret. ``kinds`` empty: every kind. ``held_until``: it failed so often that it is left alone."""

    webhook_id: str
    url: str
    kinds: tuple[EventKind, ...]
    created_at: datetime
    created_by: str
    failures_in_row: int
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class WebhookState:
    """A webhook and how its deliveries stand. ``last_delivered_at``: of the newest event that was delivered, None: none."""

    webhook: Webhook
    waiting: int
    failed: int
    oldest_waiting_at: datetime | None
    last_delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A delivery that failed for a day. ``last_answer``: the last attempt's status, or why there was none."""

    webhook_id: str
    event_id: str
    kind: str
    authorization_id: str
    queued_at: datetime
    attempts: int
    last_at: datetime | None
    last_answer: str | None


class Webhooks:
    """The webhooks of one tenant. Every change is in the trail, with ids only."""

    def __init__(self, store: Store, rule: AddressRule) -> None:
        self._store = store
        self._rule = rule
        self._next_id = UlidSource()

    def add(self, url: str, kinds: Sequence[EventKind], *, created_by: str, now: datetime) -> tuple[Webhook, str]:
        """Send events to ``url`` from now on. Returns the webhook and its secret, which nothing shows again.

        Raises WebhookRefusedError.
        """
        row = WebhookRow(
            webhook_id=self._next_id(),
            tenant=self._store.tenant,
            url=self._rule.checked(url),
            kinds=dumps(sorted({kind.value for kind in kinds})),
            secret=_new_secret(),
            created_at=now,
            created_by=created_by,
            active=True,
            failures_in_row=0,
        )
        with self._store.writing() as session:
            if len(session.scalars(self._mine(WebhookRow.active)).all()) >= MOST_WEBHOOKS:
                raise WebhookRefusedError(f"url: there are {MOST_WEBHOOKS} webhooks already; remove one first")
            session.add(row)
            session.flush()
            self._record(session, "webhook_added", row.webhook_id, now=now)
        return _webhook(row), row.secret

    def rotate(self, webhook_id: str, *, overlap: timedelta, now: datetime) -> str:
        """Give the webhook a new secret and return it. Until ``overlap`` is over the old one signs beside it.

        Raises UnknownWebhookError.
        """
        with self._store.writing() as session:
            row = self._row(session, webhook_id)
            row.previous_secret, row.previous_until = row.secret, now + overlap
            row.secret = _new_secret()
            session.flush()
            self._record(session, "webhook_rotated", webhook_id, now=now)
            return row.secret

    def remove(self, webhook_id: str, *, now: datetime) -> None:
        """Send nothing more there; its secrets and what was not delivered are dropped. Raises UnknownWebhookError."""
        with self._store.writing() as session:
            row = self._row(session, webhook_id)
            row.active = False
            row.secret, row.previous_secret, row.previous_until = "", None, None
            session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id, is_open()))
            self._record(session, "webhook_removed", webhook_id, now=now)

    def states(self) -> tuple[WebhookState, ...]:
        """Every webhook with how it stands, oldest first."""
        with self._store.reading() as session:
            rows = session.scalars(self._mine(WebhookRow.active).order_by(WebhookRow.webhook_id)).all()
            return tuple(_state(session, row) for row in rows)

    def failures(self, *, webhook_id: str | None = None, limit: int = 100) -> tuple[Undelivered, ...]:
        """What failed for a day, newest first."""
        query = (
            select(DeliveryRow, EventRow)
            .join(EventRow, EventRow.event_number == DeliveryRow.event_number)
            .join(WebhookRow, WebhookRow.webhook_id == DeliveryRow.webhook_id)
            .where(WebhookRow.tenant == self._store.tenant, WebhookRow.active, is_open(), DeliveryRow.state == "failed")
            # Not by the column as it is: its order would lead through all that was delivered, to the few that failed.
            .order_by((DeliveryRow.event_number + 0).desc())
            .limit(limit)
        )
        if webhook_id is not None:
            query = query.where(DeliveryRow.webhook_id == webhook_id)
        with self._store.reading() as session:
            return tuple(_undelivered(delivery, event) for delivery, event in session.execute(query))

    def redeliver(
        self, webhook_id: str, *, event_id: str | None = None, by: SignedIn | None = None, now: datetime
    ) -> int:
        """Try what failed for another day, or one event again although it was delivered. Returns how many.

        Raises UnknownWebhookError where the webhook, or the event of it, is unknown.
        """
        with self._store.writing() as session:
            row = self._row(session, webhook_id)
            wanted = [DeliveryRow.webhook_id == webhook_id]
            if event_id is None:
                wanted += [is_open(), DeliveryRow.state == "failed"]
            else:
                number = select(EventRow.event_number).where(
                    EventRow.event_id == event_id, EventRow.tenant == self._store.tenant
                )
                wanted += [DeliveryRow.event_number == number.scalar_subquery(), DeliveryRow.state != "waiting"]
            count = _queue_again(session, wanted, now)
            if event_id is not None and not count:
                raise UnknownWebhookError("event: none of this id was delivered to this webhook, or failed")
            row.failures_in_row, row.held_until = 0, None
            session.flush()
            self._record(session, "webhook_redelivered", webhook_id, by=by, now=now, count=count)
            return count

    def _mine(self, *conditions: ColumnExpressionArgument[bool]) -> Select[Any]:
        return select(WebhookRow).where(WebhookRow.tenant == self._store.tenant, *conditions)

    def _row(self, session: Session, webhook_id: str) -> WebhookRow:
        # Held before its deliveries, as whoever settles them does.
        wanted = self._mine(WebhookRow.active, WebhookRow.webhook_id == webhook_id)
        row: WebhookRow | None = session.scalar(wanted.with_for_update())
        if row is None:
            raise UnknownWebhookError("webhook_id: no webhook has this id")
        return row

    def _record(
        self,
        session: Session,
        action: str,
        webhook_id: str,
        *,
        by: SignedIn | None = None,
        now: datetime,
        **details: int,
    ) -> None:
        record(session, self._store.tenant, action, at=now, who=by, details={"webhook_id": webhook_id, **details})


def _queue_again(session: Session, wanted: Sequence[ColumnElement[bool]], now: datetime) -> int:
    again = update(DeliveryRow).where(*wanted)
    done = session.execute(
        again.values(state="waiting", attempts=0, queued_at=now, next_at=now, leased_by=None, leased_until=None)
        .returning(DeliveryRow.event_number)
        .execution_options(synchronize_session=False)
    )
    return len(done.all())


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _webhook(row: WebhookRow) -> Webhook:
    return Webhook(
        webhook_id=row.webhook_id,
        url=row.url,
        kinds=tuple(EventKind(kind) for kind in json.loads(row.kinds)),
        created_at=row.created_at,
        created_by=row.created_by,
        failures_in_row=row.failures_in_row,
        held_until=row.held_until,
    )


def _state(session: Session, row: WebhookRow) -> WebhookState:
    counts = open_counts(session, row.webhook_id)
    # By the order of the key and no condition that an index has: it stops at the newest.
    last_delivered_at = session.scalar(
        select(DeliveryRow.delivered_at)
        .where(DeliveryRow.webhook_id == row.webhook_id, DeliveryRow.delivered_at.is_not(None))
        .order_by(DeliveryRow.event_number.desc())
        .limit(1)
    )
    return WebhookState(_webhook(row), counts.waiting, counts.failed, counts.oldest_waiting_at, last_delivered_at)


def _undelivered(delivery: DeliveryRow, event: EventRow) -> Undelivered:
    return Undelivered(
        webhook_id=delivery.webhook_id,
        event_id=event.event_id,
        kind=event.kind,
        authorization_id=event.authorization_id,
        queued_at=delivery.queued_at,
        attempts=delivery.attempts,
        last_at=delivery.last_at,
        last_answer=delivery.last_answer,
    )
