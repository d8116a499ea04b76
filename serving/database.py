"""Opening the database: SQLite with write-ahead log and full sync, or any URL SQLAlchemy knows; and its migrations."""

from __future__ import annotations

import logging
import select
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InvalidatePoolError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError
from sqlalchemy.pool import ConnectionPoolEntry

from serving.errors import DatabaseRefusedError, StoreUnavailableError
from serving.highlights import NUL_PICTURE

BUSY_TIMEOUT_MS = 30_000
_LOGGING_NAME = "greenlane"
_USED_AT = "greenlane.used_at"
_TRUSTED_SECONDS = 5.0
"""A connection used in the last so many seconds is not asked whether its server can still be reached."""
_UNUSABLE = frozenset({"25006", "42501", "42703", "42P01"})
"""What PostgreSQL calls a mistake in the statement and SQLite an unusable database: read-only, not ours to read, and a
column or table that is not there (PostgreSQL's manual, appendix A)."""


def open_engine(url: str) -> Engine:
    """An engine on ``url`` that hides parameters (they hold notes) from every message and log.

    Raises StoreUnavailableError where the URL is broken or the directory of a SQLite file cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreUnavailableError("GREENLANE_DATABASE_URL is not a database URL") from None
    # At DEBUG SQLAlchemy logs every row it reads, whatever hide_parameters says; rows hold notes.
    logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGING_NAME}").setLevel(logging.WARNING)
    if parsed.get_backend_name() != "sqlite":
        is_psycopg = parsed.get_driver_name() == "psycopg"
        engine = create_engine(
            parsed,
            hide_parameters=True,
            logging_name=_LOGGING_NAME,
            pool_pre_ping=not is_psycopg,
            # Opening a connection takes as long as a transaction. The one used last has its statements prepared.
            pool_size=10,
            pool_use_lifo=True,
        )
        event.listen(engine, "before_cursor_execute", _picture_nul, retval=True)
        if parsed.get_backend_name() == "postgresql":
            event.listen(engine, "connect", _prepare_postgresql)
        if is_psycopg:
            _replace_broken_connections(engine)
        return engine
    if parsed.database and parsed.database != ":memory:" and not parsed.database.startswith("file:"):
        try:
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(f"cannot make the database's directory: {error.strerror}") from None
    engine = create_engine(
        parsed,
        hide_parameters=True,
        logging_name=_LOGGING_NAME,
        pool_size=10,
        max_overflow=40,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _replace_broken_connections(engine: Engine) -> None:
    """Ask of a pooled connection whether it still works, but only where that is in doubt.

    pool_pre_ping asks before every transaction, which makes a short one a tenth slower. A server that went away says so:
    there is something to read where nothing was asked. One that is unplugged does not, so after a rest it is asked.
    """

    def note_use(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = time.monotonic()

    def ask(connection: Any, record: ConnectionPoolEntry, _holder: object) -> None:
        used_at = record.info.get(_USED_AT)
        if used_at is None:
            return
        try:
            if time.monotonic() - used_at > _TRUSTED_SECONDS or _has_news(connection.fileno()):
                engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error:
            raise InvalidatePoolError from None

    event.listen(engine, "checkin", note_use)
    event.listen(engine, "checkout", ask)


def _has_news(descriptor: int) -> bool:
    looking = select.poll()
    looking.register(descriptor, select.POLLIN)
    return bool(looking.poll(0))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        # What is deleted or shortened is overwritten: a draft that was cleared, a note that was erased or sealed.
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # In the server's own zone a moment at either end of the calendar can be one that Python has no date for.
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'UTC'")
        # Results and notes are long: PostgreSQL's own compression takes half of the time in which one is kept. Servers
        # before version 14 and those built without LZ4 go on with it.
        cursor.execute(
            "SELECT set_config(name, 'lz4', false) FROM pg_settings"
            " WHERE name = 'default_toast_compression' AND 'lz4' = ANY(enumvals)"
        )
    connection.autocommit = False


def _begin_sqlite(connection: Connection) -> None:
    # A write that starts as a read and upgrades can fail with SQLITE_BUSY at once, whatever the timeout.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def without_nul(text: str) -> str:
    """``text`` with U+2400, its picture, for each NUL: what PostgreSQL can hold and a page can show."""
    return text.replace("\0", NUL_PICTURE)


def _picture_nul(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _executemany: bool
) -> tuple[str, Any]:
    # PostgreSQL refuses NUL in text, also in what is only looked for: an address or a name that somebody typed.
    return statement, _pictured(parameters)


def _pictured(value: Any) -> Any:
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, Mapping):
        return {name: _pictured(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_pictured(inner) for inner in value)
    return value


def migration_config() -> Config:
    """Alembic's configuration of the packaged migrations; a connection goes into ``attributes["connection"]``."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what the driver says about an unusable database into StoreUnavailableError; mistakes of ours pass."""
    try:
        yield
    except NoConnectionFreeError:
        raise StoreUnavailableError("every connection to the database is in use") from None
    except StatementError as error:
        if isinstance(error.orig, StoreUnavailableError):
            # Raised while a value was being sealed: SQLAlchemy wraps what its column types raise.
            raise error.orig from None
        if not isinstance(error, DatabaseError):
            raise
        if type(error) not in (OperationalError, DatabaseError) and not _is_unusable(error):
            raise
        # Only the driver's own sentence ("database is locked"): the statement and its parameters stay out.
        raise DatabaseRefusedError(str(error.orig), _kind(error)) from None


def _kind(error: DatabaseError) -> str:
    """The driver's class of error and its code: ``OperationalError SQLITE_FULL``."""
    code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None)
    name = type(error.orig).__name__
    return f"{name} {code}" if code else name


def _is_unusable(error: DatabaseError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _UNUSABLE


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision. Raises StoreUnavailableError where the database cannot be written."""
    config = migration_config()
    with database_errors(), engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_migrated(connection: Connection) -> bool:
    """Whether the schema is the one this version of greenlane expects, or a newer one.

    A newer one serves this version too, until its processes are replaced: tests/test_migrations.py holds migrations to that.
    """
    known = ScriptDirectory.from_config(migration_config())
    ours = set(known.get_heads())
    there = set(MigrationContext.configure(connection).get_current_heads())
    return there == ours or (bool(there) and min(there) > max(ours))
