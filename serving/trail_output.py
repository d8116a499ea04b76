"""What ``greenlane audit show`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from serving.errors import InvalidParameterError, UnknownPersonError
from serving.people import Person
from serving.people_store import PeopleStore
from serving.records import dumps
from serving.store import Store
from serving.trail_reading import TrailFilter, every
from serving.trail_view import entry_line
from serving.ulid import is_ulid


def trail_filter(store: Store, case: str | None, person: str | None, since: datetime | None) -> TrailFilter:
    """The filter the command line asks for. Raises UnknownPersonError, InvalidParameterError."""
    if case is not None and not is_ulid(case):
        raise InvalidParameterError("--case", "is no id of ours; the page of the case has it in its address")
    if person is None:
        return TrailFilter(case, since=since)
    found = next((each for each in PeopleStore(store).everybody() if each.sign_in_name == person), None)
    if found is None:
        raise UnknownPersonError("--person: nobody signs in under this name")
    return TrailFilter(case, found.person_id, since=since)


def json_lines(store: Store, wanted: TrailFilter) -> Iterator[str]:
    """A line an entry: its fields as they are hashed, and its hash."""
    for entry in every(store, wanted):
        at = entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        yield dumps({**asdict(entry), "at": at, "details": entry.facts, "hash": entry.hash})


def entry_table(store: Store, wanted: TrailFilter) -> Table:
    """Number, time, who, what, case."""
    people: dict[str, Person] = {person.person_id: person for person in PeopleStore(store).everybody()}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("No.", "When", "Who"):
        table.add_column(heading, no_wrap=True)
    table.add_column("What", overflow="fold")
    table.add_column("Case", no_wrap=True)
    for entry in every(store, wanted):
        line = entry_line(entry, people, {}, {})
        table.add_row(str(line.number), line.at, Text(line.who), Text(line.words), line.authorization_id or "")
    return table
