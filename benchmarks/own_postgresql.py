"""A PostgreSQL of our own out of a wheel, which can be made to die and come back in the middle of a trial."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_RESTART_SECONDS = 120


class OwnPostgresql:
    """A running server. ``url`` is SQLAlchemy's, of its empty database."""

    def __init__(self, folder: Path) -> None:
        import pgserver

        self._pg_ctl: Any = pgserver.pg_ctl
        self._server: Any = pgserver.get_server(folder, cleanup_mode="delete")
        self.url = str(self._server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)

    def restart_at_once(self) -> None:
        """Abort every connection and transaction without a shutdown, recover from the log, and take calls again."""
        self._pg_ctl(
            ["restart", "-m", "immediate", "-w", "-t", str(_RESTART_SECONDS), "-l", str(self._server.log)],
            pgdata=self._server.pgdata,
            user=self._server.system_user,
            timeout=_RESTART_SECONDS,
        )
        # So that it stops the server that runs now, not the one that is gone.
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it and delete what it held."""
        self._server.cleanup()


@contextmanager
def own_postgresql() -> Iterator[OwnPostgresql]:
    """A server for as long as the block lasts. Raises ImportError where the wheel pgserver is not installed."""
    with tempfile.TemporaryDirectory(prefix="gl") as folder:
        server = OwnPostgresql(Path(folder) / "data")
        try:
            yield server
        finally:
            server.close()
