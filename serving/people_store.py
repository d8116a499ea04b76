"""Where people and their sign-ins are kept. Passwords are stored as argon2id hashes, tokens as SHA-256."""

from __future__ import annotations

import copy
import hashlib
import secrets
import threading
from datetime import datetime, timedelta

from argon2.exceptions import VerificationError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from serving.errors import PersonRefusedError, SignInRefusedError, UnknownPersonError
from serving.key_tables import TenantRow
from serving.people import IDLE_LIMIT, Person, SignedIn
from serving.roles import Role
from serving.secret_hasher import secret_hasher
from serving.sign_in_names import folded_name
from serving.store import Store
from serving.tables import PersonRow, SignInRow
from serving.trail import record
from serving.ulid import UlidSource

SHORTEST_PASSWORD = 12
"""NIST SP 800-63B asks for at least 8 characters; 12 without rules about which ones."""
LONGEST_PASSWORD = 1000
LONGEST_NAME = 100
LONGEST_TEAM = 64
KEPT_AFTER_END = timedelta(hours=24)
"""So long after a sign-in ended by itself what its pages still post is kept as a draft."""

_VERIFIED_AT_ONCE = 2
"""Each check of a password takes 64 MiB and a core; more at once would let strangers starve the service."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def generated_password() -> str:
    """A password of 79 bits in four groups, without characters that look alike."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


