"""Whether this process should be sent requests, and what of it works: the answer of ``/readyz``."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url

from serving.documents.pool import ReadingPool
from serving.errors import ServiceStoppingError, StoreUnavailableError
from serving.settings import Settings
from serving.store import Store

_log = logging.getLogger("greenlane.serving")

FRESH_SECONDS = 2.0
"""A finding about database and disk is given again for so long: anybody may ask, and a write costs the disk something."""
FILES_FRESH_SECONDS = 60.0
"""The same for the process that reads files, which takes longer to try."""
_NEEDED = ("service", "database", "disk", "pipeline")
"""Without one of these no request can be taken; without another, every request or every file goes to a nurse."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """``checks``: ``ok`` or a sentence, by what was looked at."""

    checks: dict[str, str]

    @property
    def is_ready(self) -> bool:
        """Whether requests can be taken."""
        return all(self.checks.get(name, "ok") == "ok" for name in _NEEDED)

    @property
    def status(self) -> str:
        """``ready``, ``degraded`` (nurses get more than they would) or ``not_ready``."""
        if not self.is_ready:
            return "not_ready"
        return "degraded" if any(self.checks.get(name, "ok") != "ok" for name in ("model", "documents")) else "ready"


class ReadinessCheck:
    """Looks when asked. Safe to share between threads. ``reading`` says what of the reading of notes works."""

    def __init__(
        self, settings: Settings, store: Store, documents: ReadingPool, reading: Callable[[], dict[str, str]]
    ) -> None:
        self._store = store
        self._reading = reading
        self._stopping = False
        self._place = _folder_of(settings.database_url)
        # The largest request must fit twice: into the write-ahead log, and from there into the database.
        self._least_free = 2 * settings.body_limit
        self._database = _Remembered(self._look_at_database, FRESH_SECONDS)
        self._documents = _Remembered(lambda: _look_at_documents(documents), FILES_FRESH_SECONDS)

    def stop(self) -> None:
        """From now on it is not ready: the service is going to stop."""
        self._stopping = True

    def look(self) -> Readiness:
        """What works now. Never raises."""
        checks = {"database": self._database()}
        if self._place is not None:
            checks["disk"] = self._look_at_disk(self._place)
        checks |= self._reading()
        if self._stopping:
            return Readiness({"service": "is stopping", **checks})
        return Readiness({**checks, "documents": self._documents()})

    def _look_at_database(self) -> str:
        try:
            self._store.check()
            self._store.check_writable()
        except StoreUnavailableError as error:
            _log.error("not ready: %s", error.logged)
            return error.public
        return "ok"

    def _look_at_disk(self, place: Path) -> str:
        try:
            free = shutil.disk_usage(place).free
        except OSError as error:
            return f"the database's folder cannot be looked at: {error.strerror}"
        if free >= self._least_free:
            return "ok"
        return f"{free // 1_000_000} MB free beside the database; the largest request needs {self._least_free // 1_000_000}"


class _Remembered:
    """What a look found, for so many seconds; one thread looks, the others take its finding."""

    def __init__(self, look: Callable[[], str], seconds: float) -> None:
        self._look = look
        self._seconds = seconds
        self._looking = threading.Lock()
        self._found = ""
        self._until = float("-inf")

    def __call__(self) -> str:
        with self._looking:
            if time.monotonic() >= self._until:
                self._found = self._look()
                # What does not work is looked at again sooner: somebody is waiting for it.
                seconds = self._seconds if self._found == "ok" else min(self._seconds, FRESH_SECONDS)
                self._until = time.monotonic() + seconds
            return self._found


def _look_at_documents(documents: ReadingPool) -> str:
    try:
        unread = documents.try_out()
    except ServiceStoppingError:
        return "the service is stopping"
    return "ok" if unread is None else f"files go to a nurse unread: one {unread}"


def _folder_of(database_url: str) -> Path | None:
    """Where a SQLite file lies; None for any other database, whose disk is not ours to see."""
    parsed = make_url(database_url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database).absolute().parent
