"""A copy of the store in one file, and a store from such a copy; both are read through before they count.

For SQLite, whose online backup copies while others write. PostgreSQL has its own tools (docs/operations.md).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from serving.database import database_errors, open_engine
from serving.errors import BackupError
from serving.store import Store
from serving.tables import AuthorizationRow, PersonRow
from serving.trail_chain import Anchor, verify

_ALL_PAGES = -1
"""In one step: writers go on meanwhile, beside the write-ahead log's reader, and one that wrote between two steps would make
the copy begin anew, on a busy store for ever (sqlite.org/c3ref/backup_finish.html)."""
_WAIT_SECONDS = 5.0
"""So long a restore waits for a service that is just ending."""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds: how many authorizations, and the newest entry of its trail."""

    authorizations: int
    head: Anchor


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, and where the database before it lies now (None: there was none with anything in it)."""

    held: BackedUp
    kept: Path | None


def back_up(url: str, file: Path) -> BackedUp:
    """Copy the store at ``url`` to ``file`` (mode 0600), as it is at one moment; the service may go on meanwhile.

    What was at ``file`` stays unless the copy is whole: SQLite's own check and the trail's hashes are computed on it.
    Raises BackupError.
    """
    source = _sqlite_file(url)
    if not source.is_file():
        raise BackupError(f"{source}: there is no database")
    with _pending(file) as pending:
        with closing(sqlite3.connect(source)) as from_store, closing(sqlite3.connect(pending)) as into:
            from_store.backup(into, pages=_ALL_PAGES)
        held = _checked(pending)
        pending.replace(file)
    return held


def restore(file: Path, url: str, *, replace: bool, now: datetime) -> Restored:
    """Make the store at ``url`` from a backup; the service must not run. A store with anything in it is kept beside.

    Raises BackupError where the backup is not whole, where a process has the store open, and unless ``replace`` where
    the store holds anything.
    """
    target = _sqlite_file(url)
    if not file.is_file():
        raise BackupError(f"{file}: there is no such file")
    with _pending(target) as pending:
        _copy(file, pending)
        held = _checked(pending)
        kept = None
        if target.exists():
            _close_for_all(target)
            if _holds_anything(target):
                if not replace:
                    raise BackupError(f"{target}: holds a store already; --replace keeps it beside the restored one")
                kept = target.with_name(f"{target.name}.before-{now:%Y%m%dT%H%M%SZ}")
                target.rename(kept)
        pending.replace(target)
    return Restored(held, kept)


def _sqlite_file(url: str) -> Path:
    parsed = make_url(url)
    if (
        parsed.get_backend_name() != "sqlite"
        or not parsed.database
        or parsed.database.startswith((":memory:", "file:"))
    ):
        raise BackupError("this is for a SQLite file; back up PostgreSQL with pg_dump (docs/operations.md)")
    return Path(parsed.database)


@contextmanager
def _pending(file: Path) -> Iterator[Path]:
    """A new empty file beside ``file``, for its owner alone, gone at the end unless it was renamed."""
    pending = file.with_name(f".{file.name}.pending")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove(pending)
        os.close(os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield pending
    except OSError as error:
        raise BackupError(f"{file}: cannot be written ({error.strerror})") from error
    except sqlite3.Error as error:
        raise BackupError(f"{file}: cannot be copied ({error})") from error
    finally:
        _remove(pending)


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _copy(file: Path, pending: Path) -> None:
    read_only = f"{file.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(read_only, uri=True)) as source, closing(sqlite3.connect(pending)) as into:
        source.backup(into)


def _checked(copy: Path) -> BackedUp:
    """What the copy holds, after SQLite's check of its pages and ours of its trail; it is one file then, and on disk."""
    with closing(sqlite3.connect(copy)) as connection:
        try:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            raise BackupError(f"the copy is damaged: {found}")
    store = Store(open_engine(f"sqlite:///{copy}"))
    try:
        store.check()
        state = verify(store)
        with store.reading() as session:
            count = session.scalar(select(func.count()).select_from(AuthorizationRow)) or 0
    finally:
        store.close()
    if state.first is not None:
        raise BackupError(f"the trail in the copy does not hold: {state.first}")
    _close_for_all(copy)
    descriptor = os.open(copy, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return BackedUp(count, state.head)


def _close_for_all(file: Path) -> None:
    """Bring what is in the write-ahead log into the file. Raises BackupError where another process has it open."""
    with closing(sqlite3.connect(file, timeout=_WAIT_SECONDS)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            raise BackupError(f"{file}: is in use; stop the service first") from None


def _holds_anything(file: Path) -> bool:
    engine = open_engine(f"sqlite:///{file}")
    try:
        with database_errors(), engine.connect() as connection:
            if not engine.dialect.has_table(connection, AuthorizationRow.__tablename__):
                return False
            held = (select(table).limit(1) for table in (AuthorizationRow.authorization_id, PersonRow.person_id))
            return any(connection.scalar(query) is not None for query in held)
    finally:
        engine.dispose()
        _close_for_all(file)
