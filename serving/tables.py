"""The tables of the store. Note text is kept as bytes, so NUL and every other character survive any database.

Every column that can hold what a note says is a sealed one (serving/sealed_types.py).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    DateTime,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from serving.sealed_types import SealedBytes, SealedText


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware datetime, stored in UTC also where the database knows no time zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables."""


class AuthorizationRow(Base):
    """One accepted request. ``revision`` grows when documents are added; ``route`` and the reason are of the latest
    result and null while none is stored. ``audit_selected`` is drawn once, when the request is accepted, with
    ``audit_probability`` (null: not recorded). ``likeness`` is equal for requests of one member for one service,
    ``person_likeness`` for those of one birth date and sex.

    ``work`` is where the case stands with people (serving/work.py). ``turn`` grows with every change of the case by a
    person or by new documents: who acts names the turn they saw, so that two people cannot act on one case unawares.
    ``member_id``, ``line_of_business`` and ``family`` (of the policy) are copies for the worklist, ``received_at`` is one
    for the numbers: the clock starts there. ``attempts`` is always 0: jobs count theirs (serving/job_tables.py), and a
    process of the version before may still run beside this one. ``erased_at``: what the request, its documents and results
    said is gone since then; ids, codes, times and the route stay (serving/erasing.py).

    The clock (serving/case_clock.py): ``due_at`` counts events as far as they are over, so it is never too late;
    ``due_rule`` names the rule that made it, ``due_allowed`` the time that gives, ``extended_days`` what was added.
    ``paused_at`` is set while the clock stands still, ``amber_at`` and ``red_at`` are when the alarms are if nothing more
    happens. All but ``due_at`` are null for cases of before there were rules; ``urgency`` is the present one.
    """

    __tablename__ = "authorizations"
    __table_args__ = (
        UniqueConstraint("tenant", "external_id", name="uq_authorizations_tenant_external_id"),
        Index("ix_authorizations_likeness", "tenant", "likeness", "accepted_at"),
        Index("ix_authorizations_person", "tenant", "person_likeness", "member_id"),
        Index("ix_authorizations_due", "tenant", "due_at", "authorization_id"),
        Index("ix_authorizations_route_due", "tenant", "route", "due_at", "authorization_id"),
        Index("ix_authorizations_status_due", "tenant", "status", "due_at", "authorization_id"),
        Index("ix_authorizations_accepted", "tenant", "accepted_at", "authorization_id"),
        # Everything the worklist filters by, so that it is read from the index alone.
        Index(
            "ix_authorizations_worklist",
            "tenant",
            "work",
            "due_at",
            "authorization_id",
            "urgency",
            "line_of_business",
            "family",
            "service_code",
            "assigned_to",
            "second_look",
        ),
        Index("ix_authorizations_assigned", "tenant", "assigned_to", "work", "due_at", "authorization_id"),
        Index("ix_authorizations_member", "tenant", "member_id"),
        # What the numbers count by, so that counting a hundred thousand cases reads no request.
        Index(
            "ix_authorizations_waiting",
            "tenant",
            "work",
            "urgency",
            "line_of_business",
            "due_at",
            "received_at",
            "assigned_to",
            "red_at",
        ),
        # The clocks that raise an alarm, of all tenants: few among many.
        Index("ix_authorizations_alarm", "work", "amber_at", "red_at", "due_at", "urgency"),
        Index("ix_authorizations_arrived", "tenant", "accepted_at", "family", "route", "authorization_id", "revision"),
    )

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[str] = mapped_column(String(64))
    likeness: Mapped[str] = mapped_column(String(64))
    person_likeness: Mapped[str | None] = mapped_column(String(64))
    request: Mapped[str] = mapped_column(SealedText("authorizations.request"))
    service_system: Mapped[str] = mapped_column(String(16))
    service_code: Mapped[str] = mapped_column(String(200))
    service_description: Mapped[str | None] = mapped_column(SealedText("authorizations.service_description"))
    urgency: Mapped[str] = mapped_column(String(16))
    accepted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int]
    attempts: Mapped[int]
    audit_selected: Mapped[bool]
    audit_probability: Mapped[float | None] = mapped_column(Float)
    route: Mapped[str | None] = mapped_column(String(16))
    reason_code: Mapped[str | None] = mapped_column(String(64))
    reason_message: Mapped[str | None] = mapped_column(SealedText("authorizations.reason_message"))
    member_id: Mapped[str | None] = mapped_column(String(200))
    line_of_business: Mapped[str | None] = mapped_column(String(200))
    family: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    work: Mapped[str] = mapped_column(String(24), default="open", server_default="open")
    second_look: Mapped[bool] = mapped_column(default=False, server_default=false())
    assigned_to: Mapped[str | None] = mapped_column(String(26))
    assigned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    turn: Mapped[int] = mapped_column(default=0, server_default="0")
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    due_rule: Mapped[str | None] = mapped_column(String(64))
    due_allowed: Mapped[str | None] = mapped_column(String(40))
    extended_days: Mapped[int | None]
    amber_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    red_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DocumentRow(Base):
    """One document as received: ``content`` is UTF-8 for text/plain, the decoded bytes for everything else.

    ``received_at`` is when it came to us, null where that was not recorded. What a reader got out of a file stands in
    ``extracted_text`` (UTF-8), ``read_by`` (reader with its version) and ``reading`` (JSON: pages and doubts), all null for
    plain text and until the file is read.
    """

    __tablename__ = "documents"
    __table_args__ = (ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),)

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    document_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[int]
    revision: Mapped[int]
    type: Mapped[str] = mapped_column(String(32))
    date: Mapped[str | None] = mapped_column(String(10))
    content_type: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    wording: Mapped[str | None] = mapped_column(String(64), index=True)
    content: Mapped[bytes] = mapped_column(SealedBytes("documents.content"))
    received_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    extracted_text: Mapped[bytes | None] = mapped_column(SealedBytes("documents.extracted_text"))
    read_by: Mapped[str | None] = mapped_column(String(200))
    reading: Mapped[str | None] = mapped_column(SealedText("documents.reading"))


