"""Whatever bytes come: the service stays up, no reader hangs or takes more memory than it may, offsets stay true."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Callable, Iterator, Set
from dataclasses import replace
from pathlib import Path

import pytest
from document_files import (
    NOTE,
    attachment,
    ccda,
    docx,
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
    wordprocessing,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_document_pool import readers

from features.types import Document
from serving.documents.limits import Limits
from serving.documents.page_text import clean
from serving.documents.pool import ReadingPool
from serving.documents.read_document import Extract, Page, ReadDocument, joined
from serving.documents.recognition import Recognition
from serving.documents.sniffing import Kind, contradicts, sniff

LIMITS = Limits(seconds=10, memory_bytes=700_000_000, recognition=False, characters=200_000, pages=50)

VALID = {
    "pdf": pdf(NOTE, NOTE),
    "pdf form": form_pdf("eight weeks"),
    "pdf scan": faxed_pdf(NOTE, None, stamp="FAX", width=20),
    "docx": docx(NOTE),
    "rtf": rtf(NOTE),
    "html": html(f"<p>{NOTE}<table><tr><td>a"),
    "ccda": ccda(section("History", f"<paragraph>{NOTE}</paragraph>")),
    "fhir": fhir(attachment(rtf(NOTE), "application/rtf"), wrap=True),
    "png": picture_file("PNG")[:4000],
    "jpeg": picture_file("JPEG")[:4000],
    "tiff": picture_file("TIFF")[:4000],
    "text": NOTE.encode(),
}


def docx_with(part: bytes) -> bytes:
    """A DOCX whose document is this part: a whole archive, so that damage reaches what reads the part."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", part)
    return file.getvalue()


def pdf_with(page: bytes) -> bytes:
    """A PDF of one page that draws this."""
    return pdf_of_objects(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
            stream(page),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


PARAGRAPH = f"<w:p><w:r><w:t>{NOTE}</w:t></w:r></w:p>"
WRAPPED: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "docx part": (
        wordprocessing(PARAGRAPH + f"<w:tbl><w:tr><w:tc>{PARAGRAPH}</w:tc></w:tr></w:tbl>").encode(),
        docx_with,
    ),
    "pdf page": (b"BT /F1 11 Tf 72 720 Td (He completed) Tj 0 -14 Td [(therapy) -250 (.)] TJ ET", pdf_with),
    "fhir rtf": (rtf(NOTE), lambda content: fhir(attachment(content, "application/rtf"))),
    "fhir html": (html(NOTE), lambda content: fhir(attachment(content, "text/html"), wrap=True)),
    "fhir pdf": (pdf(NOTE), lambda content: fhir(attachment(content, "application/pdf"))),
}
"""Files inside files: what is damaged, and what it is wrapped in whole."""

GIVEN_UP = ("took too long", "more memory", "its reader broke off")
"""How it is said of a document that its process was ended (serving/documents/pool.py)."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ReadingPool]:
    with ReadingPool(LIMITS, processes=1) as made:
        yield made


@st.composite
def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """A valid file with bytes changed, pieces cut out, doubled or put in."""
    made = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, max(0, len(made) - 1)))
        length = draw(st.integers(0, 40))
        match draw(st.sampled_from(["change", "cut", "double", "put", "end"])):
            case "change":
                made[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
            case "cut":
                del made[place : place + length]
            case "double":
                made[place:place] = made[place : place + length] * draw(st.integers(1, 50))
            case "put":
                made[place:place] = draw(
                    st.binary(max_size=20) | st.sampled_from([b"<", b"{\\", b"<<", b"&#x", b"99999999"])
                )
            case "end":
                del made[place:]
    return bytes(made)


def check(found: ReadDocument) -> None:
    """The laws of every reading, whatever the file was."""
    starts = found.page_starts
    assert starts[0] == 0
    assert list(starts) == sorted(starts)
    assert starts[-1] <= len(found.text)
    assert len(found.text) <= LIMITS.characters
    assert found.unread is None or found.text == ""
    assert set(found.unread_pages) | set(found.recognized_pages) <= set(range(1, len(starts) + 1))
    assert found.text.encode().decode() == found.text
    assert ReadDocument.from_record(found.text, found.record()) == found
    document = found.applied_to(Document("d1", "", content_type="application/octet-stream"))
    assert [document.page_of(start) for start in starts] == list(range(1, len(starts) + 1))
    assert document.has_text is (found.unread is None)


def read_in_time(pool: ReadingPool, content: bytes, content_type: str = "") -> ReadDocument:
    started = time.monotonic()
    found = pool.read(content, content_type)
    assert time.monotonic() - started < LIMITS.seconds + 5
    assert found.unread is None or not any(words in found.unread for words in GIVEN_UP), found.unread
    check(found)
    return found


def check_memory(limits: Limits, pool: ReadingPool, others: Set[int] = frozenset()) -> None:
    """The pool's reading processes were told how much memory they may take, and have never taken so much."""
    assert pool.read(VALID["text"], "").text == NOTE
    reading = readers() - others
    assert reading
    for process in reading:
        of_process = Path(f"/proc/{process}")
        bound = re.search(r"^Max address space +(\d+)", (of_process / "limits").read_text(), re.MULTILINE)
        assert bound is not None
        assert int(bound[1]) == limits.memory_bytes
        most = re.search(r"^VmHWM:\s+(\d+) kB", (of_process / "status").read_text(), re.MULTILINE)
        assert most is not None
        assert int(most[1]) * 1024 < limits.memory_bytes


