"""Traces: which spans there are, and that nothing of a request gets into one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import request_body, routed

from serving.app import create_app
from serving.errors import SettingsError
from serving.settings import Settings
from serving.tracing import ALLOWED, OpenSpan, Tracing

pytest.importorskip("opentelemetry.sdk")
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SECRETS = ("Zyxwvutsrq", "Quillfeather")
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Everything an application sends whose settings name an endpoint."""
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(Tracing, "of", lambda _settings: Tracing.sending_to(SimpleSpanProcessor(exporter)))
    return exporter


def spans(sent: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in sent.get_finished_spans()}


def test_a_request_is_a_span_and_each_stage_one_under_it(sent: InMemorySpanExporter, tmp_path: Path) -> None:
    client = TestClient(create_app(Settings(database_url=database_in(tmp_path), model_dir=tmp_path), triage=routed))
    answer = client.post("/v1/authorizations", json=request_body(), headers={"traceparent": PARENT})
    found = spans(sent)
    assert found.keys() == {"request", "parse", "store", "read", "keep"}
    request = found["request"]
    assert {span.parent.span_id for name, span in found.items() if name != "request" and span.parent} == {
        request.context.span_id
    }
    assert format(request.context.trace_id, "032x") == PARENT.split("-")[1]
    assert dict(request.attributes or {}) == {
        "greenlane.request_id": answer.headers["X-Request-Id"],
        "greenlane.authorization_id": answer.json()["authorization_id"],
        "http.request.method": "POST",
        "http.route": "/v1/authorizations",
        "http.response.status_code": 201,
    }


def test_nothing_of_a_request_gets_into_a_span_also_where_it_fails(
    sent: InMemorySpanExporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = TestClient(
        create_app(Settings(database_url=database_in(tmp_path), model_dir=tmp_path), triage=routed),
        raise_server_exceptions=False,
    )
    client.post("/v1/authorizations", json=request_body(f"PA-{SECRETS[0]}", f"{SECRETS[1]} denies fever."))
    client.get(f"/v1/authorizations/{SECRETS[0]}", params={"cursor": SECRETS[1]})

    def broken(*_: object, **__: object) -> None:
        raise ValueError(SECRETS[1])

    monkeypatch.setattr("serving.store.Store.accept", broken)
    headers = {"tracestate": f"a={SECRETS[0]}", "traceparent": PARENT, "X-Request-Id": SECRETS[0]}
    client.post("/v1/authorizations", json=request_body("PA-2"), headers=headers)
    client.request(SECRETS[0], "/v1/authorizations")
    said = "".join(span.to_json() for span in sent.get_finished_spans())
    assert said.count('"name": "request"') == 4
    assert not any(secret.casefold() in said.casefold() for secret in SECRETS)
    assert {key for span in sent.get_finished_spans() for key in span.attributes or {}} <= ALLOWED
    assert all(not span.events for span in sent.get_finished_spans())


def test_a_span_refuses_what_is_not_allowed() -> None:
    with pytest.raises(ValueError, match=r"may not hold url\.path"):
        OpenSpan(None).say({"url.path": "/cases/x"})


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"GREENLANE_OTLP_ENDPOINT: needs pip install 'greenlane\[tracing\]'"):
        Tracing.of(Settings(otlp_endpoint="http://collector:4318"))


def test_with_the_package_spans_go_to_the_endpoint() -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    tracing = Tracing.of(Settings(otlp_endpoint="http://127.0.0.1:9"))
    with tracing.span("request") as span:
        span.say({"http.route": "/healthz"})
    assert tracing._provider is not None


def test_without_an_endpoint_nothing_is_traced_and_nothing_loaded() -> None:
    tracing = Tracing.of(Settings())
    with tracing.span("request") as span:
        span.say({"http.route": "/healthz"})
    assert tracing._provider is None
    tracing.close()
