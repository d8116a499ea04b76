"""API keys of intake systems: who gets in, with what, how often, and until when."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in, on_sqlite
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from sqlalchemy import event, select, update

from serving.api_keys import Scope, parted, written
from serving.app import create_app
from serving.errors import KeyChangeRefusedError, KeyNeededError, TooManyRequestsError, UnknownKeyError
from serving.key_check import LAST_USE_STEP, REMEMBERED_SECONDS, KeyCheck
from serving.key_store import KeyStore, NewKey
from serving.key_tables import ApiKeyRow
from serving.request_rate import RequestRate
from serving.settings import Settings
from serving.store import Store
from serving.tables import TrailRow
from serving.tenant_store import TenantStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVERY_SCOPE = frozenset(Scope)
CALLS: dict[Scope, tuple[str, str]] = {
    Scope.SUBMIT: ("POST", "/v1/authorizations"),
    Scope.READ: ("GET", "/v1/authorizations"),
    Scope.PREVIEW: ("POST", "/v1/triage"),
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    started: list[TestClient] = []

    def start(**settings: Any) -> TestClient:
        given = {"database_url": database_in(tmp_path), "model_dir": tmp_path, **settings}
        client = TestClient(create_app(Settings(**given), triage=routed))
        started.append(client)
        return client

    yield start
    for client in started:
        client.app.state.store.close()


@pytest.fixture
def client(start: Callable[..., TestClient]) -> TestClient:
    return start(api_keys="required")


@pytest.fixture
def keys(any_store: Store) -> KeyStore:
    return KeyStore(any_store)


def new_key(client: TestClient, *scopes: Scope, **limits: Any) -> NewKey:
    keys = KeyStore(client.app.state.store)
    return keys.add("East", "default", scopes or EVERY_SCOPE, created_by="test", now=datetime.now(UTC), **limits)


def bearer(key: NewKey | str) -> dict[str, str]:
    return {"authorization": f"Bearer {key if isinstance(key, str) else key.token}"}


def added(keys: KeyStore, **given: Any) -> NewKey:
    return keys.add("East clinics", "default", EVERY_SCOPE, created_by="test", now=NOW, **given)


def trail(store: Store) -> list[tuple[str, dict[str, Any]]]:
    with store.reading() as session:
        return [(row.action, json.loads(row.details)) for row in session.scalars(select(TrailRow))]


def test_a_call_without_a_key_is_refused_and_told_what_to_send(client: TestClient) -> None:
    for method, path in CALLS.values():
        answer = client.request(method, path, json=request_body())
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Authorization: Bearer glk_" in answer.json()["detail"]


def test_a_key_opens_what_its_scopes_name_and_nothing_else(client: TestClient) -> None:
    for scope in Scope:
        key = new_key(client, scope)
        for needed, (method, path) in CALLS.items():
            answer = client.request(method, path, json=request_body(f"PA-{scope}"), headers=bearer(key))
            if needed is scope:
                assert answer.status_code in (200, 201), answer.text
            else:
                assert answer.status_code == 403
                assert answer.json()["type"] == "urn:greenlane:problem:scope-needed"
                assert f'scope="{needed}"' in answer.headers["www-authenticate"]


def test_nothing_is_stored_for_a_key_without_the_scope(client: TestClient) -> None:
    key = new_key(client, Scope.READ)
    assert client.post("/v1/authorizations", json=request_body(), headers=bearer(key)).status_code == 403
    assert client.get("/v1/authorizations", headers=bearer(key)).json()["items"] == []


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer",
        "Bearer ",
        "Bearer glk_",
        "Bearer nonsense",
        "Bearer glk_01JD3K8Q5T6V7W8X9Y0Z1A2B3C_secret",
        "Bearer glk_01JD3K8Q5T6V7W8X9Y0Z1A2B3C_" + "x" * 5000,
        "Bearer glk_01JD3K8Q5T6V7W8X9Y0Z1A2B3C_\u00fc",
        "Basic bnVyc2U6cGFzcw==",
        "glk_01JD3K8Q5T6V7W8X9Y0Z1A2B3C_secret",
    ],
)
def test_what_is_no_key_is_refused_also_where_none_is_needed(start: Callable[..., TestClient], sent: str) -> None:
    for setting in ("required", "optional"):
        answer = start(api_keys=setting).get("/v1/authorizations", headers={"authorization": sent.encode()})
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:greenlane:problem:key-needed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost"}, 200),
        ({"host": "127.0.0.1:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "rebound.example"}, 401),
        ({"host": "localhost.evil.example:8000"}, 401),
        ({"host": ""}, 401),
        ({"host": "["}, 401),
        ({"forwarded": "for=203.0.113.9"}, 401),
        ({"x-forwarded-for": "203.0.113.9"}, 401),
        ({"x-forwarded-host": "localhost"}, 401),
        ({"via": "1.1 proxy"}, 401),
    ],
)
def test_without_a_key_only_this_machine_is_answered(
    start: Callable[..., TestClient], headers: dict[str, str], status: int
) -> None:
    client = start(api_keys="optional")
    assert client.get("/v1/authorizations", headers=headers).status_code == status
    key = new_key(client)
    if headers.get("host") != "[":
        assert client.get("/v1/authorizations", headers={**headers, **bearer(key)}).status_code == 200


def test_alive_ready_and_metrics_need_no_key_and_name_no_tenant(client: TestClient) -> None:
    TenantStore(client.app.state.store).add("acme", "Acme Health", now=NOW)
    key = new_key(client)
    client.post("/v1/authorizations", json=request_body("PA-SECRET"), headers=bearer(key))
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        answer = client.get(path)
        assert answer.status_code in (200, 503)
        assert not any(word in answer.text for word in ("acme", "Acme", "PA-SECRET", "East", key.key.key_id))


def test_a_wrong_expired_or_revoked_key_is_refused_from_the_next_call_on(client: TestClient) -> None:
    keys = KeyStore(client.app.state.store)
    key = new_key(client)
    assert client.get("/v1/authorizations", headers=bearer(key)).status_code == 200
    assert client.get("/v1/authorizations", headers=bearer(f"{key.token}x")).status_code == 401

    with client.app.state.store.writing() as session:
        session.execute(update(ApiKeyRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    expired = client.get("/v1/authorizations", headers=bearer(key))
    assert (expired.status_code, expired.json()["detail"]) == (401, "the key has expired")

    other = new_key(client)
    assert client.get("/v1/authorizations", headers=bearer(other)).status_code == 200
    keys.revoke(other.key.key_id, now=datetime.now(UTC))
    revoked = client.get("/v1/authorizations", headers=bearer(other))
    assert (revoked.status_code, revoked.json()["detail"]) == (401, "the key was revoked")
    # Why is told only to who has the secret.
    assert client.get("/v1/authorizations", headers=bearer(f"{other.token}x")).json()["detail"] != "the key was revoked"


def test_the_key_of_an_inactive_organization_is_refused(client: TestClient) -> None:
    tenants = TenantStore(client.app.state.store)
    tenants.add("acme", "Acme", now=NOW)
    key = KeyStore(client.app.state.store).add("A", "acme", EVERY_SCOPE, created_by="test", now=NOW)
    assert client.get("/v1/authorizations", headers=bearer(key)).status_code == 200
    tenants.change("acme", active=False, now=NOW)
    assert client.get("/v1/authorizations", headers=bearer(key)).status_code == 401


def test_a_rotated_key_has_two_secrets_while_they_overlap_and_then_one(any_store: Store, keys: KeyStore) -> None:
    first = added(keys)
    check = KeyCheck(keys)
    assert check.key_of(first.token, now=NOW).key_id == first.key.key_id

    second = keys.rotate(first.key.key_id, overlap=timedelta(hours=24), now=NOW)
    assert second.token != first.token
    last_moment = NOW + timedelta(hours=24) - timedelta(seconds=1)
    for token in (first.token, second.token):
        assert check.key_of(token, now=NOW).key_id == first.key.key_id
        assert check.key_of(token, now=last_moment).key_id == first.key.key_id
    assert check.key_of(second.token, now=NOW + timedelta(hours=24)).key_id == first.key.key_id
    with pytest.raises(KeyNeededError):
        check.key_of(first.token, now=NOW + timedelta(hours=24))
    # A process that has seen neither says the same.
    with pytest.raises(KeyNeededError):
        KeyCheck(keys).key_of(first.token, now=NOW + timedelta(hours=24))
    assert [action for action, _ in trail(any_store)] == ["key_added", "key_rotated"]


def test_a_rotation_without_overlap_ends_every_secret_before_at_once(keys: KeyStore) -> None:
    first = added(keys)
    check = KeyCheck(keys)
    second = keys.rotate(first.key.key_id, overlap=timedelta(hours=24), now=NOW)
    for token in (first.token, second.token):
        check.key_of(token, now=NOW)
    third = keys.rotate(first.key.key_id, overlap=timedelta(0), now=NOW)
    assert check.key_of(third.token, now=NOW).key_id == first.key.key_id
    for token in (first.token, second.token):
        with pytest.raises(KeyNeededError):
            check.key_of(token, now=NOW)


def test_a_second_rotation_does_not_end_the_first_secret_early(keys: KeyStore) -> None:
    first = added(keys)
    keys.rotate(first.key.key_id, overlap=timedelta(hours=24), now=NOW)
    with pytest.raises(KeyChangeRefusedError, match="2026-11-21 12:00"):
        keys.rotate(first.key.key_id, overlap=timedelta(hours=1), now=NOW + timedelta(hours=23))
    assert KeyCheck(keys).key_of(first.token, now=NOW + timedelta(hours=23)).key_id == first.key.key_id
    keys.rotate(first.key.key_id, overlap=timedelta(hours=1), now=NOW + timedelta(hours=24))


def test_an_ended_key_cannot_be_rotated_and_one_that_is_not_there_is_named(keys: KeyStore) -> None:
    ended = added(keys, expires_at=NOW + timedelta(days=1))
    with pytest.raises(KeyChangeRefusedError, match="expired"):
        keys.rotate(ended.key.key_id, overlap=timedelta(0), now=NOW + timedelta(days=1))
    keys.revoke(ended.key.key_id, now=NOW)
    with pytest.raises(KeyChangeRefusedError, match="revoked"):
        keys.rotate(ended.key.key_id, overlap=timedelta(0), now=NOW)
    for key_id in ("01JD3K8Q5T6V7W8X9Y0Z1A2B3C", "nonsense", ""):
        with pytest.raises(UnknownKeyError):
            keys.revoke(key_id, now=NOW)


def test_no_secret_is_stored_or_in_the_trail(any_store: Store, keys: KeyStore) -> None:
    made = [added(keys)]
    made.append(keys.rotate(made[0].key.key_id, overlap=timedelta(hours=1), now=NOW))
    with any_store.reading() as session:
        row = session.scalars(select(ApiKeyRow)).one()
        kept = " ".join(str(getattr(row, column.name)) for column in ApiKeyRow.__table__.columns)
    assert row.secret_hash.startswith("$argon2id$")
    said = kept + json.dumps(trail(any_store)) + repr(keys.every())
    for key in made:
        key_id, secret = parted(key.token) or ("", "")
        assert key_id == row.key_id
        assert len(secret) >= 43  # 256 bits
        assert secret not in said


def test_a_secret_is_verified_once_a_minute_and_the_key_read_for_every_call(
    keys: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [0.0]
    check = KeyCheck(keys, clock=lambda: at[0])
    verified: list[str] = []
    read: list[str] = []
    verify, kept = check._verify, keys.kept
    monkeypatch.setattr(check, "_verify", lambda *given: (verified.append("x"), verify(*given))[1])
    monkeypatch.setattr(keys, "kept", lambda key_id: (read.append(key_id), kept(key_id))[1])
    key = added(keys)
    for _ in range(3):
        check.key_of(key.token, now=NOW)
    assert (len(verified), len(read)) == (1, 3)
    at[0] = REMEMBERED_SECONDS
    check.key_of(key.token, now=NOW)
    assert len(verified) == 2
    # Nor does a client that goes on sending a wrong one cost 64 MiB a call.
    for _ in range(3):
        with pytest.raises(KeyNeededError):
            check.key_of(f"{key.token}x", now=NOW)
    assert len(verified) == 3


def test_a_secret_sent_with_another_keys_id_is_not_held_against_its_own(keys: KeyStore) -> None:
    key, other = added(keys), added(keys)
    check = KeyCheck(keys)
    secret = (parted(key.token) or ("", ""))[1]
    with pytest.raises(KeyNeededError):
        check.key_of(written(other.key.key_id, secret), now=NOW)
    assert check.key_of(key.token, now=NOW).key_id == key.key.key_id


def test_many_calls_at_once_are_verified_together(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    check = KeyCheck(keys)
    verified: list[str] = []
    verify = check._verify
    monkeypatch.setattr(check, "_verify", lambda *given: (verified.append("x"), verify(*given))[1])
    key = added(keys)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: check.key_of(key.token, now=NOW).key_id, range(32)))
    assert found == [key.key.key_id] * 32
    assert len(verified) <= 2


def test_when_a_key_was_last_used_is_kept_to_the_minute(keys: KeyStore) -> None:
    key = added(keys)
    check = KeyCheck(keys)
    for seconds in (0, 1, 59):
        check.key_of(key.token, now=NOW + timedelta(seconds=seconds))
        assert keys.every()[0].last_used_at == NOW
    check.key_of(key.token, now=NOW + LAST_USE_STEP)
    assert keys.every()[0].last_used_at == NOW + LAST_USE_STEP


def test_a_key_works_on_a_database_that_cannot_be_written(start: Callable[..., TestClient]) -> None:
    client = start(api_keys="required")
    key = new_key(client)
    refusing = "PRAGMA query_only=ON" if on_sqlite() else "SET TRANSACTION READ ONLY"
    event.listen(client.app.state.store._engine, "begin", lambda connection: connection.exec_driver_sql(refusing))
    assert client.get("/v1/authorizations", headers=bearer(key)).status_code == 200


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"requests_per_minute": -1}, "requests_per_minute"),
        ({"body_limit": 10}, "body_limit"),
        ({"body_limit": 2**31}, "body_limit"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_by_name(keys: KeyStore, given: dict[str, int], field: str) -> None:
    with pytest.raises(KeyChangeRefusedError, match=field):
        added(keys, **given)


def test_a_key_over_its_rate_waits_as_long_as_it_is_told_and_others_go_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [0.0]
    monkeypatch.setattr(client.app.state, "request_rate", RequestRate(clock=lambda: at[0]))
    slow, other = new_key(client, requests_per_minute=2), new_key(client)
    statuses = [client.get("/v1/authorizations", headers=bearer(slow)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    refused = client.get("/v1/authorizations", headers=bearer(slow))
    assert refused.json()["type"] == "urn:greenlane:problem:too-many-requests"
    assert refused.headers["retry-after"] == "30"
    answer = client.get("/v1/authorizations", headers=bearer(other))
    assert answer.status_code == 200
    assert answer.headers["ratelimit-policy"] == '"minute";q=600;w=60'
    assert answer.headers["ratelimit"] == '"minute";r=599;t=1'
    at[0] = 30.0
    assert client.get("/v1/authorizations", headers=bearer(slow)).status_code == 200
    assert client.get("/v1/authorizations", headers=bearer(slow)).status_code == 429


def test_a_bucket_holds_a_minute_of_calls_and_no_more() -> None:
    at = [0.0]
    rate = RequestRate(clock=lambda: at[0])
    for _ in range(60):
        rate.take("a", 60)
    with pytest.raises(TooManyRequestsError) as refusal:
        rate.take("a", 60)
    assert refusal.value.seconds == 1
    at[0] = 3600.0
    left = [rate.take("a", 60).left for _ in range(60)]
    assert (left[0], left[-1]) == (59, 0)
    with pytest.raises(TooManyRequestsError):
        rate.take("a", 60)
    # A lower limit holds at once.
    at[0] = 7200.0
    assert rate.take("a", 6).left == 5


def test_a_key_may_have_no_limit_and_the_setting_may_set_none(start: Callable[..., TestClient]) -> None:
    client = start(api_keys="required", requests_per_minute=1)
    free = new_key(client, requests_per_minute=0)
    answers = [client.get("/v1/authorizations", headers=bearer(free)) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers
    held = new_key(client)
    assert [client.get("/v1/authorizations", headers=bearer(held)).status_code for _ in range(2)] == [200, 429]


def test_a_key_has_a_body_limit_of_its_own(client: TestClient) -> None:
    small, other = new_key(client, body_limit=1024), new_key(client)
    body = request_body(text="Denies fever. " * 200)
    refused = client.post("/v1/authorizations", json=body, headers=bearer(small))
    assert (refused.status_code, refused.json()["type"]) == (413, "urn:greenlane:problem:body-too-large")
    assert client.post("/v1/authorizations", json=body, headers=bearer(other)).status_code == 201


def test_a_key_may_send_more_than_the_setting_allows_others(start: Callable[..., TestClient]) -> None:
    client = start(api_keys="required", body_limit=1024)
    body = request_body(text="Denies fever. " * 200)
    assert client.post("/v1/authorizations", json=body, headers=bearer(new_key(client))).status_code == 413
    large = new_key(client, body_limit=1_000_000)
    assert client.post("/v1/authorizations", json=body, headers=bearer(large)).status_code == 201


def test_no_key_reaches_a_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = new_key(client)
    wrong = f"{key.token}x"
    client.get("/v1/authorizations", headers=bearer(key))
    client.get("/v1/authorizations", headers=bearer(wrong))
    KeyStore(client.app.state.store).revoke(key.key.key_id, now=datetime.now(UTC))
    client.get("/v1/authorizations", headers=bearer(key))
    assert f"key {key.key.key_id}: the key was revoked" in caplog.text
    assert (parted(key.token) or ("", ""))[1] not in caplog.text
    assert "Bearer" not in caplog.text


def test_a_written_key_is_parted_into_what_it_was_made_of() -> None:
    key_id = "01JD3K8Q5T6V7W8X9Y0Z1A2B3C"
    for secret in ("a_b_c", "-_-", "x" * 43):
        assert parted(written(key_id, secret)) == (key_id, secret)
