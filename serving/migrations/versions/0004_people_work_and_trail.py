"""People who sign in, what they do on cases, and the trail of who saw and did what."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("person_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("sign_in_name", sa.String(200), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("team", sa.String(64), nullable=True),
        sa.Column("password_hash", sa.String(200), nullable=True),
        sa.Column("oidc_subject", sa.String(400), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.UniqueConstraint("tenant", "sign_in_name", name="uq_people_tenant_sign_in_name"),
        sa.UniqueConstraint("tenant", "oidc_subject", name="uq_people_tenant_oidc_subject"),
    )
    op.create_table(
        "sign_ins",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("sign_in_id", sa.String(26), nullable=False),
        sa.Column("person_id", sa.String(26), nullable=False),
        sa.Column("form_token", sa.String(64), nullable=False),
        sa.Column("begun_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
    )
    op.create_index("ix_sign_ins_person", "sign_ins", ["person_id"])
    op.create_table(
        "drafts",
        sa.Column("person_id", sa.String(26), primary_key=True),
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("form", sa.String(32), primary_key=True),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("saved_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_table(
        "saved_views",
        sa.Column("person_id", sa.String(26), primary_key=True),
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("saved_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
    )
    op.create_table(
        "last_looks",
        sa.Column("person_id", sa.String(26), primary_key=True),
        sa.Column("authorization_id", sa.String(26), primary_key=True),
        sa.Column("looked_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )
    op.create_table(
        "case_actions",
        sa.Column("action_id", sa.String(26), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("person_id", sa.String(26), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("takes_effect_at", _MOMENT, nullable=True),
        sa.Column("undoes", sa.String(26), nullable=True),
        sa.ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        sa.ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        sa.ForeignKeyConstraint(["undoes"], ["case_actions.action_id"]),
        sa.UniqueConstraint("undoes", name="uq_case_actions_undoes"),
    )
    op.create_index("ix_case_actions_case", "case_actions", ["authorization_id", "action_id"])
    op.create_index("ix_case_actions_kind", "case_actions", ["tenant", "kind", "at"])
    op.create_index("ix_case_actions_person", "case_actions", ["tenant", "person_id", "at"])
    op.create_table(
        "trail",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("person_id", sa.String(26), nullable=True),
        sa.Column("role", sa.String(32), nullable=True),
        sa.Column("sign_in_id", sa.String(26), nullable=True),
        sa.Column("action", sa.String(48), nullable=False),
        sa.Column("authorization_id", sa.String(26), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("ix_trail_case", "trail", ["authorization_id", "number"])
    op.create_index("ix_trail_person", "trail", ["person_id", "number"])
    op.create_index("ix_trail_action", "trail", ["action", "number"])
    op.create_index("ix_trail_at", "trail", ["at"])
    _refuse_changes_to_the_trail()

    # Not in a batch: SQLite would make the table anew, and documents point to it.
    op.add_column("authorizations", sa.Column("member_id", sa.String(200), nullable=True))
    op.add_column("authorizations", sa.Column("line_of_business", sa.String(200), nullable=True))
    op.add_column("authorizations", sa.Column("family", sa.String(64), nullable=True))
    op.add_column("authorizations", sa.Column("work", sa.String(24), nullable=False, server_default="open"))
    op.add_column("authorizations", sa.Column("second_look", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("authorizations", sa.Column("assigned_to", sa.String(26), nullable=True))
    op.add_column("authorizations", sa.Column("assigned_at", _MOMENT, nullable=True))
    op.add_column("authorizations", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("authorizations", sa.Column("changed_at", _MOMENT, nullable=True))
    op.execute("UPDATE authorizations SET work = 'fast_tracked' WHERE route = 'fast_track'")
    op.execute("UPDATE authorizations SET changed_at = accepted_at")
    # PostgreSQL reads no JSON that names a NUL, which a diagnosis or an id may hold.
    readable = r"replace(request, '\u0000', '\u2400')::json"
    extract = f"({readable} #>> '{{{{{{0}},{{1}}}}}}')" if _is_postgresql() else "json_extract(request, '$.{0}.{1}')"
    op.execute(
        f"UPDATE authorizations SET member_id = {extract.format('member', 'member_id')},"
        f" line_of_business = {extract.format('coverage', 'line_of_business')}"
    )
    op.create_index("ix_authorizations_work_due", "authorizations", ["tenant", "work", "due_at", "authorization_id"])
    op.create_index(
        "ix_authorizations_assigned", "authorizations", ["tenant", "assigned_to", "work", "due_at", "authorization_id"]
    )
    op.create_index("ix_authorizations_member", "authorizations", ["tenant", "member_id"])


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _refuse_changes_to_the_trail() -> None:
    if _is_postgresql():
        op.execute(
            "CREATE FUNCTION refuse_change_of_trail() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the trail is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER trail_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_trail()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER trail_refuses_{change.lower()} BEFORE {change} ON trail "
            "BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END"
        )
    # INSERT OR REPLACE would overwrite an entry without any trigger on DELETE.
    op.execute(
        "CREATE TRIGGER trail_refuses_replacing BEFORE INSERT ON trail "
        "WHEN EXISTS (SELECT 1 FROM trail WHERE number = NEW.number) "
        "BEGIN SELECT RAISE(ABORT, 'the trail is append-only'); END"
    )


def downgrade() -> None:
    for index in ("ix_authorizations_member", "ix_authorizations_assigned", "ix_authorizations_work_due"):
        op.drop_index(index, "authorizations")
    for column in (
            "changed_at",
            "turn",
            "assigned_at",
            "assigned_to",
            "second_look",
            "work",
            "family",
            "line_of_business",
            "member_id",
        ):
        op.drop_column("authorizations", column)
    for table in ("trail", "case_actions", "last_looks", "saved_views", "drafts", "sign_ins", "people"):
        op.drop_table(table)
    if _is_postgresql():
        op.execute("DROP FUNCTION refuse_change_of_trail()")
