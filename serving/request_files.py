"""Requests from files: JSON, JSON Lines or ``-`` for standard input, each with the place it came from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from features.errors import RequestRefusedError
from features.request import READABLE_CONTENT_TYPE, parse_request
from features.types import AuthorizationRequest
from serving.documents.pool import ReadingPool
from serving.errors import UnreadableBodyError
from serving.json_body import parse_json
from serving.records import read_received, received_documents

EVALUATION_FIELDS = ("expected_route", "expected_why", "trap")
"""What evaluation files say beside the request. These never reach triage."""

_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a file: ``place`` is FILE:LINE; ``problems`` are sentences, and then ``data`` is None."""

    place: str
    data: Any = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestEntry:
    """An entry after validation: the request, or why it is none. ``expected`` holds the evaluation fields."""

    place: str
    request: AuthorizationRequest | None
    expected: dict[str, str]
    problems: tuple[str, ...] = ()


def read_bytes(name: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises OSError."""
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def entries(names: Iterable[str]) -> Iterator[Entry]:
    """Every JSON value of the files, in order. A file that cannot be read is one entry with a problem.

    JSON Lines are read a line at a time, so memory does not grow with the file.
    """
    for name in names:
        try:
            with _opened(name) as file:
                yield from _of_file(name, file)
        except OSError as error:
            yield Entry(name, problems=(f"cannot be read ({error.strerror})",))


def lines_in(names: Iterable[str]) -> int | None:
    """How many lines the files have together; None where one is no regular file of lines."""
    total = 0
    for name in names:
        if not name.endswith(_LINES) or not Path(name).is_file():
            return None
        with Path(name).open("rb") as file:
            total += sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))
    return total


def request_entries(names: Iterable[str], pool: ReadingPool | None = None) -> Iterator[RequestEntry]:
    """Every request of the files, validated, the evaluation fields taken out first; ``pool`` reads its documents."""
    return (request_entry(entry, pool) for entry in entries(names))


def request_entry(entry: Entry, pool: ReadingPool | None = None) -> RequestEntry:
    """One entry validated, the evaluation fields taken out first; ``pool`` reads its documents."""
    if entry.problems:
        return RequestEntry(entry.place, None, {}, entry.problems)
    data, expected = entry.data, {}
    if isinstance(data, dict):
        expected = {field: str(data[field]) for field in EVALUATION_FIELDS if field in data}
        data = {field: value for field, value in data.items() if field not in EVALUATION_FIELDS}
    try:
        request = parse_request(data)
        return RequestEntry(entry.place, with_files_read(request, data["documents"], pool), expected)
    except RequestRefusedError as error:
        problems = tuple(f"{field}: {message}" for field, message in error.problems)
        return RequestEntry(entry.place, None, expected, problems)


def with_files_read(
    request: AuthorizationRequest, bodies: Sequence[Mapping[str, Any]], pool: ReadingPool | None
) -> AuthorizationRequest:
    """The request with the text of its files, read from the bodies it was parsed from; as it is without a ``pool``."""
    if pool is None or all(document.content_type == READABLE_CONTENT_TYPE for document in request.documents):
        return request
    received = received_documents(request.documents, bodies)
    return replace(request, documents=tuple(read_received(document, pool) for document in received))


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb")


def _of_file(name: str, file: BinaryIO) -> Iterator[Entry]:
    lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    first = next(lines, None)
    if first is None:
        yield Entry(name, problems=("is empty",))
        return
    number, line = first
    if name.endswith(_LINES) or (line.endswith(b"\n") and _is_value(line)):
        for number, line in chain([first], lines):
            yield _entry(f"{name}:{number}", line)
        return
    # The blank lines again, so that a problem's line number is the file's.
    whole = _entry(f"{name}:1", b"\n" * (number - 1) + line + file.read())
    if isinstance(whole.data, list):
        for number, value in enumerate(whole.data, start=1):
            yield Entry(f"{name}:[{number}]", value)
    else:
        yield whole


def _is_value(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except UnreadableBodyError:
        return False


def _entry(place: str, content: bytes) -> Entry:
    try:
        return Entry(place, parse_json(content.removeprefix(b"\xef\xbb\xbf")))
    except UnreadableBodyError as error:
        return Entry(place, problems=(str(error).replace("the body", "this"),))
