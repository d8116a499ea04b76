"""What Prometheus reads, and the alerts that are written on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from databases import database_in
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from serving_cases import request_body, routed
from typer.main import get_command

from features.types import AuthorizationRequest
from models.types import TriageResult
from models.versions import pipeline_version
from serving import cli
from serving.app import create_app
from serving.clock_alarms import alarm_counts
from serving.metrics import STAGES
from serving.settings import Settings

ROOT = Path(__file__).parents[1]
ALERTS = yaml.safe_load((ROOT / "docs" / "alerts.yaml").read_text())["groups"][0]["rules"]


# A word of text in backticks, with the labels it is told to have: `greenlane_jobs{state}`.
TOLD = re.compile(r"`(greenlane_\w+)(?:\{([\w,]+)\})?`")
PAGES = {page.name: found for page in (ROOT / "docs").glob("*.md") if (found := TOLD.findall(page.read_text("utf-8")))}


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    built: list[TestClient] = []

    def build(triage: Callable[[AuthorizationRequest], TriageResult] = routed, *, audit_share: float = 0) -> TestClient:
        settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path, audit_share=audit_share)
        client = TestClient(create_app(settings, triage=triage))
        built.append(client)
        return client

    yield build
    for client in built:
        client.app.state.store.close()  # type: ignore[attr-defined]  # an ASGI app's type has no state


def samples(client: TestClient) -> dict[str, dict[tuple[str, ...], float]]:
    """Values by name and labels, as a scraper reads them."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def test_each_stage_of_a_request_is_timed(build: Callable[..., TestClient]) -> None:
    client = build()
    client.post("/v1/authorizations", json=request_body())
    html = request_body("PA-2")
    html["documents"] = [{"document_id": "d1", "content_type": "text/html", "data": "PHA+RGVuaWVzIGZldmVyLjwvcD4="}]
    with client:
        client.post("/v1/authorizations", json=html, headers={"prefer": "wait=30"})
    counts = samples(client)["greenlane_stage_seconds_count"]
    assert counts == {("parse",): 2, ("store",): 2, ("documents",): 1, ("read",): 2, ("keep",): 2}
    assert {stage for (stage,) in counts} == set(STAGES)


def test_what_would_be_fast_tracked_and_is_held_for_the_audit_is_counted(build: Callable[..., TestClient]) -> None:
    client = build(audit_share=1)
    client.post("/v1/authorizations", json=request_body())
    assert samples(client)["greenlane_held_for_audit_total"] == {(): 1}


def test_the_model_of_the_latest_result_is_shown_alone(build: Callable[..., TestClient]) -> None:
    versions = iter(("3", "4", None))

    def triage(request: AuthorizationRequest) -> TriageResult:
        result, version = routed(request), next(versions)
        assert result.model is not None
        return replace(result, model=replace(result.model, version=version) if version else None)

    client = build(triage)
    for number, shown in enumerate(["3", "4", None]):
        client.post("/v1/authorizations", json=request_body(f"PA-{number}"))
        assert [labels[1] for labels in samples(client).get("greenlane_model_info", {})] == ([shown] if shown else [])
    assert samples(client)["greenlane_build_info"] == {(pipeline_version(),): 1}


def test_open_cases_past_due_and_nearly_so_are_counted_by_urgency(build: Callable[..., TestClient]) -> None:
    client = build(lambda request: replace(routed(request), route=routed(request).route.NURSE_REVIEW))
    now = datetime.now(UTC)
    for name, urgency, received in (
        ("late", "standard", now - timedelta(days=30)),
        ("nearly", "expedited", now - timedelta(hours=60)),
        ("fresh", "standard", now),
    ):
        body = request_body(name, urgency=urgency, received_at=received.isoformat())
        assert client.post("/v1/authorizations", json=body).status_code == 201
    found = samples(client)
    assert found["greenlane_cases_overdue"] == {("standard",): 1, ("expedited",): 0}
    assert found["greenlane_cases_due_soon"] == {("standard",): 0, ("expedited",): 1}


def test_a_case_that_was_fast_tracked_is_never_overdue(build: Callable[..., TestClient]) -> None:
    client = build()
    client.post("/v1/authorizations", json=request_body(received_at="2026-01-05T10:00:00Z"))
    store = client.app.state.store  # type: ignore[attr-defined]  # an ASGI app's type has no state
    assert sum(alarm_counts(store, datetime.now(UTC)).overdue.values()) == 0


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: str(rule["alert"]))
def test_every_alert_is_on_a_metric_with_labels_that_there_are(
    rule: dict[str, str], build: Callable[..., TestClient]
) -> None:
    client = build()
    client.post("/v1/authorizations", json=request_body())
    client.get("/healthz")
    found = samples(client)
    named = set(re.findall(r"greenlane_\w+", rule["expr"]))
    assert named
    assert named <= found.keys()
    text = client.get("/metrics").text
    for label in re.findall(r"[{,](\w+)=", rule["expr"]):
        assert f'{label}="' in text
    commands = get_command(cli.app).commands  # type: ignore[attr-defined]  # a group
    action = rule["annotations"]["action"]  # type: ignore[index]  # a rule is a mapping of mappings
    for command, following in re.findall(r"greenlane ([a-z-]+)(?: ([a-z]+))?", action):
        assert following in getattr(commands[command], "commands", [following])


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_metric_and_label_in_the_documents_is_one_that_there_is(
    page: str, build: Callable[..., TestClient]
) -> None:
    client = build()
    client.post("/v1/authorizations", json=request_body())
    client.get("/healthz")
    families = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        families[f"{family.name}_total" if family.type == "counter" else family.name] = family
    for name, told in PAGES[page]:
        assert name in families
        # A metric without a sample yet shows no labels.
        for sample in families[name].samples:
            assert not told or sample.labels.keys() - {"le"} == set(told.split(","))
