"""The trail: who saw and did what, when. Entries are only added, and each one's hash covers the one before.

An entry holds ids, kinds and versions: never note text, a name or a birth date.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from serving.people import SignedIn
from serving.records import dumps
from serving.tables import TrailRow

FIRST_HASH = "0" * 64
"""What the first entry names as the hash of the one before it."""

_TRAIL_LOCK = 0x67726E6C
"""PostgreSQL's advisory lock under which the next entry's number and hash are found."""


HASHED = (
    "number",
    "tenant",
    "at",
    "person_id",
    "role",
    "sign_in_id",
    "action",
    "authorization_id",
    "details",
    "previous_hash",
)
"""The fields an entry's hash is over, in this order."""


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
        """SHA-256 over every field, the previous entry's hash among them. Raises where a field is not what it should be."""
        return content_hash([getattr(self, name) if name != "at" else stamp(self.at) for name in HASHED])

    @property
    def facts(self) -> dict[str, Any]:
        """The details as values; empty where they are not a JSON object (somebody changed the entry)."""
        try:
            values = json.loads(self.details)
        except ValueError:
            return {}
        return values if isinstance(values, dict) else {}


def content_hash(fields: Sequence[object]) -> str:
    """SHA-256 over an entry's fields in the order of HASHED, its time as :func:`stamp` writes it.

    Raises TypeError or ValueError for what JSON cannot hold.
    """
    return hashlib.sha256(dumps(fields).encode()).hexdigest()


def stamp(at: datetime) -> str:
    """A moment as it is hashed: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def entry_of(row: TrailRow) -> Entry:
    """A stored row as the entry it is."""
    return Entry(**{name: getattr(row, name) for name in HASHED})


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
    session.add(TrailRow(**{name: getattr(entry, name) for name in HASHED}, hash=entry.hash))
    session.flush()
    return entry.number
