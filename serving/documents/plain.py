"""Plain text sent as bytes: UTF-8, UTF-16 with its mark, or the encoding its content type names."""

from __future__ import annotations

import codecs
import re

from serving.documents.errors import UnreadableDocumentError
from serving.documents.read_document import Extract, Page

READ_BY = "text 1"
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
_ENCODINGS = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
}


def decoded(content: bytes, declared: str | None) -> str | None:
    """The text of these bytes, or None. Only an encoding the sender names is taken beside UTF-8 and marked UTF-16."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    named = _CHARSET.search(declared or "")
    for encoding in ("utf-16" if marked else "utf-8-sig", _ENCODINGS.get(named[1].lower()) if named else None):
        try:
            if encoding is not None:
                return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def read_text(content: bytes, content_type: str) -> Extract:
    """Plain text; a form feed begins a page. Raises UnreadableDocumentError where the encoding is not known."""
    text = decoded(content, content_type)
    if text is None:
        raise UnreadableDocumentError("is text in an unknown encoding")
    return Extract(tuple(Page(page) for page in text.split("\f")), READ_BY)
