"""Calls that carry an Idempotency-Key (draft-ietf-httpapi-idempotency-key): once done, answered the same for some days.

A key belongs to its tenant, the call and the content of the body. Kept are a hash of the key and what the answer was about,
never the key or the answer: a stored result does not change. A call that was refused is forgotten, so that it can be
corrected and sent again under its key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from features.errors import RequestRefusedError
from serving.batch_tables import IdempotencyKeyRow
from serving.errors import IdempotencyKeyReusedError, InvalidParameterError, ServingError
from serving.store import Store

LONGEST_KEY = 255
_REUSED = "Idempotency-Key: this key came before with another call or other content; use a new one"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call was answered with: the status, and which result or batch the answer held."""

    status: int
    authorization_id: str | None = None
    revision: int | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that was given under a key, and the hash of the content it answered."""

    answered: Answered
    content_hash: str | None


def key_of(header: str | None) -> str | None:
    """The key of a header's value, with or without the draft's quotes; None without a header.

    Raises InvalidParameterError unless it is 1 to LONGEST_KEY visible ASCII characters.
    """
    if header is None:
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise InvalidParameterError("Idempotency-Key", f"must be 1 to {LONGEST_KEY} visible ASCII characters")
    return key


def content_digest(call: str) -> hashlib._Hash:
    """SHA-256 that was begun with a call; the body's bytes come next."""
    return hashlib.sha256(call.encode() + b"\n")


class IdempotencyKeys:
    """The keys of one tenant. Safe to share between threads and processes. ``kept`` is how long a key is known."""

    def __init__(
        self, store: Store, *, kept: timedelta, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._kept = kept
        self._clock = clock

    def begin(self, key: str, content_hash: str | None) -> KeptAnswer | None:
        """Note that a call with this key begins; the answer where it was answered before.

        ``content_hash`` None: the content is not known yet. A call that was begun and never answered, because the process
        died or the connection broke, may be done again: every call has its effect once by what it says. Raises
        IdempotencyKeyReusedError or StoreUnavailableError.
        """
        try:
            return self._begin(key, content_hash)
        except IntegrityError:
            # The same key came at the same time through another process.
            return self._begin(key, content_hash)

    def _begin(self, key: str, content_hash: str | None) -> KeptAnswer | None:
        now = self._clock()
        with self._store.writing() as session:
            session.execute(delete(IdempotencyKeyRow).where(IdempotencyKeyRow.first_seen_at < now - self._kept))
            row = self._row(session, key)
            if row is None:
                session.add(
                    IdempotencyKeyRow(
                        tenant=self._store.tenant, key_hash=_hash(key), content_hash=content_hash, first_seen_at=now
                    )
                )
                return None
            other = row.content_hash != content_hash
            if other and (row.status is None or content_hash is not None):
                raise IdempotencyKeyReusedError(_REUSED)
            if row.status is None:
                return None
            return KeptAnswer(Answered(row.status, row.authorization_id, row.revision, row.batch_id), row.content_hash)

    def answered(self, key: str, content_hash: str, answer: Answered) -> None:
        """Keep what a call was answered with; the first answer stays."""
        with self._store.writing() as session:
            row = self._row(session, key)
            if row is None:
                row = IdempotencyKeyRow(
                    tenant=self._store.tenant, key_hash=_hash(key), first_seen_at=self._clock(), status=None
                )
                session.add(row)
            if row.status is None:
                row.content_hash = content_hash
                row.status = answer.status
                row.authorization_id = answer.authorization_id
                row.revision = answer.revision
                row.batch_id = answer.batch_id

    def forget(self, key: str) -> None:
        """Forget a key whose call was not answered."""
        with self._store.writing() as session:
            row = self._row(session, key)
            if row is not None and row.status is None:
                session.delete(row)

    def _row(self, session: Session, key: str) -> IdempotencyKeyRow | None:
        return session.get(IdempotencyKeyRow, (self._store.tenant, _hash(key)), with_for_update=True)


def must_be_same(kept: KeptAnswer, content_hash: str) -> None:
    """Raise IdempotencyKeyReusedError unless the content is the one that was answered."""
    if kept.content_hash != content_hash:
        raise IdempotencyKeyReusedError(_REUSED)


@dataclass(frozen=True, slots=True)
class Once:
    """One call that may carry a key."""

    keys: IdempotencyKeys
    key: str | None

    def answer(self, call: str, body: bytes, do: Callable[[], Answered]) -> tuple[Answered, bool]:
        """What the call is answered with, and whether it was answered before and not done again. ``do`` does it."""
        if self.key is None:
            return do(), False
        digest = content_digest(call)
        digest.update(body)
        kept = self.keys.begin(self.key, digest.hexdigest())
        if kept is not None:
            return kept.answered, True
        try:
            answered = do()
        except (RequestRefusedError, ServingError) as error:
            if getattr(error, "status", 422) < 500:
                self.keys.forget(self.key)
            raise
        self.keys.answered(self.key, digest.hexdigest(), answered)
        return answered, False


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
