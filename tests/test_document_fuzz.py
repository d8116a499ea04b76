"""Whatever bytes come: the service stays up, no reader hangs or takes more memory than it may, offsets stay true."""

from __future__ import annotations

import resource
from collections.abc import Iterator

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
    picture_file,
    rtf,
    section,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.types import Document
from serving.documents.limits import Limits
from serving.documents.page_text import clean
from serving.documents.pool import ReadingPool
from serving.documents.read_document import Extract, Page, ReadDocument, joined

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
    "tiff": picture_file("TIFF")[:4000],
    "text": NOTE.encode(),
}


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


@pytest.mark.parametrize("examples", [60, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", VALID)
def test_a_damaged_file_never_takes_the_service_down(kind: str, examples: int, pool: ReadingPool) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(VALID[kind]))
    def read(content: bytes) -> None:
        check(pool.read(content, ""))

    read()
    assert pool.read(VALID["text"], "").text == NOTE
    # In kilobytes: the largest any ended child was.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < LIMITS.memory_bytes * 1.1


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
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
    check(pool.read(head + rest, content_type))


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