class ResultRow(Base):
    """One triage of one revision; rows are never changed. ``result`` is the contract's JSON, ``trace`` the record that
    the pages show. ``held_for_audit``: it would have been a fast track and was drawn for the blind audit.
    ``approval_score`` is a copy for the numbers.
    """

    __tablename__ = "results"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        # A row holds the whole result; what is counted of it stands here.
        Index("ix_results_counted", "authorization_id", "revision", "held_for_audit", "approval_score"),
    )

    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    triaged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    route: Mapped[str] = mapped_column(String(16))
    held_for_audit: Mapped[bool]
    pipeline_version: Mapped[str] = mapped_column(String(200))
    result: Mapped[str] = mapped_column(SealedText("results.result"))
    trace: Mapped[str] = mapped_column(SealedText("results.trace"))
    approval_score: Mapped[float | None] = mapped_column(Float)


class DecisionRow(Base):
    """What a person decided; rows are only added. The first of kind ``decision`` is the answer to the request as it came,
    later ones are what followed; of kind ``overturned`` are outcomes that replaced it. ``action_id`` names the action by
    which it was decided here, null where it was decided in another system; one that was undone does not count.
    """

    __tablename__ = "decisions"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        Index("ix_decisions_authorization", "authorization_id", "decision_id"),
    )

    decision_id: Mapped[int] = mapped_column(primary_key=True)
    authorization_id: Mapped[str] = mapped_column(String(26))
    kind: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(32))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_by: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(32))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    action_id: Mapped[str | None] = mapped_column(String(26))


