"""A real PostgreSQL for tests, out of a wheel; tests skip where it cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


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
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        server.cleanup()
