"""ULIDs: 26 characters, sortable by time, without meaning: fit for URLs and logs (https://github.com/ulid/spec)."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHAPE = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_RANDOM_BITS = 80


def is_ulid(text: str) -> bool:
    """Whether ``text`` is a ULID as :class:`UlidSource` writes them (upper case)."""
    return _SHAPE.fullmatch(text) is not None


class UlidSource:
    """Hands out ULIDs that grow strictly in this process, also within a millisecond and when the clock steps back.

    ``clock`` gives seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> str:
        with self._lock:
            fresh = (int(self._clock() * 1000) << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
            self._last = fresh if fresh >> _RANDOM_BITS > self._last >> _RANDOM_BITS else self._last + 1
            number = self._last
        return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
