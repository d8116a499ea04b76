"""Batches: every line stands for itself, what came stays, and memory does not grow with the batch."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from running_server import RunningServer
from serving_cases import request_body, routed

from serving.app import create_app
from serving.batches import Batches
from serving.line_reader import LineReader
from serving.settings import Settings
from serving.store import Store


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    settings = Settings(
        database_url=database_in(tmp_path),
        model_dir=tmp_path,
        audit_share=0,
        body_limit=20_000,
        batch_bytes=5_000_000,
        workers=0,
    )
    return create_app(settings, triage=routed)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def lines(bodies: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(body).encode() + b"\n" for body in bodies)


def many(count: int, first: int = 0) -> bytes:
    return lines(request_body(f"PA-{number}") for number in range(first, first + count))


def post(client: TestClient, content: bytes, **headers: str) -> dict[str, Any]:
    answer = client.post("/v1/batches", content=content, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["status_url"]
    return dict(answer.json())


def jsonl(client: TestClient, url: str) -> list[dict[str, Any]]:
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def triage_all(app: FastAPI) -> None:
    while (job := app.state.queue.take()) is not None:
        app.state.rooms.of(job.tenant).service.work(job)


def test_every_line_is_stored_and_its_result_given_in_the_order_of_the_lines(app: FastAPI, client: TestClient) -> None:
    taken = post(client, many(230))
    assert {name: taken[name] for name in ("lines", "accepted", "repeated", "refused")} == {
        "lines": 230,
        "accepted": 230,
        "repeated": 0,
        "refused": 0,
    }
    before = client.get(taken["status_url"]).json()
    assert (before["complete"], before["received"], before["fast_track"]) == (True, 230, 0)
    assert jsonl(client, f"{taken['status_url']}/results") == []
    triage_all(app)
    after = client.get(taken["status_url"]).json()
    assert (after["received"], after["fast_track"], after["nurse_review"]) == (0, 230, 0)
    results = jsonl(client, f"{taken['status_url']}/results")
    assert [result["line"] for result in results] == list(range(1, 231))
    assert [result["result"]["external_id"] for result in results] == [f"PA-{number}" for number in range(230)]
    assert [result["line"] for result in jsonl(client, f"{taken['status_url']}/results?after=228")] == [229, 230]


def test_lines_that_are_refused_are_named_and_stop_no_other(client: TestClient) -> None:
    content = b"".join(
        [
            b"\xef\xbb\xbf" + lines([request_body("PA-1")]),
            b"\n",
            lines([{**request_body("PA-2"), "note": "secretword"}]),
            b"{broken secretword\n",
            b"\xff\xfe\n",
            lines([request_body("PA-3", "x" * 30_000)]),
            lines([request_body("PA-1", "Other words.")]),
            lines([request_body("PA-1")]),
            json.dumps(request_body("PA-4")).encode(),
        ]
    )
    taken = post(client, content)
    assert (taken["lines"], taken["accepted"], taken["repeated"], taken["refused"]) == (8, 2, 1, 5)
    problems = jsonl(client, f"{taken['status_url']}/problems")
    assert [(problem["line"], problem["errors"][0]["field"]) for problem in problems] == [
        (3, "note"),
        (4, "line"),
        (5, "line"),
        (6, "line"),
        (7, "external_id"),
    ]
    assert "secretword" not in json.dumps(problems)
    assert [problem["line"] for problem in jsonl(client, f"{taken['status_url']}/problems?after=5")] == [6, 7]


def test_a_batch_sent_again_makes_no_case_twice(client: TestClient) -> None:
    post(client, many(5))
    again = post(client, many(7))
    assert (again["accepted"], again["repeated"]) == (2, 5)
    assert len(client.get("/v1/authorizations").json()["items"]) == 7


def test_a_batch_with_a_key_is_taken_in_once(client: TestClient) -> None:
    key = {"Idempotency-Key": "b-1"}
    first = post(client, many(3), **key)
    again = client.post("/v1/batches", content=many(3), headers=key)
    assert (again.status_code, again.json()) == (202, first)
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/batches", content=many(4), headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "urn:greenlane:problem:idempotency-key-reused")
    assert len(client.get("/v1/authorizations").json()["items"]) == 3
    single = client.post("/v1/authorizations", json=request_body("PA-9"), headers=key)
    assert single.status_code == 422


@pytest.mark.parametrize("content", [b"", b"\n \n\n"])
def test_a_batch_without_a_request_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/v1/batches", content=content)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "batch")


def test_what_comes_before_a_limit_stays(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.batch_api.MOST_LINES", 150)
    answer = client.post("/v1/batches", content=many(160))
    assert answer.status_code == 413
    assert "150 lines" in answer.json()["detail"]
    batch_id = answer.json()["detail"].split("batch ")[2].split(";")[0]
    counts = client.get(f"/v1/batches/{batch_id}").json()
    assert (counts["accepted"], counts["complete"]) == (150, False)
    large = client.post("/v1/batches", content=(json.dumps(request_body("PA-L")) + "\n").encode() + b" " * 5_000_001)
    assert large.status_code == 413


def test_a_connection_that_breaks_leaves_what_came(app: FastAPI, client: TestClient) -> None:
    whole = many(130)
    came = whole[:-5000]
    pieces = [came[start : start + 50_000] for start in range(0, len(came), 50_000)]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.disconnect"})
    queue = iter(messages)
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return next(queue)

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/batches",
        "raw_path": b"/v1/batches",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(app(scope, receive, send))
    stored = len(client.get("/v1/authorizations?limit=200").json()["items"])
    assert 100 <= stored < 130
    again = post(client, whole)
    assert (again["accepted"], again["repeated"]) == (130 - stored, stored)


@pytest.mark.parametrize("path", ["", "/problems", "/results"])
def test_a_batch_of_another_tenant_or_of_nobody_is_not_found(app: FastAPI, client: TestClient, path: str) -> None:
    others = Batches(app.state.store.of_tenant("other"), app.state.service)
    from datetime import UTC, datetime

    batch_id = others.begin(datetime.now(UTC))
    assert client.get(f"/v1/batches/{batch_id}{path}").status_code == 404
    assert client.get(f"/v1/batches/nonsense{path}").status_code == 404


def test_a_race_for_an_external_id_ends_in_one_case_on_each_database(any_store: Store) -> None:
    from datetime import UTC, datetime

    from serving.documents.limits import Limits
    from serving.documents.pool import ReadingPool
    from serving.jobs import JobQueue
    from serving.line_reader import ReceivedLine
    from serving.metrics import Metrics
    from serving.service import AuthorizationService

    limits = Limits(1000, 1, 1000, 1, 500_000_000, False, 1)
    service = AuthorizationService(
        any_store,
        routed,
        audit_share=0,
        metrics=Metrics(),
        documents=ReadingPool(limits),
        queue=JobQueue(any_store),
        sync_characters=1000,
        draw=lambda: 1,
    )
    batches = Batches(any_store, service)
    now = datetime.now(UTC)
    batch_id = batches.begin(now)
    content = [ReceivedLine(n, json.dumps(request_body(f"PA-{n}")).encode()) for n in (1, 2, 3)]
    batch = threading.Thread(target=batches.take, args=(batch_id, content, now))
    with any_store.writing() as session:
        # One of the batch's requests comes alone, and is not committed yet when the batch wants to write it.
        alone, created = any_store.accept_within(session, service.new_request(content[1].content or b"", now), now=now)
        assert created
        batch.start()
        batch.join(timeout=0.3)
        assert batch.is_alive()
    batch.join()
    counts = batches.counts(batch_id)
    assert (counts.accepted, counts.repeated, counts.refused, counts.received) == (2, 1, 0, 3)
    assert any_store.received(alone.authorization_id).external_id == "PA-2"


@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 7))
def test_lines_are_the_same_however_the_bytes_arrive(content: list[bytes], piece: int) -> None:
    whole = b"\n".join(content)
    reader = LineReader(longest=8)
    found = [
        line for start in range(0, len(whole), piece) for line in reader.feed(whole[start : start + piece])
    ] + list(reader.finish())
    expected = []
    for number, line in enumerate(content, start=1):
        kept = line.strip() if len(line) <= 8 else None
        if number == 1 and kept is not None:
            kept = kept.removeprefix(b"\xef\xbb\xbf")
        if kept != b"":
            expected.append((number, kept))
    assert [(line.number, line.content) for line in found] == expected


@pytest.mark.slow
def test_memory_stays_flat_however_large_the_batch_is(tmp_path: Path) -> None:
    """A real server and its peak of resident memory: 100,000 lines, 200 MB, against a first batch of a hundredth of it."""
    server = RunningServer(tmp_path)
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=1200) as http:
            first = http.post("/v1/batches", content=_pieces(1_000)).json()
            before = server.peak_memory()
            answer = http.post("/v1/batches", content=_pieces(100_000))
            grown = server.peak_memory() - before
        assert answer.status_code == 202, answer.text
        assert (first["accepted"], first["refused"]) == (10, 990)
        assert (answer.json()["accepted"], answer.json()["repeated"], answer.json()["refused"]) == (990, 10, 99_000)
        assert grown < 60_000_000
    finally:
        server.close()


def _pieces(count: int) -> Iterator[bytes]:
    """Lines of 2 kB, of which one in a hundred is a request."""
    for number in range(count):
        if number % 100:
            yield b'{"external_id": "PA", "note": "' + b"x" * 2000 + b'"}\n'
        else:
            yield json.dumps(request_body(f"PA-{number}", "He completed physical therapy. " * 50)).encode() + b"\n"
