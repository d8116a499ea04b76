"""What a reader got out of a document that is not plain text: its text, the reader's version, pages and doubts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("extracted_text", sa.LargeBinary()),
    ("read_by", sa.String(200)),
    ("reading", sa.Text()),
)


def upgrade() -> None:
    # Null for what came before: it was left to a nurse unread, and is read when its request is triaged again.
    for name, kind in _COLUMNS:
        op.add_column("documents", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name, _ in reversed(_COLUMNS):
        op.drop_column("documents", name)
