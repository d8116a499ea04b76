"""RTF by striprtf, with headers, footers and notes, which it would leave out, brought into the text first."""

from __future__ import annotations

import re
from importlib.metadata import version

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.read_document import Extract, Page

# A control word ends where no letter follows; a doubled backslash is a character of the text.
_BESIDE_THE_BODY = re.compile(rb"(?<!\\)\\(?:header|footer)[lrf]?(?![a-z])|(?<!\\)\\footnote(?![a-z])")
_PAGE_BREAK = re.compile(rb"(?<!\\)\\page(?![a-z]) ?")
_HIDDEN = re.compile(rb"(?<!\\)\\(?:v(?![a-z0-9])|v1(?![0-9])|deleted(?![a-z0-9]))")
_DOUBTS = (
    (re.compile(rb"(?<!\\)\\pict(?![a-z])"), DocumentProblem("unread_picture", "holds pictures that were not read")),
    (
        re.compile(rb"(?<!\\)\\object(?![a-z])"),
        DocumentProblem("unread_attachment", "holds other files that were not read"),
    ),
    (
        re.compile(rb"(?<!\\)\\(?:shptxt|annotation|result)(?![a-z])"),
        DocumentProblem("unread_part", "holds text boxes or comments that were not read"),
    ),
)


def read_rtf(content: bytes) -> Extract:
    """The text of an RTF file, a page for every page break. Raises UnreadableDocumentError where the file is broken."""
    from striprtf.striprtf import rtf_to_text

    # striprtf does not know hidden words and would bring them up: an RTF with them is not read.
    if _HIDDEN.search(content):
        raise UnreadableDocumentError("holds hidden or deleted words")
    inline = _PAGE_BREAK.sub(rb"\\par\\'0c", _BESIDE_THE_BODY.sub(rb"\\par", content))
    try:
        text: str = rtf_to_text(inline.decode("latin-1"), errors="strict")
    except (ValueError, LookupError, TypeError, OverflowError):
        raise UnreadableDocumentError("is broken RTF") from None
    problems = tuple(problem for sign, problem in _DOUBTS if sign.search(content))
    return Extract(tuple(Page(page) for page in text.split("\f")), f"rtf 1 (striprtf {version('striprtf')})", problems)
