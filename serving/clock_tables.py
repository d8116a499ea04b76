"""The table of what happened to a case's clock. Rows are only added; what was undone does not count."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from serving.tables import Base, UtcDateTime


class ClockEventRow(Base):
    """One event of :mod:`models.clock_events`: ``at`` is when it counts from, ``recorded_at`` when it was stored.

    ``reason`` and ``days`` are an extension's, ``to_urgency`` a change's of urgency. ``action_id`` names what a person did
    here; where that was undone the event does not count. It is null for documents that came.
    """

    __tablename__ = "clock_events"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        ForeignKeyConstraint(["action_id"], ["case_actions.action_id"]),
        Index("ix_clock_events_case", "authorization_id", "event_id"),
    )

    event_id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    authorization_id: Mapped[str] = mapped_column(String(26))
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str | None] = mapped_column(String(32))
    days: Mapped[int | None]
    to_urgency: Mapped[str | None] = mapped_column(String(16))
    action_id: Mapped[str | None] = mapped_column(String(26))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
