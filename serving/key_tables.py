"""The tables of who may: tenants, the API keys of intake systems, and sign-ins that failed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from serving.tables import Base, UtcDateTime


class TenantRow(Base):
    """An organization that shares the service."""

    __tablename__ = "tenants"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    display_name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    active: Mapped[bool]


class ApiKeyRow(Base):
    """An intake system's key. Its secret is stored as an argon2id hash only; ``scopes`` are separated by spaces.

    After a rotation ``earlier_secret_hash`` is that of the secret before, valid until ``earlier_until``.
    ``requests_per_minute`` and ``body_limit`` (bytes) are null where the settings hold.
    """

    __tablename__ = "api_keys"
    __table_args__ = (ForeignKeyConstraint(["tenant"], ["tenants.tenant"]), Index("ix_api_keys_tenant", "tenant"))

    key_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[str] = mapped_column(String(200))
    earlier_secret_hash: Mapped[str | None] = mapped_column(String(200))
    earlier_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    scopes: Mapped[str] = mapped_column(Text)
    requests_per_minute: Mapped[int | None]
    body_limit: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInFailureRow(Base):
    """One sign-in that failed, or is being tried: counted for 15 minutes, then forgotten. The name is hashed."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (
        Index("ix_sign_in_failures_name", "name_hash", "at"),
        Index("ix_sign_in_failures_at", "at"),
    )

    failure_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name_hash: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
