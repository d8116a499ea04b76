"""Webhooks: signed, at least once, in order for each case, for a day, and never to where only the service can reach."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_provider import tls_of_own_authority
from sqlalchemy import event, select, update
from test_store import accept, keep, request
from webhook_receiver import Receiver, Trickle

from serving.deliverer import ATTEMPT_SECONDS, Deliverer
from serving.deliveries import LEASE, LONGEST_PAUSE, MOST_OF_ONE, Deliveries, DeliveryCounts, pause_after
from serving.errors import UnknownWebhookError, WebhookRefusedError
from serving.events import EventKind, record_event
from serving.metrics import Metrics
from serving.outbox import Outbox
from serving.outbox_tables import DeliveryRow, WebhookRow
from serving.settings import Settings, load_settings
from serving.store import Store
from serving.tables import AuthorizationRow, TrailRow
from serving.webhook_address import AddressRule
from serving.webhook_signature import WebhookSignatureError, check_signature, signed_headers
from serving.webhooks import MOST_WEBHOOKS, Webhooks

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HERE = AddressRule(frozenset(), loopback=True)
AWAY = AddressRule(frozenset(), loopback=False)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
DAY = timedelta(hours=24)


class Post:
    """A store with its webhooks and a deliverer whose clock is moved by hand."""

    def __init__(self, store: Store, metrics: Metrics | None = None, rule: AddressRule = HERE) -> None:
        self.store = store
        self.now = NOW
        self.webhooks = Webhooks(store, rule)
        self.deliverer = Deliverer(store, rule, metrics=metrics, clock=lambda: self.now)

    def add(self, url: str, *kinds: EventKind) -> tuple[str, str]:
        webhook, secret = self.webhooks.add(url, kinds, created_by="a test", now=self.now)
        return webhook.webhook_id, secret

    def case(self, external_id: str = "PA-1") -> str:
        stored = accept(self.store, request(external_id))
        keep(self.store, stored)
        return stored.authorization_id

    def happens(self, case: str, kind: EventKind = EventKind.DOCUMENTS_ADDED) -> None:
        with self.store.writing() as session:
            record_event(session, session.get_one(AuthorizationRow, case), kind, at=self.now)

    def deliver(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.deliverer.deliver_once()

    def deliver_for(self, span: timedelta, step: timedelta) -> None:
        end = self.now + span
        while self.now < end:
            self.now += step
            self.deliver()

    def states(self) -> list[str]:
        with self.store.reading() as session:
            return list(session.scalars(select(DeliveryRow.state).order_by(DeliveryRow.event_number)))


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    post = Post(Store.open(f"sqlite:///{tmp_path}/greenlane.db"))
    yield post
    post.deliverer.close()
    post.store.close()


@pytest.fixture
def any_post(any_store: Store) -> Iterator[Post]:
    """On each database: what locks and leases rows is different there."""
    post = Post(any_store)
    yield post
    post.deliverer.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def kinds_of(receiver: Receiver) -> list[str]:
    return [json.loads(body)["kind"].removeprefix("authorization.") for _, body in receiver.taken]


# Signatures.


def test_the_signature_is_that_of_the_standard() -> None:
    # The example of the specification's own libraries.
    secret, event_id, body = (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
    )
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(event_id, at, body, [secret])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    check_signature(headers, body, secret, now=at)


@given(body=st.binary(max_size=200), key=st.binary(min_size=24, max_size=64), place=st.integers(0, 10**6))
def test_a_changed_byte_of_body_or_secret_is_refused(body: bytes, key: bytes, place: int) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = signed_headers("e1", NOW, body, [secret])
    check_signature(headers, body, secret, now=NOW)
    changed = bytearray(body + b".")
    changed[place % len(changed)] ^= 1
    other = bytearray(key)
    other[place % len(other)] ^= 1
    for wrong_body, wrong_key in ((bytes(changed), key), (body, bytes(other))):
        wrong = "whsec_" + base64.b64encode(wrong_key).decode()
        with pytest.raises(WebhookSignatureError, match="signature"):
            check_signature(headers, wrong_body, wrong, now=NOW)


@pytest.mark.parametrize("seconds", [-301, 301, 86400])
def test_what_is_sent_a_second_time_later_is_refused(seconds: int) -> None:
    headers = signed_headers("e1", NOW, b"{}", [SECRET])
    check_signature(headers, b"{}", SECRET, now=NOW + timedelta(seconds=299))
    with pytest.raises(WebhookSignatureError, match="timestamp"):
        check_signature(headers, b"{}", SECRET, now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_or_changed_is_refused(name: str) -> None:
    headers = signed_headers("e1", NOW, b"{}", [SECRET])
    without = {key: value for key, value in headers.items() if key != name}
    with pytest.raises(WebhookSignatureError, match=name):
        check_signature(without, b"{}", SECRET, now=NOW)
    for wrong in ("", "\u00b2", "1" * 400, "v1,", "v2," + headers["webhook-signature"][3:]):
        with pytest.raises(WebhookSignatureError):
            check_signature({**headers, name: wrong}, b"{}", SECRET, now=NOW)


# Where to.


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://example.org/",
        "https:///path",
        "https://",
        "https://user:word@example.org/",
        "https://example.org/#part",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://exa mple.org/",
        "https://ex\u00e4mple.org/",
        "https://[::1",
        "javascript:alert(1)",
        "",
        "https://example.org/" + "x" * 2000,
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.0.0.8/",
        "https://192.168.1.1/",
        "https://172.16.0.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.8]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::a00:8]/",
        "https://[2002:a00:8::]/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_refused(url: str) -> None:
    with pytest.raises(WebhookRefusedError, match="url: "):
        AWAY.checked(url)


@pytest.mark.parametrize("url", ["https://example.org/hooks?a=b", "https://8.8.8.8:8443/", "https://[2606:4700::1]/"])
def test_a_public_address_is_taken(url: str) -> None:
    assert AWAY.checked(url) == url


def test_this_machine_is_called_only_where_the_service_listens_on_it_alone() -> None:
    assert HERE.checked("http://127.0.0.1:9000/") == "http://127.0.0.1:9000/"
    assert AddressRule.of(Settings()).loopback
    assert not AddressRule.of(Settings(host="0.0.0.0")).loopback  # noqa: S104  (a setting under test)
    with pytest.raises(WebhookRefusedError):
        HERE.checked("https://10.0.0.8/")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.8", "169.254.169.254", "::1", "fe80::1"])
def test_a_public_name_that_leads_inside_is_refused_when_it_is_called(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def lookup(*_: object, **__: object) -> list[object]:
        return [(None, None, None, "", ("8.8.8.8", 443)), (None, None, None, "", (address, 443))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert AWAY.checked("https://hooks.example.org/")
    with pytest.raises(WebhookRefusedError):
        AWAY.destination("https://hooks.example.org/")
    named = AddressRule(frozenset({"hooks.example.org"}), loopback=False)
    assert named.destination("https://HOOKS.example.org/").host == "hooks.example.org"


def test_named_private_hosts_come_from_the_settings() -> None:
    settings = load_settings({"GREENLANE_WEBHOOK_PRIVATE_HOSTS": "intake.internal, 10.0.0.8", "GREENLANE_HOST": "::"})
    rule = AddressRule.of(settings)
    assert rule.checked("https://10.0.0.8/")
    with pytest.raises(WebhookRefusedError):
        rule.checked("https://10.0.0.9/")


# Delivery.


def test_an_event_is_delivered_once_signed_and_without_anything_of_the_note(post: Post, receiver: Receiver) -> None:
    _, secret = post.add(receiver.url)
    case = post.case()
    post.deliver(3)
    ((headers, body),) = receiver.taken
    check_signature(headers, body, secret, now=NOW)
    sent = json.loads(body)
    assert headers["webhook-id"] == sent["event_id"]
    assert headers[":path"] == "/hooks?from=greenlane"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["content-type"] == "application/json"
    assert sent.keys() == {
        "event_id", "kind", "at", "authorization_id", "external_id", "revision", "route", "outcome", "result",
    }  # fmt: skip
    assert sent["authorization_id"] == case
    assert post.states() == ["delivered"]


def test_a_webhook_gets_the_kinds_it_asked_for_from_when_it_was_added(post: Post, receiver: Receiver) -> None:
    early = post.case("PA-early")
    post.deliver()
    post.add(receiver.url, EventKind.TRIAGED)
    post.happens(early)
    post.case("PA-late")
    post.deliver(2)
    assert [json.loads(body)["external_id"] for _, body in receiver.taken] == ["PA-late"]


def test_another_tenants_webhook_hears_nothing(post: Post, receiver: Receiver) -> None:
    Webhooks(post.store.of_tenant("other"), HERE).add(receiver.url, [], created_by="a test", now=NOW)
    post.case()
    post.deliver(2)
    assert receiver.heard == []


@pytest.mark.parametrize("status", [0, 307, 410, 503])
def test_whatever_is_not_success_is_tried_again(post: Post, receiver: Receiver, status: int) -> None:
    post.add(receiver.url)
    receiver.answers = lambda number: status if number < 2 else 200
    receiver.location = receiver.url
    post.case()
    post.deliver()
    post.deliver()
    assert len(receiver.heard) == 1
    post.deliver_for(timedelta(seconds=5), timedelta(seconds=1))
    assert len(receiver.heard) == 3
    assert len({headers["webhook-id"] for headers, _, _ in receiver.heard}) == 1
    assert len({headers["webhook-timestamp"] for headers, _, _ in receiver.heard}) == 3
    assert post.states() == ["delivered"]


def test_a_long_answer_is_not_read_to_its_end(post: Post, receiver: Receiver) -> None:
    post.add(receiver.url)
    receiver.body = b"x" * 50_000_000
    post.case()
    post.deliver()
    assert post.states() == ["delivered"]


def test_a_later_event_of_a_case_waits_for_the_earlier_one_and_other_cases_do_not(
    any_post: Post, receiver: Receiver
) -> None:
    any_post.add(receiver.url)
    refused = any_post.case("PA-refused")
    any_post.happens(refused)
    any_post.happens(refused, EventKind.CANCELLED)
    stubborn = {"PA-refused"}
    receiver.answers = lambda _: 204
    hear = receiver._hear

    def refuse(headers: dict[str, str], body: bytes) -> int:
        receiver.answers = lambda _: 500 if json.loads(body)["external_id"] in stubborn else 204
        return hear(headers, body)

    receiver._hear = refuse  # type: ignore[method-assign]  # a receiver that looks at what it refuses
    any_post.case("PA-other")
    any_post.deliver(4)
    assert [json.loads(body)["external_id"] for _, body in receiver.taken] == ["PA-other"]
    stubborn.clear()
    any_post.deliver_for(timedelta(seconds=20), timedelta(seconds=1))
    assert kinds_of(receiver)[1:] == ["triaged", "documents_added", "cancelled"]


def test_an_event_that_fails_for_a_day_is_shown_and_can_be_sent_again(any_post: Post, receiver: Receiver) -> None:
    webhook_id, _ = any_post.add(receiver.url)
    receiver.answers = lambda _: 503
    case = any_post.case()
    any_post.happens(case)
    any_post.deliver_for(DAY - timedelta(minutes=40), timedelta(minutes=20))
    assert any_post.states() == ["waiting", "waiting"]
    assert 20 < len(receiver.heard) < 80
    any_post.deliver_for(timedelta(hours=4), timedelta(minutes=20))
    assert any_post.states() == ["failed", "failed"]
    assert any_post.webhooks.states()[0].failed == 2
    newest, oldest = any_post.webhooks.failures()
    assert (oldest.kind, oldest.authorization_id, oldest.last_answer) == ("authorization.triaged", case, "503")
    receiver.answers = lambda _: 204
    assert any_post.webhooks.redeliver(webhook_id, event_id=newest.event_id, now=any_post.now) == 1
    any_post.deliver(2)
    assert any_post.states() == ["failed", "delivered"]
    assert any_post.webhooks.redeliver(webhook_id, now=any_post.now) == 1
    any_post.deliver(2)
    assert any_post.states() == ["delivered", "delivered"]
    assert kinds_of(receiver) == ["documents_added", "triaged"]


def test_one_that_does_not_answer_is_left_alone_and_holds_up_no_other(any_post: Post, receiver: Receiver) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    any_post.add(dead)
    any_post.add(receiver.url)
    for number in range(30):
        any_post.case(f"PA-{number}")
    any_post.deliver_for(timedelta(seconds=30), timedelta(seconds=1))
    assert len(receiver.taken) == 30
    state, _ = any_post.webhooks.states()
    assert state.webhook.held_until is not None
    assert state.webhook.held_until > any_post.now
    assert state.waiting == 30


@pytest.fixture
def trickle() -> Iterator[Trickle]:
    trickle = Trickle()
    yield trickle
    trickle.close()


def test_an_attempt_ends_at_its_deadline_however_slowly_its_answer_goes_on(post: Post, trickle: Trickle) -> None:
    post.add(trickle.url)
    post.case()
    deliverer = Deliverer(post.store, HERE, clock=lambda: NOW, attempt_seconds=0.3)
    begun = time.monotonic()
    deliverer.deliver_once()
    assert time.monotonic() - begun < 1.5
    with post.store.reading() as session:
        assert session.scalars(select(DeliveryRow.last_answer)).one() == "timeout"
    # The connection is closed, not left to the receiver.
    assert trickle.left.wait(2)
    deliverer.close()


def test_an_attempt_ends_well_within_its_lease() -> None:
    assert timedelta(seconds=ATTEMPT_SECONDS) <= LEASE / 2


def test_a_slow_receiver_keeps_no_other_waiting(post: Post, receiver: Receiver, trickle: Trickle) -> None:
    post.add(trickle.url)
    post.add(receiver.url)
    for number in range(20):
        post.case(f"PA-{number}")
    deliverer = Deliverer(post.store, HERE, clock=lambda: NOW, idle_seconds=0.02, attempt_seconds=2)
    stopping = threading.Event()
    running = threading.Thread(target=deliverer.run, args=(stopping,))
    begun = time.monotonic()
    running.start()
    while len(receiver.taken) < 20 and time.monotonic() < begun + 10:
        stopping.wait(0.02)
    took = time.monotonic() - begun
    stopping.set()
    running.join(timeout=10)
    assert not running.is_alive()
    # More than two rounds were made while the slow one was in its first.
    assert (len(receiver.taken), trickle.called) == (20, MOST_OF_ONE)
    assert took < 2
    # What was under way was finished and settled.
    assert sorted(post.states()) == ["delivered"] * 20 + ["waiting"] * 20
    with post.store.reading() as session:
        answers = session.scalars(select(DeliveryRow.last_answer).where(DeliveryRow.state == "waiting")).all()
    assert answers.count("timeout") == MOST_OF_ONE


def test_a_lease_that_ran_out_is_taken_again_and_one_that_did_not_is_not(any_post: Post, receiver: Receiver) -> None:
    any_post.add(receiver.url)
    any_post.case()
    Outbox(any_post.store).release(now=NOW)
    deliveries = Deliveries(any_post.store)
    assert len(deliveries.take(8, now=NOW)) == 1
    assert deliveries.take(8, now=NOW + LEASE) == ()
    assert len(deliveries.take(8, now=NOW + LEASE + timedelta(seconds=1))) == 1


def test_several_deliverers_send_everything_in_order_and_nothing_twice(any_post: Post, receiver: Receiver) -> None:
    any_post.add(receiver.url)
    cases = [any_post.case(f"PA-{number}") for number in range(6)]
    for case in cases * 2:
        any_post.happens(case)
    chance = random.Random(17)  # noqa: S311  so that the test is the same each time
    receiver.answers = lambda _: 204 if chance.random() < 0.5 else 500
    begun = time.monotonic()

    def clock() -> datetime:
        """Ten times as fast as the clock on the wall."""
        return NOW + timedelta(seconds=10 * (time.monotonic() - begun))

    deliverers = [Deliverer(Store(any_post.store._engine), HERE, clock=clock, idle_seconds=0.05) for _ in range(3)]
    stopping = threading.Event()
    threads = [threading.Thread(target=deliverer.run, args=(stopping,)) for deliverer in deliverers]
    for thread in threads:
        thread.start()
    while any_post.states() != ["delivered"] * 18 and time.monotonic() < begun + 60:
        stopping.wait(0.1)
    stopping.set()
    for thread in threads:
        thread.join(timeout=30)
    assert any_post.states() == ["delivered"] * 18
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == len(receiver.taken) == 18
    by_case = defaultdict(list)
    for _, body in receiver.taken:
        by_case[json.loads(body)["authorization_id"]].append(json.loads(body)["event_id"])
    assert len(by_case) == 6
    assert all(ids == sorted(ids) for ids in by_case.values())


def test_while_a_secret_is_changed_both_sign(post: Post, receiver: Receiver) -> None:
    webhook_id, old = post.add(receiver.url)
    new = post.webhooks.rotate(webhook_id, overlap=timedelta(hours=1), now=NOW)
    post.case("PA-1")
    post.deliver()
    post.now += timedelta(hours=1)
    post.case("PA-2")
    post.deliver()
    (during, body), (after, later) = receiver.taken
    for secret in (old, new):
        check_signature(during, body, secret, now=NOW)
    check_signature(after, later, new, now=post.now)
    with pytest.raises(WebhookSignatureError):
        check_signature(after, later, old, now=post.now)


def test_a_removed_webhook_hears_nothing_more_and_its_secret_is_gone(any_post: Post, receiver: Receiver) -> None:
    webhook_id, _ = any_post.add(receiver.url)
    any_post.case()
    Outbox(any_post.store).release(now=NOW)
    any_post.webhooks.remove(webhook_id, now=NOW)
    any_post.deliver(2)
    assert receiver.heard == []
    assert any_post.webhooks.states() == ()
    with any_post.store.reading() as session:
        assert session.get_one(WebhookRow, webhook_id).secret == ""
    for refused in (any_post.webhooks.remove, any_post.webhooks.redeliver):
        with pytest.raises(UnknownWebhookError):
            refused(webhook_id, now=NOW)


def test_another_tenants_webhook_is_unknown(post: Post, receiver: Receiver) -> None:
    webhook_id, _ = post.add(receiver.url)
    other = Webhooks(post.store.of_tenant("other"), HERE)
    assert other.states() == ()
    assert other.failures() == ()
    for refused in (other.remove, other.redeliver):
        with pytest.raises(UnknownWebhookError):
            refused(webhook_id, now=NOW)
    with pytest.raises(UnknownWebhookError):
        other.rotate(webhook_id, overlap=DAY, now=NOW)


def test_there_is_a_most_of_webhooks(post: Post) -> None:
    for _ in range(MOST_WEBHOOKS):
        post.add("https://example.org/")
    with pytest.raises(WebhookRefusedError):
        post.add("https://example.org/")


def test_every_change_is_in_the_trail_without_address_or_secret(post: Post) -> None:
    webhook_id, secret = post.add("https://hooks.example.org/")
    post.webhooks.rotate(webhook_id, overlap=DAY, now=NOW)
    post.webhooks.redeliver(webhook_id, now=NOW)
    post.webhooks.remove(webhook_id, now=NOW)
    with post.store.reading() as session:
        rows = session.scalars(select(TrailRow).order_by(TrailRow.number)).all()
    assert [row.action for row in rows] == [
        "webhook_added", "webhook_rotated", "webhook_redelivered", "webhook_removed",
    ]  # fmt: skip
    assert all(webhook_id in row.details for row in rows)
    assert not any("example" in row.details or secret in row.details for row in rows)


def test_metrics_and_logs_name_no_address_and_no_event(
    any_store: Store, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics()
    post = Post(any_store, metrics)
    webhook_id, secret = post.add(receiver.url)
    receiver.answers = lambda number: 500 if number == 0 else 204
    receiver.body = b"Quillfeather"
    post.case("PA-Bramblethorn")
    with caplog.at_level(logging.DEBUG, "greenlane"):
        post.deliver_for(timedelta(seconds=3), timedelta(seconds=1))
    said = caplog.text + metrics.text().decode()
    assert f"webhook {webhook_id}: not delivered: 500" in caplog.text
    assert 'greenlane_webhook_attempts_total{outcome="delivered"} 1.0' in said
    assert 'greenlane_webhook_attempts_total{outcome="retried"} 1.0' in said
    assert not any(word in said for word in ("Quillfeather", "Bramblethorn", secret, str(receiver.port), "/hooks"))


def test_a_webhook_whose_name_came_to_lead_inside_is_not_called(post: Post, receiver: Receiver) -> None:
    webhook_id, _ = post.add("https://hooks.example.org/")
    with post.store.writing() as session:
        session.execute(update(WebhookRow).values(url=receiver.url))
    post.case()
    Deliverer(post.store, AWAY, clock=lambda: NOW).deliver_once()
    with post.store.reading() as session:
        delivery = session.scalars(select(DeliveryRow)).one()
    assert (delivery.state, delivery.last_answer) == ("waiting", "address refused")
    assert receiver.heard == []
    assert post.webhooks.states()[0].webhook.webhook_id == webhook_id


@pytest.mark.parametrize(
    ("host", "trusted", "answer"),
    [
        ("127.0.0.1", True, "204"),
        ("127.0.0.1", False, "no certificate we trust"),
        # The same machine and certificate by a name that the certificate does not carry.
        ("localhost", True, "no certificate we trust"),
    ],
)
def test_a_receivers_certificate_is_checked_for_its_name(
    any_store: Store, tmp_path: Path, host: str, trusted: bool, answer: str
) -> None:
    tls, authority = tls_of_own_authority(tmp_path)
    receiver = Receiver(tls=tls)
    deliverer = Deliverer.of(Settings(webhook_ca_file=authority if trusted else None), any_store)
    url = receiver.url.replace("127.0.0.1", host)
    Webhooks(any_store, HERE).add(url, [], created_by="a test", now=NOW)
    keep(any_store, accept(any_store, request()))
    deliverer.deliver_once()
    deliverer.close()
    receiver.close()
    with any_store.reading() as session:
        assert session.scalars(select(DeliveryRow.last_answer)).one() == answer


def test_no_statement_reads_every_delivery_there_ever_was(post: Post, receiver: Receiver) -> None:
    webhook_id, _ = post.add(receiver.url)
    post.case()
    post.deliver()
    plans: list[str] = []
    newest: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "deliveries" in statement:
            rows = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found = newest if "delivered_at IS NOT NULL" in statement else plans
            found.append(" | ".join(row[3] for row in rows))

    with post.store.reading() as session:
        engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", explain)
    assert Deliveries(post.store).counts() == DeliveryCounts(0, 0, None)
    assert post.webhooks.states()[0].last_delivered_at == NOW
    assert post.webhooks.failures() == post.webhooks.failures(webhook_id=webhook_id) == ()
    post.webhooks.redeliver(webhook_id, now=NOW)
    post.deliver()
    post.webhooks.remove(webhook_id, now=NOW)
    event.remove(engine, "before_cursor_execute", explain)

    assert len(plans) >= 6
    bounded = (
        "ix_deliveries_open",
        "(webhook_id=? AND state=?",
        "(webhook_id=? AND event_number",
        "(webhook_id=? AND auth",
    )
    for plan in plans:
        for step in plan.split(" | "):
            assert "deliveries" not in step or any(part in step for part in bounded), plan
    # The newest delivered one is found from the end of the key, which is in its order.
    assert newest == ["SEARCH deliveries USING INDEX sqlite_autoindex_deliveries_1 (webhook_id=?)"]


@given(st.integers(1, 10_000))
def test_pauses_double_up_to_an_hour(attempts: int) -> None:
    assert pause_after(attempts) <= pause_after(attempts + 1) <= LONGEST_PAUSE
    assert pause_after(1) == timedelta(seconds=1)


def test_what_a_receiver_computes_by_the_documentation_is_what_is_sent(post: Post, receiver: Receiver) -> None:
    _, secret = post.add(receiver.url)
    post.case()
    post.deliver()
    ((headers, body),) = receiver.taken
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) == 32
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
