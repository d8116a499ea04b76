"""External ids that came lately: what comes again has its result already, and need not be read."""

from __future__ import annotations

import threading
from collections import OrderedDict


class RecentIds:
    """The last ``most`` external ids of a process. Safe to share between threads. Kept are numbers, not the ids."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, tenant: str, external_id: str) -> bool:
        """Whether this id did not come lately; from now on it did."""
        number = hash((tenant, external_id))
        with self._lock:
            known = number in self._seen
            self._seen[number] = None
            self._seen.move_to_end(number)
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
            return not known
