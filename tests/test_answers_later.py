"""202: what is stored and not triaged yet, over HTTP and on the pages."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from document_files import encoded, pdf
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving_cases import NOTE, PATIENT, request_body, routed, until_read
from signing_in import sign_in

from features.types import AuthorizationRequest
from models.types import TriageResult
from serving.app import create_app
from serving.errors import ReaderEndedError
from serving.job_list import dead_jobs
from serving.prefer import Preference, preference_of
from serving.roles import Role
from serving.schemas import ReceivedBody, TriageResultBody
from serving.settings import Settings

FAX = [{"document_id": "d1", "content_type": "application/pdf", "data": encoded(pdf(NOTE))}]


class Desk:
    """An application whose triage waits for a sign."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.go = threading.Event()
        self.fails = False
        chosen = Settings(database_url=database_in(folder), model_dir=folder, audit_share=0, ocr=False, **settings)
        self.app: FastAPI = create_app(chosen, triage=self._triage)

    def _triage(self, request: AuthorizationRequest) -> TriageResult:
        assert self.go.wait(30)
        if self.fails:
            raise ReaderEndedError("x")
        return routed(request)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.go.set()


@pytest.fixture
def client(desk: Desk) -> Iterator[TestClient]:
    with TestClient(desk.app, base_url="http://localhost", follow_redirects=False) as client:
        yield client
        desk.go.set()


def test_a_file_is_answered_before_it_is_read_and_where_to_ask(client: TestClient, desk: Desk) -> None:
    answer = client.post("/v1/authorizations", json=request_body(documents=FAX))
    assert answer.status_code == 202
    body = ReceivedBody.model_validate(answer.json())
    assert (body.external_id, body.status) == ("PA-1", "received")
    assert answer.headers["location"] == body.status_url == f"/v1/authorizations/{body.authorization_id}"
    assert int(answer.headers["retry-after"]) > 0

    asked = client.get(body.status_url)
    assert (asked.status_code, asked.json()) == (202, answer.json())
    assert asked.headers["retry-after"] == answer.headers["retry-after"]
    again = client.post("/v1/authorizations", json=request_body(documents=FAX))
    assert (again.status_code, again.json()) == (202, answer.json())
    assert client.get("/v1/authorizations", params={"status": "received"}).json()["items"][0]["route"] is None

    desk.go.set()
    result = until_read(client, body.authorization_id)
    assert TriageResultBody.model_validate(result).route == "fast_track"
    assert client.post("/v1/authorizations", json=request_body(documents=FAX)).json() == result


def test_the_text_of_a_file_is_there_when_it_has_been_read(client: TestClient, desk: Desk) -> None:
    desk.app.state.workers.stop(0)
    case = client.post("/v1/authorizations", json=request_body(documents=FAX)).json()["authorization_id"]
    assert client.get(f"/v1/authorizations/{case}/documents/1/text").status_code == 202


def test_short_text_is_answered_with_its_result(client: TestClient, desk: Desk) -> None:
    desk.go.set()
    assert client.post("/v1/authorizations", json=request_body()).status_code == 201


@pytest.mark.parametrize(("characters", "status"), [(200, 201), (201, 202)])
def test_text_is_short_up_to_the_setting(tmp_path: Path, characters: int, status: int) -> None:
    desk = Desk(tmp_path, sync_characters=200)
    desk.go.set()
    with TestClient(desk.app) as client:
        notes = [{"document_id": f"d{n}", "text": "x" * size} for n, size in enumerate((100, characters - 100))]
        assert client.post("/v1/authorizations", json=request_body(documents=notes)).status_code == status


def test_who_prefers_not_to_wait_gets_202_for_short_text_too(client: TestClient, desk: Desk) -> None:
    answer = client.post("/v1/authorizations", json=request_body(), headers={"prefer": "respond-async"})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    desk.go.set()
    until_read(client, answer.json()["authorization_id"])