class PeopleStore:
    """People of one tenant. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_id = UlidSource()
        self._hasher = secret_hasher()
        self._verifying = threading.BoundedSemaphore(_VERIFIED_AT_ONCE)
        # Verified where no such person is there, so that the time it takes does not tell.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    def of_tenant(self, tenant: str) -> PeopleStore:
        """Another tenant's people. Passwords of all tenants are verified as few at once as those of one."""
        other = copy.copy(self)
        other._store = self._store.of_tenant(tenant)
        return other

    def add(
        self,
        sign_in_name: str,
        display_name: str,
        role: Role,
        *,
        password: str | None = None,
        oidc_subject: str | None = None,
        team: str | None = None,
        by: SignedIn | None = None,
        now: datetime,
    ) -> Person:
        """Let somebody sign in from now on; ``by`` is who lets them. Raises PersonRefusedError that names the field."""
        hashed = self._hashed(password) if password is not None else None
        row = PersonRow(
            person_id=self._next_id(),
            tenant=self._store.tenant,
            sign_in_name=_sign_in_name(sign_in_name),
            display_name=_line("display_name", display_name, LONGEST_NAME),
            role=role.value,
            team=_team(team),
            password_hash=hashed,
            oidc_subject=oidc_subject,
            active=True,
            created_at=now,
        )
        with self._store.writing() as session:
            if self._named(session, row.sign_in_name) is not None:
                raise PersonRefusedError("sign_in_name: somebody has this name already")
            session.add(row)
            session.flush()
            self._record_added(session, row, by, now)
            return _person(row)

    def change(
        self,
        person_id: str,
        *,
        display_name: str | None = None,
        role: Role | None = None,
        team: str | None = None,
        active: bool | None = None,
        password: str | None = None,
        by: SignedIn | None = None,
        now: datetime,
    ) -> Person:
        """Change what is given; an empty ``team`` takes the person out of theirs.

        A person made inactive, and one with a new password, is signed out everywhere. Raises UnknownPersonError, or
        PersonRefusedError: nothing may leave the tenant without an active administrator.
        """
        hashed = self._hashed(password) if password is not None else None
        with self._store.writing() as session:
            row = self._row(session, person_id)
            if row.oidc_subject is not None and (hashed or (role is not None and role.value != row.role)):
                raise PersonRefusedError("role: the identity provider keeps this person's role and password")
            before = (row.display_name, row.role, row.team, row.active)
            row.display_name = (
                row.display_name if display_name is None else _line("display_name", display_name, LONGEST_NAME)
            )
            row.role = row.role if role is None else role.value
            row.team = row.team if team is None else _team(team)
            row.active = row.active if active is None else active
            row.password_hash = hashed or row.password_hash
            session.flush()
            if before[1] == Role.ADMINISTRATOR and before[3] and not self._has_administrator(session):
                raise PersonRefusedError("role: this is the last administrator; make somebody else one first")
            if not row.active or hashed:
                self._end_all(session, person_id, now)
            after = (row.display_name, row.role, row.team, row.active)
            changed = [name for name, old, new in zip(_CHANGEABLE, before, after, strict=True) if old != new] + [
                "password"
            ] * bool(hashed)
            if changed:
                details = {"person_id": person_id, "changed": changed, "role": row.role, "active": row.active}
                record(session, self._store.tenant, "person_changed", at=now, who=by, details=details)
            return _person(row)

    def come_by_oidc(self, subject: str, *, name: str, display_name: str, role: Role, now: datetime) -> Person:
        """Who the identity provider's subject is here, made when they first come; their role is what it says today.

        ``name`` is only a wish: nobody comes by somebody else's sign-in name. Raises SignInRefusedError for somebody
        made inactive.
        """
        with self._store.writing() as session:
            row = session.scalar(
                select(PersonRow).where(PersonRow.tenant == self._store.tenant, PersonRow.oidc_subject == subject)
            )
            if row is None:
                row = PersonRow(
                    person_id=self._next_id(),
                    tenant=self._store.tenant,
                    sign_in_name=self._free_name(session, name, subject),
                    display_name=_printable(display_name)[:LONGEST_NAME] or "No name",
                    role=role.value,
                    oidc_subject=subject,
                    active=True,
                    created_at=now,
                )
                session.add(row)
                session.flush()
                self._record_added(session, row, None, now)
            elif not row.active:
                raise SignInRefusedError("person: was made inactive here")
            elif row.role != role.value:
                row.role = role.value
                details = {"person_id": row.person_id, "changed": ["role"], "role": row.role, "active": True}
                record(session, self._store.tenant, "person_changed", at=now, details=details)
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
            return _person(self._row(session, person_id))

    def named(self, sign_in_name: str) -> Person | None:
        """Who has this sign-in name."""
        with self._store.reading() as session:
            row = self._named(session, folded_name(sign_in_name))
            return _person(row) if row is not None else None

    def with_password(self, sign_in_name: str, password: str) -> Person | None:
        """Who this is, None unless name and password belong to an active person."""
        with self._store.reading() as session:
            row = self._named(session, folded_name(sign_in_name))
            person = _person(row) if row is not None and row.active and row.password_hash else None
            expected = (row.password_hash if row is not None else None) or self._nobody
        with self._verifying:
            try:
                self._hasher.verify(expected, password[:LONGEST_PASSWORD])
            except VerificationError:
                return None
        return person

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

    def sign_in_failed(self, sign_in_name: str, *, now: datetime) -> None:
        """Record that a sign-in failed; the trail holds the person's id where the name is somebody's."""
        with self._store.writing() as session:
            row = self._named(session, folded_name(sign_in_name))
            details = {"person_id": row.person_id if row is not None else None}
            record(session, self._store.tenant, "sign_in_failed", at=now, details=details)

    def signed_in(self, token: str, *, now: datetime) -> SignedIn | None:
        """Who the token belongs to, None where the sign-in ended or was idle for too long (serving/people.py)."""
        who = self._of_token(token)
        if who is None or now > who.ends_at:
            return None
        # Seen in the future: the clock was wrong then or is now, and nobody can say for how long they were away.
        return None if who.last_seen_at - now > IDLE_LIMIT else who

    def idled_out(self, token: str, *, now: datetime) -> SignedIn | None:
        """Whose sign-in this was, where it ended by itself in the last KEPT_AFTER_END. It opens nothing."""
        who = self._of_token(token)
        return who if who is not None and who.ends_at < now <= who.ends_at + KEPT_AFTER_END else None

    def gave_form(self, person_id: str, form_token: str) -> bool:
        """Whether a form with this token was given to this person, in whichever of their sign-ins."""
        query = (
            select(SignInRow.token_hash)
            .join(PersonRow, PersonRow.person_id == SignInRow.person_id)
            .where(
                PersonRow.tenant == self._store.tenant,
                SignInRow.person_id == person_id,
                SignInRow.form_token == form_token,
            )
        )
        with self._store.reading() as session:
            return session.execute(query.limit(1)).first() is not None

    def seen(self, token: str, *, now: datetime) -> None:
        """The person did something: the idle time starts again."""
        with self._store.writing() as session:
            row = self._sign_in(session, token)
            if row is not None and row.ended_at is None:
                row.last_seen_at = max(row.last_seen_at, now)

    def sign_out(self, token: str, *, now: datetime) -> None:
        """End a sign-in of this tenant; one that is not there or ended stays as it is."""
        who = self.signed_in(token, now=now)
        with self._store.writing() as session:
            row = self._sign_in(session, token)
            if row is not None and row.ended_at is None:
                row.ended_at = now
                record(session, self._store.tenant, "signed_out", at=now, who=who)

    def _of_token(self, token: str) -> SignedIn | None:
        with self._store.reading() as session:
            row = session.get(SignInRow, _hash(token))
            if row is None or row.ended_at is not None:
                return None
            person = session.get(PersonRow, row.person_id)
            if person is None or not person.active or person.tenant != self._store.tenant:
                return None
            return SignedIn(_person(person), row.sign_in_id, row.form_token, row.last_seen_at)

    def _sign_in(self, session: Session, token: str) -> SignInRow | None:
        return session.scalar(
            select(SignInRow)
            .join(PersonRow, PersonRow.person_id == SignInRow.person_id)
            .where(SignInRow.token_hash == _hash(token), PersonRow.tenant == self._store.tenant)
        )

    def _row(self, session: Session, person_id: str) -> PersonRow:
        row = session.get(PersonRow, person_id)
        if row is None or row.tenant != self._store.tenant:
            raise UnknownPersonError("person: nobody has this id")
        return row

    def _named(self, session: Session, sign_in_name: str) -> PersonRow | None:
        return session.scalar(
            select(PersonRow).where(PersonRow.tenant == self._store.tenant, PersonRow.sign_in_name == sign_in_name)
        )

    def _free_name(self, session: Session, wished: str, subject: str) -> str:
        name = "".join(folded_name(wished).split())[: LONGEST_NAME - 13] or "person"
        return name if self._named(session, name) is None else f"{name}-{_hash(subject)[:12]}"

    def _has_administrator(self, session: Session) -> bool:
        query = select(PersonRow.person_id).where(
            PersonRow.tenant == self._store.tenant,
            PersonRow.role == Role.ADMINISTRATOR.value,
            PersonRow.active,
        )
        return session.execute(query.limit(1)).first() is not None

    def _end_all(self, session: Session, person_id: str, now: datetime) -> None:
        session.execute(
            update(SignInRow).where(SignInRow.person_id == person_id, SignInRow.ended_at.is_(None)).values(ended_at=now)
        )

    def _record_added(self, session: Session, row: PersonRow, by: SignedIn | None, now: datetime) -> None:
        details = {"person_id": row.person_id, "role": row.role}
        record(session, self._store.tenant, "person_added", at=now, who=by, details=details)

    def _hashed(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise PersonRefusedError(f"password: needs at least {SHORTEST_PASSWORD} characters")
        with self._verifying:
            return self._hasher.hash(password)


def tenant_of_sign_in(store: Store, token: str) -> str | None:
    """The tenant of whose sign-in this is, ended or not; None where it is nobody's, or the tenant is not active.

    The only question about people that is asked before it is known which tenant asks.
    """
    query = (
        select(PersonRow.tenant)
        .join(SignInRow, SignInRow.person_id == PersonRow.person_id)
        .join(TenantRow, TenantRow.tenant == PersonRow.tenant)
        .where(SignInRow.token_hash == _hash(token), TenantRow.active)
    )
    with store.reading() as session:
        return session.scalar(query)


_CHANGEABLE = ("display_name", "role", "team", "active")


def _person(row: PersonRow) -> Person:
    return Person(
        row.person_id,
        row.sign_in_name,
        row.display_name,
        Role(row.role),
        row.team,
        row.active,
        row.oidc_subject is not None,
        row.tenant,
    )


def _sign_in_name(text: str) -> str:
    name = folded_name(text)
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or len(name.split()) != 1:
        raise PersonRefusedError(f"sign_in_name: must be 1 to {LONGEST_NAME} characters without spaces")
    return name


def _team(text: str | None) -> str | None:
    return _line("team", text, LONGEST_TEAM) if text and text.strip() else None


def _line(field: str, text: str, longest: int) -> str:
    line = _printable(text)
    if not line or len(line) > longest:
        raise PersonRefusedError(f"{field}: must be 1 to {longest} characters")
    return line


def _printable(text: str) -> str:
    return " ".join("".join(character for character in text if character.isprintable()).split())


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
