"""Results written to a file as JSON Lines, so that a run that was stopped can go on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from serving.errors import ExportError
from serving.request_files import Entry


def written(out: Path) -> frozenset[str]:
    """The external ids whose results a file holds; the empty set where there is no file.

    A last line that was not written to its end is cut off. Raises ExportError for a file that holds something else.
    """
    if not out.exists():
        return frozenset()
    found: set[str] = set()
    whole = 0
    try:
        with out.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                found.add(_external_id(line, f"{out}:{number}"))
                whole += len(line)
        if whole < out.stat().st_size:
            with out.open("r+b") as file:
                file.truncate(whole)
    except OSError as error:
        raise ExportError(f"{out}: cannot be read and cut to whole lines ({error.strerror})") from None
    return frozenset(found)


def not_written(entries: Iterable[Entry], held: frozenset[str]) -> Iterator[Entry]:
    """The entries without those whose results are there already."""
    for entry in entries:
        external_id = entry.data.get("external_id") if isinstance(entry.data, dict) else None
        if not isinstance(external_id, str) or external_id.strip() not in held:
            yield entry


def _external_id(line: bytes, place: str) -> str:
    try:
        external_id = json.loads(line)["external_id"]
    except (ValueError, KeyError, TypeError):
        external_id = None
    if not isinstance(external_id, str):
        raise ExportError(f"{place}: is no result; --resume goes on in a file that greenlane triage --out wrote")
    return external_id
