"""Sign-in through an identity provider that really answers, is wrong in every way, or is not there at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from databases import database_in
from fastapi.testclient import TestClient
from identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProviderServer, tls_of_own_authority
from joserfc.jwk import OctKey, RSAKey
from serving_cases import routed
from signing_in import PASSWORD, add_person
from sqlalchemy import select
from test_signing_in import by_password, trail

from serving.app import create_app
from serving.cookies import COOKIE
from serving.errors import SettingsError
from serving.people import Person
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.settings import Settings, load_settings
from serving.tables import PersonRow

HERE = "http://127.0.0.1:8000"
CANNOT = "Your organization&#39;s sign-in cannot be used right now."


@pytest.fixture
def provider() -> Iterator[IdentityProviderServer]:
    provider = IdentityProviderServer()
    yield provider
    provider.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    started: list[TestClient] = []

    def start(provider: IdentityProviderServer, **settings: Any) -> TestClient:
        given = {
            "GREENLANE_DATABASE_URL": database_in(tmp_path),
            "GREENLANE_MODEL_DIR": str(tmp_path),
            "GREENLANE_PUBLIC_URL": HERE,
            "GREENLANE_OIDC_ISSUER": provider.issuer,
            "GREENLANE_OIDC_CLIENT_ID": CLIENT_ID,
            "GREENLANE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
            "GREENLANE_OIDC_ROLES": "um-leads=lead, um-nurses=nurse",
            **settings,
        }
        app = create_app(load_settings(given), triage=routed)
        client = TestClient(app, base_url=HERE, follow_redirects=False)
        started.append(client)
        return client

    yield start
    for client in started:
        client.app.state.store.close()


@pytest.fixture
def client(start: Callable[..., TestClient], provider: IdentityProviderServer) -> TestClient:
    return start(provider)


def come_back(client: TestClient, next_path: str = "/", change: Callable[[str], str] = str) -> Any:
    """Leave for the provider as a browser does, and come back with what it says."""
    left = client.get("/sign-in/oidc", params={"next": next_path})
    assert left.status_code == 303, left.text
    sent_back = httpx2.get(left.headers["location"], follow_redirects=False, trust_env=False)
    address = change(sent_back.headers["location"])
    assert address.startswith(f"{HERE}/sign-in/oidc/back?")
    return client.get(address)


def people(client: TestClient) -> list[Person]:
    store: PeopleStore = client.app.state.people
    return list(store.everybody())


def test_who_the_provider_knows_is_made_with_the_mapped_role_and_goes_on(
    client: TestClient, provider: IdentityProviderServer
) -> None:
    assert "Sign in with your organization" in client.get("/sign-in").text
    back = come_back(client, "/?route=nurse_review")
    assert back.status_code == 200
    assert 'content="0;url=/?route=nurse_review"' in back.text
    page = client.get("/")
    assert page.status_code == 200
    assert "Ann Lee" in page.text
    assert [(p.sign_in_name, p.display_name, p.role, p.by_oidc) for p in people(client)] == [
        ("ann.lee", "Ann Lee", Role.NURSE, True)
    ]
    with client.app.state.store.reading() as session:
        row = session.scalars(select(PersonRow)).one()
    assert (row.oidc_subject, row.password_hash) == (f"{provider.issuer} u-17", None)
    assert trail(client) == ["person_added", "signed_in"]


def test_the_role_follows_the_provider_and_the_person_stays_one(
    client: TestClient, provider: IdentityProviderServer
) -> None:
    come_back(client)
    provider.person |= {"roles": "um-leads", "name": "Ann Married"}
    come_back(client)
    provider.person |= {"roles": ["um-nurses", "um-leads"]}
    come_back(client)
    assert [(p.display_name, p.role) for p in people(client)] == [("Ann Lee", Role.LEAD)]
    assert trail(client).count("person_changed") == 1


def test_a_role_deep_in_the_claims_is_found_and_without_a_table_roles_have_their_own_names(
    start: Callable[..., TestClient], provider: IdentityProviderServer
) -> None:
    client = start(provider, GREENLANE_OIDC_ROLE_CLAIM="realm_access.roles", GREENLANE_OIDC_ROLES="")
    provider.person |= {"realm_access": {"roles": ["other", "medical_director"]}}
    assert come_back(client).status_code == 200
    assert people(client)[0].role is Role.MEDICAL_DIRECTOR


@pytest.mark.parametrize("roles", [None, [], ["staff"], "Um-nurses", [["um-nurses"]], {"um-nurses": True}, 7])
def test_without_a_role_that_maps_nobody_comes_in(
    client: TestClient, provider: IdentityProviderServer, roles: Any
) -> None:
    provider.person["roles"] = roles
    refused = come_back(client)
    assert refused.status_code == 403
    assert "you have no role here" in refused.text
    assert (people(client), COOKIE in client.cookies) == ([], False)


def test_a_person_made_inactive_here_stays_out(client: TestClient) -> None:
    from datetime import UTC, datetime

    come_back(client)
    client.app.state.people.change(people(client)[0].person_id, active=False, now=datetime.now(UTC))
    client.cookies.clear()
    assert come_back(client).status_code == 403
    assert COOKIE not in client.cookies


def test_nobody_comes_in_under_the_name_of_somebody_with_a_password(
    client: TestClient, provider: IdentityProviderServer
) -> None:
    here = add_person(client.app, Role.ADMINISTRATOR, "ann.lee")
    come_back(client)
    other = next(person for person in people(client) if person.by_oidc)
    assert other.person_id != here.person_id
    assert other.sign_in_name.startswith("ann.lee-")
    assert client.app.state.people.with_password(other.sign_in_name, "") is None
    provider.person["sub"] = "u-18"
    come_back(client)
    assert len(people(client)) == 3


WRONG_TOKENS: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "of somebody else's attempt"},
    "no nonce": {"nonce": None},
    "audience": {"aud": "another service"},
    "no audience": {"aud": None},
    "party": {"aud": [CLIENT_ID, "another"], "azp": "another"},
    "issuer": {"iss": "https://evil.example"},
    "expired": {"exp": int(time.time()) - 120},
    "never expires": {"exp": None},
    "from the future": {"iat": int(time.time()) + 3600},
    "no subject": {"sub": None},
    "odd subject": {"sub": 17},
}


@pytest.mark.parametrize("lies", WRONG_TOKENS.values(), ids=WRONG_TOKENS.keys())
def test_a_token_that_is_not_meant_for_this_attempt_opens_nothing(
    client: TestClient, provider: IdentityProviderServer, lies: dict[str, Any]
) -> None:
    provider.lies = lies
    refused = come_back(client)
    assert refused.status_code == 502
    assert CANNOT in refused.text
    assert (people(client), COOKIE in client.cookies) == ([], False)


@pytest.mark.parametrize("kind", ["strange key, known id", "strange key", "secret in place of a key", "none"])
def test_a_token_that_the_provider_did_not_sign_opens_nothing(
    client: TestClient, provider: IdentityProviderServer, kind: str
) -> None:
    kid = provider.keys[0].kid
    if kind == "secret in place of a key":
        provider.algorithm = "HS256"
        provider.signs_with = OctKey.import_key(CLIENT_SECRET * 2, {"kid": kid})
    elif kind == "none":
        provider.algorithm = "none"
    else:
        provider.signs_with = RSAKey.generate_key(2048, {"kid": kid if "known" in kind else "strange"})
    refused = come_back(client)
    assert (refused.status_code, COOKIE in client.cookies) == (502, False)


def test_the_provider_may_change_its_keys(client: TestClient, provider: IdentityProviderServer) -> None:
    clock = [1000.0]
    client.app.state.identity_provider._clock = lambda: clock[0]
    assert come_back(client).status_code == 200
    assert come_back(client).status_code == 200
    assert provider.asked.count("/keys") == 1
    provider.rotate()
    clock[0] += 60
    assert come_back(client).status_code == 200
    assert provider.asked.count("/keys") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda address: address.replace("state=", "state=x"),
        lambda address: address.replace("code=", "cod="),
        lambda address: address.replace("code=", "code=x"),
        lambda address: address.replace("iss=http", "iss=https"),
        lambda address: f"{HERE}/sign-in/oidc/back?error=access_denied&state=x",
    ],
    ids=["state", "no code", "wrong code", "issuer", "refused there"],
)
def test_a_way_back_that_does_not_fit_opens_nothing(client: TestClient, change: Callable[[str], str]) -> None:
    refused = come_back(client, change=change)
    assert refused.status_code == 502
    assert CANNOT in refused.text
    assert COOKIE not in client.cookies


def test_a_way_back_is_gone_once_and_by_the_browser_that_left(
    start: Callable[..., TestClient], provider: IdentityProviderServer
) -> None:
    victim, attacker = start(provider), start(provider)
    taken: list[str] = []
    come_back(attacker, change=lambda address: taken.append(address) or f"{HERE}/sign-in/oidc/back?state=x")
    assert victim.get(taken[0]).status_code == 502
    assert COOKIE not in victim.cookies
    assert come_back(victim, change=lambda address: taken.append(address) or address).status_code == 200
    assert victim.get(taken[1]).status_code == 502


def test_each_attempt_has_a_state_nonce_and_challenge_of_its_own(client: TestClient) -> None:
    queries = [dict(parse_qsl(urlsplit(client.get("/sign-in/oidc").headers["location"]).query)) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]
    assert queries[0]["redirect_uri"] == f"{HERE}/sign-in/oidc/back"


def assert_password_still_works(client: TestClient) -> None:
    refused = client.get("/sign-in/oidc", params={"next": "/"})
    assert refused.status_code == 502
    assert CANNOT in refused.text
    assert 'name="password"' in refused.text
    add_person(client.app, Role.NURSE)
    assert by_password(client, password=PASSWORD).status_code == 303


def test_an_unreachable_provider_is_a_page_and_passwords_still_work(
    client: TestClient, provider: IdentityProviderServer
) -> None:
    provider.close()
    assert_password_still_works(client)


@pytest.mark.parametrize(
    "lies",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
    ids=["issuer", "token endpoint", "no keys", "authorization endpoint"],
)
def test_a_provider_that_describes_itself_wrongly_is_a_page_and_passwords_still_work(
    client: TestClient, provider: IdentityProviderServer, lies: dict[str, Any]
) -> None:
    provider.discovery_lies = lies
    assert_password_still_works(client)


def test_nobody_waits_again_for_a_provider_that_could_not_describe_itself_just_now(
    client: TestClient, provider: IdentityProviderServer
) -> None:
    clock = [1000.0]
    client.app.state.identity_provider._clock = lambda: clock[0]
    provider.discovery_lies = {"issuer": "https://evil.example"}
    assert client.get("/sign-in/oidc").status_code == 502
    provider.discovery_lies = {}
    clock[0] += 4
    assert client.get("/sign-in/oidc").status_code == 502
    assert len(provider.asked) == 1
    clock[0] += 2
    assert client.get("/sign-in/oidc").status_code == 303


def test_nobody_waits_while_a_slow_provider_is_asked_for_somebody_else(
    client: TestClient, provider: IdentityProviderServer
) -> None:
    left = client.get("/sign-in/oidc")
    sent_back = httpx2.get(left.headers["location"], follow_redirects=False, trust_env=False)
    provider.gives_keys.clear()
    with ThreadPoolExecutor(2) as browsers:
        coming = browsers.submit(client.get, sent_back.headers["location"])
        try:
            while "/keys" not in provider.asked:
                time.sleep(0.01)
            other = browsers.submit(TestClient(client.app, base_url=HERE, follow_redirects=False).get, "/sign-in/oidc")
            assert other.result(timeout=3).status_code == 303
            assert not coming.done()
        finally:
            provider.gives_keys.set()
        assert coming.result().status_code == 200


@pytest.mark.parametrize("expired", [False, True], ids=["valid", "expired"])
def test_the_certificate_of_the_provider_must_be_signed_by_whom_we_trust_and_in_force(
    start: Callable[..., TestClient], tmp_path: Path, expired: bool
) -> None:
    tls, authority = tls_of_own_authority(tmp_path, expired=expired)
    provider = IdentityProviderServer(tls)
    try:
        trusting = start(provider, GREENLANE_OIDC_CA_FILE=str(authority))
        if expired:
            assert_password_still_works(trusting)
        else:
            assert trusting.get("/sign-in/oidc").status_code == 303
            assert_password_still_works(start(provider))
    finally:
        provider.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GREENLANE_OIDC_ISSUER", "http://login.example.org"),
        ("GREENLANE_PUBLIC_URL", "http://greenlane.example.org"),
        ("GREENLANE_PUBLIC_URL", "https://example.org/greenlane"),
        ("GREENLANE_OIDC_ROLES", "um-nurses=nurse,um-kings=king"),
        ("GREENLANE_OIDC_ROLES", "nurse"),
    ],
)
def test_a_setting_that_would_not_be_safe_stops_the_start(variable: str, value: str) -> None:
    given = {
        "GREENLANE_PUBLIC_URL": HERE,
        "GREENLANE_OIDC_ISSUER": "https://login.example.org",
        "GREENLANE_OIDC_CLIENT_ID": CLIENT_ID,
        "GREENLANE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }
    settings = load_settings(given)
    assert CLIENT_SECRET not in repr(settings)
    with pytest.raises(SettingsError, match=variable):
        load_settings({**given, variable: value})
    with pytest.raises(SettingsError, match="needs GREENLANE_OIDC_CLIENT_ID and GREENLANE_PUBLIC_URL"):
        load_settings({"GREENLANE_OIDC_ISSUER": "https://login.example.org"})


def test_an_authority_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    settings = Settings(
        database_url=database_in(tmp_path),
        public_url=HERE,
        oidc_client_id=CLIENT_ID,
        oidc_issuer="https://login.example.org",
        oidc_ca_file=tmp_path / "nothing.pem",
    )
    with pytest.raises(SettingsError, match="GREENLANE_OIDC_CA_FILE"):
        create_app(settings, triage=routed)
