"""The model in service: loaded at start, changed without a restart, and never half of one.

Every request takes one whole bundle and keeps it to its end. Where a new champion cannot be used (a corrupt or untrusted
file, another feature schema), the one in service stays and :meth:`Champion.state` says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from models.bundle import POINTER_FILE, Bundle, load_champion, require_installed_schema
from models.errors import ModelError

NO_MODEL = "no model is promoted: every request goes to a nurse"
RETRY_SECONDS = 5.0
"""A champion that could not be used is tried again after so long: somebody may have put its files right."""

_log = logging.getLogger("greenlane.serving")

_Stamp = tuple[int, int, int] | None


class Champion:
    """The champion of a model directory. Safe to share between threads.

    A look at ``champion.json`` costs microseconds, so it is taken with every request; a new bundle is loaded by the
    thread that noticed it, while the others go on with the one before.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pointer = directory / POINTER_FILE
        self._clock = clock
        self._loading = threading.Lock()
        self._bundle: Bundle | None = None
        self._state = NO_MODEL
        self._seen: _Stamp = None
        self._again_at: float | None = None
        with self._loading:
            self._load(self._stamp())

    def current(self) -> Bundle | None:
        """The bundle to answer the next request with; None without a usable model."""
        stamp = self._stamp()
        if self._is_news(stamp) and self._loading.acquire(blocking=False):
            try:
                if self._is_news(stamp):
                    self._load(stamp)
            finally:
                self._loading.release()
        return self._bundle

    def state(self) -> str:
        """``ok``, or a sentence about what is missing and what is done meanwhile."""
        self.current()
        return self._state

    def _is_news(self, stamp: _Stamp) -> bool:
        return stamp != self._seen or (self._again_at is not None and self._clock() >= self._again_at)

    def _load(self, stamp: _Stamp) -> None:
        self._again_at = None
        try:
            found = load_champion(self._pointer.parent)
            if found is not None:
                require_installed_schema(found)
        except ModelError as error:
            self._again_at = self._clock() + RETRY_SECONDS
            still = (
                "every request goes to a nurse"
                if self._bundle is None
                else f"version {self._bundle.reference.version} stays in service"
            )
            if stamp != self._seen or self._state == NO_MODEL:
                _log.error("model: %s", error)
            self._state = f"the promoted model cannot be used, see the log: {still}"
        else:
            if found is not None and (self._bundle is None or found.sha256 != self._bundle.sha256):
                _log.info("model: version %s of %s is in service", found.reference.version, found.reference.name)
            self._bundle, self._state = found, "ok" if found is not None else NO_MODEL
        # Last, so that no other thread takes an old bundle for the one this stamp stands for.
        self._seen = stamp

    def _stamp(self) -> _Stamp:
        try:
            found = self._pointer.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
