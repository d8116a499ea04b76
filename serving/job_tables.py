"""The table of the queue: what is to be triaged, by whom just now, and what could not be."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from serving.tables import Base, UtcDateTime


class JobRow(Base):
    """One revision of a request that is to be triaged; stored in the transaction that stored the revision.

    ``state`` is one of :class:`serving.jobs.JobState`. ``priority`` is 0 for expedited requests and 1 for others.
    ``attempts`` counts how often it was taken and not handed back. ``run_after`` is when it may be taken: for a leased job
    the end of the lease. ``leased_by`` names the process (:mod:`serving.lease_owner`). ``ended_at`` is null while it waits
    or is leased. ``error`` is the kind of the last error, never its text.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        UniqueConstraint("authorization_id", "revision", "kind", name="uq_jobs_authorization_revision_kind"),
        # Both hold a handful of rows however many jobs have ended.
        Index(
            "ix_jobs_open",
            "priority",
            "due_at",
            "job_id",
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "ix_jobs_dead",
            "tenant",
            "ended_at",
            sqlite_where=text("state = 'dead'"),
            postgresql_where=text("state = 'dead'"),
        ),
    )

    job_id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    tenant: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    authorization_id: Mapped[str] = mapped_column(String(26))
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int]
    run_after: Mapped[datetime] = mapped_column(UtcDateTime)
    leased_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(String(64))
