"""Requests, their documents, their results."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "authorizations",
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("likeness", sa.String(64), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("service_system", sa.String(16), nullable=False),
        sa.Column("service_code", sa.String(200), nullable=False),
        sa.Column("service_description", sa.Text(), nullable=True),
        sa.Column("urgency", sa.String(16), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("audit_selected", sa.Boolean(), nullable=False),
        sa.Column("route", sa.String(16), nullable=True),
        sa.Column("reason_code", sa.String(64), nullable=True),
        sa.Column("reason_message", sa.Text(), nullable=True),
        sa.UniqueConstraint("tenant", "external_id", name="uq_authorizations_tenant_external_id"),
    )
    op.create_index("ix_authorizations_likeness", "authorizations", ["tenant", "likeness", "accepted_at"])
    op.create_index("ix_authorizations_due", "authorizations", ["tenant", "due_at", "authorization_id"])
    op.create_index("ix_authorizations_route_due", "authorizations", ["tenant", "route", "due_at", "authorization_id"])
    op.create_index("ix_authorizations_status_due", "authorizations", ["tenant", "status", "due_at", "authorization_id"])
    op.create_table(
        "documents",
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("document_id", sa.String(200), primary_key=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("date", sa.String(10), nullable=True),
        sa.Column("content_type", sa.String(200), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_table(
        "results",
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("triaged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("route", sa.String(16), nullable=False),
        sa.Column("held_for_audit", sa.Boolean(), nullable=False),
        sa.Column("pipeline_version", sa.String(200), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("trace", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )


def downgrade() -> None:
    op.drop_table("results")
    op.drop_table("documents")
    op.drop_table("authorizations")
