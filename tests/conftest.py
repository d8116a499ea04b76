"""Shared fixtures; the builders they use stand in building.py."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from serving.store import Store

# Two test processes on two cores: scikit-learn's own threads would fight each other and take thirty times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


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


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL; skips where the packages that bring one are not there, or it does not start."""
    pgserver = pytest.importorskip("pgserver", reason="needs the packages pgserver and psycopg")
    pytest.importorskip("psycopg", reason="needs the packages pgserver and psycopg")
    server = None
    for attempt in range(2):
        try:
            server = pgserver.get_server(tmp_path_factory.mktemp("postgresql"))
            break
        except Exception as error:  # whatever keeps it from starting is not what is tested
            if attempt:
                pytest.skip(f"PostgreSQL does not start: {type(error).__name__}")
    assert server is not None
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, once on each database."""
    from sqlalchemy import text

    from serving.key_tables import TenantRow
    from serving.store import Store
    from serving.tables import Base

    if request.param == "sqlite":
        store = Store.open(f"sqlite:///{tmp_path}/greenlane.db")
    else:
        store = Store.open(request.getfixturevalue("postgresql"), migrate_always=True)
        with store.writing() as session:
            session.execute(text("ALTER TABLE trail DISABLE TRIGGER ALL"))
            session.execute(text(f"TRUNCATE {', '.join(Base.metadata.tables)} CASCADE"))
            session.add(TenantRow(tenant="default", display_name="Default", created_at=datetime.now(UTC), active=True))
    yield store
    store.close()
