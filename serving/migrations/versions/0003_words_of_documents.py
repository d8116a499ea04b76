"""A hash of each document's words, to find the text of one member in another member's request."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for what came before: its words were never hashed, and nothing is triaged again for it.
    op.add_column("documents", sa.Column("wording", sa.String(64), nullable=True))
    op.create_index("ix_documents_wording", "documents", ["wording"])


def downgrade() -> None:
    op.drop_index("ix_documents_wording", "documents")
    op.drop_column("documents", "wording")
