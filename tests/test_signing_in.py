"""Signing in and out, what cookies are given, and what becomes of a form that is posted too late."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from serving_cases import request_body, routed
from signing_in import PASSWORD, add_person, sign_in, sign_in_again
from sqlalchemy import select, update

from serving.app import create_app
from serving.cookies import COOKIE, FORM_COOKIE
from serving.drafts import DraftStore
from serving.errors import TooManySignInsError
from serving.key_tables import SignInFailureRow
from serving.local_path import local_path
from serving.people import IDLE_LIMIT
from serving.people_store import KEPT_AFTER_END, PeopleStore
from serving.roles import Role
from serving.settings import Settings
from serving.sign_in_limit import FAILURES_IN_ALL, FAILURES_PER_NAME, SPAN_PER_NAME, SignInLimit
from serving.store import Store
from serving.tables import DraftRow, SignInRow, TrailRow

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BROWSER = {"accept": "text/html,*/*;q=0.8", "sec-fetch-mode": "navigate", "sec-fetch-site": "same-origin"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    started: list[TestClient] = []

    def start(base_url: str = "http://127.0.0.1", **settings: Any) -> TestClient:
        given = Settings(database_url=database_in(tmp_path), model_dir=tmp_path, **settings)
        client = TestClient(create_app(given, triage=routed), base_url=base_url, follow_redirects=False)
        started.append(client)
        return client

    yield start
    for client in started:
        client.app.state.store.close()


@pytest.fixture
def client(start: Callable[..., TestClient]) -> TestClient:
    return start()


def token_of(html: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', html)
    assert found is not None
    return found.group(1)


def by_password(client: TestClient, name: str = "nurse", password: str = PASSWORD, next_path: str = "/") -> Any:
    page = client.get("/sign-in", params={"next": next_path})
    form = {"form_token": token_of(page.text), "name": name, "password": password, "next": next_path}
    return client.post("/sign-in", data=form, headers=BROWSER)


def idle(client: TestClient, how_long: timedelta = IDLE_LIMIT) -> None:
    """Let every sign-in have been idle for a little longer than that."""
    with client.app.state.store.writing() as session:
        session.execute(update(SignInRow).values(last_seen_at=datetime.now(UTC) - how_long - timedelta(seconds=2)))


def trail(client: TestClient) -> list[str]:
    with client.app.state.store.reading() as session:
        return list(session.scalars(select(TrailRow.action).order_by(TrailRow.number)))


def drafts(client: TestClient) -> list[tuple[str, str]]:
    with client.app.state.store.reading() as session:
        return [(row.form, row.content) for row in session.scalars(select(DraftRow))]


def new_case(client: TestClient) -> str:
    return str(client.post("/v1/authorizations", json=request_body()).json()["authorization_id"])


def test_a_page_leads_to_the_form_and_the_form_back_to_the_page(client: TestClient) -> None:
    add_person(client.app, Role.NURSE)
    case = new_case(client)
    asked = client.get(f"/cases/{case}")
    assert (asked.status_code, asked.headers["location"]) == (303, f"/sign-in?next=%2Fcases%2F{case}")

    signed_in = by_password(client, next_path=f"/cases/{case}")
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, f"/cases/{case}")
    assert trail(client)[-1] == "signed_in"
    assert "Sign out" in client.get(f"/cases/{case}").text


def test_each_role_starts_where_it_may(client: TestClient) -> None:
    for role, home in ((Role.NURSE, "/"), (Role.ADMINISTRATOR, "/people"), (Role.DATA_SCIENTIST, "/aggregates")):
        add_person(client.app, role)
        assert by_password(client, name=role.value).headers["location"] == home
        client.cookies.clear()


@pytest.mark.parametrize(
    "wished",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/sign-out",
        "\n//e.x",
        "//[",
        "",
    ],
)
def test_a_sign_in_leads_nowhere_else(client: TestClient, wished: str) -> None:
    assert local_path(wished) == "/"
    assert client.get("/sign-in", params={"next": wished}).status_code == 200
    add_person(client.app, Role.NURSE)
    assert by_password(client, next_path=wished).headers["location"] == "/"


def test_name_and_password_must_both_be_right_and_the_answer_does_not_tell_which_was_not(client: TestClient) -> None:
    person = add_person(client.app, Role.NURSE)
    client.app.state.people.change(
        add_person(client.app, Role.NURSE, "gone").person_id, active=False, now=datetime.now(UTC)
    )
    said = set()
    for name, password in (("nurse", "wrong password"), ("nobody", PASSWORD), ("gone", PASSWORD)):
        answer = by_password(client, name=name, password=password)
        assert answer.status_code == 401
        assert COOKIE not in client.cookies
        assert password not in answer.text
        said.add(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(said) == 1
    assert trail(client)[-3:] == ["sign_in_failed"] * 3
    assert person.sign_in_name == "nurse"
    assert by_password(client, name=" Nurse ").status_code == 303


def test_a_form_that_another_page_made_signs_nobody_in(client: TestClient) -> None:
    add_person(client.app, Role.NURSE)
    form = {"form_token": "made up", "name": "nurse", "password": PASSWORD, "next": "/"}
    assert client.post("/sign-in", data=form).status_code == 403
    client.get("/sign-in")
    assert client.post("/sign-in", data=form).status_code == 403
    assert client.post("/sign-in", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert COOKIE not in client.cookies


def test_guessing_ends_after_a_few_tries_with_a_clear_word_and_others_go_on(client: TestClient) -> None:
    add_person(client.app, Role.NURSE)
    add_person(client.app, Role.LEAD)
    limit: SignInLimit = client.app.state.sign_in_limit
    for _ in range(FAILURES_PER_NAME):
        limit.begin("nurse", now=datetime.now(UTC))
    refused = by_password(client)
    assert refused.status_code == 429
    assert "Too many sign-ins failed. Please try again in 15 minutes" in refused.text
    assert 0 < int(refused.headers["retry-after"]) <= SPAN_PER_NAME.total_seconds()
    assert by_password(client, name="lead").status_code == 303


def test_failures_are_counted_by_name_and_together_and_forgotten_with_time(any_store: Store) -> None:
    limit = SignInLimit(any_store)
    for number in range(FAILURES_PER_NAME):
        limit.begin("ann", now=NOW + timedelta(seconds=number))
    with pytest.raises(TooManySignInsError) as refusal:
        limit.begin(" ANN", now=NOW + timedelta(minutes=1))
    assert refusal.value.seconds == (SPAN_PER_NAME - timedelta(minutes=1)).total_seconds()
    limit.begin("ann", now=NOW + SPAN_PER_NAME)

    for number in range(FAILURES_IN_ALL):
        limit.begin(f"somebody-{number}", now=NOW + timedelta(hours=1))
    with pytest.raises(TooManySignInsError):
        limit.begin("bob", now=NOW + timedelta(hours=1, seconds=59))
    limit.begin("bob", now=NOW + timedelta(hours=1, seconds=60))


def test_names_that_find_the_same_person_share_their_failures(client: TestClient) -> None:
    add_person(client.app, Role.NURSE)
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in "nurse")
    for number in range(FAILURES_PER_NAME):
        assert by_password(client, name=("nurse", full_width)[number % 2], password="not hers").status_code == 401
    assert by_password(client, name=full_width.upper()).status_code == 429
    assert by_password(client).status_code == 429


def test_who_signs_in_has_no_failures_left(any_store: Store) -> None:
    limit = SignInLimit(any_store)
    for _ in range(3):
        for _ in range(FAILURES_PER_NAME - 1):
            limit.begin("ann", now=NOW)
        limit.begin("ann", now=NOW)
        limit.succeeded("ann")


def test_failures_are_counted_for_all_processes_together_and_each_organization_by_itself(any_store: Store) -> None:
    processes = [SignInLimit(any_store), SignInLimit(any_store)]
    for number in range(FAILURES_PER_NAME):
        processes[number % 2].begin("ann", now=NOW)
    with pytest.raises(TooManySignInsError):
        SignInLimit(any_store).begin("ann", now=NOW)
    processes[0].begin("ann", tenant="acme", now=NOW)


def test_no_name_that_was_tried_stands_in_the_database(any_store: Store) -> None:
    SignInLimit(any_store).begin("ann.lee@example.org", now=NOW)
    with any_store.reading() as session:
        kept = session.scalars(select(SignInFailureRow)).one()
    assert "ann" not in f"{kept.failure_id} {kept.name_hash}".casefold()


def test_cookies_of_this_machine_and_of_https(start: Callable[..., TestClient]) -> None:
    plain = start()
    add_person(plain.app, Role.NURSE)
    assert _cookie(by_password(plain), COOKIE) == {"httponly", "path=/", "samesite=strict"}
    assert "strict-transport-security" not in plain.get("/healthz").headers

    for settings, base in (
        ({"public_url": "https://greenlane.example.org/"}, "https://greenlane.example.org"),
        ({}, "https://127.0.0.1"),
        ({"host": "0.0.0.0"}, "https://10.0.0.1"),  # noqa: S104  (a setting under test)
    ):
        safe = start(base, **settings)
        answer = by_password(safe)
        assert _cookie(answer, f"__Host-{COOKIE}") == {"httponly", "path=/", "samesite=strict", "secure"}
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        # A cookie that a neighbour without https could have set opens nothing.
        token = safe.cookies[f"__Host-{COOKIE}"]
        safe.cookies.clear()
        assert safe.get("/", headers={"cookie": f"{COOKIE}={token}"}).status_code == 303
        assert safe.get("/", headers={"cookie": f"__Host-{COOKIE}={token}"}).status_code == 200


def _cookie(answer: Any, name: str) -> set[str]:
    line = next(line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}="))
    return {part.strip().lower() for part in line.split(";")[1:]}


def test_a_sign_in_gets_a_token_of_its_own_and_ends_the_one_before(client: TestClient) -> None:
    before = sign_in(client)
    planted = client.cookies[COOKIE]
    client.cookies.set(FORM_COOKIE, "x")
    form = {"form_token": "x", "name": before.person.sign_in_name, "password": PASSWORD, "next": "/"}
    answer = client.post("/sign-in", data=form)
    assert answer.status_code == 303
    people: PeopleStore = client.app.state.people
    assert people.signed_in(planted, now=datetime.now(UTC)) is None
    assert planted not in answer.headers["set-cookie"]


def test_signing_out_ends_it_in_the_database(client: TestClient) -> None:
    who = sign_in(client)
    token = client.cookies[COOKIE]
    assert client.post("/sign-out", data={"form_token": who.form_token}).headers["location"] == "/sign-in"
    client.cookies.set(COOKIE, token)
    assert client.get("/").status_code == 303
    assert trail(client)[-1] == "signed_out"


def test_asking_for_the_time_left_is_no_sign_of_life_and_staying_is_one(client: TestClient) -> None:
    who = sign_in(client)
    idle(client, timedelta(minutes=13))
    assert 115 <= client.get("/sign-in/left").json()["seconds"] <= 119
    assert client.get("/sign-in/left").json()["seconds"] <= 119
    stayed = client.post("/sign-in/stay", data={"form_token": who.form_token})
    assert stayed.json()["seconds"] >= 898
    idle(client)
    assert client.get("/sign-in/left").json() == {"seconds": 0}
    assert client.post("/sign-in/stay", data={"form_token": who.form_token}).status_code == 401


def test_an_idle_sign_in_ends_and_says_why(client: TestClient) -> None:
    sign_in(client)
    idle(client)
    asked = client.get("/", headers=BROWSER)
    assert asked.headers["location"] == "/sign-in?next=%2F&ended=1"
    assert "15 minutes" in client.get(asked.headers["location"]).text


def test_a_form_posted_after_the_sign_in_ended_is_there_again_after_the_next(client: TestClient) -> None:
    case = new_case(client)
    who = sign_in(client)
    idle(client)
    form = {"form_token": who.form_token, "turn": "3", "text": "Called the clinic.", "to": ["ann", "bob"]}
    late = client.post(f"/cases/{case}/drafts/note", data=form, headers=BROWSER)
    assert late.status_code == 401
    assert "What you wrote is kept" in late.text
    assert f'name="next" value="/cases/{case}"' in late.text
    assert "Called the clinic" not in late.text
    kept: DraftStore = client.app.state.drafts
    assert kept.drafts_of(who.person.person_id, case) == {"note": {"text": "Called the clinic.", "to": "ann\nbob"}}


def test_a_late_form_is_kept_for_its_own_person_only_and_not_for_ever(client: TestClient) -> None:
    case = new_case(client)
    ann = sign_in(client, name="ann")
    bob = sign_in(client, name="bob")
    path = f"/cases/{case}/drafts/note"
    written = {"text": "Called the clinic."}
    idle(client)

    foreign = client.post(path, data={**written, "form_token": ann.form_token}, headers=BROWSER)
    assert (foreign.status_code, drafts(client)) == (401, [])
    assert "Nothing was done" in foreign.text
    idle(client, IDLE_LIMIT + KEPT_AFTER_END)
    client.post(path, data={**written, "form_token": bob.form_token}, headers=BROWSER)
    assert drafts(client) == []
    idle(client)
    client.app.state.people.change(bob.person.person_id, active=False, now=datetime.now(UTC))
    client.post(path, data={**written, "form_token": bob.form_token}, headers=BROWSER)
    assert drafts(client) == []
    client.cookies.clear()
    client.post(path, data={**written, "form_token": bob.form_token}, headers=BROWSER)
    assert drafts(client) == []


def test_a_form_from_an_earlier_sign_in_is_not_done_but_kept(client: TestClient) -> None:
    case = new_case(client)
    before = sign_in(client)
    now = sign_in_again(client, before.person)
    form = {"form_token": before.form_token, "text": "Called the clinic.", "draft": "file-note"}
    stale = client.post(f"/cases/{case}/drafts/other", data=form, headers=BROWSER)
    assert stale.status_code == 403
    assert "What you wrote is kept" in stale.text
    assert drafts(client) == [("file-note", '{"text":"Called the clinic."}')]
    assert now.form_token in stale.text

    stranger = client.post(f"/cases/{case}/drafts/other", data={**form, "form_token": "made up"}, headers=BROWSER)
    assert "What you wrote is kept" not in stranger.text
    assert len(drafts(client)) == 1


def test_a_script_gets_a_problem_and_no_page(client: TestClient) -> None:
    case = new_case(client)
    script = {"accept": "*/*", "sec-fetch-mode": "cors", "sec-fetch-site": "same-origin"}
    for answer in (
        client.get(f"/cases/{case}", headers=script),
        client.post(f"/cases/{case}/drafts/note", data={"form_token": "x"}, headers=script),
    ):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_link_from_another_site_finds_who_is_signed_in(client: TestClient) -> None:
    case = new_case(client)
    sign_in(client)
    token = client.cookies[COOKIE]
    client.cookies.clear()  # as a strict cookie stays away
    arriving = client.get(f"/cases/{case}", headers={**BROWSER, "sec-fetch-site": "cross-site"})
    assert (arriving.status_code, f'content="0;url=/cases/{case}"' in arriving.text) == (200, True)
    client.cookies.set(COOKIE, token)
    assert client.get(f"/cases/{case}", headers=BROWSER).status_code == 200


def test_drafts_are_kept_per_person_case_and_form_and_cleared_by_emptying(client: TestClient) -> None:
    case = new_case(client)
    ann = sign_in(client, name="ann")
    path = f"/cases/{case}/drafts/information-request"

    def keep(text: str, token: str) -> int:
        return client.post(path, data={"form_token": token, "text": text}).status_code

    assert keep("first", ann.form_token) == 204
    assert keep("second", ann.form_token) == 204
    kept: DraftStore = client.app.state.drafts
    bob = sign_in(client, name="bob")
    assert keep("bob's", bob.form_token) == 204
    assert kept.load(ann.person.person_id, case, "information-request") == {"text": "second"}
    assert keep(" ", bob.form_token) == 204
    assert kept.drafts_of(bob.person.person_id, case) == {}
    kept.clear(ann.person.person_id, case, "information-request")
    assert drafts(client) == []


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        ("01JD3K8Q5T6V7W8X9Y0Z1A2B3C/drafts/note", "x", 404),
        ("{case}/drafts/{'a': 1}", "x", 422),
        ("{case}/drafts/" + "a" * 33, "x", 422),
        ("{case}/drafts/note", "x" * 200_001, 413),
        ("{case}/drafts/note", "x" * 1_000_001, 413),
    ],
)
def test_a_draft_that_cannot_be_kept_is_refused(client: TestClient, path: str, text: str, status: int) -> None:
    who = sign_in(client)
    path = path.replace("{case}", new_case(client))
    answer = client.post(f"/cases/{path}", data={"form_token": who.form_token, "text": text})
    assert answer.status_code == status
    assert drafts(client) == []


def test_pages_are_not_kept_by_browsers_and_run_only_our_scripts(client: TestClient) -> None:
    sign_in(client)
    headers = client.get("/").headers
    assert headers["cache-control"] == "no-store"
    rules = {rule.split()[0]: rule.split()[1:] for rule in headers["content-security-policy"].split("; ")}
    for kind in ("default-src", "script-src", "style-src", "connect-src", "form-action"):
        assert rules[kind] == ["'self'"]
    assert rules["frame-ancestors"] == ["'none'"]
