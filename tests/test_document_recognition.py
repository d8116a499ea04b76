"""Text in pictures, by Tesseract: read for the nurse, marked as recognized, and no ground for a fast track by default."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from document_files import NOTE, SCANNED, attachment, faxed_pdf, fhir, picture_file
from serving_cases import request_body

from features.request import parse_request
from features.types import AuthorizationRequest
from serving.documents.limits import Limits
from serving.documents.pool import ReadingPool
from serving.documents.readers import read_content
from serving.reading import Reader
from serving.settings import Settings

pytest.importorskip("pytesseract", reason="the extra ocr is not installed (pip install 'greenlane[ocr]')")
if shutil.which("tesseract") is None:
    pytest.skip("tesseract is not installed (apt-get install tesseract-ocr)", allow_module_level=True)

LIMITS = Limits()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_picture_of_text_is_recognized_and_marked_so(kind: str) -> None:
    found = read_content(picture_file(kind), "", LIMITS)
    assert found.text == SCANNED
    assert (found.recognized_pages, found.unread_pages) == ((1,), ())
    assert "tesseract" in found.read_by


def test_every_frame_of_a_fax_is_a_page() -> None:
    found = read_content(picture_file("TIFF", SCANNED, "Second page of the fax."), "image/tiff", LIMITS)
    assert found.text[found.page_starts[1] :] == "Second page of the fax."
    assert found.recognized_pages == (1, 2)


def test_only_the_scanned_pages_of_a_pdf_are_recognized() -> None:
    found = read_content(faxed_pdf(NOTE, None), "application/pdf", LIMITS)
    assert found.recognized_pages == (2,)
    assert SCANNED in found.text
    assert "tesseract" in found.read_by


def test_a_picture_inside_a_fhir_resource_is_recognized() -> None:
    found = read_content(fhir(attachment(picture_file("PNG"), "image/png")), "application/fhir+json", LIMITS)
    assert (found.text, found.recognized_pages) == (SCANNED, (1,))


def test_pages_beyond_the_time_stay_unread() -> None:
    begin = time.monotonic()
    found = read_content(faxed_pdf(NOTE, *[None] * 20), "application/pdf", Limits(recognition_seconds=2))
    assert time.monotonic() - begin < 30
    assert found.unread_pages[-1] == 21
    assert set(found.unread_pages) | set(found.recognized_pages) == set(range(2, 22))


def test_a_picture_without_words_is_unread() -> None:
    assert read_content(picture_file("PNG", " "), "", LIMITS).unread == "holds no text that a machine can read"


def test_a_picture_larger_than_a_page_ever_is_stays_unread() -> None:
    found = read_content(picture_file("PNG"), "", Limits(picture_pixels=1_000_000))
    assert found.unread == "holds no text that a machine can read"


def test_recognition_works_within_the_limits_of_a_reading_process() -> None:
    with ReadingPool(LIMITS, processes=1) as pool:
        assert pool.read(picture_file("PNG"), "image/png").text == SCANNED


def with_recognized() -> AuthorizationRequest:
    body = request_body(documents=[{"document_id": "d1", "content_type": "image/png", "data": "iVBORw0KGgo="}])
    request = parse_request(body)
    read = read_content(picture_file("PNG"), "image/png", LIMITS)
    return replace(request, documents=(read.applied_to(request.documents[0]),))


def reader(folder: Path, *, trusting: bool) -> Reader:
    return Reader.load(Settings(model_dir=folder, ocr_fast_track=trusting))


def test_recognized_text_is_evidence_but_not_for_the_fast_lane(tmp_path: Path) -> None:
    result = reader(tmp_path, trusting=False).triage(with_recognized())
    assert {"physical_therapy", "saddle_anesthesia"} <= {fact.concept for fact in result.facts}
    assert [reason.message for reason in result.reasons if reason.code == "recognized_text"] == [
        "Document d1 is a picture of text, which a machine may misread: page 1."
    ]


def test_a_deployment_may_trust_recognition(tmp_path: Path) -> None:
    result = reader(tmp_path, trusting=True).triage(with_recognized())
    assert "recognized_text" not in {reason.code for reason in result.reasons}
