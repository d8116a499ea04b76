"""The HTTP interface: what is stored, what is answered, and that nothing is stored twice or half."""

from __future__ import annotations

import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving_cases import NOTE, PATIENT, always, facts_of, request_body, routed, until_read
from sqlalchemy import update

from features.types import AuthorizationRequest
from models.types import Route, TriageResult
from serving.app import create_app
from serving.job_list import dead_jobs
from serving.job_tables import JobRow
from serving.jobs import MOST_LOST
from serving.schemas import CaseListBody, TriageResultBody
from serving.settings import Settings
from serving.ulid import is_ulid

Build = Callable[..., FastAPI]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Builds applications on one database; by default everything is fast-tracked and nothing drawn for the audit."""

    def _build(triage: Any = routed, *, draw: Callable[[], float] = lambda: 1.0, **settings: Any) -> FastAPI:
        url = database_in(tmp_path)
        chosen = Settings(**{"database_url": url, "model_dir": tmp_path / "models", **settings})
        return create_app(chosen, triage=triage, draw=draw)

    return _build


@pytest.fixture
def client(build: Build) -> Iterator[TestClient]:
    with TestClient(build()) as client:
        yield client


def test_a_new_request_is_stored_and_answered_with_the_contract_s_result(client: TestClient) -> None:
    answer = client.post("/v1/authorizations", json=request_body())

    assert answer.status_code == 201
    result = TriageResultBody.model_validate(answer.json())
    assert result.route == "fast_track"
    assert result.authorization_id is not None
    assert is_ulid(result.authorization_id)
    assert answer.headers["location"] == f"/v1/authorizations/{result.authorization_id}"
    assert client.get(answer.headers["location"]).json() == answer.json()


def test_a_repeat_gets_the_stored_result_and_makes_no_second_case(client: TestClient) -> None:
    first = client.post("/v1/authorizations", json=request_body())
    second = client.post("/v1/authorizations", json=request_body())

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(client.get("/v1/authorizations").json()["items"]) == 1


def test_a_repeat_is_the_same_request_also_where_defaults_or_our_own_clock_filled_it_in(client: TestClient) -> None:
    sparse = request_body()
    del sparse["received_at"]
    first = client.post("/v1/authorizations", json=sparse)
    second = client.post("/v1/authorizations", json={**sparse, "review_type": "prospective"})

    assert second.status_code == 200
    assert first.json() == second.json()


@pytest.mark.parametrize(
    "change",
    [
        {"urgency": "expedited"},
        {"received_at": "2026-11-20T15:04:06Z"},
        {"documents": [{"document_id": "d1", "type": "progress_note", "date": "2026-11-10", "text": NOTE + " "}]},
    ],
    ids=["urgency", "received_at", "one more blank in a note"],
)
def test_the_same_external_id_with_other_content_is_refused(client: TestClient, change: dict[str, Any]) -> None:
    client.post("/v1/authorizations", json=request_body())
    answer = client.post("/v1/authorizations", json=request_body(**change))

    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(client.get("/v1/authorizations").json()["items"]) == 1


def test_documents_that_are_not_text_are_content_too(client: TestClient) -> None:
    def scanned(data: str) -> dict[str, Any]:
        return request_body(documents=[{"document_id": "d1", "content_type": "application/pdf", "data": data}])

    def status(data: str) -> int:
        return client.post("/v1/authorizations", json=scanned(data), headers=PATIENT).status_code

    assert [status("JVBERi0="), status("JVBERi0="), status("JVBERi0x")] == [201, 200, 409]


def test_twenty_clients_with_one_external_id_make_one_case(build: Build) -> None:
    def slow(request: AuthorizationRequest) -> TriageResult:
        time.sleep(0.05)
        return routed(request)

    with TestClient(build(slow)) as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/authorizations", json=request_body()), range(20)))
        assert len(client.get("/v1/authorizations").json()["items"]) == 1

    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["route"] == "fast_track"


def test_preview_answers_the_same_and_stores_nothing(client: TestClient) -> None:
    preview = client.post("/v1/triage", json=request_body())
    assert preview.status_code == 200
    assert client.get("/v1/authorizations").json()["items"] == []

    stored = client.post("/v1/authorizations", json=request_body()).json()
    assert preview.json() == {**stored, "authorization_id": None}


def test_added_documents_are_triaged_and_the_earlier_result_stays_in_the_history(build: Build) -> None:
    app = build()
    with TestClient(app) as client:
        stored = client.post("/v1/authorizations", json=request_body(text="See attached.")).json()
        url = f"/v1/authorizations/{stored['authorization_id']}"
        more = {"documents": [{"document_id": "d2", "type": "therapy_note", "text": NOTE}]}
        answer = client.post(f"{url}/documents", json=more)

        assert answer.status_code == 200
        assert stored["facts"] == []
        assert {fact["document_id"] for fact in answer.json()["facts"]} == {"d2"}
        assert client.get(url).json() == answer.json()
        history = app.state.service.case(stored["authorization_id"]).history
        assert [entry.revision for entry in history] == [1, 2]

        again = client.post(f"{url}/documents", json=more)
        assert again.json() == answer.json()
        assert len(app.state.service.case(stored["authorization_id"]).history) == 2

        repeat = client.post("/v1/authorizations", json=request_body(text="See attached."))
        assert repeat.status_code == 200
        assert repeat.json() == answer.json()


def test_a_document_id_with_other_content_is_refused_and_nothing_is_added(client: TestClient) -> None:
    stored = client.post("/v1/authorizations", json=request_body()).json()
    url = f"/v1/authorizations/{stored['authorization_id']}"
    more = {"documents": [{"document_id": "d2", "text": NOTE}, {"document_id": "d1", "text": "Another text."}]}

    answer = client.post(f"{url}/documents", json=more)

    assert answer.status_code == 409
    assert "documents.1.document_id" in answer.json()["detail"]
    assert client.get(url).json() == stored


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_unknown_id_is_not_found(client: TestClient, method: str) -> None:
    path = "/v1/authorizations/01JD3K8Q5T6V7W8X9Y0Z1A2B3C"
    answer = (
        client.get(path)
        if method == "get"
        else client.post(f"{path}/documents", json={"documents": [{"document_id": "d1", "text": "x"}]})
    )
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:greenlane:problem:not-found"


def test_the_list_is_in_due_order_and_paging_shows_every_case_once(client: TestClient) -> None:
    for number in range(11):
        received = f"2026-11-{10 + number % 4:02d}T12:00:00Z"
        urgency = "expedited" if number % 3 == 0 else "standard"
        client.post("/v1/authorizations", json=request_body(f"PA-{number}", received_at=received, urgency=urgency))

    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = client.get("/v1/authorizations", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        CaseListBody.model_validate(page)
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    order = [(item["due_at"], item["authorization_id"]) for item in seen]
    assert len(order) == 11
    assert order == sorted(set(order))


def test_the_list_can_be_narrowed(build: Build) -> None:
    def by_urgency(request: AuthorizationRequest) -> TriageResult:
        return routed(request, Route.NURSE_REVIEW if request.urgency == "expedited" else Route.FAST_TRACK)

    with TestClient(build(by_urgency)) as client:
        client.post("/v1/authorizations", json=request_body("PA-1", urgency="expedited"))
        client.post("/v1/authorizations", json=request_body("PA-2"))

        def names(**query: str) -> list[str]:
            return [item["external_id"] for item in client.get("/v1/authorizations", params=query).json()["items"]]

        assert names() == ["PA-1", "PA-2"]
        assert names(route="nurse_review") == ["PA-1"]
        assert names(route="fast_track") == ["PA-2"]
        assert names(status="triaged") == ["PA-1", "PA-2"]
        assert names(status="received") == []
        assert names(due_before="2026-11-24T00:00:00Z") == ["PA-1"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": b64encode(b"0001-01-01T00:00:00+23:59 01JD3K8Q5T6V7W8X9Y0Z1A2B3C").decode()}, "cursor"),
        ({"due_before": "0001-01-01T00:00:00+23:59"}, "due_before"),
        ({"due_before": "9999-12-31T23:59:59-23:59"}, "due_before"),
        ({"due_before": "2026-11-24T00:00:00"}, "due_before"),
        ({"due_before": "Jane Roe"}, "due_before"),
        ({"due_before": "0.5"}, "due_before"),
        ({"route": "deny"}, "route"),
        ({"status": "denied"}, "status"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_by_name(client: TestClient, query: dict[str, str], field: str) -> None:
    answer = client.get("/v1/authorizations", params=query)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert next(iter(query.values())) not in answer.text.replace("/", " ") or query.get("limit") == "0"


def _without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in body.items() if field != name}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**request_body(), "note": "secretword"}, "note"),
        ({**request_body(), "member": {"birth_date": "1968-04-12", "name": "secretword"}}, "member.name"),
        (_without(request_body(), "service"), "service"),
        (_without(request_body(), "external_id"), "external_id"),
        (request_body(member={"birth_date": "2999-01-01"}), "member.birth_date"),
        (request_body(member={"birth_date": "secretword"}), "member.birth_date"),
        (request_body(documents=[]), "documents"),
        (request_body(documents=[{"document_id": "d1"}]), "documents.0"),
        (request_body(diagnoses=[]), "diagnoses"),
        (request_body(urgency="secretword"), "urgency"),
        ([request_body()], "request"),
        ("secretword", "request"),
        (17, "request"),
    ],
)
def test_a_body_against_the_contract_is_refused_naming_the_field_and_nothing_else(
    client: TestClient, body: object, field: str
) -> None:
    for path in ("/v1/authorizations", "/v1/triage"):
        answer = client.post(path, json=body)

        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert field in [error["field"] for error in answer.json()["errors"]]
        assert "secretword" not in answer.text
    assert client.get("/v1/authorizations").json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b'{"external_id": "secretword\xff"}',
        b"secretword",
        b'{"external_id": "a", "external_id": "secretword"}',
        b'{"units": NaN}',
        b"[" * 100_000,
        b"1" * 10_000,
    ],
    ids=["empty", "no UTF-8", "broken UTF-8 in a note", "no JSON", "a field twice", "NaN", "deep", "huge number"],
)
def test_a_body_that_is_not_json_is_refused_without_repeating_it(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/authorizations", content=body)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secretword" not in answer.text


def test_half_a_character_in_a_note_is_refused_by_field(client: TestClient) -> None:
    content = b'{"documents": [{"document_id": "d1", "text": "\\ud800"}]}'
    answer = client.post("/v1/authorizations/01JD3K8Q5T6V7W8X9Y0Z1A2B3C/documents", content=content)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "documents.0"


def test_a_body_over_the_limit_is_refused(build: Build) -> None:
    with TestClient(build(body_limit=2048)) as client:
        assert client.post("/v1/authorizations", json=request_body(text="x" * 500)).status_code == 201
        answer = client.post("/v1/authorizations", json=request_body("PA-2", text="x" * 3000))
        assert answer.status_code == 413
        assert "2048" in answer.json()["detail"]


def test_an_exception_in_the_middle_of_triage_is_a_nurse_s_case_stored_and_counted(build: Build) -> None:
    def failing(_request: AuthorizationRequest) -> TriageResult:
        raise RuntimeError(NOTE)

    with TestClient(build(failing)) as client:
        answer = client.post("/v1/authorizations", json=request_body())

        assert answer.status_code == 201
        assert answer.json()["route"] == "nurse_review"
        assert [reason["code"] for reason in answer.json()["reasons"]] == ["system_error"]
        assert client.post("/v1/authorizations", json=request_body()).json() == answer.json()
        assert 'greenlane_reasons_total{code="system_error",route="nurse_review"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (0, 10_000), (5, 5), (0, 3)])
def test_a_fact_whose_offsets_do_not_hold_its_text_fails_closed(build: Build, start: int, end: int) -> None:
    def misplaced(request: AuthorizationRequest) -> TriageResult:
        from dataclasses import replace

        fact = replace(facts_of(request)[0], start=start, end=end)
        return replace(routed(request), facts=(fact,))

    with TestClient(build(misplaced)) as client:
        answer = client.post("/v1/authorizations", json=request_body()).json()
        assert answer["route"] == "nurse_review"
        assert answer["reasons"][0]["code"] == "system_error"


def test_a_second_request_for_the_same_member_and_service_goes_to_a_nurse(client: TestClient) -> None:
    first = client.post("/v1/authorizations", json=request_body("PA-1"))
    assert first.json()["route"] == "fast_track"
    again = request_body("PA-2", "Another note. He completed physical therapy.")
    again["member"]["member_id"] = "M-PA-1"
    second = client.post("/v1/authorizations", json=again).json()
    assert second["route"] == "nurse_review"
    assert [reason["code"] for reason in second["reasons"]] == ["near_duplicate"]
    other_service = request_body("PA-3", "A note about the knee. He completed physical therapy.")
    other_service["member"]["member_id"] = "M-PA-1"
    other_service["service"]["code"] = "73721"
    assert client.post("/v1/authorizations", json=other_service).json()["route"] == "fast_track"
    assert client.get(f"/v1/authorizations/{first.json()['authorization_id']}").json()["route"] == "fast_track"


def test_the_blind_audit_draws_once_and_keeps_the_draw(build: Build) -> None:
    draws = iter([0.01, 0.99])
    with TestClient(build(draw=lambda: next(draws, 0.99), audit_share=0.05)) as client:
        drawn = client.post("/v1/authorizations", json=request_body("PA-1")).json()
        spared = client.post("/v1/authorizations", json=request_body("PA-2")).json()
        again = client.post("/v1/authorizations", json=request_body("PA-1")).json()

        assert (drawn["route"], drawn["reasons"][0]["code"]) == ("nurse_review", "selected_for_review")
        assert spared["route"] == "fast_track"
        assert again == drawn
        url = f"/v1/authorizations/{drawn['authorization_id']}/documents"
        more = client.post(url, json={"documents": [{"document_id": "d2", "text": "More."}]}).json()
        assert more["reasons"][0]["code"] == "selected_for_review"


def test_the_blind_audit_leaves_other_nurse_cases_their_reasons(build: Build) -> None:
    triage = always(Route.NURSE_REVIEW, "criterion_not_documented")
    with TestClient(build(triage, draw=lambda: 0.0, audit_share=1.0)) as client:
        result = client.post("/v1/authorizations", json=request_body()).json()
        assert [reason["code"] for reason in result["reasons"]] == ["criterion_not_documented"]


class Killed(BaseException):
    """What a kill looks like from inside: nothing after it runs."""


def killed(_request: AuthorizationRequest) -> TriageResult:
    raise Killed


def let_leases_end(app: FastAPI) -> None:
    """As if half a minute had passed since the process died."""
    with app.state.store.writing() as session:
        session.execute(update(JobRow).values(run_after=datetime.now(UTC)))


def test_a_request_that_was_accepted_before_a_crash_is_triaged_at_the_next_start(build: Build) -> None:
    crashed = build(killed)
    with pytest.raises(Killed):
        crashed.state.service.submit(_bytes(request_body()))
    let_leases_end(crashed)

    with TestClient(build()) as client:
        answer = until_read(client, client.get("/v1/authorizations").json()["items"][0]["authorization_id"])
        assert (answer["external_id"], answer["route"]) == ("PA-1", "fast_track")
        assert len(client.get("/v1/authorizations").json()["items"]) == 1


def test_a_repeat_of_an_interrupted_request_is_triaged_then(build: Build) -> None:
    crashed = build(killed)
    with pytest.raises(Killed):
        crashed.state.service.submit(_bytes(request_body()))
    let_leases_end(crashed)

    submission = build().state.service.submit(_bytes(request_body()))
    assert not submission.created
    assert '"route":"fast_track"' in submission.result


def test_a_request_that_kills_the_process_every_time_ends_with_a_nurse_unread(build: Build) -> None:
    readings = 0

    def counting(_request: AuthorizationRequest) -> TriageResult:
        nonlocal readings
        readings += 1
        raise Killed

    crashing = build(counting)
    for _ in range(MOST_LOST):
        with pytest.raises(Killed):
            crashing.state.service.submit(_bytes(request_body()))
        let_leases_end(crashing)
    submission = crashing.state.service.submit(_bytes(request_body()))

    assert '"code":"system_error"' in submission.result
    assert readings == MOST_LOST
    assert [job.error for job in dead_jobs(crashing.state.store)] == ["process_ended"]


def test_notes_are_read_one_at_a_time(build: Build) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def watched(request: AuthorizationRequest) -> TriageResult:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        result = routed(request)
        with lock:
            inside -= 1
        return result

    with TestClient(build(watched)) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: client.post("/v1/authorizations", json=request_body(f"PA-{n}")), range(24)))
    assert most == 1


def test_ready_without_a_model_is_degraded_and_says_so(client: TestClient) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "nurse" in answer.json()["checks"]["model"]
    assert client.get("/healthz").json() == {"status": "alive"}


def test_a_store_that_fails_is_named_by_readyz_and_answered_with_503(build: Build) -> None:
    app = build()
    with TestClient(app) as client:
        with app.state.store._engine.begin() as connection:
            for table in ("results", "documents", "authorizations"):
                connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO {table}_lost")
            connection.exec_driver_sql("DELETE FROM alembic_version")
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["database"] != "ok"
        posted = client.post("/v1/authorizations", json=request_body())
        assert posted.status_code == 503
        assert NOTE not in posted.text


def test_an_error_nobody_foresaw_is_a_problem_without_any_detail(
    build: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = build()

    def broken(**_: object) -> None:
        raise ValueError("secretword")

    monkeypatch.setattr(app.state.service, "cases", broken)
    with TestClient(app) as client:
        answer = client.get("/v1/authorizations")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secretword" not in answer.text
    assert "secretword" not in caplog.text
    assert "ValueError at test_api.py" in caplog.text


def test_every_answer_carries_the_headers_that_keep_phi_out_of_caches(client: TestClient) -> None:
    for path in ("/", "/v1/authorizations", "/nothing", "/healthz", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


def test_the_examples_of_the_openapi_document_work(build: Build) -> None:
    with TestClient(build(always(Route.NURSE_REVIEW, "criteria_not_documented"))) as client:
        document = client.get("/openapi.json").json()
        tried: dict[str, int] = {}
        authorization_id = ""
        for path, operations in document["paths"].items():
            for method in ("put", "post"):
                body = operations.get(method, {}).get("requestBody", {}).get("content", {})
                for kind, content in body.items():
                    example = content["example"]
                    sent: Any = {"json": example} if kind == "application/json" else {"content": example}
                    url = path.replace("{authorization_id}", authorization_id)
                    answer = client.request(method, url, **sent)
                    tried[f"{method} {path}"] = answer.status_code
                    answered = operations[method]["responses"][str(answer.status_code)]["content"]["application/json"]
                    if answered["schema"]["$ref"].endswith("/TriageResultBody"):
                        TriageResultBody.model_validate(answer.json())
                        authorization_id = answer.json()["authorization_id"] or authorization_id
    assert len(tried) == 7
    assert set(tried.values()) <= {200, 201, 202}
    TriageResultBody.model_validate(
        document["paths"]["/v1/authorizations"]["post"]["responses"]["201"]["content"]["application/json"]["example"]
    )


def test_every_reference_of_the_openapi_document_resolves(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    named = set(re.findall(r'"#/components/schemas/(\w+)"', client.get("/openapi.json").text))
    assert named <= set(document["components"]["schemas"])
    assert not re.search(r"den(y|ied|ial)", client.get("/openapi.json").text.replace("It never denies", ""), re.I)


def _bytes(body: dict[str, Any]) -> bytes:
    import json

    return json.dumps(body).encode()


NOTE_OF_ONE = (
    "She has had low back pain into the left leg since early June, after lifting boxes at work in the garden center. She "
    "walks her two dogs every morning, sleeps on her right side, takes naproxen after breakfast and has tried a heating pad, "
    "stretching, and seven weeks of physical therapy with the therapist near the station, all without lasting relief."
)


def test_a_note_that_stands_in_another_members_request_goes_to_a_nurse(client: TestClient) -> None:
    assert client.post("/v1/authorizations", json=request_body("PA-1", NOTE_OF_ONE)).json()["route"] == "fast_track"
    copied = client.post("/v1/authorizations", json=request_body("PA-2", f"  {NOTE_OF_ONE.upper()}\n")).json()
    assert copied["route"] == "nurse_review"
    assert [reason["code"] for reason in copied["reasons"]] == ["text_of_another_member"]
    short = "Signed."
    assert client.post("/v1/authorizations", json=request_body("PA-3", short)).json()["route"] == "fast_track"
    assert client.post("/v1/authorizations", json=request_body("PA-4", short)).json()["route"] == "fast_track"
