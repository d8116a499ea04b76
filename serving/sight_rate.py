"""How often one sign-in may report what was seen: more than anybody can look at is refused."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_AT_ONCE = 100
"""Sights in one report."""
_PER_SECOND = 4.0
_SAVED_UP = 240.0
_SIGN_INS = 4_096


class SightRate:
    """A sign-in may report 4 sights a second, 240 after a pause. Safe to share between threads; forgets at a restart.

    ``clock`` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, sign_in_id: str, sights: int) -> bool:
        """Whether the sign-in may report so many sights now; they count when it may."""
        with self._lock:
            now = self._clock()
            left, at = self._left.pop(sign_in_id, (_SAVED_UP, now))
            left = min(_SAVED_UP, left + (now - at) * _PER_SECOND)
            allowed = sights <= left
            self._left[sign_in_id] = (left - sights if allowed else left, now)
            if len(self._left) > _SIGN_INS:
                self._left.popitem(last=False)
            return allowed
