"""Lines out of bytes that arrive in pieces, with no more in memory than one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ReceivedLine:
    """A line that is not blank, counted from 1 with the blank ones. ``content`` is None where it was too long to keep."""

    number: int
    content: bytes | None


class LineReader:
    """Splits what it is fed into lines. ``longest`` is the most bytes of a line; a longer one is dropped and reported."""

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._held: list[bytes] = []
        self._size = 0
        self._number = 0

    def feed(self, piece: bytes) -> Iterator[ReceivedLine]:
        """The lines that this piece ends."""
        *ended, rest = piece.split(b"\n")
        for part in ended:
            self._hold(part)
            yield from self._end()
        self._hold(rest)

    def finish(self) -> Iterator[ReceivedLine]:
        """The last line, where no line feed ended it."""
        if self._size:
            yield from self._end()

    def _hold(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._longest:
            self._held.clear()
        elif part:
            self._held.append(part)

    def _end(self) -> Iterator[ReceivedLine]:
        self._number += 1
        content = b"".join(self._held).strip() if self._size <= self._longest else None
        self._held, self._size = [], 0
        if content is not None and self._number == 1:
            content = content.removeprefix(_MARK)
        if content != b"":
            yield ReceivedLine(self._number, content)