def test_who_prefers_to_wait_gets_the_result_of_a_file(client: TestClient, desk: Desk) -> None:
    desk.go.set()
    answer = client.post("/v1/authorizations", json=request_body(documents=FAX), headers=PATIENT)
    assert (answer.status_code, answer.headers["preference-applied"]) == (201, "wait=30")


@contextmanager
def waiting(desk: Desk, client: TestClient, count: int) -> Iterator[list[Future[Any]]]:
    """So many senders who prefer to wait, each with a request of their own that is stored and not triaged."""

    def send(number: int) -> Any:
        return client.post("/v1/authorizations", json=request_body(f"PA-{number}"), headers=PATIENT)

    with ThreadPoolExecutor(count) as senders:
        try:
            answers = [senders.submit(send, number) for number in range(count)]
            deadline = time.monotonic() + 20
            while len(desk.app.state.store.cases(limit=count)) < count:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield answers
        finally:
            desk.go.set()


def test_no_more_than_a_few_calls_wait_and_the_next_is_answered_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, sync_characters=0)
    with TestClient(desk.app) as client, waiting(desk, client, 28) as answers:
        soon = [future.result().status_code for future in islice(as_completed(answers, timeout=10), 4)]
        assert soon == [202] * 4
        assert sum(future.done() for future in answers) == 4
        desk.go.set()
        told = [
            (answer.status_code, answer.headers.get("preference-applied")) for answer in map(Future.result, answers)
        ]
        assert told.count((201, "wait=30")) == 24
        assert told.count((202, None)) == 4
        # Whoever waited makes room.
        later = client.post("/v1/authorizations", json=request_body("PA-later"), headers=PATIENT)
        assert later.status_code == 201


def test_a_process_whose_threads_all_wait_still_says_that_it_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.service._MOST_WAITING", 100)
    desk = Desk(tmp_path, sync_characters=0)
    with TestClient(desk.app) as client, waiting(desk, client, 40), ThreadPoolExecutor(1) as prober:
        probe = prober.submit(client.get, "/healthz")
        try:
            assert probe.result(timeout=5).json() == {"status": "alive"}
        finally:
            desk.go.set()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, Preference()),
        ("respond-async", Preference(respond_async=True)),
        ("Respond-Async, wait=10", Preference(respond_async=True, wait=10)),
        ('wait="5"; x=y, return=minimal', Preference(wait=5)),
        ("wait=99999", Preference(wait=30)),
        ("wait=-1, wait=x, wait=", Preference()),
        ("wait=1" * 1000, Preference()),
    ],
)
def test_what_is_preferred(header: str | None, expected: Preference) -> None:
    assert preference_of(header) == expected


def test_added_files_are_read_later_and_the_answer_says_so(client: TestClient, desk: Desk) -> None:
    desk.go.set()
    case = client.post("/v1/authorizations", json=request_body()).json()["authorization_id"]
    desk.go.clear()
    more = {"documents": [{**FAX[0], "document_id": "d2"}]}
    answer = client.post(f"/v1/authorizations/{case}/documents", json=more)
    assert (answer.status_code, answer.json()["authorization_id"]) == (202, case)
    assert client.get(f"/v1/authorizations/{case}").status_code == 202
    desk.go.set()
    assert {fact["document_id"] for fact in until_read(client, case)["facts"]} == {"d1", "d2"}


def test_the_case_page_says_that_it_is_being_read_until_it_is(client: TestClient, desk: Desk) -> None:
    case = client.post("/v1/authorizations", json=request_body(documents=FAX)).json()["authorization_id"]
    sign_in(client)
    page = client.get(f"/cases/{case}")
    assert page.status_code == 202
    assert "PA-1 is being read" in page.text
    assert client.get(f"/cases/{case}/being-read").json() == {"being_read": True}
    assert "being read" in client.get("/").text
    assert client.get(f"/cases/{case}/score").status_code == 202
    desk.go.set()
    until_read(client, case)
    assert client.get(f"/cases/{case}/being-read").json() == {"being_read": False}
    assert "is being read" not in client.get(f"/cases/{case}").text


