"""What a reader found in one document: the text that offsets point into from then on, its pages, and every doubt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.types import Document, DocumentProblem
from serving.documents.limits import Limits
from serving.documents.page_text import clean

PAGE_BREAK = "\f\n"
"""Between two pages. The line feed lets a heading that opens a page stand at the start of a line."""


PROBLEM_CODES = frozenset(
    {
        "document_type_mismatch",
        "hidden_text",
        "tracked_changes",
        "unread_attachment",
        "unread_form",
        "unread_part",
        "unread_picture",
    }
)
"""Every doubt a reader may raise; a code is a label of the metrics, so no reader makes one up."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a reader found it. ``unread``: something on it could not be read; ``recognized``: its text comes from
    optical recognition, ours or the scanner's."""

    text: str
    unread: bool = False
    recognized: bool = False


@dataclass(frozen=True, slots=True)
class Extract:
    """What one reader got out of one file. ``read_by`` names reader and library with their versions."""

    pages: tuple[Page, ...]
    read_by: str
    problems: tuple[DocumentProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document after reading. It is stored as it is and never changed: facts point into ``text``.

    ``page_starts`` are offsets into ``text``: ascending, the first 0, one a page. ``unread`` says in words why nothing
    could be read (then ``text`` is empty). ``unread_pages`` and ``recognized_pages`` count from 1.
    """

    text: str
    read_by: str
    page_starts: tuple[int, ...] = (0,)
    unread: str | None = None
    unread_pages: tuple[int, ...] = ()
    recognized_pages: tuple[int, ...] = ()
    problems: tuple[DocumentProblem, ...] = ()

    def applied_to(self, document: Document) -> Document:
        """The document as triage sees it."""
        return replace(
            document,
            text=self.text,
            read_by=self.read_by,
            page_starts=self.page_starts,
            unread=self.unread,
            unread_pages=self.unread_pages,
            recognized_pages=self.recognized_pages,
            problems=self.problems,
        )

    def record(self) -> str:
        """Everything but the text, as ASCII JSON."""
        return json.dumps(
            {
                "read_by": self.read_by,
                "page_starts": self.page_starts,
                "unread": self.unread,
                "unread_pages": self.unread_pages,
                "recognized_pages": self.recognized_pages,
                "problems": [[problem.code, problem.message] for problem in self.problems],
            }
        )

    @classmethod
    def from_record(cls, text: str, record: str) -> ReadDocument:
        """The inverse of :meth:`record`. Raises ValueError, TypeError or KeyError for anything else.

        A record may come from a process that a hostile document took over, so the laws of a reading are held against it.
        """
        data = json.loads(record)
        read = cls(
            text=text,
            read_by=str(data["read_by"]),
            page_starts=tuple(int(start) for start in data["page_starts"]),
            unread=None if data["unread"] is None else str(data["unread"]),
            unread_pages=tuple(int(page) for page in data["unread_pages"]),
            recognized_pages=tuple(int(page) for page in data["recognized_pages"]),
            problems=tuple(DocumentProblem(str(code), str(message)) for code, message in data["problems"]),
        )
        starts, pages = read.page_starts, {*read.unread_pages, *read.recognized_pages}
        in_order = starts[:1] == (0,) and list(starts) == sorted(starts) and starts[-1] <= len(text)
        known = all(problem.code in PROBLEM_CODES for problem in read.problems)
        if not (in_order and known and pages <= set(range(1, len(starts) + 1)) and (read.unread is None or not text)):
            raise ValueError("the record is no reading")
        return read


def unread_document(why: str, read_by: str, problems: Sequence[DocumentProblem] = ()) -> ReadDocument:
    """A document of which nothing could be read; ``why`` completes "Document d1 ..."."""
    return ReadDocument("", read_by, unread=why, problems=tuple(problems))


def joined(extract: Extract, limits: Limits) -> ReadDocument:
    """The pages of an extract as one text, cleaned here and never again."""
    if len(extract.pages) > limits.pages:
        return unread_document("has more pages than this service reads", extract.read_by, extract.problems)
    texts: list[str] = []
    starts: list[int] = []
    length = 0
    for page in extract.pages:
        starts.append(length)
        texts.append(clean(page.text))
        length += len(texts[-1]) + len(PAGE_BREAK)
    text = PAGE_BREAK.join(texts)
    if len(text) > limits.characters:
        return unread_document("holds more text than this service reads", extract.read_by, extract.problems)
    unread = tuple(number for number, page in enumerate(extract.pages, start=1) if page.unread)
    if not text.strip():
        why = "holds no text that a machine can read" if unread else "is empty"
        return unread_document(why, extract.read_by, extract.problems)
    return ReadDocument(
        text=text,
        read_by=extract.read_by,
        page_starts=tuple(starts) or (0,),
        unread_pages=unread,
        recognized_pages=tuple(number for number, page in enumerate(extract.pages, start=1) if page.recognized),
        problems=tuple(dict.fromkeys(extract.problems)),
    )
