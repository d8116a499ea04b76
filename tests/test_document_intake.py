"""A request with files from the first byte to the nurse: stored first, read once, triaged on the text, doubts named."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from document_files import NOTE, docx, encoded, faxed_pdf, pdf, rtf
from fastapi.testclient import TestClient
from serving_cases import PATIENT, request_body, routed
from signing_in import sign_in
from stored_requests import accepted
from typer.testing import CliRunner

from features.request import parse_request
from serving.app import create_app
from serving.cli import app as command_line
from serving.decision_export import export_decisions
from serving.documents.pool import ReadingPool
from serving.records import fingerprint, received_documents
from serving.settings import Settings
from serving.store import Store

SAID = "He completed physical therapy for 8 weeks. Denies saddle anesthesia."


def file(content: bytes, content_type: str = "application/pdf", document_id: str = "d1") -> dict[str, Any]:
    return {
        "document_id": document_id,
        "type": "progress_note",
        "date": "2026-11-10",
        "content_type": content_type,
        "data": encoded(content),
    }


def settings_in(folder: Path, **changes: Any) -> Settings:
    return Settings(database_url=database_in(folder), model_dir=folder, audit_share=0, ocr=False, **changes)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(settings_in(tmp_path), triage=routed), headers=PATIENT) as made:
        yield made


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[TestClient]:
    """A service with the triage that reads."""
    with TestClient(create_app(settings_in(tmp_path)), headers=PATIENT) as made:
        yield made


def messages(result: dict[str, Any], code: str) -> list[str]:
    return [reason["message"] for reason in result["reasons"] if reason["code"] == code]


def test_facts_point_into_the_extracted_text_which_is_returned_with_its_pages(client: TestClient) -> None:
    sent = request_body(documents=[file(pdf("A letter first.", SAID))])
    result = client.post("/v1/authorizations", json=sent).json()
    answer = client.get(f"/v1/authorizations/{result['authorization_id']}/documents/1/text")
    document = answer.json()
    assert answer.status_code == 200
    assert [document["text"][fact["start"] : fact["end"]] for fact in result["facts"]] == [
        "physical therapy",
        "saddle anesthesia",
    ]
    second = document["pages"][1]["start"]
    assert document["text"][second:].startswith("He completed")
    assert all(fact["start"] >= second for fact in result["facts"])
    assert document["read_by"].startswith("pdf 1 (pypdfium2")
    assert (document["document_id"], document["unread"], document["unread_pages"], document["problems"]) == (
        "d1",
        None,
        [],
        [],
    )


def test_the_text_of_plain_text_is_what_was_sent(client: TestClient) -> None:
    case = client.post("/v1/authorizations", json=request_body(text="a\r\n\x00b")).json()["authorization_id"]
    document = client.get(f"/v1/authorizations/{case}/documents/1/text").json()
    assert (document["text"], document["pages"], document["read_by"]) == ("a\r\n\x00b", [{"page": 1, "start": 0}], None)


def test_a_document_that_is_not_there_is_not_found(client: TestClient) -> None:
    case = client.post("/v1/authorizations", json=request_body()).json()["authorization_id"]
    assert client.get(f"/v1/authorizations/{case}/documents/2/text").status_code == 404
    assert client.get("/v1/authorizations/01JD3K8Q5T6V7W8X9Y0Z1A2B3C/documents/1/text").status_code == 404
    assert client.get(f"/v1/authorizations/{case}/documents/0/text").status_code == 422


def test_the_same_note_gives_the_same_result_as_text_and_as_a_file(reading: TestClient) -> None:
    note = request_body("PA-1", text=NOTE)
    note["member"]["birth_date"] = "1968-04-12"
    plain = reading.post("/v1/triage", json=note).json()
    assert plain["facts"]
    for content, content_type in ((rtf(NOTE), "application/rtf"), (NOTE.encode(), "application/octet-stream")):
        sent = {**note, "documents": [file(content, content_type)]}
        assert reading.post("/v1/triage", json=sent).json() == plain


def test_an_unread_page_sends_the_case_to_a_nurse_by_its_number(reading: TestClient) -> None:
    result = reading.post("/v1/authorizations", json=request_body(documents=[file(faxed_pdf(NOTE, None, NOTE))])).json()
    assert messages(result, "unreadable_document") == ["Document d1 could not be read in full: page 2."]
    assert "physical_therapy" in {fact["concept"] for fact in result["facts"]}


def test_a_contradicting_type_and_an_unreadable_file_go_to_a_nurse(reading: TestClient) -> None:
    sent = request_body(documents=[file(pdf(NOTE), "image/png"), file(b"%PDF-1.7 broken", document_id="d2")])
    result = reading.post("/v1/authorizations", json=sent).json()
    assert messages(result, "document_type_mismatch") == ["Document d1 is of another type than its sender says."]
    assert messages(result, "unreadable_document") == ["Document d2 is a broken PDF."]
    assert result["route"] == "nurse_review"


def test_a_file_over_the_limit_is_stored_and_goes_to_a_nurse(tmp_path: Path) -> None:
    with TestClient(create_app(settings_in(tmp_path, document_bytes=1024)), headers=PATIENT) as client:
        result = client.post("/v1/authorizations", json=request_body(documents=[file(pdf(NOTE))])).json()
    assert messages(result, "unreadable_document") == ["Document d1 is a larger file than this service reads."]


def test_a_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with TestClient(create_app(settings_in(tmp_path), triage=routed), headers=PATIENT) as client:
        case = client.post("/v1/authorizations", json=request_body(documents=[file(pdf(SAID))])).json()
        before = client.get(f"/v1/authorizations/{case['authorization_id']}/documents/1/text").json()
        read: list[str] = []
        once = ReadingPool.read
        monkeypatch.setattr(
            ReadingPool, "read", lambda pool, content, kind: read.append(kind) or once(pool, content, kind)
        )
        more = {"documents": [file(docx(SAID), "application/x-more", "d2")]}
        client.post(f"/v1/authorizations/{case['authorization_id']}/documents", json=more)
        assert read == ["application/x-more"]
        assert client.get(f"/v1/authorizations/{case['authorization_id']}/documents/1/text").json() == before


def test_a_request_whose_service_died_before_its_file_was_read_is_read_at_the_next_start(tmp_path: Path) -> None:
    sent = request_body(documents=[file(pdf(SAID))])
    request = parse_request(sent)
    documents = received_documents(request.documents, sent["documents"])
    store = Store.open(database_in(tmp_path))
    content_hash = fingerprint(request, documents, clock_given=True)
    accepted(store, request, now=request.received_at, documents=documents, content_hash=content_hash)
    store.close()
    with TestClient(create_app(settings_in(tmp_path), triage=routed), headers=PATIENT) as client:
        again = client.post("/v1/authorizations", json=sent)
        assert again.status_code == 200
        assert len(again.json()["facts"]) == 2


def test_a_request_taken_while_the_service_stops_waits_for_the_next_start(tmp_path: Path) -> None:
    sent = request_body(documents=[file(pdf(SAID))])
    stopping = create_app(settings_in(tmp_path), triage=routed)
    with TestClient(stopping) as client:
        stopping.state.documents.close()
        answer = client.post("/v1/authorizations", json=sent, headers={"prefer": "wait=0"})
        assert (answer.status_code, answer.json()["status"]) == (202, "received")
    with TestClient(create_app(settings_in(tmp_path), triage=routed), headers=PATIENT) as client:
        assert len(client.post("/v1/authorizations", json=sent).json()["facts"]) == 2


def test_the_words_of_a_file_are_compared_with_those_of_other_members(client: TestClient) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    client.post("/v1/authorizations", json=request_body("PA-1", text=words))
    result = client.post("/v1/authorizations", json=request_body("PA-2", documents=[file(rtf(words))])).json()
    assert "text_of_another_member" in {reason["code"] for reason in result["reasons"]}


def test_the_case_page_shows_the_text_of_a_file(client: TestClient) -> None:
    case = client.post("/v1/authorizations", json=request_body(documents=[file(pdf(SAID))])).json()["authorization_id"]
    sign_in(client)
    assert "He completed" in client.get(f"/cases/{case}").text


def test_training_sees_the_text_that_triage_saw_unless_there_was_a_doubt(tmp_path: Path) -> None:
    files = [file(pdf(SAID)), file(faxed_pdf(SAID, None), document_id="d2")]
    with TestClient(create_app(settings_in(tmp_path), triage=routed), headers=PATIENT) as client:
        client.post("/v1/authorizations", json=request_body(documents=files))
    store = Store.open(database_in(tmp_path))
    export_decisions(store, tmp_path / "decisions.jsonl")
    store.close()
    first, second = json.loads((tmp_path / "decisions.jsonl").read_text())["request"]["documents"]
    assert (first["content_type"], first["text"]) == ("text/plain", SAID)
    assert base64.b64decode(second["data"]).startswith(b"%PDF")
    assert "text" not in second


def test_nothing_of_a_file_is_logged(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for number, content in enumerate(
            (pdf("Quillfeather " + SAID), rtf("Quillfeather"), b"{\\rtf1 Quillfeather \\u999999999")
        ):
            client.post("/v1/authorizations", json=request_body(f"PA-{number}", documents=[file(content)]))
    assert "quillfeather" not in caplog.text.lower()
    assert "quillfeather" not in client.get("/metrics").text.lower()
    assert 'greenlane_document_seconds_count{readable="yes"}' in client.get("/metrics").text


def test_the_command_line_reads_files_in_requests_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_MODEL_DIR", str(tmp_path))
    requests, note = tmp_path / "requests.jsonl", tmp_path / "note.pdf"
    requests.write_text(json.dumps(request_body(documents=[file(pdf(NOTE))])) + "\n")
    note.write_bytes(pdf(NOTE))
    triaged = CliRunner().invoke(command_line, ["triage", str(requests)])
    assert triaged.exit_code == 0
    assert "physical_therapy" in {fact["concept"] for fact in json.loads(triaged.stdout)["facts"]}
    extracted = CliRunner().invoke(command_line, ["extract", str(note)])
    assert extracted.exit_code == 0
    assert "physical_therapy" in {fact["concept"] for fact in json.loads(extracted.stdout)}


def test_extract_names_a_page_it_could_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_OCR", "off")
    (tmp_path / "fax.pdf").write_bytes(faxed_pdf(NOTE, None))
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7")
    run = CliRunner().invoke(command_line, ["extract", str(tmp_path / "fax.pdf"), str(tmp_path / "broken.pdf")])
    assert run.exit_code == 1
    assert "fax.pdf: could not be read in full: page 2" in run.stderr
    assert "broken.pdf: is a broken PDF" in run.stderr
    assert json.loads(run.stdout)["facts"]
