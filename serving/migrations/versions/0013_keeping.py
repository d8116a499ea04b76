"""Data keys for sealed values, legal holds, erasures; what the numbers count of corrections, apart from what they say."""

import sqlalchemy as sa
from alembic import op

from serving.errors import StoreUnavailableError

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_MARKS = (b"greenlane:sealed:1:", b"greenlane:plain:")
# JSON begins with a brace; these hold whatever was sent.
_ANYTHING = (
    ("documents", "content", ("authorization_id", "document_id")),
    ("documents", "extracted_text", ("authorization_id", "document_id")),
    ("authorizations", "service_description", ("authorization_id",)),
)


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("key_id", sa.String(26), primary_key=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped_by", sa.String(200), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("retired_at", _MOMENT, nullable=True),
    )
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("member_id", sa.String(200), nullable=True),
        sa.Column("authorization_id", sa.String(26), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(200), nullable=False),
        sa.Column("placed_at", _MOMENT, nullable=False),
        sa.Column("released_by", sa.String(200), nullable=True),
        sa.Column("released_at", _MOMENT, nullable=True),
        sa.Column("release_why", sa.Text(), nullable=True),
        sa.CheckConstraint("(member_id IS NULL) <> (authorization_id IS NULL)", name="ck_legal_holds_one_subject"),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_index("ix_legal_holds_member", "legal_holds", ["tenant", "member_id"])
    op.create_index("ix_legal_holds_case", "legal_holds", ["authorization_id"])
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("ground", sa.String(24), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("erased_by", sa.String(200), nullable=False),
        sa.Column("approved_by", sa.String(400), nullable=True),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
    )
    # Not in a batch: SQLite would make the tables anew, and others point to them.
    op.add_column("authorizations", sa.Column("erased_at", _MOMENT, nullable=True))
    op.add_column("case_actions", sa.Column("concept", sa.String(200), nullable=True))
    op.add_column("case_actions", sa.Column("verdict", sa.String(32), nullable=True))
    op.execute(
        f"UPDATE case_actions SET concept = {_field('concept')}, verdict = {_field('verdict')}"
        " WHERE kind = 'fact_corrected'"
    )
    for table, column, key in _ANYTHING:
        _mark_plain(table, column, key)


def _field(name: str) -> str:
    if op.get_bind().dialect.name == "postgresql":
        # PostgreSQL reads no JSON that names a NUL, which a note may hold.
        return rf"(replace(content, '\u0000', '\u2400')::json ->> '{name}')"
    return f"json_extract(content, '$.{name}')"


def _mark_plain(table: str, column: str, key: tuple[str, ...]) -> None:
    """A value of before that happens to begin as sealed ones do must not be taken for one."""
    of_bytes = table == "documents"
    kind = sa.LargeBinary() if of_bytes else sa.Text()
    rows = sa.table(table, sa.column(column, kind), *(sa.column(name, sa.Text()) for name in key))
    value = rows.c[column]
    marks = _MARKS if of_bytes else tuple(mark.decode() for mark in _MARKS)
    begins = sa.or_(*(sa.func.substr(value, 1, len(mark), type_=kind) == sa.literal(mark, kind) for mark in marks))
    for found in op.get_bind().execute(sa.select(rows).where(begins)).mappings().all():
        here = sa.and_(*(rows.c[name] == found[name] for name in key))
        op.get_bind().execute(sa.update(rows).where(here).values({column: marks[1] + found[column]}))


def downgrade() -> None:
    in_use = op.get_bind().scalar(sa.text("SELECT count(*) FROM data_keys WHERE retired_at IS NULL"))
    if in_use:
        raise StoreUnavailableError("the database holds sealed values; run greenlane encryption unseal first")
    op.drop_column("case_actions", "verdict")
    op.drop_column("case_actions", "concept")
    op.drop_column("authorizations", "erased_at")
    op.drop_table("erasures")
    op.drop_index("ix_legal_holds_case", "legal_holds")
    op.drop_index("ix_legal_holds_member", "legal_holds")
    op.drop_table("legal_holds")
    op.drop_table("data_keys")
