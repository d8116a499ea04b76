"""How many calls a key may make: a bucket of a minute's calls for each, in this process."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from serving.errors import TooManyRequestsError

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left: calls now, and seconds until there are as many as at the beginning again."""

    per_minute: int
    left: int
    full_in: int

    @property
    def headers(self) -> dict[str, str]:
        """The fields of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"minute";q={self.per_minute};w=60',
            "RateLimit": f'"minute";r={self.left};t={self.full_in}',
        }


class RequestRate:
    """Token buckets by key: a minute's calls may come at once, then they come back one by one.

    Safe to share between threads. ``clock`` gives seconds that only move forward.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key_id: str, per_minute: int) -> Allowance:
        """Count a call. Raises TooManyRequestsError, which says when the next may be made; such a call is not counted."""
        now = self._clock()
        with self._lock:
            before, at = self._buckets.get(key_id, (float(per_minute), now))
            held = min(float(per_minute), before + max(0.0, now - at) * per_minute / _MINUTE)
            self._buckets[key_id] = (held - 1 if held >= 1 else held, now)
        if held < 1:
            wait = max(1, math.ceil((1 - held) * _MINUTE / per_minute))
            raise TooManyRequestsError(f"the key allows {per_minute} calls a minute", wait)
        full_in = math.ceil((per_minute - held + 1) * _MINUTE / per_minute)
        return Allowance(per_minute, int(held - 1), full_in)
