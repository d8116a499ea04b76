"""Decisions people record, the blind audit's probability, when documents came, and the fast lane's switches."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null where the share was not recorded when the draw was made: then nobody can say what the case stands for.
    op.add_column("authorizations", sa.Column("audit_probability", sa.Float(), nullable=True))
    op.create_index("ix_authorizations_accepted", "authorizations", ["tenant", "accepted_at", "authorization_id"])
    op.add_column("documents", sa.Column("received_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE documents SET received_at = (SELECT accepted_at FROM authorizations"
        " WHERE authorizations.authorization_id = documents.authorization_id) WHERE revision = 1"
    )
    op.execute(
        "UPDATE documents SET received_at = (SELECT triaged_at FROM results"
        " WHERE results.authorization_id = documents.authorization_id AND results.revision = documents.revision)"
        " WHERE revision > 1"
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.Integer(), primary_key=True),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_index("ix_decisions_authorization", "decisions", ["authorization_id", "decision_id"])
    op.create_table(
        "fast_track_switches",
        sa.Column("switch_id", sa.Integer(), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("family", sa.String(64), nullable=False),
        sa.Column("off", sa.Boolean(), nullable=False),
        sa.Column("switched_by", sa.String(200), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("switched_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_fast_track_switches_family", "fast_track_switches", ["tenant", "family", "switch_id"])


def downgrade() -> None:
    op.drop_table("fast_track_switches")
    op.drop_table("decisions")
    op.drop_column("documents", "received_at")
    op.drop_index("ix_authorizations_accepted", "authorizations")
    op.drop_column("authorizations", "audit_probability")
