"""Keeping webhooks: the administrator's page and the command line, each over the database that the service uses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from signing_in import sign_in
from sqlalchemy import select, update
from typer.testing import CliRunner
from webhook_receiver import Receiver

from serving.app import create_app
from serving.cli import app as commands
from serving.client import verify_webhook
from serving.deliverer import Deliverer
from serving.outbox_tables import DeliveryRow, EventRow, WebhookRow
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tenant_store import TenantStore
from serving.webhook_address import AddressRule
from serving.webhooks import Webhooks

DAYS_AGO = datetime.now(UTC) - timedelta(days=2)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    url = f"sqlite:///{tmp_path}/greenlane.db"
    monkeypatch.setenv("GREENLANE_DATABASE_URL", url)
    return Settings(database_url=url, model_dir=tmp_path)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings, triage=routed), follow_redirects=False) as client:
        yield client


@pytest.fixture
def store(client: TestClient) -> Store:
    return client.app.state.store  # type: ignore[attr-defined,no-any-return]  # an ASGI app's type has no state


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver(lambda _: 503)
    yield receiver
    receiver.close()


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(commands, ["webhooks", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def fail_for_a_day(client: TestClient, store: Store, settings: Settings) -> Deliverer:
    """A case whose event could not be delivered since two days ago."""
    assert client.post("/v1/authorizations", json=request_body("PA-Quillfeather")).status_code == 201
    deliverer = Deliverer.of(settings, store)
    deliverer.deliver_once()
    with store.writing() as session:
        session.execute(update(DeliveryRow).values(queued_at=DAYS_AGO, next_at=DAYS_AGO))
        session.execute(update(WebhookRow).values(held_until=None))
    deliverer.deliver_once()
    return deliverer


def test_the_page_shows_what_failed_by_our_ids_alone_and_sends_it_again(
    client: TestClient, store: Store, settings: Settings, receiver: Receiver
) -> None:
    _, secret = Webhooks(store, AddressRule.of(settings)).add(receiver.url, [], created_by="t", now=DAYS_AGO)
    deliverer = fail_for_a_day(client, store, settings)
    form_token = sign_in(client, Role.ADMINISTRATOR).form_token
    page = client.get("/webhooks").text
    assert f"Failed: {receiver.url}" in page
    assert ">503<" in page
    assert "Quillfeather" not in page
    assert secret not in page
    action = re.search(r'action="(/webhooks/[^"]+/redeliver)" class="webhook-all"', page)
    assert action is not None
    answer = client.post(action[1], data={"form_token": form_token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/webhooks")
    receiver.answers = lambda _: 204
    deliverer.deliver_once()
    deliverer.close()
    ((headers, body),) = receiver.taken
    assert verify_webhook(headers, body, secret).external_id == "PA-Quillfeather"
    assert "Nothing failed" in client.get("/webhooks").text


def test_one_event_is_sent_again_from_the_page_and_one_that_is_not_there_is_a_404(
    client: TestClient, store: Store, settings: Settings, receiver: Receiver
) -> None:
    run("add", receiver.url)
    fail_for_a_day(client, store, settings).close()
    form_token = sign_in(client, Role.ADMINISTRATOR).form_token
    page = client.get("/webhooks").text
    event_id = re.search(r'name="event_id" value="([^"]+)"', page)
    action = re.search(r'action="(/webhooks/[^"]+/redeliver)"', page)
    assert event_id is not None
    assert action is not None
    for given, status in (("01JD3K8Q5T6V7W8X9Y0Z1A2B3C", 404), (event_id[1], 303), (event_id[1], 404)):
        assert client.post(action[1], data={"form_token": form_token, "event_id": given}).status_code == status


def test_the_page_without_webhooks_says_how_to_add_one(client: TestClient) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    assert "greenlane webhooks add" in client.get("/webhooks").text


def test_metrics_show_what_waits_and_what_failed(
    client: TestClient, store: Store, settings: Settings, receiver: Receiver
) -> None:
    run("add", receiver.url)
    fail_for_a_day(client, store, settings).close()
    assert client.post("/v1/authorizations", json=request_body("PA-2")).status_code == 201
    assert client.get("/v1/events").status_code == 200
    said = client.get("/metrics").text
    assert 'greenlane_webhook_deliveries{state="failed"} 1.0' in said
    assert 'greenlane_webhook_deliveries{state="waiting"} 1.0' in said


def test_the_command_line_keeps_webhooks(
    client: TestClient, store: Store, settings: Settings, receiver: Receiver
) -> None:
    added = run("add", receiver.url, "--kind", "authorization.triaged", "--by", "ops")
    webhook_id = added.partition(":")[0]
    first = re.search(r"whsec_\S+", added)
    rotated = re.search(r"whsec_\S+", run("rotate", webhook_id))
    assert first is not None
    assert rotated is not None
    assert first[0] != rotated[0]
    listed = run("list").strip().split("\t")
    assert listed == [webhook_id, "in order", "0", "0", "authorization.triaged", receiver.url]
    assert run("failures") == ""
    fail_for_a_day(client, store, settings).close()
    failed = run("failures", code=1).strip().split("\t")
    assert (failed[0], failed[2], failed[6]) == (webhook_id, "authorization.triaged", "503")
    with store.reading() as session:
        assert failed[1] == session.scalars(select(EventRow.event_id)).one()
    assert run("redeliver", webhook_id).startswith("1 delivery queued")
    assert run("redeliver", webhook_id).startswith("0 deliveries queued")
    assert run("list", "--tenant", "other", code=2).endswith("prints them\n")
    TenantStore(store).add("other", "Other", now=DAYS_AGO)
    assert run("list", "--tenant", "other") == ""
    assert run("remove", webhook_id).strip() == f"{webhook_id}: removed"
    assert run("list") == ""


def test_the_command_line_refuses_what_cannot_be_a_webhook(client: TestClient) -> None:
    # The console script turns these errors into one line and exit code 2 (tests/test_cli.py).
    for url in ("http://example.org/", "https://10.0.0.8/"):
        done = CliRunner().invoke(commands, ["webhooks", "add", url])
        assert done.exit_code != 0
        assert "url: " in f"{done.output}{done.exception}"
    assert "must be one of" in run("add", "https://example.org/", "--kind", "x", code=2)
    assert run("list") == ""


def test_events_are_read_page_by_page_over_http(client: TestClient) -> None:
    for number in range(5):
        client.post("/v1/authorizations", json=request_body(f"PA-{number}"))
    seen, cursor = [], None
    for _ in range(4):
        page = client.get("/v1/events", params={"limit": 2, **({"after": cursor} if cursor else {})}).json()
        seen += [item["external_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [f"PA-{number}" for number in range(5)]
    again = client.get("/v1/events", params={"after": cursor}).json()
    assert again == {"items": [], "next_cursor": cursor}


@pytest.mark.parametrize(
    "query",
    [{"after": "nonsense"}, {"kinds": "authorization.denied"}, {"limit": 0}, {"limit": 201}, {"after": "x" * 101}],
)
def test_a_wrong_parameter_of_events_is_refused_by_name(client: TestClient, query: dict[str, str | int]) -> None:
    answer = client.get("/v1/events", params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].split(".")[0] == next(iter(query))