class FastTrackSwitchRow(Base):
    """One turn of a service family's switch; rows are only added and the latest holds."""

    __tablename__ = "fast_track_switches"
    __table_args__ = (Index("ix_fast_track_switches_family", "tenant", "family", "switch_id"),)

    switch_id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    family: Mapped[str] = mapped_column(String(64))
    off: Mapped[bool]
    switched_by: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(Text)
    switched_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PersonRow(Base):
    """Somebody who may sign in. ``password_hash`` is argon2's, null for people who come by OpenID Connect alone."""

    __tablename__ = "people"
    __table_args__ = (
        UniqueConstraint("tenant", "sign_in_name", name="uq_people_tenant_sign_in_name"),
        UniqueConstraint("tenant", "oidc_subject", name="uq_people_tenant_oidc_subject"),
    )

    person_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    sign_in_name: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(32))
    team: Mapped[str | None] = mapped_column(String(64))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    oidc_subject: Mapped[str | None] = mapped_column(String(400))
    active: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInRow(Base):
    """One signed-in browser. Its cookie holds the token, the table only the token's SHA-256; ``form_token`` is in every
    form that the browser gets, and ``sign_in_id`` names the sign-in in the trail.
    """

    __tablename__ = "sign_ins"
    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        Index("ix_sign_ins_person", "person_id"),
    )

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    sign_in_id: Mapped[str] = mapped_column(String(26))
    person_id: Mapped[str] = mapped_column(String(26))
    form_token: Mapped[str] = mapped_column(String(64))
    begun_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DraftRow(Base):
    """What a person has written in a form of a case and not sent: JSON of the form's fields."""

    __tablename__ = "drafts"
    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
    )

    person_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    form: Mapped[str] = mapped_column(String(32), primary_key=True)
    content: Mapped[str] = mapped_column(SealedText("drafts.content"))
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SavedViewRow(Base):
    """A filter of the worklist that a person gave a name: ``query`` is that of its address. One can be what opens first."""

    __tablename__ = "saved_views"
    __table_args__ = (ForeignKeyConstraint(["person_id"], ["people.person_id"]),)

    person_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    query: Mapped[str] = mapped_column(Text)
    is_default: Mapped[bool] = mapped_column(default=False, server_default=false())
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LastLookRow(Base):
    """When a person last opened a case, so that the worklist can say what changed since."""

    __tablename__ = "last_looks"
    __table_args__ = (
        ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        Index("ix_last_looks_person", "person_id", "looked_at"),
    )

    person_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    authorization_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    looked_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CaseActionRow(Base):
    """One thing a person did on a case; rows are only added. ``content`` is JSON, its fields by ``kind``. ``concept`` and
    ``verdict`` of a correction are copies for the numbers.

    An action can be undone, by one action that names it in ``undoes``, until it ``takes_effect_at`` (null: at any time).
    """

    __tablename__ = "case_actions"
    __table_args__ = (
        ForeignKeyConstraint(["authorization_id"], ["authorizations.authorization_id"]),
        ForeignKeyConstraint(["person_id"], ["people.person_id"]),
        ForeignKeyConstraint(["undoes"], ["case_actions.action_id"]),
        UniqueConstraint("undoes", name="uq_case_actions_undoes"),
        # Both hold what the numbers count, so that counting reads no contents.
        Index("ix_case_actions_case", "authorization_id", "action_id", "kind", "person_id", "role"),
        Index(
            "ix_case_actions_kind",
            "tenant",
            "kind",
            "at",
            "authorization_id",
            "action_id",
            "person_id",
            "role",
            "revision",
        ),
        Index("ix_case_actions_person", "tenant", "person_id", "at"),
    )

    action_id: Mapped[str] = mapped_column(String(26), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    authorization_id: Mapped[str] = mapped_column(String(26))
    revision: Mapped[int]
    kind: Mapped[str] = mapped_column(String(32))
    person_id: Mapped[str] = mapped_column(String(26))
    role: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[str] = mapped_column(SealedText("case_actions.content"))
    concept: Mapped[str | None] = mapped_column(String(200))
    verdict: Mapped[str | None] = mapped_column(String(32))
    takes_effect_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undoes: Mapped[str | None] = mapped_column(String(26))


class TrailRow(Base):
    """One entry of the trail: who saw or did what, when. The database refuses to change or delete one.

    ``hash`` is over the entry and ``previous_hash``; ``details`` is JSON without note text or names.
    """

    __tablename__ = "trail"
    __table_args__ = (
        Index("ix_trail_case", "authorization_id", "number"),
        Index("ix_trail_person", "person_id", "number"),
        Index("ix_trail_tenant_action", "tenant", "action", "number"),
        Index("ix_trail_tenant", "tenant", "number"),
        Index("ix_trail_at", "at"),
        Index("ix_trail_opened", "authorization_id", "person_id", "action", "at"),
    )

    number: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    person_id: Mapped[str | None] = mapped_column(String(26))
    role: Mapped[str | None] = mapped_column(String(32))
    sign_in_id: Mapped[str | None] = mapped_column(String(26))
    action: Mapped[str] = mapped_column(String(48))
    authorization_id: Mapped[str | None] = mapped_column(String(26))
    details: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


def has_tenant(tenant: BindParameter[str]) -> ColumnElement[bool]:
    """Whether a case that is found by something rarer is the tenant's: not by the indexes of tenants.

    SQLite knows no figures of what is stored, takes a tenant for as rare as a member, and would look at all its cases.
    """
    return (AuthorizationRow.tenant + "") == tenant
