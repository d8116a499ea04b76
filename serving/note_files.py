"""Notes from files: a file of any type that is read is one note; with a field name, each line of a JSON Lines file is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from features.guards import pages_in_words
from serving.documents.pool import ReadingPool
from serving.documents.read_document import ReadDocument
from serving.documents.sniffing import ARCHIVE_MARK, Kind, sniff
from serving.request_files import entries, read_bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note and where it came from; ``problems`` are sentences, and then ``text`` may be None.

    ``read`` is what the reader of a file found, None for plain text.
    """

    place: str
    text: str | None
    problems: tuple[str, ...] = ()
    read: ReadDocument | None = None


def notes_of(names: Iterable[str], *, field: str | None, pool: ReadingPool) -> Iterator[Note]:
    """Every note of the files: plain text exactly as it stands there, anything else as ``pool`` reads it."""
    return _lines(names, field) if field is not None else (_file(name, pool) for name in names)


def _file(name: str, pool: ReadingPool) -> Note:
    try:
        content = read_bytes(name)
    except OSError as error:
        return Note(name, None, (f"cannot be read ({error.strerror})",))
    text = _plain_text(content)
    return Note(name, text) if text is not None else _read(name, pool.read(content, ""))


def _plain_text(content: bytes) -> str | None:
    """The text of a file that is nothing but text, to the character; None for everything that needs a reader."""
    # Archives are not so much as listed outside the pool.
    if content.startswith(ARCHIVE_MARK) or sniff(content) not in (Kind.TEXT, Kind.UNKNOWN):
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _read(name: str, read: ReadDocument) -> Note:
    if read.unread is not None:
        return Note(name, None, (read.unread,))
    problems = [problem.message for problem in read.problems]
    if read.unread_pages:
        problems.append(f"could not be read in full: {pages_in_words(read.unread_pages)}")
    return Note(name, read.text, tuple(problems), read)


def _lines(names: Iterable[str], field: str) -> Iterator[Note]:
    for entry in entries(names):
        text = entry.data.get(field) if isinstance(entry.data, dict) else None
        if entry.problems:
            yield Note(entry.place, None, entry.problems)
        elif not isinstance(text, str):
            yield Note(entry.place, None, (f"{field}: must be there and be text",))
        else:
            yield Note(entry.place, text)
