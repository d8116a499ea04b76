"""Who a request is like by birth date and sex, the members of earlier versions, and indexes for what grows.

The new columns are null for rows of before: what they say stands in texts that may be sealed.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_OPEN = sa.text("state <> 'delivered'")


def upgrade() -> None:
    # Not in a batch: SQLite would make the tables anew, and others point to them.
    op.add_column("authorizations", sa.Column("person_likeness", sa.String(64), nullable=True))
    op.create_index("ix_authorizations_person", "authorizations", ["tenant", "person_likeness", "member_id"])
    op.add_column("request_versions", sa.Column("member_id", sa.String(200), nullable=True))
    op.create_index("ix_request_versions_member", "request_versions", ["member_id"])
    op.create_index(
        "ix_deliveries_open", "deliveries", ["state", "queued_at"], sqlite_where=_OPEN, postgresql_where=_OPEN
    )
    op.create_index("ix_events_kind", "events", ["tenant", "kind", "event_number"])
    op.create_index("ix_idempotency_keys_authorization", "idempotency_keys", ["authorization_id"])


def downgrade() -> None:
    op.drop_index("ix_idempotency_keys_authorization", "idempotency_keys")
    op.drop_index("ix_events_kind", "events")
    op.drop_index("ix_deliveries_open", "deliveries")
    op.drop_index("ix_request_versions_member", "request_versions")
    op.drop_column("request_versions", "member_id")
    op.drop_index("ix_authorizations_person", "authorizations")
    op.drop_column("authorizations", "person_likeness")
