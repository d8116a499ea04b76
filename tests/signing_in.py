"""A person who is signed in, for tests of pages that need one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.cookies import COOKIE
from serving.people import Person, SignedIn
from serving.people_store import PeopleStore
from serving.roles import Role

PASSWORD = "a long enough password"


def add_person(app: FastAPI, role: Role, name: str | None = None, *, team: str | None = None) -> Person:
    """Somebody of this role; ``name`` is the sign-in name and, capitalised, the display name."""
    people: PeopleStore = app.state.people
    name = name or role.value
    return people.add(name, name.replace("_", " ").title(), role, password=PASSWORD, team=team, now=datetime.now(UTC))


def sign_in(client: TestClient, role: Role = Role.NURSE, name: str | None = None) -> SignedIn:
    """Give the client a new person's cookie. ``form_token`` of what is returned goes into every posted form."""
    app = client.app
    assert isinstance(app, FastAPI)
    return sign_in_again(client, add_person(app, role, name))


@contextmanager
def signed_in_client(app: FastAPI, role: Role = Role.NURSE) -> Iterator[TestClient]:
    """A client of the running application with a new person's cookie."""
    with TestClient(app) as client:
        sign_in(client, role)
        yield client


def sign_in_again(client: TestClient, person: Person) -> SignedIn:
    """Give the client a new cookie of somebody who is there already."""
    app = client.app
    assert isinstance(app, FastAPI)
    people: PeopleStore = app.state.people
    token = people.sign_in(person, now=datetime.now(UTC))
    client.cookies.set(COOKIE, token)
    who = people.signed_in(token, now=datetime.now(UTC))
    assert who is not None
    return who
