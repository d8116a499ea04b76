"""Which deliveries are due, held by one sender at a time, and what became of them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, literal_column, or_, select
from sqlalchemy.orm import Session, aliased

from serving.outbox_tables import DeliveryRow, EventRow, WebhookRow
from serving.store import Store
from serving.ulid import UlidSource

LEASE = timedelta(seconds=60)
"""So long a sender holds what it took: longer than an attempt takes. After it, another one takes it again."""
MOST_OF_ONE = 8
"""Most deliveries of one webhook in one round."""
PATIENCE = timedelta(hours=24)
"""So long after an event was queued it is tried; then it has failed, and people see it."""
LONGEST_PAUSE = timedelta(hours=1)
_FIRST_PAUSE = timedelta(seconds=1)
_PATIENT_ROUNDS = 5
"""After so many rounds without one success a webhook is left alone for a while, so that it holds up no other."""
_LONGEST_HOLD = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery that this sender holds. ``content`` is the event's JSON without its id."""

    webhook_id: str
    event_number: int
    lease: str
    url: str
    secrets: tuple[str, ...]
    event_id: str
    content: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one attempt came to. ``answer`` is the status, or the kind of failure."""

    taken: Taken
    delivered: bool
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """Deliveries under way, those that failed for a day, and when the oldest under way was queued."""

    waiting: int
    failed: int
    oldest_waiting_at: datetime | None


class Deliveries:
    """The deliveries of every tenant. Safe to share between threads and processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_id = UlidSource()
        self._chance = secrets.SystemRandom()

    def take(self, most: int, *, now: datetime, busy: Sequence[str] = ()) -> tuple[Taken, ...]:
        """Hold up to ``most`` deliveries that are due, shared out among the webhooks but those that are ``busy``.

        A delivery is due only when no earlier event of its case is still on its way to the same webhook.
        """
        with self._store.reading() as session:
            called = _may_be_called(now) & WebhookRow.webhook_id.not_in(busy)
            due = session.scalars(select(WebhookRow.webhook_id).where(called, _has_due(now))).all()
        if not due:
            return ()
        webhooks = self._chance.sample(due, min(most, len(due)))
        share = min(-(-most // len(webhooks)), MOST_OF_ONE)
        with self._store.writing() as session:
            taken = [one for webhook_id in webhooks for one in self._take_of(session, webhook_id, share, now)]
        return tuple(taken)

    def settle(self, attempts: Sequence[Attempt], *, now: datetime) -> tuple[int, int]:
        """Keep what became of attempts; returns how many were delivered and how many have failed for good."""
        with self._store.writing() as session:
            for webhook_id in sorted({attempt.taken.webhook_id for attempt in attempts}):
                delivered = any(a.delivered for a in attempts if a.taken.webhook_id == webhook_id)
                _count_round(session, webhook_id, delivered=delivered, now=now)
            given_up = [attempt for attempt in attempts if self._settle_one(session, attempt, now)]
            return sum(attempt.delivered for attempt in attempts), len(given_up)

    def counts(self) -> DeliveryCounts:
        """How many are on their way, and how many failed."""
        with self._store.reading() as session:
            return open_counts(session)

    def _take_of(self, session: Session, webhook_id: str, most: int, now: datetime) -> list[Taken]:
        webhook = session.get_one(WebhookRow, webhook_id)
        rows = session.execute(
            select(DeliveryRow, EventRow)
            .join(EventRow, EventRow.event_number == DeliveryRow.event_number)
            .where(DeliveryRow.webhook_id == webhook_id, _is_due(now))
            .order_by(DeliveryRow.next_at, DeliveryRow.event_number)
            .limit(most)
            .with_for_update(of=DeliveryRow, skip_locked=True)
        ).all()
        lease = self._next_id()
        for delivery, _ in rows:
            delivery.leased_by, delivery.leased_until = lease, now + LEASE
        signing = _secrets_of(webhook, now)
        return [
            Taken(webhook_id, delivery.event_number, lease, webhook.url, signing, event.event_id, event.content)
            for delivery, event in rows
        ]

    def _settle_one(self, session: Session, attempt: Attempt, now: datetime) -> bool:
        """Keep one attempt's outcome; whether it was the last one. Whose lease ran out has no say but that it arrived."""
        key = (attempt.taken.webhook_id, attempt.taken.event_number)
        row = session.get(DeliveryRow, key, with_for_update=True)
        if row is None or row.state != "waiting":
            return False
        if row.leased_by != attempt.taken.lease and not attempt.delivered:
            return False
        row.attempts += 1
        row.last_at, row.last_answer = now, attempt.answer
        row.leased_by = row.leased_until = None
        if attempt.delivered:
            row.state, row.delivered_at = "delivered", now
        elif now - row.queued_at >= PATIENCE:
            row.state = "failed"
        else:
            row.next_at = now + pause_after(row.attempts) * self._chance.uniform(0.5, 1)
        return row.state == "failed"


def is_open() -> ColumnElement[bool]:
    """The condition of what waits or failed, as its index has it: bound values would not find the index.

    What was delivered is the most by far, and only grows.
    """
    return (DeliveryRow.state != literal_column("'delivered'")) & DeliveryRow.state.in_(
        [literal_column("'waiting'"), literal_column("'failed'")]
    )


def open_counts(session: Session, webhook_id: str | None = None) -> DeliveryCounts:
    """How the deliveries of one webhook stand, or of all that are active."""
    query = select(DeliveryRow.state, func.count(), func.min(DeliveryRow.queued_at)).where(is_open())
    if webhook_id is None:
        active = select(WebhookRow.webhook_id).where(WebhookRow.active)
        query = query.where(DeliveryRow.webhook_id.in_(active))
    else:
        query = query.where(DeliveryRow.webhook_id == webhook_id)
    found = session.execute(query.group_by(DeliveryRow.state))
    by_state = {state: (count, oldest) for state, count, oldest in found}
    waiting, oldest = by_state.get("waiting", (0, None))
    return DeliveryCounts(waiting, by_state.get("failed", (0, None))[0], oldest)


def pause_after(attempts: int) -> timedelta:
    """The longest pause after so many attempts: doubled each time from a second to an hour."""
    return min(_FIRST_PAUSE * (1 << min(attempts - 1, 20)), LONGEST_PAUSE)


def _may_be_called(now: datetime) -> ColumnElement[bool]:
    return WebhookRow.active & or_(WebhookRow.held_until.is_(None), WebhookRow.held_until <= now)


def _has_due(now: datetime) -> ColumnElement[bool]:
    return exists().where(DeliveryRow.webhook_id == WebhookRow.webhook_id, _is_due(now))


def _is_due(now: datetime) -> ColumnElement[bool]:
    earlier = aliased(DeliveryRow)
    return (
        (DeliveryRow.state == "waiting")
        & (DeliveryRow.next_at <= now)
        & or_(DeliveryRow.leased_until.is_(None), DeliveryRow.leased_until < now)
        & ~exists().where(
            earlier.webhook_id == DeliveryRow.webhook_id,
            earlier.authorization_id == DeliveryRow.authorization_id,
            earlier.event_number < DeliveryRow.event_number,
            earlier.state == "waiting",
        )
    )


def _secrets_of(webhook: WebhookRow, now: datetime) -> tuple[str, ...]:
    if webhook.previous_secret is None or webhook.previous_until is None or webhook.previous_until <= now:
        return (webhook.secret,)
    return (webhook.secret, webhook.previous_secret)


def _count_round(session: Session, webhook_id: str, *, delivered: bool, now: datetime) -> None:
    row = session.get(WebhookRow, webhook_id, with_for_update=True)
    if row is None:
        return
    row.failures_in_row = 0 if delivered else row.failures_in_row + 1
    over = row.failures_in_row - _PATIENT_ROUNDS
    row.held_until = None if over < 0 else now + min(timedelta(seconds=2 ** min(over, 10)), _LONGEST_HOLD)
