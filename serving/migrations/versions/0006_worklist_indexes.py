"""What the worklist reads, in one index; the view that opens first; and looks by time."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_WORKLIST = [
    "tenant",
    "work",
    "due_at",
    "authorization_id",
    "urgency",
    "line_of_business",
    "family",
    "service_code",
    "assigned_to",
    "second_look",
]


def upgrade() -> None:
    op.drop_index("ix_authorizations_work_due", "authorizations")
    op.create_index("ix_authorizations_worklist", "authorizations", _WORKLIST)
    op.create_index("ix_last_looks_person", "last_looks", ["person_id", "looked_at"])
    op.add_column("saved_views", sa.Column("is_default", sa.Boolean(), nullable=False, server_default=sa.false()))
    if op.get_bind().dialect.name == "postgresql":
        # Finds the ids that begin with what was typed, whatever the database's collation. SQLite compares bytes anyway.
        op.execute(
            "CREATE INDEX ix_authorizations_external_id_prefix ON authorizations (tenant, external_id text_pattern_ops)"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_authorizations_external_id_prefix", "authorizations")
    op.drop_column("saved_views", "is_default")
    op.drop_index("ix_last_looks_person", "last_looks")
    op.drop_index("ix_authorizations_worklist", "authorizations")
    op.create_index("ix_authorizations_work_due", "authorizations", ["tenant", "work", "due_at", "authorization_id"])
