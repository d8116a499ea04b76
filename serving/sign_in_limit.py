"""How often a sign-in may fail before the next is not even tried."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import deque
from datetime import datetime, timedelta

from serving.errors import TooManySignInsError

FAILURES_PER_NAME = 10
SPAN_PER_NAME = timedelta(minutes=15)
"""At most 960 guesses a day for one name. NIST SP 800-63B 5.2.2 asks for a limit, at most 100 failures in a row."""
FAILURES_IN_ALL = 60
SPAN_IN_ALL = timedelta(minutes=1)
"""Over all names together: one password tried on many names is a guess too."""


class SignInLimit:
    """Counts failed sign-ins of this process, in memory. Safe to share between threads.

    An attempt counts as failed from :meth:`begin` on, until :meth:`succeeded` says otherwise, so that guesses at the
    same moment are counted too.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: dict[bytes, deque[datetime]] = {}
        self._in_all: deque[datetime] = deque()

    def begin(self, sign_in_name: str, *, now: datetime) -> None:
        """Count an attempt. Raises TooManySignInsError, which says when to try again; such an attempt is not counted."""
        key = _key(sign_in_name)
        with self._lock:
            self._forget(now)
            mine = self._by_name.get(key, deque())
            wait = max(
                _wait(mine, FAILURES_PER_NAME, SPAN_PER_NAME, now),
                _wait(self._in_all, FAILURES_IN_ALL, SPAN_IN_ALL, now),
            )
            if wait:
                raise TooManySignInsError("too many sign-ins failed", wait)
            mine.append(now)
            self._by_name[key] = mine
            self._in_all.append(now)

    def succeeded(self, sign_in_name: str) -> None:
        """The name's last attempt was the right person: their failures are forgotten."""
        with self._lock:
            if self._by_name.pop(_key(sign_in_name), None) and self._in_all:
                self._in_all.pop()

    def _forget(self, now: datetime) -> None:
        while self._in_all and now - self._in_all[0] >= SPAN_IN_ALL:
            self._in_all.popleft()
        for key in [key for key, failed in self._by_name.items() if now - failed[-1] >= SPAN_PER_NAME]:
            del self._by_name[key]
        for failed in self._by_name.values():
            while now - failed[0] >= SPAN_PER_NAME:
                failed.popleft()


def _wait(failed: deque[datetime], limit: int, span: timedelta, now: datetime) -> int:
    """Seconds until another attempt is within the limit, 0 where it is now."""
    if len(failed) < limit:
        return 0
    return max(1, math.ceil((failed[-limit] + span - now).total_seconds()))


def _key(sign_in_name: str) -> bytes:
    return hashlib.sha256(sign_in_name.strip().casefold().encode(errors="replace")).digest()
