"""Optical recognition of text in pictures by Tesseract, where it is installed (the extra ``ocr`` and apt's tesseract-ocr).

Recognized text is evidence to look at, not to decide by: one lost "no" turns a finding round. A case that rests on it goes
to a nurse unless the deployment says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.documents.read_document import Page

if TYPE_CHECKING:
    from PIL.Image import Image

DOTS_PER_INCH = 300
"""What Tesseract's manual asks for."""

_PAGE_SECONDS = 60.0
_LEAST_CONFIDENCE = 60.0
"""A page whose words Tesseract is less sure of on average (0 to 100) counts as unread: handwriting, a skewed fax."""


@dataclass(slots=True)
class Recognition:
    """Tesseract with a budget of seconds for one document; a page beyond the budget stays unread."""

    version: str
    deadline: float

    @classmethod
    def available(cls, seconds: float) -> Recognition | None:
        """Tesseract and its Python package where both are installed, else None."""
        try:
            import pytesseract

            found = pytesseract.get_tesseract_version()
        except (ImportError, SystemExit, OSError):
            return None
        except Exception as error:
            if type(error).__name__ != "TesseractNotFoundError":
                raise
            return None
        return cls(f"tesseract {str(found).split()[0]}", time.monotonic() + seconds)

    def page(self, picture: Image) -> Page:
        """The words of one picture as a page marked recognized; unread where time or certainty do not suffice."""
        import pytesseract

        left = min(_PAGE_SECONDS, self.deadline - time.monotonic())
        if left < 1:
            return Page("", unread=True)
        try:
            found = pytesseract.image_to_data(
                picture.convert("L"), lang="eng", timeout=left, output_type=pytesseract.Output.DICT
            )
        except (RuntimeError, OSError):
            # pytesseract's sign of a timeout, and of whatever Tesseract says, which may quote the page.
            return Page("", unread=True)
        words = list(_words(found))
        if not words:
            return Page("", unread=True)
        sure = sum(word.confidence for word in words) / len(words) >= _LEAST_CONFIDENCE
        return Page(_lines(words), unread=not sure, recognized=True)


@dataclass(frozen=True, slots=True)
class _Word:
    line: tuple[int, int, int]
    text: str
    confidence: float


def _words(found: Mapping[str, Sequence[object]]) -> Iterator[_Word]:
    columns = ("block_num", "par_num", "line_num", "text", "conf")
    for block, paragraph, line, text, confidence in zip(*(found[name] for name in columns), strict=True):
        if str(text).strip():
            yield _Word((int(str(block)), int(str(paragraph)), int(str(line))), str(text), float(str(confidence)))


def _lines(words: Sequence[_Word]) -> str:
    """Words of a line with a blank between, a line feed after each line, an empty line after each paragraph."""
    pieces: list[str] = []
    before: tuple[int, int, int] | None = None
    for word in words:
        if before is not None:
            pieces.append(" " if word.line == before else "\n" if word.line[:2] == before[:2] else "\n\n")
        pieces.append(word.text)
        before = word.line
    return "".join(pieces)
