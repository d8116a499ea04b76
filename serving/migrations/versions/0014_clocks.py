"""What happened to each case's clock, and beside the due time the rule that made it and when its alarms are.

The new columns are null for cases of before: lists then colour them by their due time alone, as they did.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_COLUMNS = (
    ("due_rule", sa.String(64)),
    ("due_allowed", sa.String(40)),
    ("extended_days", sa.Integer()),
    ("amber_at", _MOMENT),
    ("red_at", _MOMENT),
    ("paused_at", _MOMENT),
)
_WAITING = ("tenant", "work", "urgency", "line_of_business", "due_at", "received_at", "assigned_to")


def upgrade() -> None:
    # Not in a batch: SQLite would make the table anew, and others point to it.
    for name, kind in _COLUMNS:
        op.add_column("authorizations", sa.Column(name, kind, nullable=True))
    op.create_index("ix_authorizations_alarm", "authorizations", ["work", "amber_at", "red_at", "due_at", "urgency"])
    op.drop_index("ix_authorizations_waiting", "authorizations")
    op.create_index("ix_authorizations_waiting", "authorizations", [*_WAITING, "red_at"])
    op.create_table(
        "clock_events",
        sa.Column("event_id", sa.Integer(), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("reason", sa.String(32), nullable=True),
        sa.Column("days", sa.Integer(), nullable=True),
        sa.Column("to_urgency", sa.String(16), nullable=True),
        sa.Column("action_id", sa.String(26), nullable=True),
        sa.Column("recorded_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        sa.ForeignKeyConstraint(["action_id"], ["case_actions.action_id"]),
    )
    op.create_index("ix_clock_events_case", "clock_events", ["authorization_id", "event_id"])


def downgrade() -> None:
    op.drop_index("ix_clock_events_case", "clock_events")
    op.drop_table("clock_events")
    op.drop_index("ix_authorizations_waiting", "authorizations")
    op.create_index("ix_authorizations_waiting", "authorizations", list(_WAITING))
    op.drop_index("ix_authorizations_alarm", "authorizations")
    for name, _ in reversed(_COLUMNS):
        op.drop_column("authorizations", name)
