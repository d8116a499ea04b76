"""A database for each test: a SQLite file, or on a PostgreSQL where ``--database`` says so.

``database_in(tmp_path)`` is the URL of the folder's own database, with the newest schema. On PostgreSQL it is copied from
a template, so that no test pays for the migrations. A module that gets its database here is marked ``database``.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from postgresql import running_postgresql
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url

from serving.database import open_engine
from serving.store import Store


class Databases(Protocol):
    """Where tests get their databases from."""

    def of(self, folder: Path) -> str:
        """The URL of the folder's database, made with the newest schema when first asked for."""

    def copy(self, source: str, folder: Path) -> str:
        """The URL of a new database of this folder with what is in ``source``, which nobody may have open."""

    def drop(self, folder: Path) -> None:
        """Forget the databases of this folder and of those in it."""

    def close(self) -> None:
        """Forget all."""


class SqliteDatabases:
    """A file in each folder."""

    def of(self, folder: Path) -> str:
        file = folder / "greenlane.db"
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(_migrated_file())
        return f"sqlite:///{file}"

    def copy(self, source: str, folder: Path) -> str:
        file = folder / "greenlane.db"
        file.write_bytes(Path(str(make_url(source).database)).read_bytes())
        return f"sqlite:///{file}"

    def drop(self, folder: Path) -> None:
        """The file goes with its folder."""

    def close(self) -> None:
        """Nothing is open."""


class PostgresqlDatabases:
    """Databases of one server; ``url`` leads to one from which others can be made and dropped."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._server: Engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        self._urls: dict[Path, str] = {}
        self._count = 0
        self._template = self._create("template1")
        Store.open(self._template, migrate_always=True).close()

    def of(self, folder: Path) -> str:
        if folder not in self._urls:
            self.copy(self._template, folder)
        return self._urls[folder]

    def copy(self, source: str, folder: Path) -> str:
        self._urls[folder] = self._create(str(make_url(source).database))
        return self._urls[folder]

    def drop(self, folder: Path) -> None:
        for each in [each for each in self._urls if each.is_relative_to(folder)]:
            self._drop(self._urls.pop(each))

    def close(self) -> None:
        for url in (*self._urls.values(), self._template):
            self._drop(url)
        self._server.dispose()

    def _create(self, template: str) -> str:
        self._count += 1
        name = f"greenlane_test_{os.getpid()}_{self._count}"
        with self._server.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
        return self._url.set(database=name).render_as_string(hide_password=False)

    def _drop(self, url: str) -> None:
        with self._server.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)'))


_chosen = "sqlite"
_opened: Databases | None = None
_closing = ExitStack()


def choose(database: str) -> None:
    """Say once, before any test, where databases come from: ``sqlite``, ``postgresql`` or a PostgreSQL's URL."""
    global _chosen
    if database not in ("sqlite", "postgresql") and make_url(database).get_backend_name() != "postgresql":
        raise pytest.UsageError("--database takes sqlite, postgresql or the URL of a PostgreSQL")
    _chosen = database


def forget() -> None:
    """Drop every database and stop the server, if one was started."""
    global _opened
    if _opened is not None:
        _opened.close()
    _opened = None
    _closing.close()


def on_sqlite() -> bool:
    """Whether databases are SQLite files."""
    return _chosen == "sqlite"


def database_in(folder: Path) -> str:
    """The URL of the folder's database, with the newest schema; the same one whenever asked."""
    return _databases().of(folder)


def copied_database(source: str, folder: Path) -> str:
    """The URL of a new database of the folder with what is in ``source``, which nobody may have open."""
    return _databases().copy(source, folder)


def lasting_database(name: str) -> str:
    """The URL of a database that stays to the end of the run, for copies; ``name`` says what is in it."""
    folder = _lasting_folder() / name
    folder.mkdir(exist_ok=True)
    return database_in(folder)


def drop_databases(folder: Path) -> None:
    """End the databases of a folder whose test is over."""
    if _opened is not None:
        _opened.drop(folder)


@contextmanager
def writing(url: str) -> Iterator[Connection]:
    """A connection past the store, committed at the end: for what no store would write."""
    engine = open_engine(url)
    try:
        with engine.execution_options(writes=True).begin() as connection:
            yield connection
    finally:
        engine.dispose()


def stored_rows(url: str, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    """What the query finds, with ``:name`` in it for each of ``values``."""
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]
    finally:
        engine.dispose()


sqlite_only = pytest.mark.sqlite_only
"""For a test of what only a SQLite file has; its docstring or name says what."""


def _databases() -> Databases:
    global _opened
    if _opened is None:
        _opened = SqliteDatabases() if on_sqlite() else PostgresqlDatabases(_server_url())
    return _opened


def _server_url() -> str:
    if _chosen != "postgresql":
        return _chosen
    # Not pytest's own folder: its path can be too long for a socket, and closed to the server's user.
    folder = _closing.enter_context(tempfile.TemporaryDirectory(prefix="gl"))
    try:
        url = _closing.enter_context(running_postgresql(Path(folder) / "data"))
    except pytest.skip.Exception as reason:
        raise RuntimeError(f"--database=postgresql: {reason}") from None
    return url


@cache
def _lasting_folder() -> Path:
    return Path(_closing.enter_context(tempfile.TemporaryDirectory()))


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store.open(f"sqlite:///{folder}/greenlane.db").close()
        return Path(folder, "greenlane.db").read_bytes()
