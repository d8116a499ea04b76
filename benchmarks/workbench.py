"""What the workbench's pages cost on the server: ``python -m benchmarks.workbench`` prints a table.

A page is asked for through the whole application, middleware included, against a database on disk; triage is done
before and not counted. ``--strict`` exits 1 where a bar is missed, ``--notes FILE`` names other notes.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.notes import BESIDE_THE_REPOSITORY, load_texts, silence_libraries

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

PAGES = 40
CHARACTERS_A_PAGE = 3_000
CASE_PAGE_MILLISECONDS = 300.0
PAGE_KILOBYTES = 200.0
ROUNDS = 15


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure beside the bar it must stay under."""

    name: str
    value: float
    bar: float
    unit: str
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether it stays under its bar."""
        return self.value < self.bar


def chart_of(texts: Sequence[str], pages: int = PAGES, characters: int = CHARACTERS_A_PAGE) -> str:
    """Real notes one after the other, cut into pages by form feeds. Raises ValueError where there are too few."""
    whole = "\n\n".join(texts)
    if len(whole) < pages * characters:
        raise ValueError(f"the notes do not fill {pages} pages")
    return "\f".join(whole[start : start + characters] for start in range(0, pages * characters, characters))


@contextmanager
def workbench(folder: Path) -> Iterator[TestClient]:
    """A nurse's client of the application with an empty database in ``folder``."""
    from fastapi.testclient import TestClient

    from serving.app import create_app
    from serving.cookies import COOKIE
    from serving.people_store import PeopleStore
    from serving.roles import Role
    from serving.settings import Settings

    settings = Settings(database_url=f"sqlite:///{folder}/greenlane.db", model_dir=folder / "models")
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost") as client:
        people: PeopleStore = app.state.people
        now = datetime.now(UTC)
        client.cookies.set(COOKIE, people.sign_in(people.add("ann", "Ann Lee", Role.NURSE, now=now), now=now))
        yield client


def case_page(client: TestClient, texts: Sequence[str]) -> list[Figure]:
    """A chart of 40 pages: how long its page takes, and what it weighs beside the note's own words."""
    chart = chart_of(texts)
    authorization_id = _submit(client, chart)
    milliseconds, page = _median(client, f"/cases/{authorization_id}")
    kilobytes = (len(page.encode()) - len(chart.encode())) / 1000
    marks = len(re.findall(r' data-facts="', page))
    return [
        Figure("case page, 40-page chart", milliseconds, CASE_PAGE_MILLISECONDS, "ms", f"median of {ROUNDS}"),
        Figure("the same without the note", kilobytes, PAGE_KILOBYTES, "kB", f"{marks} marked places"),
    ]


def _submit(client: TestClient, text: str) -> str:
    from features.request import EXAMPLE_REQUEST

    document = {"document_id": "d1", "type": "progress_note", "date": "2026-11-10", "text": text}
    answer = client.post("/v1/authorizations", json={**EXAMPLE_REQUEST, "documents": [document]})
    answer.raise_for_status()
    return str(answer.json()["authorization_id"])


def _median(client: TestClient, address: str) -> tuple[float, str]:
    """Milliseconds and the page; one request beforehand does not count, for it compiles the template."""
    page = client.get(address, follow_redirects=False).raise_for_status().text
    taken: list[float] = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        client.get(address)
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken), page


def main() -> int:
    """Measure, print the table; 1 where ``--strict`` and a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notes", type=Path, default=BESIDE_THE_REPOSITORY, help="JSON Lines with a text")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    silence_libraries()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder, workbench(Path(folder)) as client:
        figures += case_page(client, load_texts(options.notes))
    for figure in figures:
        state = "ok" if figure.passed else "MISSED"
        print(f"{figure.name:<32} {figure.value:8.1f} {figure.unit:<3} bar {figure.bar:6.0f}  {state}  {figure.detail}")
    return 1 if options.strict and not all(figure.passed for figure in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
