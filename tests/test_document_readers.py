"""Each reader of files: the words as they stand, the pages, and everything that is a doubt."""

from __future__ import annotations

import io
import json
import sys
import zipfile
import zlib

import pytest
from document_files import (
    DOCX_TYPE,
    NOTE,
    attachment,
    ccda,
    docx,
    docx_of,
    encoded,
    faxed_pdf,
    fhir,
    form_pdf,
    html,
    pdf,
    pdf_of_objects,
    picture_file,
    rtf,
    section,
    stream,
)

from serving.documents.errors import UnreadableDocumentError
from serving.documents.limits import Limits
from serving.documents.markup import parse_xml
from serving.documents.page_text import clean
from serving.documents.read_document import ReadDocument
from serving.documents.readers import read_content

PARAGRAPH = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"


def read(content: bytes, content_type: str = "", **limits: int) -> ReadDocument:
    return read_content(content, content_type, Limits(recognition=False, **limits))  # type: ignore[arg-type]  # numbers all


def codes(document: ReadDocument) -> list[str]:
    return [problem.code for problem in document.problems]


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("content", "content_type", "reader"),
    [
        pytest.param(pdf(NOTE), "application/pdf", "pdf 1 (pypdfium2", id="pdf"),
        pytest.param(docx(NOTE), DOCX_TYPE, "docx 1", id="docx"),
        pytest.param(rtf(NOTE), "application/rtf", "rtf 1 (striprtf", id="rtf"),
        pytest.param(html(f"<p>{NOTE}</p>"), "text/html", "html 1", id="html"),
        pytest.param(ccda(section("History", NOTE)), "text/xml", "ccda 1", id="ccda"),
        pytest.param(fhir(attachment(pdf(NOTE), "application/pdf")), "application/fhir+json", "fhir 1, pdf", id="fhir"),
        pytest.param(NOTE.encode(), "application/octet-stream", "text 1", id="text"),
        pytest.param(f"\ufeff{NOTE}".encode("utf-16-le"), "text/plain; charset=utf-16", "text 1", id="utf-16"),
    ],
)
def test_a_file_of_each_type_gives_its_words_and_names_its_reader(
    content: bytes, content_type: str, reader: str
) -> None:
    found = read(content, content_type)
    assert squeezed(NOTE) in squeezed(found.text)
    assert found.read_by.startswith(reader)
    assert (found.unread, found.unread_pages, found.problems) == (None, (), ())
    assert ReadDocument.from_record(found.text, found.record()) == found


def test_each_page_of_a_pdf_starts_where_its_text_starts() -> None:
    found = read(pdf("First page words.", "", "Third page words."))
    assert [found.text[start:].split("\f")[0].strip() for start in found.page_starts] == [
        "First page words.",
        "",
        "Third page words.",
    ]
    assert found.unread_pages == ()


def test_a_fax_of_300_pages_is_read() -> None:
    found = read(pdf(*(f"Page {number} of 300.\n{NOTE}" for number in range(1, 301))))
    assert len(found.page_starts) == 300
    assert found.text.startswith("Page 300 of 300.", found.page_starts[299])


@pytest.mark.parametrize(
    ("content", "unread"),
    [
        pytest.param(faxed_pdf(NOTE, None, NOTE), (2,), id="a scan between"),
        pytest.param(faxed_pdf(NOTE, None, stamp="FAX 11/20/2026 page 2 of 2"), (2,), id="a scan with a fax line"),
        pytest.param(faxed_pdf(NOTE, None, width=40), (2,), id="only a picture"),
    ],
)
def test_a_page_without_its_own_text_is_named(content: bytes, unread: tuple[int, ...]) -> None:
    found = read(content)
    assert found.unread is None
    assert found.unread_pages == unread
    assert squeezed(NOTE) in squeezed(found.text)


def test_a_letterhead_is_no_doubt() -> None:
    from fpdf import FPDF

    made = FPDF()
    made.set_font("helvetica")
    made.add_page()
    made.image(io.BytesIO(picture_file("PNG")), 0, 0, 30)
    made.multi_cell(0, 6, NOTE)
    assert read(bytes(made.output())).unread_pages == ()


def test_a_scanned_pdf_without_recognition_is_unread() -> None:
    found = read(faxed_pdf(None, None))
    assert (found.text, found.unread) == ("", "holds no text that a machine can read")


def test_text_behind_a_picture_counts_as_recognized() -> None:
    found = read(faxed_pdf(NOTE, None, invisible="Denies saddle anesthesia."))
    assert "Denies saddle anesthesia." in found.text
    assert (found.unread_pages, found.recognized_pages) == ((), (2,))


