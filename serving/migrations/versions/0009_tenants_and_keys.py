"""Tenants, the API keys of intake systems, failed sign-ins, and the trail's indexes by tenant."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    tenants = op.create_table(
        "tenants",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("secret_hash", sa.String(200), nullable=False),
        sa.Column("earlier_secret_hash", sa.String(200), nullable=True),
        sa.Column("earlier_until", _MOMENT, nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("requests_per_minute", sa.Integer(), nullable=True),
        sa.Column("body_limit", sa.Integer(), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("last_used_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.tenant"]),
    )
    op.create_index("ix_api_keys_tenant", "api_keys", ["tenant"])
    op.create_table(
        "sign_in_failures",
        sa.Column("failure_id", sa.String(26), primary_key=True),
        sa.Column("name_hash", sa.String(64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    op.create_index("ix_sign_in_failures_name", "sign_in_failures", ["name_hash", "at"])
    op.create_index("ix_sign_in_failures_at", "sign_in_failures", ["at"])
    op.drop_index("ix_trail_action", "trail")
    op.create_index("ix_trail_tenant_action", "trail", ["tenant", "action", "number"])
    op.create_index("ix_trail_tenant", "trail", ["tenant", "number"])
    _add_those_that_are_there(tenants)


def _add_those_that_are_there(tenants: sa.Table) -> None:
    found = {"default"}
    for table in ("authorizations", "people"):
        found |= {row[0] for row in op.get_bind().execute(sa.text(f"SELECT DISTINCT tenant FROM {table}"))}
    # As SQLAlchemy's own type writes moments: SQLite knows no time zones.
    now = datetime.now(UTC)
    now = now.replace(tzinfo=None) if op.get_bind().dialect.name == "sqlite" else now
    op.bulk_insert(
        tenants,
        [{"tenant": name, "display_name": name.title(), "created_at": now, "active": True} for name in sorted(found)],
    )


def downgrade() -> None:
    op.drop_index("ix_trail_tenant", "trail")
    op.drop_index("ix_trail_tenant_action", "trail")
    op.create_index("ix_trail_action", "trail", ["action", "number"])
    for table in ("sign_in_failures", "api_keys", "tenants"):
        op.drop_table(table)
