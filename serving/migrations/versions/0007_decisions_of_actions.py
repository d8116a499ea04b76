"""Which action on a case a decision came from, so that an undone one does not count."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("decisions", sa.Column("action_id", sa.String(26), nullable=True))


def downgrade() -> None:
    op.drop_column("decisions", "action_id")