def test_what_is_typed_into_a_form_is_read() -> None:
    found = read(form_pdf("eight weeks"))
    assert "Weeks of physical therapy:" in found.text
    assert "eight weeks" in found.text
    assert found.problems == ()


def test_a_form_that_does_not_show_its_content_is_a_doubt() -> None:
    assert codes(read(form_pdf("eight weeks", drawn=False))) == ["unread_form"]


def test_a_page_whose_font_gives_its_characters_no_meaning_is_unread() -> None:
    names = b"".join(b"/g%d" % number for number in range(26))
    made = pdf_of_objects(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R/F2 7 0 R>>>>>>",
            stream(b"BT /F1 11 Tf 50 700 Td (abcdefghijk) Tj /F2 11 Tf 0 -50 Td (The first lines are drawn.) Tj ET"),
            b"<</Type/Font/Subtype/Type3/FontBBox[0 0 1 1]/FontMatrix[1 0 0 1 0 0]/FirstChar 97/LastChar 122/Widths["
            + b"1 " * 26
            + b"]/Encoding<</Type/Encoding/Differences[97"
            + names
            + b"]>>/CharProcs<<"
            + b"".join(b"/g%d 6 0 R" % number for number in range(26))
            + b">>>>",
            stream(b"1 0 d0 0 0 1 1 re f"),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )
    found = read(made)
    assert found.unread_pages == (1,)
    assert "The first lines are drawn." in found.text


def test_files_inside_a_pdf_are_a_doubt() -> None:
    assert codes(read(pdf(NOTE, attached=b"more"))) == ["unread_attachment"]


