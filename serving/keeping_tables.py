"""Tables of how long and how what notes say is kept: the keys that seal it, legal holds, and what was erased."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from serving.sealed_types import SealedText
from serving.tables import Base, UtcDateTime


class DataKeyRow(Base):
    """A key that seals values, wrapped by the envelope key of this fingerprint. Rows are never deleted: one that is
    ``retired_at`` seals nothing new.
    """

    __tablename__ = "data_keys"

    key_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LegalHoldRow(Base):
    """Nothing of this member, or of this case, is erased until the hold is released. Exactly one of the two is named."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint("(member_id IS NULL) <> (authorization_id IS NULL)", name="ck_legal_holds_one_subject"),
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        Index("ix_legal_holds_member", "tenant", "member_id"),
        Index("ix_legal_holds_case", "authorization_id"),
    )

    hold_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    member_id: Mapped[str | None] = mapped_column(String(200))
    authorization_id: Mapped[str | None] = mapped_column(String(26))
    why: Mapped[str] = mapped_column(SealedText("legal_holds.why"))
    placed_by: Mapped[str] = mapped_column(String(200))
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    released_by: Mapped[str | None] = mapped_column(String(200))
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    release_why: Mapped[str | None] = mapped_column(SealedText("legal_holds.release_why"))


class ErasureRow(Base):
    """One erasure of one or more cases' contents: on what ground, by whom, why, and who approved it (sign-in names).

    The trail has an entry for each case with this id and the counts; names stand here alone.
    """

    __tablename__ = "erasures"

    erasure_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    ground: Mapped[str] = mapped_column(String(24))
    why: Mapped[str] = mapped_column(SealedText("erasures.why"))
    erased_by: Mapped[str] = mapped_column(String(200))
    approved_by: Mapped[str | None] = mapped_column(String(400))
    cases: Mapped[int]
    at: Mapped[datetime] = mapped_column(UtcDateTime)