EXAMPLES = pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=pytest.mark.slow)])
THOROUGH = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@EXAMPLES
@pytest.mark.parametrize("kind", VALID)
def test_a_damaged_file_never_takes_the_service_down(kind: str, examples: int, pool: ReadingPool) -> None:
    @settings(max_examples=examples, **THOROUGH)
    @given(mutated(VALID[kind]))
    def read(content: bytes) -> None:
        read_in_time(pool, content)

    read()
    check_memory(LIMITS, pool)


@EXAMPLES
@pytest.mark.parametrize("kind", WRAPPED)
def test_damage_inside_a_whole_file_never_takes_the_service_down(kind: str, examples: int, pool: ReadingPool) -> None:
    valid, wrapped = WRAPPED[kind]
    assert "completed" in read_in_time(pool, wrapped(valid)).text

    @settings(max_examples=examples, **THOROUGH)
    @given(mutated(valid))
    def read(content: bytes) -> None:
        read_in_time(pool, wrapped(content))

    read()
    check_memory(LIMITS, pool)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_damaged_picture_never_takes_recognition_down(kind: str) -> None:
    if Recognition.available(1) is None:
        pytest.skip("needs Tesseract")
    limits = replace(LIMITS, recognition=True, recognition_seconds=20, memory_bytes=1_000_000_000)
    others = readers()
    with ReadingPool(limits, processes=1) as pool:

        @settings(max_examples=40, **THOROUGH)
        @given(mutated(picture_file(kind)))
        def read(content: bytes) -> None:
            check(pool.read(content, ""))

        read()
        check_memory(limits, pool, others)


SNIFFED = st.sampled_from(["pdf", "docx", "rtf", "html", "ccda", "fhir", "text"]).flatmap(
    lambda kind: mutated(VALID[kind])
)


@settings(max_examples=200, **THOROUGH)
@given(SNIFFED | st.binary(max_size=600), st.text(max_size=60))
def test_any_bytes_are_told_to_be_something(content: bytes, content_type: str) -> None:
    started = time.monotonic()
    kind = sniff(content, content_type)
    assert isinstance(kind, Kind)
    assert contradicts(content_type, kind) in (True, False)
    assert time.monotonic() - started < 2


@settings(max_examples=150, **THOROUGH)
@given(
    head=st.sampled_from(
        [b"", b"%PDF-1.7\n", b"{\\rtf1", b"PK\x03\x04", b"<html>", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"{"]
    ),
    rest=st.binary(max_size=400),
    content_type=st.text(max_size=40),
)
def test_random_bytes_never_take_the_service_down(
    pool: ReadingPool, head: bytes, rest: bytes, content_type: str
) -> None:
    read_in_time(pool, head + rest, content_type)


@given(st.lists(st.text(max_size=60), max_size=12), st.sets(st.integers(0, 11)))
def test_pages_joined_lie_where_their_starts_say(texts: list[str], unread: set[int]) -> None:
    pages = tuple(Page(text, unread=number in unread) for number, text in enumerate(texts))
    found = joined(Extract(pages, "test 1"), LIMITS)
    check(found)
    if found.unread is None:
        ends = [*(start - 2 for start in found.page_starts[1:]), len(found.text)]
        assert [found.text[a:b] for a, b in zip(found.page_starts, ends, strict=True)] == [
            clean(text) for text in texts
        ]


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