def test_words_outside_the_page_are_a_doubt() -> None:
    content = b"BT /F1 11 Tf 50 700 Td (On the page.) Tj 2000 0 Td (Beside the page.) Tj ET"
    made = pdf_of_objects(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            stream(content),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )
    assert codes(read(made)) == ["hidden_text"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(pdf(NOTE, password="secret"), "is protected by a password", id="password"),
        pytest.param(b"%PDF-1.7 and then nothing", "is a broken PDF", id="broken pdf"),
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(pdf("", ""), "is empty", id="blank pages"),
        pytest.param(bytes(range(256)), "is of a type that is not known", id="noise"),
        pytest.param("Naïve text in cp1252".encode("cp1252"), "is of a type that is not known", id="encoding"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 old", "is an old Office file, which is not read", id="doc"),
        pytest.param(b"<invoice><line>1</line></invoice>", "is XML of a kind that is not known", id="xml"),
        pytest.param(picture_file("PNG"), "is a picture, and text in pictures is not recognized here", id="png"),
        pytest.param(picture_file("JPEG"), "is a picture, and text in pictures is not recognized here", id="jpeg"),
        pytest.param(picture_file("TIFF"), "is a picture, and text in pictures is not recognized here", id="tiff"),
        pytest.param(rb"{\rtf1 Shown \v hidden\v0}", "holds hidden or deleted words", id="hidden rtf"),
        pytest.param(
            fhir({"contentType": "application/pdf", "url": "https://elsewhere.example/1"}),
            "names a file elsewhere, which is not fetched",
            id="fhir url",
        ),
        pytest.param(
            fhir(attachment(b"%PDF-1.7", "application/pdf")), "is a broken PDF", id="a broken file inside fhir"
        ),
        pytest.param(
            ccda("", body='<nonXMLBody><text><reference value="file.pdf"/></text></nonXMLBody>'),
            "names a file elsewhere, which is not fetched",
            id="ccda reference",
        ),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, why: str) -> None:
    found = read(content)
    assert (found.text, found.unread, found.page_starts) == ("", why, (0,))


def test_a_windows_encoding_is_taken_where_the_sender_names_it() -> None:
    assert read("Sjögren".encode("cp1252"), "text/plain; charset=windows-1252").text == "Sjögren"


def test_a_word_file_is_read_with_header_table_and_footer() -> None:
    lines = read(docx("First.", "Second.")).text.split("\n")
    assert [line for line in lines if line] == [
        "Lakeside Spine Clinic",
        "First.",
        "Second.",
        "Pain score\t7/10",
        "Signed electronically",
    ]


@pytest.mark.parametrize(
    ("run", "kept", "code"),
    [
        ('<w:del w:id="1"><w:r><w:delText>no</w:delText></w:r></w:del>', "", "tracked_changes"),
        ('<w:ins w:id="1"><w:r><w:t>no</w:t></w:r></w:ins>', "no", "tracked_changes"),
        ("<w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r>", "", "hidden_text"),
        ("<w:r><w:object/></w:r>", "", "unread_attachment"),
        ('<w:r><w:drawing><w:extent cx="6000000" cy="6000000"/></w:drawing></w:r>', "", "unread_picture"),
        ('<w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>no</w:t></w:r>', "no", None),
        ('<w:r><w:drawing><w:extent cx="900000" cy="900000"/></w:drawing></w:r>', "", None),
    ],
)
def test_what_word_hides_or_changes_is_a_doubt(run: str, kept: str, code: str | None) -> None:
    found = read(docx_of(f"<w:p><w:r><w:t>He has </w:t></w:r>{run}<w:r><w:t>pain.</w:t></w:r></w:p>"))
    assert found.text == f"He has {kept}pain."
    assert codes(found) == ([code] if code else [])


@pytest.mark.parametrize(
    ("inner", "text", "code"),
    [
        (rb"{\header Lakeside\par}Body{\footnote A note.} ends", "Lakeside\nBody\nA note. ends", None),
        (rb"One.\page Two.", "One.\f\nTwo.", None),
        (rb"Non\_breaking caf\'e9 \u8805?90", "Non-breaking café ≥90", None),
        (rb"C:\\header stays", "C:\\header stays", None),
        (rb"a{\pict\pngblip 89504e47}b", "ab", "unread_picture"),
        (rb"a{\shp{\*\shpinst{\shptxt boxed}}}b", "ab", "unread_part"),
    ],
)
def test_rtf_gives_everything_it_shows_or_says_what_it_left_out(inner: bytes, text: str, code: str | None) -> None:
    found = read(rb"{\rtf1\ansi " + inner + b"}")
    assert found.text == text
    assert codes(found) == ([code] if code else [])


def test_a_page_break_in_word_starts_a_page() -> None:
    found = read(docx_of(f'{PARAGRAPH.format("One.")}<w:p><w:r><w:br w:type="page"/><w:t>Two.</w:t></w:r></w:p>'))
    assert found.text[found.page_starts[1] :] == "Two."


def test_a_zip_bomb_is_not_unpacked() -> None:
    assert read(docx_of("", word__header1=b" " * 50_000_000)).unread == "unpacks to more than this service reads"


def test_an_archive_that_lies_about_its_sizes_is_not_read() -> None:
    honest = docx_of(PARAGRAPH.format("x" * 30_000))
    with zipfile.ZipFile(io.BytesIO(honest)) as archive:
        size = archive.getinfo("word/document.xml").file_size
    lying = honest.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    assert lying != honest
    assert read(lying).unread == "is a broken Word file"


@pytest.mark.parametrize(
    "bomb",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ClinicalDocument>&b;</ClinicalDocument>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><ClinicalDocument>&a;</ClinicalDocument>',
        b'<!DOCTYPE x SYSTEM "http://elsewhere.example/x.dtd"><ClinicalDocument/>',
        b"<a>" * 2000 + b"</a>" * 2000,
    ],
)
def test_xml_with_entities_or_without_a_bottom_is_refused(bomb: bytes) -> None:
    with pytest.raises(UnreadableDocumentError, match=r"entities|nested"):
        parse_xml(bomb)
    assert read(b"<?xml version='1.0'?>" + bomb).unread is not None
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("word/document.xml", bomb)
    assert read(file.getvalue()).unread is not None


@pytest.mark.parametrize(
    ("inner", "text", "code"),
    [
        ("<p>One<p>Two <b>bold</b>", "One\nTwo bold", None),
        ("<table><tr><td>a<td>b</table>c", "a\tb\nc", None),
        ("a<br>b<!-- not --><script>no()</script>", "a\nb", None),
        ("5 &lt; 6 &amp; caf&eacute;", "5 < 6 & café", None),
        ("<p>He <span style='display: none'>never </span>fell", "He fell", "hidden_text"),
        ("<style>.x{visibility:hidden}</style><p class=x>a", "a", "hidden_text"),
        ("a<img src='data:image/png;base64,AAAA'>", "a", "unread_picture"),
        ("a<img src=logo.png width=100 height=40>", "a", None),
        ("a<iframe src='https://elsewhere.example'></iframe>", "a", "unread_attachment"),
        ("<pre>a\n  b</pre>", "a\n  b", None),
    ],
)
def test_html_gives_what_a_browser_shows(inner: str, text: str, code: str | None) -> None:
    found = read(html(inner))
    assert found.text == text
    assert codes(found) == ([code] if code else [])


