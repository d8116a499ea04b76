"""What happens to a request after it was sent: keys of calls, earlier versions, cancellations, batches and their lines."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "request_versions",
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_table(
        "cancellations",
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("content_hash", sa.String(64)),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("authorization_id", sa.String(26)),
        sa.Column("revision", sa.Integer()),
        sa.Column("batch_id", sa.String(26)),
    )
    op.create_index("ix_idempotency_keys_first_seen", "idempotency_keys", ["first_seen_at"])
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("repeated", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
    )
    op.create_table(
        "batch_lines",
        sa.Column("batch_id", sa.String(26), primary_key=True),
        sa.Column("line", sa.Integer(), primary_key=True),
        sa.Column("authorization_id", sa.String(26)),
        sa.Column("problem", sa.Text()),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"]),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_index("ix_batch_lines_authorization", "batch_lines", ["authorization_id"])


def downgrade() -> None:
    for table in ("batch_lines", "batches", "idempotency_keys", "cancellations", "request_versions"):
        op.drop_table(table)
    # Earlier versions know no such place: a cancelled case needed nobody, as one that the provider withdrew.
    op.execute("UPDATE authorizations SET work = 'withdrawn' WHERE work = 'cancelled'")
