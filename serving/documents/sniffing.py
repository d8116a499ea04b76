"""What a file is, from its bytes alone; and whether that contradicts what the sender called it."""

from __future__ import annotations

import io
import re
import zipfile
from enum import StrEnum

from serving.documents.plain import decoded


class Kind(StrEnum):
    """The types that bytes can be told to be. Not all of them have a reader."""

    TEXT = "text"
    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    RTF = "rtf"
    DOCX = "docx"
    HTML = "html"
    CCDA = "ccda"
    FHIR = "fhir"
    OLD_WORD = "old_word"
    ARCHIVE = "archive"
    XML = "xml"
    UNKNOWN = "unknown"


ARCHIVE_MARK = b"PK\x03\x04"
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"II*\x00", Kind.TIFF),
    (b"MM\x00*", Kind.TIFF),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OLD_WORD),
)
_PDF_WITHIN = 1024
"""Readers of PDF accept its mark within the first so many bytes (PDF 1.7, appendix H.3, note 13)."""
_HEAD = 4096
_HTML = re.compile(
    r"<(?:!doctype\s+html|html|head|body|meta|title|div|p|table|span|h[1-6]|br|center|font)\b", re.IGNORECASE
)
_MARKUP_BEFORE = re.compile(r"\s*(?:<\?[^>]*>\s*|<!--(?s:.*?)-->\s*)*")
_CCDA = re.compile(r"<(?:\w+:)?ClinicalDocument\b")
_XML = re.compile(r"<[A-Za-z_?!]")

_DECLARED: dict[str, frozenset[Kind]] = {
    "text/plain": frozenset({Kind.TEXT}),
    "application/pdf": frozenset({Kind.PDF}),
    "application/x-pdf": frozenset({Kind.PDF}),
    "image/png": frozenset({Kind.PNG}),
    "image/jpeg": frozenset({Kind.JPEG}),
    "image/jpg": frozenset({Kind.JPEG}),
    "image/tiff": frozenset({Kind.TIFF}),
    "image/tif": frozenset({Kind.TIFF}),
    "application/rtf": frozenset({Kind.RTF}),
    "text/rtf": frozenset({Kind.RTF}),
    # Word names both its old format and RTF so.
    "application/msword": frozenset({Kind.OLD_WORD, Kind.RTF}),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": frozenset({Kind.DOCX}),
    "text/html": frozenset({Kind.HTML}),
    "application/xhtml+xml": frozenset({Kind.HTML}),
    "application/hl7-cda+xml": frozenset({Kind.CCDA}),
    "application/hl7-v3+xml": frozenset({Kind.CCDA}),
    "application/cda+xml": frozenset({Kind.CCDA}),
    "text/xml": frozenset({Kind.CCDA, Kind.HTML, Kind.XML}),
    "application/xml": frozenset({Kind.CCDA, Kind.HTML, Kind.XML}),
    "application/fhir+json": frozenset({Kind.FHIR}),
    "application/json": frozenset({Kind.FHIR, Kind.TEXT}),
}


def sniff(content: bytes, content_type: str = "") -> Kind:
    """The type of these bytes; never raises. Of ``content_type`` only the name of an encoding is used."""
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    if content.startswith(ARCHIVE_MARK):
        return _archive(content)
    if content[:64].lstrip().startswith(b"{\\rtf"):
        return Kind.RTF
    if b"%PDF-" in content[:_PDF_WITHIN]:
        return Kind.PDF
    text = decoded(content, content_type)
    return _of_text(text) if text is not None else _markup_in_another_encoding(content)


def contradicts(declared: str, kind: Kind) -> bool:
    """Whether the sender's content type names another type than the bytes are. A type we do not know contradicts none."""
    named = _DECLARED.get(declared.split(";")[0].strip().lower())
    return named is not None and kind not in named


def _archive(content: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return Kind.DOCX if "word/document.xml" in archive.namelist() else Kind.ARCHIVE
    except Exception:
        # The standard library raises a dozen kinds of errors for broken archives.
        return Kind.ARCHIVE


def _of_text(text: str) -> Kind:
    head = text[:_HEAD]
    begin = _MARKUP_BEFORE.match(head)
    rest = head[begin.end() :] if begin else head
    if _CCDA.match(rest):
        return Kind.CCDA
    if _HTML.match(rest):
        return Kind.HTML
    if rest != head.lstrip() or head.lstrip().startswith("<?xml") or (_XML.match(rest) and rest.rstrip().endswith(">")):
        return Kind.XML
    if head.lstrip().startswith(("{", "[")) and '"resourceType"' in text:
        return Kind.FHIR
    return Kind.TEXT if _is_writing(text) else Kind.UNKNOWN


def _markup_in_another_encoding(content: bytes) -> Kind:
    """Markup declares its encoding itself, so its ASCII part tells what it is; other bytes are not told."""
    kind = _of_text(content[:_HEAD].decode("ascii", errors="replace").replace("\ufffd", "?"))
    return kind if kind in (Kind.HTML, Kind.CCDA, Kind.XML) else Kind.UNKNOWN


def _is_writing(text: str) -> bool:
    controls = sum(character < " " and character not in "\t\n\r\f\v" for character in text[:_HEAD])
    return controls * 50 <= len(text[:_HEAD])
