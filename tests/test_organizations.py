"""Signing in where several organizations share the service: by password, and through an identity provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from identity_provider import IdentityProviderServer
from serving_cases import routed
from signing_in import PASSWORD, add_person
from test_oidc import come_back, provider, start  # noqa: F401  (fixtures)
from test_signing_in import BROWSER, by_password, token_of

from serving.app import create_app
from serving.cookies import COOKIE, ORGANIZATION_COOKIE
from serving.roles import Role
from serving.settings import Settings
from serving.sign_in_limit import FAILURES_PER_NAME
from serving.tenant_store import TenantStore

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    client = TestClient(create_app(settings, triage=routed), base_url="http://127.0.0.1", follow_redirects=False)
    yield client
    client.app.state.store.close()


@pytest.fixture
def acme(client: TestClient) -> TestClient:
    """With a second organization that has a nurse of the same name, with another password."""
    add_person(client.app, Role.NURSE)
    TenantStore(client.app.state.store).add("acme", "Acme Health", now=NOW)
    people = client.app.state.rooms.of("acme").people
    people.add("nurse", "Zelda Quill", Role.NURSE, password=f"{PASSWORD} of acme", now=NOW)
    return client


def signed_in(client: TestClient, organization: str, name: str = "nurse", password: str = PASSWORD) -> Any:
    form = {"form_token": token_of(client.get("/sign-in").text), "organization": organization, "name": name}
    return client.post("/sign-in", data={**form, "password": password, "next": "/"}, headers=BROWSER)


def test_where_there_is_one_organization_the_form_does_not_ask(client: TestClient) -> None:
    add_person(client.app, Role.NURSE)
    assert "Organization" not in client.get("/sign-in").text
    assert by_password(client).status_code == 303
    assert ORGANIZATION_COOKIE not in client.cookies


def test_who_signs_in_names_the_organization_and_gets_into_that_one_alone(acme: TestClient) -> None:
    page = acme.get("/sign-in").text
    assert '<label for="organization">Organization</label>' in page
    # No stranger gets a list of who works here.
    assert "acme" not in page.casefold()
    for organization, password in (("acme", PASSWORD), ("default", f"{PASSWORD} of acme"), ("nobody", PASSWORD)):
        refused = signed_in(acme, organization, password=password)
        assert refused.status_code == 401
        assert "Organization, name and password do not belong together" in refused.text
        assert f'value="{organization}"' in refused.text
        assert COOKIE not in acme.cookies
    assert signed_in(acme, " ACME ", password=f"{PASSWORD} of acme").status_code == 303
    assert "Zelda Quill" in acme.get("/").text
    acme.cookies.delete(COOKIE)
    assert signed_in(acme, "default").status_code == 303
    assert "Zelda Quill" not in acme.get("/").text


def test_the_organization_is_remembered_in_this_browser(acme: TestClient) -> None:
    signed_in(acme, "acme", password=f"{PASSWORD} of acme")
    form = re.search(r'name="form_token" value="([^"]+)"', acme.get("/").text)
    assert form is not None
    acme.post("/sign-out", data={"form_token": form[1]})
    page = acme.get("/sign-in").text
    assert re.search(r'id="organization"[^>]* value="acme"', page)


def test_an_inactive_organization_is_as_good_as_none(acme: TestClient) -> None:
    TenantStore(acme.app.state.store).change("acme", active=False, now=NOW)
    form = {"form_token": token_of(acme.get("/sign-in").text), "organization": "acme", "name": "nurse"}
    refused = acme.post("/sign-in", data={**form, "password": f"{PASSWORD} of acme", "next": "/"}, headers=BROWSER)
    assert refused.status_code == 401


def test_failures_in_one_organization_lock_nobody_of_another_out(acme: TestClient) -> None:
    limit = acme.app.state.sign_in_limit
    for _ in range(FAILURES_PER_NAME):
        limit.begin("nurse", tenant="acme", now=datetime.now(UTC))
    assert signed_in(acme, "acme", password=f"{PASSWORD} of acme").status_code == 429
    assert signed_in(acme, "default").status_code == 303


def test_changing_the_organization_ends_the_sign_in_before(acme: TestClient) -> None:
    signed_in(acme, "acme", password=f"{PASSWORD} of acme")
    before = acme.cookies[COOKIE]
    rooms = acme.app.state.rooms
    assert rooms.of_sign_in(before).tenant == "acme"
    # Who is signed in is led on; so the form comes from a tab that was open before.
    acme.cookies.delete(COOKIE)
    form = token_of(acme.get("/sign-in").text)
    acme.cookies.set(COOKIE, before)
    sent = {"form_token": form, "organization": "default", "name": "nurse", "password": PASSWORD, "next": "/"}
    assert acme.post("/sign-in", data=sent, headers=BROWSER).status_code == 303
    assert rooms.of("acme").people.signed_in(before, now=datetime.now(UTC)) is None


@pytest.mark.parametrize(
    ("named", "tenant"),
    [("acme", "acme"), (["acme"], "acme"), ("nobody", None), (["acme", "default"], None), ("", None), (None, None)],
)
def test_the_identity_provider_names_one_organization_that_is_here(
    start: Callable[..., TestClient],  # noqa: F811  (a fixture)
    provider: IdentityProviderServer,  # noqa: F811  (a fixture)
    named: Any,
    tenant: str | None,
) -> None:
    client = start(provider, GREENLANE_OIDC_TENANT_CLAIM="organization")
    TenantStore(client.app.state.store).add("acme", "Acme Health", now=NOW)
    if named is not None:
        provider.person |= {"organization": named}
    back = come_back(client)
    rooms = client.app.state.rooms
    found = {name: len(rooms.of(name).people.everybody()) for name in ("default", "acme")}
    if tenant is None:
        assert back.status_code == 403
        assert found == {"default": 0, "acme": 0}
    else:
        assert back.status_code == 200
        assert found == {"default": 0, "acme": 1}
        assert "Ann Lee" in client.get("/").text


def test_without_the_claim_everybody_is_of_the_default_organization(
    start: Callable[..., TestClient],  # noqa: F811  (a fixture)
    provider: IdentityProviderServer,  # noqa: F811  (a fixture)
) -> None:
    client = start(provider)
    provider.person |= {"organization": "acme"}
    assert come_back(client).status_code == 200
    assert [person.tenant for person in client.app.state.rooms.of("default").people.everybody()] == ["default"]
