"""What the lead's and the data scientist's numbers count by: when the clock started, the score, and indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WITH_RESULT = "WHERE result LIKE '{%'"
_INDEXES = {
    "ix_authorizations_waiting": (
        "authorizations",
        ["tenant", "work", "urgency", "line_of_business", "due_at", "received_at", "assigned_to"],
    ),
    "ix_authorizations_arrived": (
        "authorizations",
        ["tenant", "accepted_at", "family", "route", "authorization_id", "revision"],
    ),
    "ix_results_counted": ("results", ["authorization_id", "revision", "held_for_audit", "approval_score"]),
    "ix_trail_opened": ("trail", ["authorization_id", "person_id", "action", "at"]),
}
_WIDENED = {
    "ix_case_actions_case": (["authorization_id", "action_id"], ["kind", "person_id", "role"]),
    "ix_case_actions_kind": (
        ["tenant", "kind", "at"],
        ["authorization_id", "action_id", "person_id", "role", "revision"],
    ),
}


def upgrade() -> None:
    # Not in a batch: SQLite would make the tables anew, and others point to them.
    op.add_column("authorizations", sa.Column("received_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("results", sa.Column("approval_score", sa.Float(), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"UPDATE authorizations SET received_at ="
            f" COALESCE(({_readable('request')} ->> 'received_at')::timestamptz, accepted_at)"
        )
        op.execute(
            f"UPDATE results SET approval_score ="
            f" ({_readable('result')} ->> 'approval_score')::double precision {_WITH_RESULT}"
        )
    else:
        # As SQLAlchemy writes moments to SQLite: UTC, six places.
        op.execute(
            "UPDATE authorizations SET received_at = COALESCE("
            "strftime('%Y-%m-%d %H:%M:%f', json_extract(request, '$.received_at')) || '000', accepted_at)"
        )
        op.execute(f"UPDATE results SET approval_score = json_extract(result, '$.approval_score') {_WITH_RESULT}")
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns)
    for name, (columns, more) in _WIDENED.items():
        op.drop_index(name, "case_actions")
        op.create_index(name, "case_actions", columns + more)


def _readable(column: str) -> str:
    # PostgreSQL reads no JSON that names a NUL, which a note may hold.
    return rf"replace({column}, '\u0000', '\u2400')::json"


def downgrade() -> None:
    for name, (columns, _) in _WIDENED.items():
        op.drop_index(name, "case_actions")
        op.create_index(name, "case_actions", columns)
    for name, (table, _) in _INDEXES.items():
        op.drop_index(name, table)
    op.drop_column("results", "approval_score")
    op.drop_column("authorizations", "received_at")
