"""The trail: who saw and did what, when. Entries are only added, and each one's hash covers the one before.

An entry holds ids, kinds and versions: never note text, a name or a birth date.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from serving.people import SignedIn
from serving.records import dumps
from serving.tables import TrailRow

FIRST_HASH = "0" * 64
"""What the first entry names as the hash of the one before it."""

_TRAIL_LOCK = 0x67726E6C
"""PostgreSQL's advisory lock under which the next entry's number and hash are found."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the trail as it is hashed. ``person_id`` None: the service itself."""

    number: int
    tenant: str
    at: datetime
    person_id: str | None
    role: str | None
    sign_in_id: str | None
    action: str
    authorization_id: str | None
    details: str
    previous_hash: str

    @property
    def hash(self) -> str:
        """SHA-256 over every field, the previous entry's hash among them."""
        fields = [
            self.number,
            self.tenant,
            self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            self.person_id,
            self.role,
            self.sign_in_id,
            self.action,
            self.authorization_id,
            self.details,
            self.previous_hash,
        ]
        return hashlib.sha256(dumps(fields).encode()).hexdigest()


def record(
    session: Session,
    tenant: str,
    action: str,
    *,
    at: datetime,
    who: SignedIn | None = None,
    authorization_id: str | None = None,
    details: Mapping[str, object] | None = None,
) -> int:
    """Add an entry in the caller's own transaction, so that nothing is done without it. Returns its number.

    Call it last in the transaction: on PostgreSQL it waits for every other transaction that added an entry.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _TRAIL_LOCK})
    last = session.execute(
        select(TrailRow.number, TrailRow.hash).order_by(TrailRow.number.desc()).limit(1)
    ).one_or_none()
    entry = Entry(
        number=last.number + 1 if last else 1,
        tenant=tenant,
        at=at,
        person_id=who.person.person_id if who else None,
        role=who.person.role.value if who else None,
        sign_in_id=who.sign_in_id if who else None,
        action=action,
        authorization_id=authorization_id,
        details=dumps(dict(details or {})),
        previous_hash=last.hash if last else FIRST_HASH,
    )
    session.add(
        TrailRow(
            number=entry.number,
            tenant=entry.tenant,
            at=entry.at,
            person_id=entry.person_id,
            role=entry.role,
            sign_in_id=entry.sign_in_id,
            action=entry.action,
            authorization_id=entry.authorization_id,
            details=entry.details,
            previous_hash=entry.previous_hash,
            hash=entry.hash,
        )
    )
    session.flush()
    return entry.number
