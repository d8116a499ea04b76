"""The trail as CSV, row by row, for auditors' own tools."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC

from serving.people import Person
from serving.trail import Entry
from serving.trail_view import name_of
from serving.trail_words import entry_words

COLUMNS = (
    "number",
    "at",
    "person_id",
    "person",
    "role",
    "sign_in_id",
    "action",
    "words",
    "authorization_id",
    "details",
    "previous_hash",
    "hash",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(entries: Iterable[Entry], people: Mapping[str, Person]) -> Iterator[str]:
    """A heading and a line an entry. No cell begins as a spreadsheet's formula does."""
    yield _line(COLUMNS)
    for entry in entries:
        yield _line(
            (
                str(entry.number),
                entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
                entry.person_id or "",
                name_of(entry.person_id, people),
                entry.role or "",
                entry.sign_in_id or "",
                entry.action,
                entry_words(entry, {}),
                entry.authorization_id or "",
                entry.details,
                entry.previous_hash,
                entry.hash,
            )
        )


def _line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    return line.getvalue()
