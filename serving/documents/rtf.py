"""RTF by striprtf. Pictures and embedded objects are not read and named."""

from __future__ import annotations

import re
from importlib.metadata import version

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.read_document import Extract, Page

_PICTURE = re.compile(rb"\\(?:pict|object)(?![a-z])")
_HIDDEN = re.compile(rb"\\v(?![a-z0-9])|\\v1(?![0-9])|\\deleted(?![a-z0-9])")


def read_rtf(content: bytes) -> Extract:
    """The text of an RTF file as one page. Raises UnreadableDocumentError where the file is broken."""
    from striprtf.striprtf import rtf_to_text

    # striprtf does not know hidden words and would bring them up: an RTF with them is not read.
    if _HIDDEN.search(content):
        raise UnreadableDocumentError("holds hidden or deleted words")
    try:
        text: str = rtf_to_text(content.decode("latin-1"), errors="strict")
    except (ValueError, LookupError, TypeError, IndexError, OverflowError):
        raise UnreadableDocumentError("is broken RTF") from None
    problems = (DocumentProblem("unread_picture", "holds pictures that were not read"),)
    return Extract(
        (Page(text),), f"rtf 1 (striprtf {version('striprtf')})", problems if _PICTURE.search(content) else ()
    )
