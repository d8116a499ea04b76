"""Files of every type that is read, made as clinics' software makes them; invented notes."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

NOTE = (
    "58-year-old man with low back pain radiating to the left leg for three months. He completed eight weeks of physical "
    "therapy from 8/31/2026 to 10/26/2026 without relief. He denies saddle anesthesia."
)
SCANNED = "He completed physical therapy.\nHe denies saddle anesthesia."

DOCX_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def pdf(*pages: str, attached: bytes | None = None, password: str | None = None) -> bytes:
    """A PDF with a text layer on every page; an empty string is a blank page."""
    from fpdf import FPDF

    made = FPDF()
    made.set_font("helvetica", size=11)
    for page in pages:
        made.add_page()
        if page:
            made.multi_cell(0, 6, page)
    if attached is not None:
        made.embed_file(bytes=attached, basename="more.txt")
    if password is not None:
        made.set_encryption(owner_password="owner", user_password=password)
    return bytes(made.output())


def picture(text: str = SCANNED, size: tuple[int, int] = (1700, 2200)) -> Any:
    """A page of text as a grey picture at 200 dots an inch."""
    from PIL import Image, ImageDraw, ImageFont

    made = Image.new("L", size, 255)
    ImageDraw.Draw(made).text((150, 150), text, fill=0, font=ImageFont.load_default(56))
    return made


def picture_file(kind: str, *texts: str) -> bytes:
    """A PNG, JPEG or TIFF; a TIFF has a frame for each text."""
    first, *others = [picture(text) for text in texts or (SCANNED,)]
    file = io.BytesIO()
    first.save(file, kind, **({"save_all": True, "append_images": others} if kind == "TIFF" else {}))
    return file.getvalue()


def faxed_pdf(*pages: str | None, stamp: str = "", invisible: str = "", width: float = 210) -> bytes:
    """A PDF with text pages and, for None, scanned ones: a picture ``width`` mm wide on A4, with ``stamp`` printed on it
    and ``invisible`` text behind it."""
    from fpdf import FPDF

    made = FPDF()
    made.set_font("helvetica", size=11)
    for page in pages:
        made.add_page()
        if page is not None:
            made.multi_cell(0, 6, page)
            continue
        made.image(picture(), 0, 0, width)
        if stamp:
            made.cell(text=stamp)
        if invisible:
            with made.local_context(text_mode="INVISIBLE"):
                made.multi_cell(0, 6, invisible)
    return bytes(made.output())


def pdf_of_objects(objects: Sequence[bytes]) -> bytes:
    """A PDF file around numbered objects, the first of them its catalog."""
    file = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return bytes(file + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, table))


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream object of a PDF."""
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries, len(data), data)


def form_pdf(value: str, *, drawn: bool = True) -> bytes:
    """A PDF form whose one field holds ``value``; not ``drawn``: the field has a value and shows nothing of it."""
    shown = b"BT /F1 11 Tf 2 5 Td (%s) Tj ET" % (value.encode() if drawn else b"")
    font = b"/Resources<</Font<</F1 6 0 R>>>>"
    return pdf_of_objects(
        [
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R]/DR<</Font<</F1 6 0 R>>>>>>>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Annots[5 0 R]" + font + b">>",
            stream(b"BT /F1 11 Tf 50 700 Td (Weeks of physical therapy:) Tj ET"),
            b"<</Type/Annot/Subtype/Widget/FT/Tx/T(weeks)/V(%s)/DA(/F1 11 Tf)" % value.encode()
            + b"/Rect[250 690 500 710]/F 4/P 3 0 R/AP<</N 7 0 R>>>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            stream(shown, b"/Type/XObject/Subtype/Form/BBox[0 0 250 20]" + font),
        ]
    )


def rtf(text: str) -> bytes:
    """An RTF letter."""
    return rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}\f0\fs22 " + text.replace("\n", "\\par\n").encode("ascii") + b"}"


def html(inner: str) -> bytes:
    """An HTML page around this body."""
    return f"<!DOCTYPE html><html><head><title>Note</title></head><body>{inner}</body></html>".encode()


def docx(*paragraphs: str) -> bytes:
    """A DOCX as python-docx writes it, with a header, a table and a footer around the paragraphs."""
    from docx import Document

    made = Document()
    made.sections[0].header.paragraphs[0].text = "Lakeside Spine Clinic"
    made.sections[0].footer.paragraphs[0].text = "Signed electronically"
    for paragraph in paragraphs:
        made.add_paragraph(paragraph)
    table = made.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Pain score", "7/10"
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def docx_of(body: str, **others: bytes) -> bytes:
    """A DOCX with this WordprocessingML body, and other members by name (``word__header1`` is word/header1.xml)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", wordprocessing(body))
        for name, content in others.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)
    return file.getvalue()


def wordprocessing(body: str) -> str:
    """The XML of a Word part."""
    names = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    return f"<?xml version='1.0'?><w:document {names}><w:body>{body}</w:body></w:document>"


def ccda(sections: str, *, body: str = "", born: str = "19680412", sex: str = "M") -> bytes:
    """A C-CDA with these sections, or with another ``body``."""
    inner = body or f"<structuredBody><component>{sections}</component></structuredBody>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <title>Progress note</title>
  <recordTarget><patientRole><patient><name><given>John</given><family>Doe</family></name>
    <administrativeGenderCode code="{sex}"/><birthTime value="{born}"/></patient></patientRole></recordTarget>
  <component>{inner}</component>
</ClinicalDocument>""".encode()


def section(title: str, text: str) -> str:
    """A section of a C-CDA with its narrative."""
    return f"<section><title>{title}</title><text>{text}</text></section>"


def fhir(*attachments: dict[str, Any], wrap: bool = False) -> bytes:
    """A DocumentReference with these attachments, in a Bundle where asked."""
    resource: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": attachment} for attachment in attachments],
    }
    if wrap:
        resource = {"resourceType": "Bundle", "type": "document", "entry": [{"resource": resource}]}
    return json.dumps(resource).encode()


def attachment(content: bytes, content_type: str) -> dict[str, Any]:
    """An attachment with its data inside."""
    return {"contentType": content_type, "data": encoded(content)}


def encoded(content: bytes) -> str:
    """Base64, as files travel in JSON."""
    return base64.b64encode(content).decode()
