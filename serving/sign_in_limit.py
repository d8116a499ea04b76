"""How often a sign-in may fail before the next is not even tried. Counted in the database, for all processes together."""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, text, true
from sqlalchemy.orm import Session

from serving.errors import TooManySignInsError
from serving.key_tables import SignInFailureRow
from serving.sign_in_names import folded_name
from serving.store import Store
from serving.tenants import DEFAULT_TENANT
from serving.ulid import UlidSource

FAILURES_PER_NAME = 10
SPAN_PER_NAME = timedelta(minutes=15)
"""At most 960 guesses a day for one name. NIST SP 800-63B 5.2.2 asks for a limit, at most 100 failures in a row."""
FAILURES_IN_ALL = 60
SPAN_IN_ALL = timedelta(minutes=1)
"""Over all names together: one password tried on many names is a guess too."""

_COUNTING_LOCK = 0x676C7369
"""PostgreSQL's advisory lock under which attempts are counted: two at the same moment must not miss each other."""


class SignInLimit:
    """Counts failed sign-ins. Safe to share between threads, and so is its database between processes.

    An attempt counts as failed from :meth:`begin` on, until :meth:`succeeded` says otherwise, so that guesses at the
    same moment are counted too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_id = UlidSource()

    def begin(self, sign_in_name: str, *, tenant: str = DEFAULT_TENANT, now: datetime) -> None:
        """Count an attempt. Raises TooManySignInsError, which says when to try again; such an attempt is not counted."""
        name_hash = _hash(tenant, sign_in_name)
        with self._store.writing() as session:
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _COUNTING_LOCK})
            session.execute(delete(SignInFailureRow).where(SignInFailureRow.at <= now - SPAN_PER_NAME))
            of_name = SignInFailureRow.name_hash == name_hash
            wait = max(
                _wait(session, of_name, FAILURES_PER_NAME, SPAN_PER_NAME, now),
                _wait(session, true(), FAILURES_IN_ALL, SPAN_IN_ALL, now),
            )
            if wait:
                raise TooManySignInsError("too many sign-ins failed", wait)
            session.add(SignInFailureRow(failure_id=self._next_id(), name_hash=name_hash, at=now))

    def succeeded(self, sign_in_name: str, *, tenant: str = DEFAULT_TENANT) -> None:
        """The name's last attempt was the right person: their failures are forgotten."""
        with self._store.writing() as session:
            session.execute(delete(SignInFailureRow).where(SignInFailureRow.name_hash == _hash(tenant, sign_in_name)))


def _wait(session: Session, which: ColumnElement[bool], limit: int, span: timedelta, now: datetime) -> int:
    """Seconds until another attempt is within the limit, 0 where it is now."""
    counted = select(SignInFailureRow.at).where(which, SignInFailureRow.at > now - span)
    oldest = session.scalar(counted.order_by(SignInFailureRow.at.desc()).offset(limit - 1).limit(1))
    return 0 if oldest is None else max(1, math.ceil((oldest + span - now).total_seconds()))


def _hash(tenant: str, sign_in_name: str) -> str:
    # Folded as people are found: each spelling that finds a person would otherwise have guesses of its own.
    return hashlib.sha256(f"{tenant}\n{folded_name(sign_in_name)}".encode(errors="replace")).hexdigest()
