"""The tables of the store. Note text is kept as bytes, so NUL and every other character survive any database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DateTime,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime, stored in UTC also where the database knows no time zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables."""


class AuthorizationRow(Base):
    """One accepted request. ``revision`` grows when documents are added; ``route`` and the reason are of the latest
    result and null while none is stored. ``audit_selected`` is drawn once, when the request is accepted, with
    ``audit_probability`` (null: not recorded). ``likeness`` is equal for requests of one member for one service.
    """

    __tablename__ = "authorizations"
    __table_args__ = (
        UniqueConstraint("tenant", "external_id", name="uq_authorizations_tenant_external_id"),
        Index("ix_authorizations_likeness", "tenant", "likeness", "accepted_at"),
        Index("ix_authorizations_due", "tenant", "due_at", "authorization_id"),
        Index("ix_authorizations_route_due", "tenant", "route", "due_at", "authorization_id"),
        Index("ix_authorizations_status_due", "tenant", "status", "due_at", "authorization_id"),
        Index("ix_authorizations_accepted", "tenant", "accepted_at", "authorization_id"),
    )

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[str] = mapped_column(String(64))
    likeness: Mapped[str] = mapped_column(String(64))
    request: Mapped[str] = mapped_column(Text)
    service_system: Mapped[str] = mapped_column(String(16))
    service_code: Mapped[str] = mapped_column(String(200))
    service_description: Mapped[str | None] = mapped_column(Text)
    urgency: Mapped[str] = mapped_column(String(16))
    accepted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int]
    attempts: Mapped[int]
    audit_selected: Mapped[bool]
    audit_probability: Mapped[float | None] = mapped_column(Float)
    route: Mapped[str | None] = mapped_column(String(16))
    reason_code: Mapped[str | None] = mapped_column(String(64))
    reason_message: Mapped[str | None] = mapped_column(Text)


class DocumentRow(Base):
    """One document as received: ``content`` is UTF-8 for text/plain, the decoded bytes for everything else.

    ``received_at`` is when it came to us, null where that was not recorded.
    """

    __tablename__ = "documents"
    __table_args__ = (ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),)

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[int]
    revision: Mapped[int]
    type: Mapped[str] = mapped_column(String(32))
    date: Mapped[str | None] = mapped_column(String(10))
    content_type: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    wording: Mapped[str | None] = mapped_column(String(64), index=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ResultRow(Base):
    """One triage of one revision; rows are never changed. ``result`` is the contract's JSON, ``trace`` the record that
    the pages show. ``held_for_audit``: it would have been a fast track and was drawn for the blind audit.
    """

    __tablename__ = "results"
    __table_args__ = (ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),)

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    triaged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    route: Mapped[str] = mapped_column(String(16))
    held_for_audit: Mapped[bool]
    pipeline_version: Mapped[str] = mapped_column(String(200))
    result: Mapped[str] = mapped_column(Text)
    trace: Mapped[str] = mapped_column(Text)


class DecisionRow(Base):
    """What a person decided; rows are only added. The first of kind ``decision`` is the answer to the request as it came,
    later ones are what followed; of kind ``overturned`` are outcomes that replaced it.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        Index("ix_decisions_authorization", "authorization_id", "decision_id"),
    )

    decision_id: Mapped[int] = mapped_column(primary_key=True)
    authorization_id: Mapped[str] = mapped_column(String(26))
    kind: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(32))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_by: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(32))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FastTrackSwitchRow(Base):
    """One turn of a service family's switch; rows are only added and the latest holds."""

    __tablename__ = "fast_track_switches"
    __table_args__ = (Index("ix_fast_track_switches_family", "tenant", "family", "switch_id"),)

    switch_id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    family: Mapped[str] = mapped_column(String(64))
    off: Mapped[bool]
    switched_by: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    switched_at: Mapped[datetime] = mapped_column(UtcDateTime)
