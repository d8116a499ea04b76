"""What goes out again: the outbox, the events released from it, webhooks and the deliveries to them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COUNTING = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("outbox_number", _COUNTING, primary_key=True, autoincrement=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("not_before", _MOMENT, nullable=True),
        sa.Column("action_id", sa.String(26), nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_case", "outbox", ["authorization_id", "outbox_number", "not_before"])
    op.create_table(
        "events",
        sa.Column("event_number", _COUNTING, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.String(26), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("kind", sa.String(48), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("released_at", _MOMENT, nullable=False),
        sa.Column("action_id", sa.String(26), nullable=True),
        sa.UniqueConstraint("event_id", name="uq_events_event_id"),
    )
    op.create_index("ix_events_tenant", "events", ["tenant", "event_number"])
    op.create_index("ix_events_case", "events", ["authorization_id", "event_number"])
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("url", sa.String(2000), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("previous_secret", sa.Text(), nullable=True),
        sa.Column("previous_until", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("failures_in_row", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("held_until", _MOMENT, nullable=True),
    )
    op.create_index("ix_webhooks_tenant", "webhooks", ["tenant", "active"])
    op.create_table(
        "deliveries",
        sa.Column("webhook_id", sa.String(26), sa.ForeignKey("webhooks.webhook_id"), primary_key=True),
        sa.Column(
            "event_number", _COUNTING, sa.ForeignKey("events.event_number"), primary_key=True, autoincrement=False
        ),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("queued_at", _MOMENT, nullable=False),
        sa.Column("next_at", _MOMENT, nullable=False),
        sa.Column("last_at", _MOMENT, nullable=True),
        sa.Column("last_answer", sa.String(64), nullable=True),
        sa.Column("delivered_at", _MOMENT, nullable=True),
        sa.Column("leased_by", sa.String(26), nullable=True),
        sa.Column("leased_until", _MOMENT, nullable=True),
    )
    op.create_index("ix_deliveries_due", "deliveries", ["webhook_id", "state", "next_at"])
    op.create_index("ix_deliveries_case", "deliveries", ["webhook_id", "authorization_id", "event_number", "state"])


def downgrade() -> None:
    for table in ("deliveries", "webhooks", "events", "outbox"):
        op.drop_table(table)
