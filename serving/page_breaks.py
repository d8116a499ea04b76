"""Where the pages of a document begin, as offsets into its text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from features.types import Document

_FORM_FEED = re.compile("\f")


def page_starts(text: str) -> tuple[int, ...]:
    """Where each page begins: 0 and after every form feed that more text follows. Just ``(0,)`` without any."""
    return (0, *(found.end() for found in _FORM_FEED.finditer(text) if found.end() < len(text)))


def pages_of(document: Document) -> tuple[int, ...]:
    """Where each page of a document begins: as its reader found them, else by the form feeds of its text."""
    return document.page_starts if len(document.page_starts) > 1 else page_starts(document.text)


def page_at(starts: Sequence[int], offset: int) -> int:
    """The number, from 1, of the page that holds ``offset``; ``starts`` ascend from 0."""
    return bisect_right(starts, offset)
