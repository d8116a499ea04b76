"""The client against the real service, and against one that is busy, away or slow."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from running_server import ROOT, RunningServer
from serving_cases import NOTE, request_body
from webhook_receiver import Receiver

from serving.client import (
    Greenlane,
    NotInTimeError,
    RefusedError,
    UnavailableError,
    UnreachableError,
    WebhookSignatureError,
    verify_webhook,
)

ID = "01JD3K8Q5T6V7W8X9Y0Z1A2B3C"
Scripted = tuple[int, Mapping[str, str], Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path_factory.mktemp("client"), GREENLANE_UNDO_MINUTES="0")
    server.start()
    yield server
    server.close()


@pytest.fixture
def client(server: RunningServer) -> Iterator[Greenlane]:
    with Greenlane(server.url) as client:
        yield client


def greenlane(server: RunningServer, *arguments: str) -> str:
    """What the command line prints, on the running service's database."""
    return subprocess.run(
        [sys.executable, "-m", "serving.cli", *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "USER": "tester", "GREENLANE_DATABASE_URL": server.database_url},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


class Script:
    """A service that answers as written, one after another, and remembers what it was asked. None breaks off."""

    def __init__(self, *answers: Scripted | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(script) -> type[BaseHTTPRequestHandler]:  # noqa: N805  the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = b"".join(self.body(headers))
                script.asked.append((self.command, self.path, headers, body))
                scripted = script.answers.pop(0)
                if scripted is None:
                    self.close_connection = True
                    return
                status, more, content = scripted
                sent = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def body(self, headers: Mapping[str, str]) -> Iterator[bytes]:
                if headers.get("transfer-encoding") != "chunked":
                    yield self.rfile.read(int(headers.get("content-length", "0")))
                    return
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            do_GET = do_POST = do_PUT = answer  # noqa: N815  http.server's names

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    made: list[Script] = []

    def write(*answers: Scripted | None) -> Script:
        made.append(Script(*answers))
        return made[-1]

    yield write
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept; it sleeps a hundredth of it."""
    slept: list[float] = []
    sleep = time.sleep

    def shorter(seconds: float) -> None:
        slept.append(seconds)
        sleep(seconds / 100)

    monkeypatch.setattr("serving.client.time.sleep", shorter)
    return slept


def result(external_id: str = "PA-1", **changes: Any) -> dict[str, Any]:
    return {
        "authorization_id": ID,
        "external_id": external_id,
        "route": "nurse_review",
        "reasons": [{"code": "no_model", "message": "No model is loaded."}],
        "due_at": "2026-11-27T15:04:05Z",
        "missing": [{"criterion_id": "therapy", "ask": "Please send the dates."}],
        **changes,
    }


PENDING = {"authorization_id": ID, "external_id": "PA-1", "status": "received", "due_at": "2026-11-27T15:04:05Z"}
BUSY = {"type": "urn:greenlane:problem:too-many-requests", "title": "Too many requests", "status": 429, "detail": "x"}


# Against the real service.


def test_a_request_is_stored_once_and_its_result_is_typed(client: Greenlane) -> None:
    answer = client.submit(request_body("PA-typed"))
    assert answer.created
    assert answer.route == "nurse_review"
    assert answer.result is not None
    assert answer.result.reasons[0].code
    assert answer.due_at == answer.result.due_at
    assert answer.result.body["facts"]
    again = client.submit(request_body("PA-typed"))
    assert (again.created, again.authorization_id) == (False, answer.authorization_id)
    assert client.wait(answer.authorization_id).result == answer.result


def test_what_the_service_refuses_names_the_fields_and_no_value(client: Greenlane) -> None:
    with pytest.raises(RefusedError) as refused:
        client.submit({**request_body("PA-Quillfeather"), "urgency": "Bramblethorn"})
    assert (refused.value.status, refused.value.kind) == (422, "request-refused")
    assert [field for field, _ in refused.value.errors] == ["urgency"]
    assert "Bramblethorn" not in str(refused.value)


def test_an_id_with_other_content_and_an_id_that_nobody_has_are_refused(client: Greenlane) -> None:
    client.submit(request_body("PA-conflict"))
    with pytest.raises(RefusedError) as conflict:
        client.submit(request_body("PA-conflict", "Other words."))
    assert (conflict.value.status, conflict.value.kind) == (409, "content-conflict")
    with pytest.raises(RefusedError) as unknown:
        client.get("no/such id?")
    assert unknown.value.status == 404


def test_documents_are_added_and_every_event_comes_in_order(client: Greenlane) -> None:
    start = [event.cursor for event in client.events()]
    answer = client.submit(request_body("PA-more"))
    more = client.add_documents(answer.authorization_id, [{"document_id": "d2", "text": f"Later. {NOTE}"}])
    assert more.result is not None
    assert {fact["document_id"] for fact in more.result.body["facts"]} == {"d1", "d2"}
    found = list(client.events(start[-1] if start else None))
    assert [(event.kind, event.revision) for event in found] == [
        ("authorization.triaged", 1),
        ("authorization.documents_added", 2),
        ("authorization.triaged", 2),
    ]
    assert {event.external_id for event in found} == {"PA-more"}
    assert found[0].route == "nurse_review"
    assert list(client.events(found[-1].cursor)) == []
    only = client.events(found[0].cursor, kinds=["authorization.triaged"])
    assert [event.event_id for event in only] == [found[2].event_id]


def test_an_update_and_a_cancellation_are_taken_in_and_told(client: Greenlane) -> None:
    start = [event.cursor for event in client.events()]
    request = request_body("PA-changed")
    case = client.submit(request).authorization_id
    update = {name: value for name, value in request.items() if name != "documents"}
    update["urgency"] = "expedited"
    answer = client.update(case, update)
    assert answer.result is not None
    assert answer.result.authorization_id == case
    client.cancel(case, reason="entered_in_error")
    client.cancel(case, reason="other")
    with pytest.raises(RefusedError) as refused:
        client.update(case, {**update, "urgency": "standard"})
    assert (refused.value.status, refused.value.kind) == (409, "case-cancelled")
    found = list(client.events(start[-1] if start else None))
    assert [(event.kind, event.revision) for event in found] == [
        ("authorization.triaged", 1),
        ("authorization.updated", 2),
        ("authorization.triaged", 2),
        ("authorization.cancelled", 2),
    ]


def test_a_batch_is_triaged_by_the_service_and_answered_line_by_line(client: Greenlane) -> None:
    requests = [request_body(f"PA-batch-{number}", f"{NOTE} Visit {number}.") for number in range(4)]
    requests[2] = {**requests[2], "urgency": "at once"}
    lines = list(client.batch(requests, wait=120))
    assert [line.line for line in lines] == [1, 2, 3, 4]
    assert [line.result.external_id for line in lines if line.result] == ["PA-batch-0", "PA-batch-1", "PA-batch-3"]
    assert [field for field, _ in lines[2].errors] == ["urgency"]
    again = list(client.batch(requests, wait=120))
    assert [line.result.authorization_id for line in again if line.result] == [
        line.result.authorization_id for line in lines if line.result
    ]


@pytest.mark.slow
def test_a_receiver_that_fails_half_the_time_hears_everything_in_order(
    server: RunningServer, client: Greenlane
) -> None:
    receiver = Receiver(lambda number: (204, 500, 0, 204)[number % 4])
    printed = greenlane(server, "webhooks", "add", receiver.url)
    secret = printed.strip().rpartition(" ")[2]
    ids = [client.submit(request_body(f"PA-hook-{number}")).authorization_id for number in range(6)]
    for authorization_id in ids[:3]:
        client.add_documents(authorization_id, [{"document_id": "d2", "text": f"Later. {NOTE}"}])
    deadline = time.monotonic() + 60
    expected = 6 + 3 * 2
    while len({headers["webhook-id"] for headers, _ in receiver.taken}) < expected and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    receiver.close()
    by_case: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for headers, body in receiver.taken:
        event = verify_webhook(headers, body, secret)
        if (event.kind, event.revision) not in by_case[event.authorization_id]:
            by_case[event.authorization_id].append((event.kind.removeprefix("authorization."), event.revision))
    added = [("triaged", 1), ("documents_added", 2), ("triaged", 2)]
    assert [by_case[one] for one in ids] == [added] * 3 + [[("triaged", 1)]] * 3
    assert len(receiver.heard) > expected
    headers, body = receiver.taken[0]
    with pytest.raises(WebhookSignatureError, match="timestamp"):
        verify_webhook(headers, body, secret, now=datetime.now(UTC) + timedelta(minutes=6))
    with pytest.raises(WebhookSignatureError, match="signature"):
        verify_webhook(headers, body.replace(b"nurse_review", b"fast_track"), secret)


# Against one that answers as written.


def test_a_busy_service_is_asked_again_when_it_says_and_one_request_keeps_one_key(
    script: Callable[..., Script], no_pauses: list[float]
) -> None:
    busy = script((429, {"retry-after": "7"}, BUSY), (503, {}, {}), None, (201, {}, result()))
    with Greenlane(busy.url, key="glk_x_y") as client:
        assert client.submit(request_body()).created
    assert len({headers["idempotency-key"] for _, _, headers, _ in busy.asked}) == 1
    assert len({body for _, _, _, body in busy.asked}) == 1
    assert busy.asked[0][2]["authorization"] == "Bearer glk_x_y"
    assert no_pauses[0] == 7
    assert 0.5 <= no_pauses[1] <= 1
    assert 1 <= no_pauses[2] <= 2


def test_what_stays_busy_away_or_broken_is_one_family_of_errors(script: Callable[..., Script]) -> None:
    with Greenlane(script((429, {}, BUSY), (429, {}, BUSY)).url, attempts=2) as client:
        with pytest.raises(UnavailableError) as busy:
            client.get(ID)
        assert (busy.value.status, busy.value.kind) == (429, "too-many-requests")
    with Greenlane(script((500, {}, "<html>oops")).url) as client, pytest.raises(UnavailableError) as broken:
        client.get(ID)
    assert (broken.value.status, broken.value.kind) == (500, None)
    with Greenlane(script((200, {}, "<html>a proxy's page")).url) as client, pytest.raises(UnavailableError):
        client.get(ID)
    gone = script()
    gone.close()
    with Greenlane(gone.url, attempts=2) as client, pytest.raises(UnreachableError) as away:
        client.submit(request_body())
    assert away.value.status is None


def test_a_pending_answer_is_given_back_or_waited_for(script: Callable[..., Script], no_pauses: list[float]) -> None:
    late = script(
        (202, {"retry-after": "2"}, PENDING),
        (202, {"retry-after": "2"}, PENDING),
        (202, {}, PENDING),
        (200, {}, result()),
    )
    with Greenlane(late.url) as client:
        pending = client.submit(request_body())
        assert pending.pending
        assert pending.route is None
        assert pending.due_at == datetime(2026, 11, 27, 15, 4, 5, tzinfo=UTC)
        done = client.wait(pending.authorization_id)
    assert done.route == "nurse_review"
    assert no_pauses == [2, 1]
    assert [path for _, path, _, _ in late.asked[1:]] == [f"/v1/authorizations/{ID}"] * 3


def test_what_is_not_triaged_in_time_comes_with_its_pending_answer(script: Callable[..., Script]) -> None:
    never = script(*[(202, {}, PENDING)] * 50)
    with Greenlane(never.url) as client, pytest.raises(NotInTimeError) as late:
        client.submit(request_body(), wait=0.05)
    assert late.value.answer is not None
    assert late.value.answer.authorization_id == ID


def test_a_request_is_updated_and_cancelled(script: Callable[..., Script]) -> None:
    service = script((200, {}, result()), (200, {}, {}))
    with Greenlane(service.url) as client:
        client.update(ID, {"external_id": "PA-1"})
        client.cancel(ID, reason="entered_in_error")
    (put, path, headers, _), (post, cancellation, _, body) = service.asked
    assert (put, path) == ("PUT", f"/v1/authorizations/{ID}")
    assert (post, cancellation) == ("POST", f"/v1/authorizations/{ID}/cancellation")
    assert json.loads(body) == {"reason": "entered_in_error"}
    assert headers["idempotency-key"]


def test_a_batch_is_streamed_and_every_line_is_answered_in_order(script: Callable[..., Script]) -> None:
    def results(*numbers: int) -> str:
        return "".join(json.dumps({"line": n, "result": result(f"PA-{n}")}) + "\n" for n in numbers)

    refused = {"line": 2, "errors": [{"field": "urgency", "message": "must be standard or expedited"}]}
    service = script(
        (202, {}, {"batch_id": "b1", "lines": 5, "accepted": 4, "repeated": 0, "refused": 1}),
        (200, {}, json.dumps(refused) + "\n"),
        # The third and the fifth are triaged before the fourth is.
        (200, {}, results(1, 3, 5)),
        (200, {}, results(5)),
        None,
        (503, {}, {}),
        (200, {}, results(4, 5)),
    )
    with Greenlane(service.url) as client:
        lines = list(client.batch(request_body(f"PA-{number}") for number in range(1, 6)))
    assert [line.line for line in lines] == [1, 2, 3, 4, 5]
    assert [line.result.external_id for line in lines if line.result] == ["PA-1", "PA-3", "PA-4", "PA-5"]
    assert lines[1].errors == (("urgency", "must be standard or expedited"),)
    sent = [json.loads(line)["external_id"] for line in service.asked[0][3].splitlines()]
    assert sent == [f"PA-{number}" for number in range(1, 6)]
    asked = [path.removeprefix("/v1/batches/b1/") for _, path, _, _ in service.asked[1:]]
    assert asked == ["problems?after=0", "results?after=0", *["results?after=3"] * 4]


def test_a_batch_whose_last_lines_are_refused_ends(script: Callable[..., Script]) -> None:
    problems = "".join(json.dumps({"line": n, "errors": [{"field": "line", "message": "x"}]}) + "\n" for n in (1, 2))
    service = script((202, {}, {"batch_id": "b1", "lines": 2, "refused": 2}), (200, {}, problems), (200, {}, ""))
    with Greenlane(service.url) as client:
        assert [line.errors for line in client.batch([{}, {}])] == [(("line", "x"),)] * 2


def test_a_batch_that_is_not_triaged_in_time_says_so(script: Callable[..., Script]) -> None:
    service = script((202, {}, {"batch_id": "b1", "lines": 1}), (200, {}, ""), (200, {}, ""))
    with Greenlane(service.url) as client, pytest.raises(NotInTimeError):
        list(client.batch([{}], wait=0))


def test_the_client_needs_nothing_of_the_service() -> None:
    code = "import json, sys, serving.client; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"pydantic", "sqlalchemy", "fastapi", "starlette", "spacy", "medspacy", "numpy", "sklearn", "features"}
    assert heavy.isdisjoint(json.loads(printed))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"x", b'{"event_id": 1}'])
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    from serving.webhook_signature import signed_headers

    secret = "whsec_" + "QUFB" * 8
    headers = signed_headers("e1", datetime.now(UTC), body, [secret])
    with pytest.raises(WebhookSignatureError):
        verify_webhook(headers, body, secret)
