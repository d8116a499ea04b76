"""Stored cases and people, put into the database as they would be after triage: for tests of the worklist."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select

from serving.people import Person, SignedIn
from serving.roles import Role
from serving.store import Store
from serving.tables import AuthorizationRow, PersonRow
from serving.ulid import UlidSource
from serving.work import Work

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

_next_id = UlidSource()


def add_case(store: Store, external_id: str, **columns: object) -> str:
    """A triaged case that a nurse reviews, due in two days; returns its id."""
    authorization_id = _next_id()
    add_cases(store, [{"authorization_id": authorization_id, "external_id": external_id, **columns}])
    return authorization_id


def add_cases(store: Store, cases: list[dict[str, object]]) -> None:
    """Several at once."""
    rows = [{**_PLAIN, "tenant": store.tenant, "likeness": case["external_id"], **case} for case in cases]
    with store.writing() as session:
        session.execute(insert(AuthorizationRow), rows)


def new_id() -> str:
    """An id for a case."""
    return _next_id()


def signed_in(store: Store, name: str, role: Role = Role.NURSE, *, team: str | None = None) -> SignedIn:
    """A new person without a password, signed in."""
    person = Person(_next_id(), name.lower(), name, role, team)
    with store.writing() as session:
        session.add(
            PersonRow(
                person_id=person.person_id,
                tenant=store.tenant,
                sign_in_name=person.sign_in_name,
                display_name=name,
                role=role.value,
                team=team,
                active=True,
                created_at=NOW,
            )
        )
    return SignedIn(person, _next_id(), "form token", NOW)


def row(store: Store, authorization_id: str) -> AuthorizationRow:
    """The case as it is stored now."""
    with store.reading() as session:
        return session.scalars(
            select(AuthorizationRow).where(AuthorizationRow.authorization_id == authorization_id)
        ).one()


_PLAIN: Mapping[str, object] = {
    "content_hash": "h",
    "request": "{}",
    "service_system": "CPT",
    "service_code": "72148",
    "service_description": "MRI lumbar spine without contrast",
    "urgency": "standard",
    "accepted_at": NOW,
    "due_at": NOW + timedelta(days=2),
    "status": "triaged",
    "revision": 1,
    "attempts": 0,
    "audit_selected": False,
    "route": "nurse_review",
    "reason_code": "criterion_not_documented",
    "reason_message": "A criterion is not documented.",
    "member_id": "M-1",
    "line_of_business": "commercial",
    "family": "advanced_imaging",
    "work": Work.OPEN.value,
    "second_look": False,
    "assigned_to": None,
    "assigned_at": None,
    "turn": 0,
    "changed_at": NOW,
}
