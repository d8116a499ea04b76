"""A request costs the database as much among many cases as among few."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from databases import database_in, sqlite_only
from fastapi import FastAPI
from serving_cases import request_body, routed
from sqlalchemy import event

from serving.app import create_app
from serving.records import dumps
from serving.settings import Settings

STEPS = 20
"""The database says so after every so many instructions of its machine."""


class Work:
    """Counts what SQLite does, whatever the machine it runs on."""

    def __init__(self, app: FastAPI) -> None:
        self._service, self._taken, self._sent = app.state.service, 0, 0
        engine = app.state.store.engine
        engine.dispose()
        event.listen(engine, "connect", lambda connection, _: connection.set_progress_handler(self._count, STEPS))

    def of_requests(self, count: int) -> float:
        """Thousands of instructions that one more request takes, the mean of ``count``."""
        before = self._taken
        for _ in range(count):
            self._sent += 1
            note = f"Visit {self._sent} of this person. " + "He completed physical therapy for 8 weeks. " * 10
            self._service.submit(dumps(request_body(f"PA-{self._sent}", note)).encode())
        return (self._taken - before) * STEPS / count / 1000

    def _count(self) -> int:
        self._taken += 1
        return 0


@sqlite_only
def test_a_request_costs_the_database_no_more_among_many(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"model_dir": tmp_path, "audit_share": 0, "ocr": False}
    app = create_app(Settings(database_url=database_in(tmp_path), **settings), triage=routed)
    work = Work(app)
    work.of_requests(20)
    among_few = work.of_requests(20)
    work.of_requests(200)
    among_many = work.of_requests(20)
    assert among_few > 0
    assert among_many < 1.5 * among_few, f"{among_few:.1f} and {among_many:.1f} thousand instructions"
    app.state.store.close()
