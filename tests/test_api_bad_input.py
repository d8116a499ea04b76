"""Input that is odd, hostile or huge, with the real triage behind the interface: each has one defined answer."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import NOTE, PATIENT, request_body, until_read
from signing_in import sign_in

from serving.app import create_app
from serving.settings import Settings, load_settings


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path / "models")
    with TestClient(create_app(settings)) as client:
        yield client


def _reasons(answer: dict[str, object]) -> set[str]:
    reasons = answer["reasons"]
    assert isinstance(reasons, list)
    return {reason["code"] for reason in reasons}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unreadable_document"),
        (" \r\n\t ", "unreadable_document"),
        ("\x01\x02\x03\x07" * 50, "unreadable_document"),
        (
            "Paciente femenina de 52 años con dolor lumbar desde hace tres meses que baja por la pierna izquierda. "
            "Completó ocho semanas de fisioterapia sin mejoría. Se solicita resonancia magnética.",
            "unreadable_document",
        ),
    ],
    ids=["empty", "white space", "control characters", "another language"],
)
def test_a_note_that_cannot_be_read_goes_to_a_nurse_who_is_told_so(client: TestClient, text: str, code: str) -> None:
    answer = client.post("/v1/authorizations", json=request_body(text=text))
    assert answer.status_code == 201
    assert answer.json()["route"] == "nurse_review"
    assert code in _reasons(answer.json())


def test_a_service_without_a_policy_goes_to_a_nurse_who_is_told_so(client: TestClient) -> None:
    body = request_body(service={"system": "CPT", "code": "99999"})
    answer = client.post("/v1/authorizations", json=body).json()
    assert answer["route"] == "nurse_review"
    assert "no_policy" in _reasons(answer)
    assert answer["policy"] is None


def test_a_document_that_is_no_text_goes_to_a_nurse_who_is_told_so(client: TestClient) -> None:
    scanned = {"document_id": "d1", "content_type": "application/pdf", "data": "JVBERi0="}
    answer = client.post("/v1/authorizations", json=request_body(documents=[scanned]), headers=PATIENT).json()
    assert answer["route"] == "nurse_review"
    assert "unreadable_document" in _reasons(answer)


def test_five_megabytes_of_text_are_accepted_answered_and_shown(client: TestClient) -> None:
    text = NOTE + " x" * 2_500_000
    answer = client.post("/v1/authorizations", json=request_body(text=text))
    assert answer.status_code == 202
    result = until_read(client, answer.json()["authorization_id"], seconds=120)
    assert result["route"] == "nurse_review"
    assert "system_error" not in _reasons(result)
    sign_in(client)
    page = client.get(f"/cases/{result['authorization_id']}")
    assert page.status_code == 200
    assert len(page.text) > len(text)


def test_fast_tracking_switched_off_by_environment_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_FAST_TRACK", "off")
    monkeypatch.setenv("GREENLANE_DATABASE_URL", database_in(tmp_path))
    settings = load_settings()
    with TestClient(create_app(settings)) as client:
        assert "fast_track_off" in _reasons(client.post("/v1/triage", json=request_body()).json())


def test_no_word_of_a_note_reaches_any_log_at_the_most_verbose_level(
    client: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    from loguru import logger

    loud: list[str] = []
    sink = logger.add(lambda message: loud.append(str(message)), level=0)
    words = "Zyxwvut Qponmlk"
    body = request_body("PA-zyxwvut", f"{words}: completed physical therapy, denies fever. {words}")
    body["member"] = {"member_id": "M-zyxwvut", "birth_date": "1968-04-12"}
    try:
        with caplog.at_level(0):
            for name, level in ((None, logging.NOTSET), ("sqlalchemy.engine", logging.DEBUG), ("PyRuSH", 0)):
                logging.getLogger(name).setLevel(level)
            stored = client.post("/v1/authorizations", json=body).json()
            sign_in(client)
            client.get(f"/cases/{stored['authorization_id']}")
            client.get("/v1/authorizations", params={"cursor": words})
            client.get(f"/cases/{words}")
            client.post("/v1/authorizations", json={**body, "zyxwvut qponmlk": words})
            client.post("/v1/authorizations", content=words.encode())
            client.post("/v1/authorizations", json={**body, "urgency": words})
    finally:
        logger.remove(sink)
        logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    out, err = capfd.readouterr()
    # The test client is a client: what it logs about its own calls is not the server's.
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore")))
    everything = "\n".join((ours, out, err, *loud)).lower()
    assert "greenlane" in "\n".join(r.name for r in caplog.records)
    assert "zyxwvut" not in everything
    assert "qponmlk" not in everything
    assert "PyRuSH" not in sys.modules
