"""The queue: one job for each revision that is to be triaged; what waits already gets one."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column(
            "job_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
        ),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_by", sa.String(120)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.String(64)),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        sa.UniqueConstraint("authorization_id", "revision", "kind", name="uq_jobs_authorization_revision_kind"),
    )
    for name, columns, where in (
        ("ix_jobs_open", ["priority", "due_at", "job_id"], sa.text("ended_at IS NULL")),
        ("ix_jobs_dead", ["tenant", "ended_at"], sa.text("state = 'dead'")),
    ):
        op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)
    op.execute(
        "INSERT INTO jobs (tenant, kind, authorization_id, revision, state, priority, due_at, attempts, run_after, created_at)"
        " SELECT tenant, 'triage', authorization_id, revision, 'waiting', CASE urgency WHEN 'expedited' THEN 0 ELSE 1 END,"
        " due_at, attempts, accepted_at, accepted_at FROM authorizations WHERE status = 'received'"
        " ORDER BY due_at, authorization_id"
    )


def downgrade() -> None:
    op.drop_table("jobs")
