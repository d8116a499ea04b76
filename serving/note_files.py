"""Notes from files: a text file is one note; with a field name, each line of a JSON Lines file is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serving.request_files import entries, read_bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note and where it came from; ``problems`` are sentences, and then ``text`` is None."""

    place: str
    text: str | None
    problems: tuple[str, ...] = ()


def notes_of(names: Iterable[str], *, field: str | None) -> Iterator[Note]:
    """Every note of the files, exactly as it stands there: no line end is translated."""
    return _lines(names, field) if field is not None else (_file(name) for name in names)


def _file(name: str) -> Note:
    try:
        return Note(name, read_bytes(name).decode("utf-8"))
    except OSError as error:
        return Note(name, None, (f"cannot be read ({error.strerror})",))
    except UnicodeDecodeError as error:
        return Note(name, None, (f"is not UTF-8 (byte {error.start})",))


def _lines(names: Iterable[str], field: str) -> Iterator[Note]:
    for entry in entries(names):
        text = entry.data.get(field) if isinstance(entry.data, dict) else None
        if entry.problems:
            yield Note(entry.place, None, entry.problems)
        elif not isinstance(text, str):
            yield Note(entry.place, None, (f"{field}: must be there and be text",))
        else:
            yield Note(entry.place, text)
