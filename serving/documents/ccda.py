"""C-CDA (HL7 CDA R2): who it is about, then the narrative of each section, which is what its author signed.

The coded entries behind a section are not read: the narrative is the attested content (CDA R2, 4.3.4.2).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from xml.etree.ElementTree import Element

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.markup import child, children, local_name, parse_xml
from serving.documents.read_document import Extract, Page

READ_BY = "ccda 1"
_SEX = {"M": "male", "F": "female"}
_LINES = frozenset(
    {"paragraph", "list", "item", "table", "thead", "tbody", "tfoot", "tr", "caption", "br", "section", "text"}
)
_PICTURE = DocumentProblem("unread_picture", "holds pictures that were not read")
_HIDDEN = DocumentProblem("hidden_text", "holds hidden words, which were left out")

ReadInside = Callable[[bytes, str], Extract]


def read_ccda(content: bytes, read_inside: ReadInside) -> Extract:
    """The text of a clinical document; a body that is itself a file is read by ``read_inside``.

    Raises UnreadableDocumentError for broken XML and for a document without a body.
    """
    root = parse_xml(content)
    if local_name(root) != "ClinicalDocument":
        raise UnreadableDocumentError("is not a C-CDA document")
    problems: dict[DocumentProblem, None] = {}
    head = "\n".join(_heading(root))
    component = child(root, "component")
    structured = child(component, "structuredBody") if component is not None else None
    if structured is not None:
        words = "".join(_narrative(structured, problems))
        return Extract((Page(f"{head}\n\n{words}"),), READ_BY, tuple(problems))
    text = child(component, "nonXMLBody", "text") if component is not None else None
    if text is None:
        raise UnreadableDocumentError("is a C-CDA document without a body")
    inner = _inner(text, read_inside)
    first, *others = inner.pages or (Page(""),)
    opened = Page(f"{head}\n\n{first.text}", first.unread, first.recognized)
    return Extract((opened, *others), f"{READ_BY}, {inner.read_by}", inner.problems)


def _inner(text: Element, read_inside: ReadInside) -> Extract:
    if child(text, "reference") is not None:
        raise UnreadableDocumentError("names a file elsewhere, which is not fetched")
    content = "".join(text.itertext())
    if text.get("representation") != "B64":
        return read_inside(content.encode("utf-8", errors="replace"), "")
    try:
        return read_inside(base64.b64decode("".join(content.split()), validate=True), text.get("mediaType", ""))
    except binascii.Error:
        raise UnreadableDocumentError("holds a file that is not base64") from None


def _heading(root: Element) -> Iterator[str]:
    """Title and patient as a style sheet would show them, so that a document about someone else is noticed."""
    title = child(root, "title")
    if title is not None:
        yield " ".join("".join(title.itertext()).split())
    for role in (role for target in children(root, "recordTarget") for role in children(target, "patientRole")):
        patient = child(role, "patient")
        if patient is None:
            continue
        name = child(patient, "name")
        if name is not None:
            yield f"Patient: {' '.join(' '.join(name.itertext()).split())}"
        born = child(patient, "birthTime")
        day = (born.get("value") or "")[:8] if born is not None else ""
        if len(day) == 8 and day.isascii() and day.isdecimal():
            yield f"Date of birth: {day[:4]}-{day[4:6]}-{day[6:]}"
        sex = child(patient, "administrativeGenderCode")
        if sex is not None and sex.get("code") in _SEX:
            yield f"Sex: {_SEX[sex.get('code') or '']}"


def _narrative(element: Element, problems: dict[DocumentProblem, None]) -> Iterator[str]:
    for section in (inner for inner in element.iter() if local_name(inner) == "section"):
        title, text = child(section, "title"), child(section, "text")
        if title is not None:
            yield f"\n{' '.join(''.join(title.itertext()).split()).rstrip(':').upper()}:\n"
        if text is not None:
            yield from _block(text, problems)
            yield "\n"


def _block(element: Element, problems: dict[DocumentProblem, None]) -> Iterator[str]:
    name = local_name(element)
    if name == "renderMultiMedia":
        problems[_PICTURE] = None
    if "hidden" in element.get("styleCode", "").lower() or name in ("delete", "del"):
        problems[_HIDDEN] = None
        return
    if name in _LINES:
        yield "\n"
    yield _flat(element.text)
    for inner in element:
        if local_name(inner):
            yield from _block(inner, problems)
        yield _flat(inner.tail)
    if name in ("td", "th"):
        yield "\t"
    elif name in ("paragraph", "item", "tr", "caption"):
        yield "\n"


def _flat(text: str | None) -> str:
    """White space of the file's layout as single blanks; the elements say where lines end."""
    if not text or not text.strip():
        return " " if text and "\n" not in text else ""
    return f"{' ' if text[0].isspace() else ''}{' '.join(text.split())}{' ' if text[-1].isspace() else ''}"
