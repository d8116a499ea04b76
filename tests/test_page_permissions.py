"""Every page and form of the application, asked for by nobody and by every role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from databases import database_in
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from signing_in import add_person, sign_in, sign_in_again

from serving.app import create_app
from serving.roles import PERMISSIONS, Permission, Role
from serving.settings import Settings

NOBODY = "who is not signed in too"
EVERYBODY = "everybody who is signed in"
ALLOWED: dict[tuple[str, str], Permission | str] = {
    ("GET", "/sign-in"): NOBODY,
    ("POST", "/sign-in"): NOBODY,
    ("GET", "/sign-in/left"): NOBODY,
    ("GET", "/sign-in/oidc"): NOBODY,
    ("GET", "/sign-in/oidc/back"): NOBODY,
    ("POST", "/sign-in/stay"): EVERYBODY,
    ("POST", "/sign-out"): EVERYBODY,
    ("GET", "/"): Permission.READ_CASES,
    ("GET", "/cases/{authorization_id}"): Permission.READ_CASES,
    ("POST", "/search"): Permission.READ_CASES,
    ("POST", "/claim-next"): Permission.WORK_ON_CASES,
    ("POST", "/assign"): Permission.ASSIGN,
    ("POST", "/views"): Permission.READ_CASES,
    ("POST", "/views/delete"): Permission.READ_CASES,
    ("POST", "/views/first"): Permission.READ_CASES,
    ("POST", "/keys"): Permission.READ_CASES,
    ("POST", "/cases/{authorization_id}/claim"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/release"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/assign"): Permission.ASSIGN,
    ("GET", "/cases/{authorization_id}/score"): Permission.READ_CASES,
    ("POST", "/cases/{authorization_id}/seen"): Permission.READ_CASES,
    ("POST", "/cases/{authorization_id}/approve"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/approve-modified"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/request-information"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/refer"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/withdraw"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/reopen"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/extend"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/expedite"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/not-expedited"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/notes"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/corrections"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/undo"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/keys"): Permission.READ_CASES,
    ("GET", "/cases/{authorization_id}/corrections"): Permission.WORK_ON_CASES,
    ("POST", "/cases/{authorization_id}/return"): Permission.DETERMINE_ADVERSELY,
    ("GET", "/cases/{authorization_id}/determine-adversely"): Permission.DETERMINE_ADVERSELY,
    ("POST", "/cases/{authorization_id}/determine-adversely"): Permission.DETERMINE_ADVERSELY,
    ("GET", "/cases/{authorization_id}/evidence"): Permission.READ_CASES,
    ("GET", "/cases/{authorization_id}/evidence/{fact_id}"): Permission.READ_CASES,
    ("GET", "/concepts"): Permission.READ_CASES,
    ("GET", "/numbers"): Permission.READ_REPORTS,
    ("GET", "/numbers/now"): Permission.READ_REPORTS,
    ("GET", "/numbers/{table}.csv"): Permission.READ_REPORTS,
    ("GET", "/aggregates"): Permission.READ_AGGREGATES,
    ("GET", "/aggregates/{table}.csv"): Permission.READ_AGGREGATES,
    ("GET", "/trail"): Permission.READ_TRAIL,
    ("GET", "/trail/cases/{authorization_id}"): Permission.READ_TRAIL,
    ("POST", "/trail/search"): Permission.READ_TRAIL,
    ("POST", "/trail/verify"): Permission.READ_TRAIL,
    ("POST", "/trail/export"): Permission.READ_TRAIL,
    ("POST", "/cases/{authorization_id}/drafts/{form_name}"): Permission.WORK_ON_CASES,
    ("GET", "/cases/{authorization_id}/drafts/{form_name}"): Permission.WORK_ON_CASES,
    ("GET", "/people"): Permission.KEEP_PEOPLE,
    ("POST", "/people"): Permission.KEEP_PEOPLE,
    ("GET", "/people/{person_id}"): Permission.KEEP_PEOPLE,
    ("POST", "/people/{person_id}"): Permission.KEEP_PEOPLE,
    ("POST", "/people/{person_id}/password"): Permission.KEEP_PEOPLE,
    ("GET", "/jobs"): Permission.KEEP_QUEUE,
    ("POST", "/jobs/{job_id}/retry"): Permission.KEEP_QUEUE,
    ("GET", "/cases/{authorization_id}/being-read"): Permission.READ_CASES,
    ("GET", "/webhooks"): Permission.KEEP_PEOPLE,
    ("POST", "/webhooks/{webhook_id}/redeliver"): Permission.KEEP_PEOPLE,
}
"""Who may ask for what. A new page belongs in here."""
TEMPLATES = Path(__file__).parents[1] / "serving" / "templates"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("pages")
    settings = Settings(database_url=database_in(folder), model_dir=folder)
    with TestClient(create_app(settings, triage=routed), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def case(client: TestClient) -> str:
    return str(client.post("/v1/authorizations", json=request_body()).json()["authorization_id"])


def pages(client: TestClient) -> set[tuple[str, str]]:
    """Method and path of every route for browsers: what the OpenAPI document does not list."""
    document = client.get("/openapi.json").json()["paths"]
    return {
        (method, context.path)
        for context in iter_route_contexts(client.app.routes)
        if context.path not in document and context.path != "/openapi.json" and context.methods
        for method in context.methods - {"HEAD"}
    }


def test_every_page_says_who_may_ask_for_it(client: TestClient) -> None:
    assert pages(client) == ALLOWED.keys()


@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_gets_what_it_may_and_nothing_else(client: TestClient, case: str, role: Role | None) -> None:
    person = add_person(client.app, role) if role is not None else None
    got, expected = {}, {}
    for (method, path), permission in ALLOWED.items():
        client.cookies.clear()
        token = sign_in_again(client, person).form_token if person is not None else ""
        address = path.format(
            authorization_id=case,
            person_id="01JD3K8Q5T6V7W8X9Y0Z1A2B3C",
            webhook_id="01JD3K8Q5T6V7W8X9Y0Z1A2B3C",
            form_name="note",
            fact_id="f1",
            table="turnaround",
            job_id="1",
        )
        form = {"form_token": token, "text": "x"} if method == "POST" else None
        answer = client.request(method, address, data=form)
        location = answer.headers.get("location", "")
        got[method, path] = _said(answer.status_code, location, public=permission == NOBODY)
        expected[method, path] = _expected(permission, role)
    assert got == expected


def _said(status: int, location: str, *, public: bool) -> str:
    if status == 401 or (status == 303 and location.startswith("/sign-in?next=")):
        return "sign in"
    if public:
        # A sign-in form without its cookie is refused, and without an identity provider there is none to go to.
        return "allowed" if status in (200, 303, 403, 502) else f"failed with {status}"
    return "refused" if status == 403 else "allowed" if status < 500 else f"failed with {status}"


def _expected(permission: Permission | str, role: Role | None) -> str:
    if permission == NOBODY:
        return "allowed"
    if role is None:
        return "sign in"
    return "allowed" if permission == EVERYBODY or permission in PERMISSIONS[role] else "refused"


class _Forms(HTMLParser):
    """The posted forms of a template, each with the names of its fields."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.posted: list[list[str]] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and (given.get("method") or "get").lower() == "post":
            self.posted.append([])
            self._inside = True
        elif tag == "input" and self._inside:
            self.posted[-1].append(given.get("name") or "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


@pytest.mark.parametrize("template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_every_posted_form_carries_the_form_token(template: Path) -> None:
    html = template.read_text("utf-8")
    forms = _Forms(html).posted
    assert len(forms) == len(re.findall(r'<form[^>]*method="post"', html, re.IGNORECASE))
    assert all("form_token" in fields for fields in forms)


def test_a_form_of_another_sign_in_is_refused(client: TestClient, case: str) -> None:
    client.cookies.clear()
    other = sign_in(client, Role.NURSE, "other-nurse")
    sign_in(client, Role.NURSE, "this-nurse")
    for token in (other.form_token, "", None):
        answer = client.post(f"/cases/{case}/drafts/note", data={"form_token": token} if token is not None else {})
        assert answer.status_code in (403, 413)
