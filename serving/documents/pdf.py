"""PDF by pdfium, page by page: the text layer where the page has one, optical recognition where it is a picture.

What a page shows and what its text layer says are two things. A page counts as unread where a picture covers much of it or
where it draws without writing, and as recognized where its text is invisible: that is how a scanner's own recognition is
kept behind the picture (PDF 1.7, 9.3.6, text rendering mode 3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from features.types import DocumentProblem
from serving.documents.errors import UnreadableDocumentError
from serving.documents.limits import Limits
from serving.documents.read_document import Extract, Page
from serving.documents.recognition import DOTS_PER_INCH, Recognition

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_LARGE_SHARE = 0.2
"""A picture that covers more of the page may hold writing; letterheads and signatures cover less."""
_LARGE_PIXELS = 500_000
"""The same for a picture inside a form, whose place on the page is not known: 700 x 700 pixels."""
_SAMPLE = 500
_MOST_UNMAPPED = 0.02
"""So many characters of a page are looked at, and so many of them may be ones the font gives no meaning: bullets, logos."""
_NESTED = 8
_POINTS_AN_INCH = 72
_INVISIBLE = (3, 7)
_ATTACHED = DocumentProblem("unread_attachment", "holds other files that were not read")
_HIDDEN = DocumentProblem("hidden_text", "holds words outside the page, where nobody sees them")
_FIELDS = DocumentProblem("unread_form", "holds form fields whose content does not show on the page")


def read_pdf(content: bytes, limits: Limits, recognition: Recognition | None) -> Extract:
    """The text of every page. Raises UnreadableDocumentError for a broken or protected file, and beyond the page limit."""
    import pypdfium2

    read_by = f"pdf 1 (pypdfium2 {pypdfium2.PYPDFIUM_INFO}, pdfium {pypdfium2.PDFIUM_INFO.build})"
    try:
        with closing(pypdfium2.PdfDocument(content)) as pdf:
            return _read(pdf, read_by, limits, recognition)
    except pypdfium2.PdfiumError as error:
        protected = "password" in str(error).lower()
        raise UnreadableDocumentError("is protected by a password" if protected else "is a broken PDF") from None


def _read(pdf: PdfDocument, read_by: str, limits: Limits, recognition: Recognition | None) -> Extract:
    import pypdfium2.raw as pdfium

    if len(pdf) > limits.pages:
        raise UnreadableDocumentError("has more pages than this service reads")
    problems: dict[DocumentProblem, None] = {}
    form = pdf.get_formtype()
    if form in (pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND):
        raise UnreadableDocumentError("is an XFA form, which only Adobe's reader shows")
    if form != pdfium.FORMTYPE_NONE:
        pdf.init_forms()
    if pdf.count_attachments():
        problems[_ATTACHED] = None
    pages = []
    characters = 0
    for number in range(len(pdf)):
        page = _page(pdf, number, limits, recognition, problems)
        pages.append(page)
        characters += len(page.text)
        if characters > limits.characters:
            raise UnreadableDocumentError("holds more text than this service reads")
    if recognition is not None and any(page.recognized for page in pages):
        read_by = f"{read_by}, {recognition.version}"
    return Extract(tuple(pages), read_by, tuple(problems))


def _page(
    pdf: PdfDocument,
    number: int,
    limits: Limits,
    recognition: Recognition | None,
    problems: dict[DocumentProblem, None],
) -> Page:
    with closing(pdf[number]) as page:
        fields = list(_field_values(page, pdf))
        if fields or _has_annotations(page):
            # What is typed into forms and notes is drawn into the page; only then does the page's text hold it.
            page.flatten()
    with closing(pdf[number]) as page:
        text, garbled = _text_of(page)
        if not all(_squeezed(value) in _squeezed(text) for value in fields):
            problems[_FIELDS] = None
        seen = _look(page)
        if seen.outside:
            problems[_HIDDEN] = None
        if (seen.pictured or garbled) and not seen.invisible_text:
            found = _recognized(page, limits, recognition)
            return replace(found, text=f"{text}\n{found.text}" if text.strip() else found.text)
        return Page(text, unread=garbled, recognized=seen.invisible_text and bool(text.strip()))


def _text_of(page: PdfPage) -> tuple[str, bool]:
    """The text of a page, and whether its font does not tell which characters it shows."""
    import pypdfium2.raw as pdfium

    with closing(page.get_textpage()) as textpage:
        count = textpage.count_chars()
        sample = range(0, count, max(1, count // _SAMPLE))
        unmapped = sum(pdfium.FPDFText_HasUnicodeMapError(textpage, index) == 1 for index in sample)
        return textpage.get_text_range(errors="replace"), unmapped > _MOST_UNMAPPED * len(sample)


def _recognized(page: PdfPage, limits: Limits, recognition: Recognition | None) -> Page:
    if recognition is None:
        return Page("", unread=True)
    area = page.get_width() * page.get_height()
    scale = min(DOTS_PER_INCH / _POINTS_AN_INCH, math.sqrt(limits.picture_pixels / max(area, 1.0)))
    with closing(page.render(scale=scale, grayscale=True)) as bitmap:
        return recognition.page(bitmap.to_pil())


@dataclass(frozen=True, slots=True)
class _Seen:
    """What stands on a page beside its text: a picture (or drawing) that may be writing, invisible words, words outside."""

    pictured: bool
    invisible_text: bool
    outside: bool


def _look(page: PdfPage) -> _Seen:
    import pypdfium2.raw as pdfium

    left, bottom, right, top = page.get_bbox()
    area = max((right - left) * (top - bottom), 1.0)
    covered, large, drawn, visible, invisible, outside = 0.0, False, False, False, False, False
    for item in page.get_objects(max_depth=_NESTED):
        drawn = True
        if item.type == pdfium.FPDF_PAGEOBJ_TEXT:
            hidden = pdfium.FPDFTextObj_GetTextRenderMode(item) in _INVISIBLE
            invisible, visible = invisible or hidden, visible or not hidden
            if item.level == 0:
                x0, y0, x1, y1 = item.get_bounds()
                outside = outside or (x1 > x0 and (x1 < left or x0 > right or y1 < bottom or y0 > top))
        elif item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            if item.level == 0:
                x0, y0, x1, y1 = item.get_bounds()
                covered += abs(x1 - x0) * abs(y1 - y0)
            else:
                width, height = item.get_px_size()
                large = large or width * height > _LARGE_PIXELS
    written = visible or invisible
    return _Seen(
        pictured=large or covered > _LARGE_SHARE * area or (drawn and not written),
        invisible_text=invisible,
        outside=outside,
    )


def _has_annotations(page: PdfPage) -> bool:
    import pypdfium2.raw as pdfium

    return bool(pdfium.FPDFPage_GetAnnotCount(page) > 0)


def _field_values(page: PdfPage, pdf: PdfDocument) -> Iterator[str]:
    """What is typed or chosen in the form fields of a page; not ticks and buttons, which have no words."""
    import pypdfium2.raw as pdfium

    if pdf.formenv is None:
        return
    wordy = (pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX, pdfium.FPDF_FORMFIELD_LISTBOX)
    for index in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, index)
        try:
            if pdfium.FPDFAnnot_GetFormFieldType(pdf.formenv, annotation) in wordy:
                yield _value(pdf, annotation)
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _value(pdf: PdfDocument, annotation: Any) -> str:
    import ctypes

    import pypdfium2.raw as pdfium

    length = pdfium.FPDFAnnot_GetFormFieldValue(pdf.formenv, annotation, None, 0)
    buffer = ctypes.create_string_buffer(length)
    pdfium.FPDFAnnot_GetFormFieldValue(
        pdf.formenv, annotation, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), length
    )
    return buffer.raw.decode("utf-16-le", errors="replace").rstrip("\0")


def _squeezed(text: str) -> str:
    return "".join(text.split())
