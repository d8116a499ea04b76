"""Shared fixtures; the builders they use stand in building.py."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from serving.store import Store

# Two test processes on two cores: scikit-learn's own threads would fight each other and take thirty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How fast a machine makes examples says nothing about what they show.
settings.register_profile("greenlane", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("greenlane")

SHARED_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        # Taken out: the commands that tests run refuse a setting they do not know.
        default=os.environ.pop("GREENLANE_TEST_DATABASE", "sqlite"),
        help="what tests store in: sqlite, postgresql (started for them), or the URL of a PostgreSQL on which databases "
        "can be made; also by the environment variable GREENLANE_TEST_DATABASE",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Calls without a key are for this machine alone, and starlette's own default is a name of nobody.
    defaults = TestClient.__init__.__defaults__ or ()
    assert defaults[0] == "http://testserver"
    TestClient.__init__.__defaults__ = ("http://localhost", *defaults[1:])
    if config.getoption("database") != "sqlite":
        import databases

        databases.choose(config.getoption("database"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what opens a database, and leave out what only a SQLite file has where there is none."""
    on_sqlite = config.getoption("database") == "sqlite"
    for item in items:
        module = getattr(item, "module", None)
        # Every test in a browser has a server.
        if item.get_closest_marker("browser") or (module and _gets_databases(module, set())):
            item.add_marker("database")
        if not on_sqlite and item.get_closest_marker("sqlite_only"):
            item.add_marker(pytest.mark.skip(reason="about SQLite alone"))


def _gets_databases(module: ModuleType, seen: set[str]) -> bool:
    """Whether the module, or one of the tests' own that it takes something from, gets databases for tests."""
    if module.__name__ == "databases":
        return True
    seen.add(module.__name__)
    names = {getattr(value, "__module__", None) or getattr(value, "__name__", "") for value in vars(module).values()}
    files = {name: getattr(sys.modules.get(str(name)), "__file__", None) or "" for name in names - seen}
    ours = [str(name) for name, file in files.items() if Path(file).is_relative_to(Path(__file__).parent)]
    return any(_gets_databases(sys.modules[name], seen) for name in ours)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """A test's databases go with its folder."""
    yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if folder is not None and (databases := sys.modules.get("databases")):
        databases.drop_databases(folder)


def pytest_unconfigure() -> None:
    if databases := sys.modules.get("databases"):
        databases.forget()


@pytest.fixture(scope="session")
def real_notes() -> list[str]:
    """The texts of the transcribed notes beside the repository; skips where they are not there."""
    path = SHARED_DATA / "mtsamples_notes.jsonl"
    if not path.exists():
        pytest.skip("the transcribed notes are not beside this repository (../shared/data/mtsamples_notes.jsonl)")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="session")
def sample_bodies() -> list[dict[str, Any]]:
    """The written sample requests, each with the route it should take."""
    path = Path(__file__).parents[1] / "data_samples" / "requests.jsonl"
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="session", autouse=True)
def cheap_secrets() -> Iterator[None]:
    """Hash secrets at the lowest cost, in this process: a tenth of a second for each person and key is most of the time."""
    from argon2.profiles import CHEAPEST

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serving.secret_hasher.COST", CHEAPEST)
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL, whatever ``--database`` says; skips where it cannot run."""
    from postgresql import running_postgresql

    # Not pytest's own folder: its path can be too long for a socket, and closed to the server's user.
    with tempfile.TemporaryDirectory(prefix="gl") as folder, running_postgresql(Path(folder) / "data") as url:
        yield url


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.sqlite_only), "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, once on each database."""
    from databases import database_in
    from sqlalchemy import text

    from serving.all_tables import all_tables
    from serving.key_tables import TenantRow
    from serving.store import Store

    if request.param == "sqlite":
        store = Store.open(database_in(tmp_path))
    else:
        store = Store.open(request.getfixturevalue("postgresql"), migrate_always=True)
        with store.writing() as session:
            session.execute(text("ALTER TABLE trail DISABLE TRIGGER ALL"))
            session.execute(text(f"TRUNCATE {', '.join(all_tables().tables)} CASCADE"))
            session.add(TenantRow(tenant="default", display_name="Default", created_at=datetime.now(UTC), active=True))
    yield store
    store.close()