def test_asking_whether_a_case_is_read_is_no_sign_of_life(client: TestClient, desk: Desk) -> None:
    case = client.post("/v1/authorizations", json=request_body(documents=FAX)).json()["authorization_id"]
    sign_in(client)
    seen = []
    desk.app.state.people.seen = lambda *_, **__: seen.append(1)
    client.get(f"/cases/{case}/being-read")
    assert seen == []


def test_nobody_is_handed_a_case_that_is_being_read(client: TestClient, desk: Desk) -> None:
    case = client.post("/v1/authorizations", json=request_body(documents=FAX)).json()["authorization_id"]
    token = sign_in(client).form_token
    form = {"form_token": token, "filter": ""}
    assert case not in client.post("/claim-next", data=form).headers["location"]
    desk.go.set()
    until_read(client, case)
    with desk.app.state.store.writing() as session:
        session.connection().exec_driver_sql("UPDATE authorizations SET work = 'open'")
    assert case in client.post("/claim-next", data=form).headers["location"]


def test_what_was_typed_while_new_documents_came_is_shown_again(client: TestClient, desk: Desk) -> None:
    desk.go.set()
    case = client.post("/v1/authorizations", json=request_body()).json()["authorization_id"]
    with desk.app.state.store.writing() as session:
        session.connection().exec_driver_sql("UPDATE authorizations SET work = 'open'")
    form_token = sign_in(client).form_token
    turn = re.search(r'name="turn" value="(\d+)"', client.get(f"/cases/{case}").text)
    assert turn is not None
    desk.go.clear()
    client.post(f"/v1/authorizations/{case}/documents", json={"documents": [{**FAX[0], "document_id": "d2"}]})
    typed = {"form_token": form_token, "turn": turn[1], "summary": "Please look at the weakness."}
    answer = client.post(f"/cases/{case}/refer", data=typed)
    assert answer.status_code == 409
    assert "Please look at the weakness." in answer.text


@pytest.fixture
def given_up(client: TestClient, desk: Desk) -> str:
    """A case whose job is dead."""
    desk.fails = True
    desk.go.set()
    case = client.post("/v1/authorizations", json=request_body(), headers={"prefer": "respond-async"}).json()
    deadline = threading.Event()
    for _ in range(400):
        with desk.app.state.store.writing() as session:
            session.connection().exec_driver_sql("UPDATE jobs SET run_after = created_at WHERE state = 'waiting'")
        if dead_jobs(desk.app.state.store):
            break
        deadline.wait(0.05)
    desk.fails = False
    return str(case["authorization_id"])


def test_a_lead_sees_what_was_given_up_and_has_it_tried_again(client: TestClient, desk: Desk, given_up: str) -> None:
    token = sign_in(client, Role.LEAD).form_token
    page = client.get("/jobs").text
    assert "1 given up" in page
    assert "its reader died or took too long" in page
    assert f"/cases/{given_up}" in page
    job_id = dead_jobs(desk.app.state.store)[0].job_id
    answer = client.post(f"/jobs/{job_id}/retry", data={"form_token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?notice=again")
    assert until_read(client, given_up)["route"] == "fast_track"
    assert "Nothing was given up" in client.get("/jobs").text
    assert client.post(f"/jobs/{job_id}/retry", data={"form_token": token}).status_code == 409


def test_an_administrator_sees_no_id_of_the_intake_system(client: TestClient, given_up: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = client.get("/jobs").text
    assert given_up in page
    assert "PA-1" not in page
    assert "/cases/" not in page


def test_an_unknown_job_is_not_found(client: TestClient) -> None:
    token = sign_in(client, Role.LEAD).form_token
    for job_id in ("1", "0", "x", "9" * 30):
        assert client.post(f"/jobs/{job_id}/retry", data={"form_token": token}).status_code == 404


def test_the_queue_is_in_the_metrics(client: TestClient, desk: Desk, given_up: str) -> None:
    del given_up
    text = client.get("/metrics").text
    assert 'greenlane_jobs{state="dead"} 1.0' in text
    assert 'greenlane_jobs{state="waiting"} 0.0' in text
    assert "greenlane_jobs_oldest_waiting_seconds 0.0" in text
