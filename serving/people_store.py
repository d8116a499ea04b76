"""Where people and their sign-ins are kept. Passwords are stored as argon2id hashes, tokens as SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from serving.errors import PersonRefusedError, UnknownPersonError
from serving.people import IDLE_LIMIT, Person, SignedIn
from serving.roles import Role
from serving.store import Store
from serving.tables import PersonRow, SignInRow
from serving.trail import record
from serving.ulid import UlidSource

SHORTEST_PASSWORD = 12
"""NIST SP 800-63B asks for at least 8 characters; 12 without rules about which ones."""


class PeopleStore:
    """People of one tenant. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_id = UlidSource()
        self._hasher = PasswordHasher()
        # Verified where no such person is there, so that the time it takes does not tell.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    def add(
        self,
        sign_in_name: str,
        display_name: str,
        role: Role,
        *,
        password: str | None = None,
        oidc_subject: str | None = None,
        team: str | None = None,
        now: datetime,
    ) -> Person:
        """Let somebody sign in from now on. Raises PersonRefusedError: name taken, password too short."""
        if password is not None and len(password) < SHORTEST_PASSWORD:
            raise PersonRefusedError(f"password: needs at least {SHORTEST_PASSWORD} characters")
        with self._store.writing() as session:
            if self._named(session, sign_in_name) is not None:
                raise PersonRefusedError("sign_in_name: somebody has this name already")
            row = PersonRow(
                person_id=self._next_id(),
                tenant=self._store.tenant,
                sign_in_name=sign_in_name,
                display_name=display_name,
                role=role.value,
                team=team,
                password_hash=self._hasher.hash(password) if password is not None else None,
                oidc_subject=oidc_subject,
                active=True,
                created_at=now,
            )
            session.add(row)
            session.flush()
            record(
                session,
                self._store.tenant,
                "person_added",
                at=now,
                details={"person_id": row.person_id, "role": role.value},
            )
            return _person(row)

    def everybody(self) -> tuple[Person, ...]:
        """Everybody of the tenant, by display name."""
        query = (
            select(PersonRow)
            .where(PersonRow.tenant == self._store.tenant)
            .order_by(func.lower(PersonRow.display_name), PersonRow.person_id)
        )
        with self._store.reading() as session:
            return tuple(_person(row) for row in session.scalars(query))

    def person(self, person_id: str) -> Person:
        """Who has this id. Raises UnknownPersonError."""
        with self._store.reading() as session:
            row = session.get(PersonRow, person_id)
            if row is None or row.tenant != self._store.tenant:
                raise UnknownPersonError("person: nobody has this id")
            return _person(row)

    def with_password(self, sign_in_name: str, password: str) -> Person | None:
        """Who this is, None unless name and password belong to an active person."""
        with self._store.reading() as session:
            row = self._named(session, sign_in_name)
            try:
                self._hasher.verify((row.password_hash if row else None) or self._nobody, password)
            except VerificationError:
                return None
            return _person(row) if row is not None and row.active and row.password_hash else None

    def sign_in(self, person: Person, *, now: datetime) -> str:
        """Begin a sign-in; returns the token for the browser's cookie."""
        token = secrets.token_urlsafe(32)
        with self._store.writing() as session:
            row = SignInRow(
                token_hash=_hash(token),
                sign_in_id=self._next_id(),
                person_id=person.person_id,
                form_token=secrets.token_urlsafe(32),
                begun_at=now,
                last_seen_at=now,
            )
            session.add(row)
            who = SignedIn(person, row.sign_in_id, row.form_token, now)
            record(session, self._store.tenant, "signed_in", at=now, who=who)
        return token

    def signed_in(self, token: str, *, now: datetime) -> SignedIn | None:
        """Who the token belongs to, None where the sign-in ended or was idle for longer than IDLE_LIMIT."""
        with self._store.reading() as session:
            row = session.get(SignInRow, _hash(token))
            if row is None or row.ended_at is not None or now - row.last_seen_at > IDLE_LIMIT:
                return None
            person = session.get(PersonRow, row.person_id)
            if person is None or not person.active or person.tenant != self._store.tenant:
                return None
            return SignedIn(_person(person), row.sign_in_id, row.form_token, row.last_seen_at)

    def seen(self, token: str, *, now: datetime) -> None:
        """The person did something: the idle time starts again."""
        with self._store.writing() as session:
            row = session.get(SignInRow, _hash(token))
            if row is not None and row.ended_at is None:
                row.last_seen_at = max(row.last_seen_at, now)

    def sign_out(self, token: str, *, now: datetime) -> None:
        """End a sign-in; one that is not there or ended stays as it is."""
        who = self.signed_in(token, now=now)
        with self._store.writing() as session:
            row = session.get(SignInRow, _hash(token))
            if row is not None and row.ended_at is None:
                row.ended_at = now
                record(session, self._store.tenant, "signed_out", at=now, who=who)

    def _named(self, session: Session, sign_in_name: str) -> PersonRow | None:
        return session.scalar(
            select(PersonRow).where(PersonRow.tenant == self._store.tenant, PersonRow.sign_in_name == sign_in_name)
        )


def _person(row: PersonRow) -> Person:
    return Person(row.person_id, row.sign_in_name, row.display_name, Role(row.role), row.team, row.active)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
