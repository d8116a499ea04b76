"""How much of a machine one document may use. Beyond it the document goes to a nurse unread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one document; the first seven are settings (docs/documents.md).

    ``file_bytes`` as sent; ``memory_bytes`` of address space for the process that reads; ``seconds`` of wall clock and of
    processor time for the document, to which ``recognition_seconds`` are added for pictures of text; ``recognition``
    switches optical recognition; ``unpacked_bytes`` and ``unpacked_ratio`` hold for archives (DOCX), all members together;
    ``picture_pixels`` for one picture; ``depth`` for documents inside documents.
    """

    file_bytes: int = 15_000_000
    pages: int = 1000
    characters: int = 2_000_000
    seconds: float = 60
    memory_bytes: int = 1_000_000_000
    recognition: bool = True
    recognition_seconds: float = 120
    unpacked_bytes: int = 100_000_000
    unpacked_ratio: int = 200
    picture_pixels: int = 64_000_000
    depth: int = 3
