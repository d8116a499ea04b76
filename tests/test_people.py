"""People, their passwords and their sign-ins, kept in a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from databases import database_in
from sqlalchemy import select

from serving.errors import PersonRefusedError
from serving.people import IDLE_LIMIT
from serving.people_store import PeopleStore
from serving.roles import PERMISSIONS, Permission, Role
from serving.store import Store
from serving.tables import PersonRow, SignInRow, TrailRow

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = "a long enough password"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(database_in(tmp_path))
    yield store
    store.close()


@pytest.fixture
def people(store: Store) -> PeopleStore:
    return PeopleStore(store)


def test_a_person_signs_in_with_their_own_password_only(people: PeopleStore) -> None:
    added = people.add("ann", "Ann Lee", Role.NURSE, password=PASSWORD, now=NOW)
    assert people.with_password("ann", PASSWORD) == added
    assert people.with_password("ann", PASSWORD + "x") is None
    assert people.with_password("bob", PASSWORD) is None


def test_a_person_without_a_password_cannot_sign_in_by_one(people: PeopleStore) -> None:
    people.add("ann", "Ann Lee", Role.NURSE, oidc_subject="a1", now=NOW)
    assert people.with_password("ann", "") is None


def test_no_password_and_no_token_is_stored(people: PeopleStore, store: Store) -> None:
    token = people.sign_in(people.add("ann", "Ann Lee", Role.NURSE, password=PASSWORD, now=NOW), now=NOW)
    with store.reading() as session:
        person, kept = session.scalars(select(PersonRow)).one(), session.scalars(select(SignInRow)).one()
    assert person.password_hash is not None
    assert person.password_hash.startswith("$argon2id$")
    assert token not in (kept.token_hash, kept.form_token, kept.sign_in_id)


def test_a_sign_in_ends_after_fifteen_idle_minutes_and_not_while_in_use(people: PeopleStore) -> None:
    person = people.add("ann", "Ann Lee", Role.NURSE, password=PASSWORD, now=NOW)
    token = people.sign_in(person, now=NOW)
    later = NOW + IDLE_LIMIT
    assert timedelta(minutes=15) == IDLE_LIMIT
    assert people.signed_in(token, now=later) is not None
    assert people.signed_in(token, now=later + timedelta(seconds=1)) is None
    people.seen(token, now=later)
    who = people.signed_in(token, now=later + IDLE_LIMIT)
    assert who is not None
    assert who.person == person
    people.sign_out(token, now=later)
    assert people.signed_in(token, now=later) is None


def test_a_name_is_given_once_and_a_short_password_is_refused(people: PeopleStore) -> None:
    people.add("ann", "Ann Lee", Role.NURSE, password=PASSWORD, now=NOW)
    with pytest.raises(PersonRefusedError, match="sign_in_name"):
        people.add("ann", "Another Ann", Role.NURSE, password=PASSWORD, now=NOW)
    with pytest.raises(PersonRefusedError, match="password"):
        people.add("bob", "Bob", Role.NURSE, password="short", now=NOW)


def test_only_the_medical_director_determines_adversely() -> None:
    assert [role for role, held in PERMISSIONS.items() if Permission.DETERMINE_ADVERSELY in held] == [
        Role.MEDICAL_DIRECTOR
    ]


def test_each_entry_of_the_trail_names_the_hash_of_the_one_before(people: PeopleStore, store: Store) -> None:
    person = people.add("ann", "Ann Lee", Role.NURSE, password=PASSWORD, now=NOW)
    people.sign_out(people.sign_in(person, now=NOW), now=NOW)
    with store.reading() as session:
        entries = session.scalars(select(TrailRow).order_by(TrailRow.number)).all()
    assert [entry.action for entry in entries] == ["person_added", "signed_in", "signed_out"]
    assert [entry.previous_hash for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]


def test_the_documented_table_of_roles_is_the_one_in_force() -> None:
    text = (Path(__file__).parents[1] / "docs" / "people.md").read_text("utf-8")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    heading, _, *roles = rows
    assert heading[1:] == [permission.name for permission in Permission]
    documented = {row[0]: {name for name, cell in zip(heading[1:], row[1:], strict=True) if cell} for row in roles}
    assert documented == {role.value: {held.name for held in PERMISSIONS[role]} for role in Role}
