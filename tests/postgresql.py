"""A real PostgreSQL for tests, out of a wheel; tests skip where it cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text


@contextmanager
def running_postgresql(folder: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty database. As root the wheel runs the server as a user of its own."""
    pgserver = pytest.importorskip("pgserver", reason="needs the wheel pgserver")
    pytest.importorskip("psycopg", reason="needs psycopg")
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except Exception as error:  # whatever keeps a server from starting here
        pytest.skip(f"PostgreSQL cannot run here: {type(error).__name__}")
    try:
        url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            # What is on disk after a power failure is not what these tests ask; waiting for it would double their time.
            for setting in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield url
    finally:
        server.cleanup()
