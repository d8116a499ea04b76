"""The tables of what goes out again: events that wait, events that were released, webhooks and their deliveries.

None points to a case by a foreign key: whoever works on a case holds its row, and an event that is being released must not
wait for them while they wait for it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Integer, String, Text, UniqueConstraint, text, true
from sqlalchemy.orm import Mapped, mapped_column

from serving.sealed_types import SealedText
from serving.tables import Base, UtcDateTime

_COUNTING = BigInteger().with_variant(Integer, "sqlite")


class OutboxRow(Base):
    """One thing that happened to a case, written with it, that nobody outside was told yet. Released, the row goes.

    ``content`` is the event as JSON. It is not released before ``not_before`` (null: at once); ``action_id`` names the
    action it tells of, so that undoing that takes the event back.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_case", "authorization_id", "outbox_number", "not_before"),
        {"sqlite_autoincrement": True},
    )

    outbox_number: Mapped[int] = mapped_column(_COUNTING, primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    authorization_id: Mapped[str] = mapped_column(String(26))
    kind: Mapped[str] = mapped_column(String(48))
    content: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    action_id: Mapped[str | None] = mapped_column(String(26))


class EventRow(Base):
    """One released event; rows are only added, and their numbers become visible in their order (serving/outbox.py)."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("event_id", name="uq_events_event_id"),
        Index("ix_events_tenant", "tenant", "event_number"),
        Index("ix_events_kind", "tenant", "kind", "event_number"),
        Index("ix_events_case", "authorization_id", "event_number"),
    )

    event_number: Mapped[int] = mapped_column(_COUNTING, primary_key=True, autoincrement=False)
    event_id: Mapped[str] = mapped_column(String(26))
    tenant: Mapped[str] = mapped_column(String(64))
    authorization_id: Mapped[str] = mapped_column(String(26))
    kind: Mapped[str] = mapped_column(String(48))
    content: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    released_at: Mapped[datetime] = mapped_column(UtcDateTime)
    action_id: Mapped[str | None] = mapped_column(String(26))


class WebhookRow(Base):
    """Where a tenant's events are sent. ``kinds`` is a JSON list, empty for every kind.

    ``secret`` signs, so it is kept as it is, sealed where there is an envelope key; ``previous_secret`` signs too until
    ``previous_until``. Both are gone once the webhook is removed (``active`` false). ``failures_in_row`` counts rounds
    without one success; after several the webhook is left alone until ``held_until``.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_tenant", "tenant", "active"),)

    webhook_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    url: Mapped[str] = mapped_column(String(2000))
    kinds: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(SealedText("webhooks.secret"))
    previous_secret: Mapped[str | None] = mapped_column(SealedText("webhooks.previous_secret"))
    previous_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))
    active: Mapped[bool] = mapped_column(default=True, server_default=true())
    failures_in_row: Mapped[int] = mapped_column(default=0, server_default="0")
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DeliveryRow(Base):
    """One event on its way to one webhook: ``waiting``, ``delivered``, or ``failed`` after a day of attempts.

    ``last_answer`` is the status of the last attempt, or the kind of failure where there was no answer. Who sends it holds
    it under ``leased_by`` until ``leased_until``.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["webhook_id"], ["webhooks.webhook_id"]),
        ForeignKeyConstraint(["event_number"], ["events.event_number"]),
        Index("ix_deliveries_due", "webhook_id", "state", "next_at"),
        Index("ix_deliveries_case", "webhook_id", "authorization_id", "event_number", "state"),
        Index(
            "ix_deliveries_open",
            "state",
            "queued_at",
            sqlite_where=text("state <> 'delivered'"),
            postgresql_where=text("state <> 'delivered'"),
        ),
    )

    webhook_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    event_number: Mapped[int] = mapped_column(_COUNTING, primary_key=True, autoincrement=False)
    authorization_id: Mapped[str] = mapped_column(String(26))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_answer: Mapped[str | None] = mapped_column(String(64))
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(26))
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