def test_a_clinical_document_says_whom_it_is_about_then_its_sections() -> None:
    table = "<table><tbody><tr><td>PT</td><td>8 weeks</td></tr></tbody></table>"
    listed = "<list><item>Naproxen</item><item>Gabapentin</item></list>"
    found = read(
        ccda(section("Assessment", "<paragraph>Low back\n  pain.</paragraph>" + table) + section("Plan", listed))
    )
    assert [line.strip() for line in found.text.split("\n") if line.strip()] == [
        "Progress note",
        "Patient: John Doe",
        "Date of birth: 1968-04-12",
        "Sex: male",
        "ASSESSMENT:",
        "Low back pain.",
        "PT\t8 weeks",
        "PLAN:",
        "Naproxen",
        "Gabapentin",
    ]


def test_a_clinical_document_around_a_pdf_is_read_with_its_pages() -> None:
    text = f'<text mediaType="application/pdf" representation="B64">{encoded(pdf(NOTE, "Second."))}</text>'
    found = read(ccda("", body=f"<nonXMLBody>{text}</nonXMLBody>"))
    assert found.text.startswith("Progress note\nPatient: John Doe")
    assert found.text[found.page_starts[1] :] == "Second."
    assert found.problems == ()


def test_the_attachments_of_a_bundle_follow_each_other() -> None:
    found = read(
        fhir(attachment(b"First note here.", "text/plain"), attachment(pdf("Second."), "application/pdf"), wrap=True)
    )
    assert [found.text[start:].split("\f")[0].strip() for start in found.page_starts] == ["First note here.", "Second."]
    assert codes(found) == []


def test_an_attachment_elsewhere_beside_one_inside_is_a_doubt() -> None:
    found = read(fhir(attachment(NOTE.encode(), "text/plain"), {"url": "https://elsewhere.example/2"}))
    assert squeezed(found.text) == NOTE
    assert codes(found) == ["unread_attachment"]


@pytest.mark.parametrize(
    ("library", "content", "why"),
    [
        ("pypdfium2", pdf(NOTE), "is PDF, and what reads it is not installed"),
        ("striprtf.striprtf", rtf(NOTE), "is RTF, and what reads it is not installed"),
        ("defusedxml", docx(NOTE), "is DOCX, and what reads it is not installed"),
    ],
)
def test_without_its_library_a_file_goes_to_a_nurse(
    library: str, content: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    assert read(content).unread == why


def test_files_in_files_end_somewhere() -> None:
    content = NOTE.encode()
    for _ in range(6):
        content = fhir(attachment(content, "application/fhir+json"))
    assert read(content).unread == "holds files within files too deep"


def test_the_bytes_decide_and_the_contradiction_is_a_doubt() -> None:
    found = read(pdf(NOTE), "text/html")
    assert squeezed(found.text) == NOTE
    assert codes(found) == ["document_type_mismatch"]
    assert codes(read(pdf(NOTE), "application/octet-stream")) == []
    assert codes(read(fhir(attachment(pdf(NOTE), "image/png")))) == ["document_type_mismatch"]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"pages": 2}, "has more pages than this service reads"),
        ({"characters": 100}, "holds more text than this service reads"),
        ({"file_bytes": 100}, "is a larger file than this service reads"),
    ],
)
def test_beyond_a_limit_nothing_is_half_read(limits: dict[str, int], why: str) -> None:
    assert read(pdf(NOTE, NOTE, NOTE), **limits).unread == why


@pytest.mark.parametrize(
    "wrong",
    [
        {"page_starts": [0, 99]},
        {"page_starts": [0, 3, 2]},
        {"page_starts": []},
        {"unread_pages": [4]},
        {"problems": [["Quillfeather", "said"]]},
        {"unread": "is odd"},
        {"page_starts": None},
    ],
)
def test_a_record_that_breaks_the_laws_of_a_reading_is_refused(wrong: dict[str, object]) -> None:
    record = {**json.loads(read(NOTE.encode()).record()), **wrong}
    with pytest.raises((ValueError, TypeError)):
        ReadDocument.from_record("Ten words.", json.dumps(record))


def test_extracted_text_is_normalised_once() -> None:
    assert read("e\u0301\ufb01n\u00ad\u200b\u00a0x \r\ny".encode(), "application/octet-stream").text == "éfin x\ny"
    assert clean("a\x01b\ud800c\ufffed\x0be") == "a\ufffdb\ufffdc-d\ne"


def test_a_page_of_compressed_blanks_is_empty() -> None:
    bomb = zlib.compress(b" " * 5_000_000)
    made = pdf_of_objects(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R>>",
            stream(bomb, b"/Filter/FlateDecode"),
        ]
    )
    assert read(made).unread == "is empty"
