"""The tables of what happens to a request after it was sent: keys of calls, earlier versions, cancellations, batches."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from serving.sealed_types import SealedText
from serving.tables import Base, UtcDateTime


class RequestVersionRow(Base):
    """A request as it was before an update: ``request`` is the record of ``authorizations``, ``revision`` the last one it
    was in force for, ``replaced_at`` when the update came, ``member_id`` whose it was (null: nobody's,
    or not recorded). Rows are only added.
    """

    __tablename__ = "request_versions"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        Index("ix_request_versions_member", "member_id"),
    )

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    request: Mapped[str] = mapped_column(SealedText("request_versions.request"))
    replaced_at: Mapped[datetime] = mapped_column(UtcDateTime)
    member_id: Mapped[str | None] = mapped_column(String(200))


class CancellationRow(Base):
    """That the intake system took a request back, when and why (one of :class:`serving.cancellations.CancellationReason`)."""

    __tablename__ = "cancellations"
    __table_args__ = (ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),)

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(40))
    cancelled_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IdempotencyKeyRow(Base):
    """A key that came with a call, as SHA-256. ``content_hash`` is over the call and its body (null while a batch is still
    coming in), and ``status`` is null until the call was answered.

    The answer is not copied: ``authorization_id`` and ``revision`` name the result it held, ``batch_id`` the batch.
    """

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        Index("ix_idempotency_keys_first_seen", "first_seen_at"),
        Index("ix_idempotency_keys_authorization", "authorization_id"),
    )

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    content_hash: Mapped[str | None] = mapped_column(String(64))
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int | None]
    authorization_id: Mapped[str | None] = mapped_column(String(26))
    revision: Mapped[int | None]
    batch_id: Mapped[str | None] = mapped_column(String(26))


class BatchRow(Base):
    """Requests that came as JSON Lines in one call. ``ended_at`` is null while they come, and where the call broke off."""

    __tablename__ = "batches"

    batch_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted: Mapped[int]
    repeated: Mapped[int]
    refused: Mapped[int]


class BatchLineRow(Base):
    """One line of a batch, counted from 1 as in the file: the authorization it became, or else ``problem``, JSON of
    ``{"field": ..., "message": ...}`` objects that repeat no value.
    """

    __tablename__ = "batch_lines"
    __table_args__ = (
        ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        Index("ix_batch_lines_authorization", "authorization_id"),
    )

    batch_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    authorization_id: Mapped[str | None] = mapped_column(String(26))
    problem: Mapped[str | None] = mapped_column(Text)
