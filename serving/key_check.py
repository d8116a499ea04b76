"""Whether the key of a call is one of ours.

A key's row is read for every call, so a revocation, an expiry and a rotation hold from the next call on. What is kept in
memory is only that a secret fits its argon2id hash: finding that out takes 64 MiB and a good part of a tenth of a second.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2.exceptions import InvalidHashError, VerificationError

from serving.api_keys import ApiKey, parted, written
from serving.errors import KeyNeededError, StoreUnavailableError, TooManyRequestsError
from serving.key_store import KeptKey, KeyStore
from serving.secret_hasher import secret_hasher

REMEMBERED_SECONDS = 60.0
"""So long a secret that fitted its hash is not held against it again."""
LAST_USE_STEP = timedelta(minutes=1)
"""The time of a key's last use is written no more often than this."""

_VERIFIED_AT_ONCE = 2
_PATIENCE_SECONDS = 5.0
"""So long a call waits for its turn to be verified: strangers who try secrets must not hold every thread."""
_MOST_REFUSED = 1024

_UNKNOWN = "the key is not known here"
_log = logging.getLogger("greenlane.serving")


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A token, by its SHA-256, that fitted this hash at this time."""

    digest: bytes
    secret_hash: str
    at: float


class KeyCheck:
    """Checks keys of calls. Safe to share between threads. ``clock`` gives seconds that only move forward."""

    def __init__(self, keys: KeyStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._hasher = secret_hasher()
        self._verifying = threading.BoundedSemaphore(_VERIFIED_AT_ONCE)
        self._lock = threading.Lock()
        self._fitted: dict[str, tuple[_Fitted, ...]] = {}
        self._refused: OrderedDict[bytes, float] = OrderedDict()

    def key_of(self, token: str, *, now: datetime) -> ApiKey:
        """The key that a client sent. Raises KeyNeededError, or TooManyRequestsError where many are being verified.

        Why a key is refused is told only to who has its secret.
        """
        parts = parted(token)
        kept = self._keys.kept(parts[0]) if parts is not None else None
        if parts is None or kept is None or not self._fits(kept, parts[1], now):
            raise KeyNeededError(_UNKNOWN)
        refused = kept.key.refusal(now) or (None if kept.tenant_active else "the key's organization is not active")
        if refused is not None:
            _log.warning("key %s: %s", kept.key.key_id, refused)
            raise KeyNeededError(refused)
        self._note_use(kept.key, now)
        return kept.key

    def _fits(self, kept: KeptKey, secret: str, now: datetime) -> bool:
        key_id = kept.key.key_id
        digest = hashlib.sha256(written(key_id, secret).encode()).digest()
        hashes = kept.valid_hashes(now)
        if self._is_remembered(key_id, digest, hashes):
            return True
        if self._was_refused(digest):
            return False
        if not self._verifying.acquire(timeout=_PATIENCE_SECONDS):
            raise TooManyRequestsError("too many keys are being checked; try again", 1)
        try:
            # Of many calls that come at once the first two find it out for all.
            if self._is_remembered(key_id, digest, hashes):
                return True
            fitting = next((expected for expected in hashes if self._verify(expected, secret)), None)
        finally:
            self._verifying.release()
        self._remember(key_id, digest, fitting, hashes)
        return fitting is not None

    def _verify(self, expected: str, secret: str) -> bool:
        try:
            return self._hasher.verify(expected, secret)
        except (VerificationError, InvalidHashError):
            return False

    def _is_remembered(self, key_id: str, digest: bytes, hashes: Sequence[str]) -> bool:
        since = self._clock() - REMEMBERED_SECONDS
        with self._lock:
            fitted = self._fitted.get(key_id, ())
        return any(hmac.compare_digest(f.digest, digest) and f.secret_hash in hashes and f.at > since for f in fitted)

    def _was_refused(self, digest: bytes) -> bool:
        with self._lock:
            return self._refused.get(digest, float("-inf")) > self._clock() - REMEMBERED_SECONDS

    def _remember(self, key_id: str, digest: bytes, fitting: str | None, hashes: Sequence[str]) -> None:
        now = self._clock()
        with self._lock:
            if fitting is None:
                self._refused[digest] = now
                while len(self._refused) > _MOST_REFUSED:
                    self._refused.popitem(last=False)
                return
            # One for each secret that is valid: those of secrets that ended are forgotten.
            others = [f for f in self._fitted.get(key_id, ()) if f.secret_hash in hashes and f.secret_hash != fitting]
            self._fitted[key_id] = (*others, _Fitted(digest, fitting, now))

    def _note_use(self, key: ApiKey, now: datetime) -> None:
        if key.last_used_at is not None and now - key.last_used_at < LAST_USE_STEP:
            return
        try:
            self._keys.used(key.key_id, now=now)
        except StoreUnavailableError as error:
            # A database that cannot be written can still be read.
            _log.warning("the last use of a key is not kept: %s", error.logged)
