"""Which reader reads which type; and one document read from its bytes, in this process.

The service never calls this itself: it reads in processes that can be killed (:mod:`serving.documents.pool`).
"""

from __future__ import annotations

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.limits import Limits
from serving.documents.read_document import Extract, ReadDocument, joined, unread_document
from serving.documents.recognition import Recognition
from serving.documents.sniffing import Kind, contradicts, sniff

SNIFFER = "sniffer 1"
"""Raised whenever the same bytes may be taken for another type; stands where no reader was reached."""

_WITHOUT_READER = {
    Kind.OLD_WORD: "is an old Office file, which is not read",
    Kind.ARCHIVE: "is an archive of files, which is not opened",
    Kind.XML: "is XML of a kind that is not known",
    Kind.UNKNOWN: "is of a type that is not known",
}
_MISMATCH = DocumentProblem("document_type_mismatch", "is of another type than its sender says")


def read_content(content: bytes, content_type: str, limits: Limits) -> ReadDocument:
    """One document from its bytes, with every doubt; the bytes decide its type, not ``content_type``.

    What cannot be read comes back as unread with the reason. Whatever a library raises beyond its documented errors passes:
    the process around this one answers for it.
    """
    kind = sniff(content, content_type)
    problems = (_MISMATCH,) if contradicts(content_type, kind) else ()
    if len(content) > limits.file_bytes:
        return unread_document("is a larger file than this service reads", SNIFFER, problems)
    recognition = Recognition.available(limits.recognition_seconds) if limits.recognition and _may_need(kind) else None
    try:
        extract = _extract(content, content_type, limits, recognition, limits.depth)
    except UnreadableDocumentError as why:
        return unread_document(str(why), SNIFFER, problems)
    except ModuleNotFoundError:
        # The extra "documents" is not installed.
        return unread_document(f"is {kind.value.upper()}, and what reads it is not installed", SNIFFER, problems)
    return joined(Extract(extract.pages, extract.read_by, (*problems, *extract.problems)), limits)


def _may_need(kind: Kind) -> bool:
    return kind in (Kind.PDF, Kind.PNG, Kind.JPEG, Kind.TIFF, Kind.CCDA, Kind.FHIR)


def _extract(content: bytes, content_type: str, limits: Limits, recognition: Recognition | None, depth: int) -> Extract:
    if depth == 0:
        raise UnreadableDocumentError("holds files within files too deep")

    def inside(inner: bytes, inner_type: str) -> Extract:
        found = _extract(inner, inner_type, limits, recognition, depth - 1)
        odd = bool(inner_type) and contradicts(inner_type, sniff(inner, inner_type))
        return Extract(found.pages, found.read_by, (*found.problems, _MISMATCH)) if odd else found

    # Imported where they are needed: a process that reads a letter should not load what reads a scan.
    match kind := sniff(content, content_type):
        case Kind.TEXT:
            from serving.documents.plain import read_text

            return read_text(content, content_type)
        case Kind.PDF:
            from serving.documents.pdf import read_pdf

            return read_pdf(content, limits, recognition)
        case Kind.PNG | Kind.JPEG | Kind.TIFF:
            from serving.documents.pictures import read_picture

            return read_picture(content, limits, recognition)
        case Kind.RTF:
            from serving.documents.rtf import read_rtf

            return read_rtf(content)
        case Kind.DOCX:
            from serving.documents.docx import read_docx

            return read_docx(content, limits)
        case Kind.HTML:
            from serving.documents.html import read_html

            return read_html(content, content_type)
        case Kind.CCDA:
            from serving.documents.ccda import read_ccda

            return read_ccda(content, inside)
        case Kind.FHIR:
            from serving.documents.fhir import read_fhir

            return read_fhir(content, inside)
    raise UnreadableDocumentError(_WITHOUT_READER[kind])
