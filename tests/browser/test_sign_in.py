"""Signing in, staying signed in and out again, in Chromium; the clock is moved by moving what the database holds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from complaints import hear_complaints
from databases import database_in
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from serving_cases import request_body, routed
from signing_in import PASSWORD, add_person
from sqlalchemy import select, update

from serving.app import create_app
from serving.deps import Drafts, Worker
from serving.people import IDLE_LIMIT, Person
from serving.rendering import header_of, templates
from serving.roles import Role
from serving.settings import Settings
from serving.store import Store
from serving.tables import DraftRow, PersonRow, SignInRow, TrailRow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
from running_server import RunningServer

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

FORM_PAGE = """{% extends "base.html" %}{% block title %}Note{% endblock %}
{% block body %}<main id="main" tabindex="-1" data-authorization-id="{{ case }}">
<form method="post" action="/cases/{{ case }}/probe" data-draft="probe">
<input type="hidden" name="form_token" value="{{ form_token }}">
<label for="text">Note</label><textarea id="text" name="text">{{ draft.text }}</textarea>
<button>Send</button></form></main>{% endblock %}"""


def moved_back(store: Store, by: timedelta) -> None:
    """Let every sign-in that goes on have been idle for so long."""
    with store.writing() as session:
        session.execute(
            update(SignInRow).where(SignInRow.ended_at.is_(None)).values(last_seen_at=datetime.now(UTC) - by)
        )


def test_a_nurse_signs_in_by_keyboard_and_out_and_back_shows_nothing(
    chromium: Browser, server: RunningServer, store: Store, person_of: Callable[[Role], Person]
) -> None:
    nurse = person_of(Role.NURSE)
    context = chromium.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/?urgency=standard")
    assert page.url.endswith("/sign-in?next=%2F%3Furgency%3Dstandard")
    page.keyboard.type(nurse.sign_in_name)
    page.keyboard.press("Tab")
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert "do not belong together" in page.get_by_role("alert").inner_text()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/?urgency=standard")
    page.get_by_role("link", name="PA-plain").click()
    page.locator(".note-text").first.wait_for()

    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
    page.go_back()
    page.wait_for_url("**/sign-in?next=*")
    assert page.locator(".note-text").count() == 0
    with store.reading() as session:
        actions = session.scalars(
            select(TrailRow.action).where(TrailRow.person_id == nurse.person_id).order_by(TrailRow.number)
        ).all()
    assert list(actions)[-3:] == ["signed_in", "case_opened", "signed_out"]
    context.close()


def test_the_page_warns_and_one_key_keeps_the_sign_in(page: Page, store: Store) -> None:
    page.goto("/")
    moved_back(store, timedelta(minutes=13, seconds=5))
    warning = page.locator("#ending [role=alert]")
    assert warning.inner_text() == ""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#ending [role=alert]")).not_to_be_empty()
    assert "You will be signed out in 2 minutes" in warning.inner_text()
    page.get_by_role("button", name="Stay signed in").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ending [role=alert]")).to_be_empty()
    assert not page.get_by_role("button", name="Stay signed in").is_visible()
    with store.reading() as session:
        seen = max(session.scalars(select(SignInRow.last_seen_at).where(SignInRow.ended_at.is_(None))))
    assert datetime.now(UTC) - seen < timedelta(minutes=1)


def test_work_in_another_tab_counts(page: Page, store: Store) -> None:
    page.goto("/")
    moved_back(store, timedelta(minutes=14))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#ending [role=alert]")).not_to_be_empty()
    other = page.context.new_page()
    other.goto("/")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#ending [role=alert]")).to_be_empty()


def test_an_ended_sign_in_leaves_no_case_on_the_screen(page: Page, store: Store) -> None:
    page.goto("/")
    page.get_by_role("link", name="PA-plain").click()
    page.locator(".note-text").first.wait_for()
    case = page.url
    moved_back(store, IDLE_LIMIT + timedelta(seconds=5))
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_url("**/sign-in?ended=1&next=*")
    assert "15 minutes" in page.get_by_role("status").inner_text()
    page.keyboard.type("nurse")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(case)


def test_without_javascript_the_page_says_when_the_sign_in_ends(signed_in_as: Callable[..., Page]) -> None:
    page = signed_in_as(Role.NURSE, java_script_enabled=False)
    page.goto("/")
    ends = datetime.fromisoformat(page.locator("time[data-local]").get_attribute("datetime") or "")
    assert timedelta(minutes=14) < ends - datetime.now(UTC) <= IDLE_LIMIT
    assert page.locator("time[data-local]").inner_text() == f"{ends:%H:%M} UTC"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")


def test_an_administrator_adds_changes_and_renews_somebody(signed_in_as: Callable[..., Page], store: Store) -> None:
    page = signed_in_as(Role.ADMINISTRATOR)
    complaints: list[str] = []
    hear_complaints(page, complaints)
    page.goto("/people")
    page.get_by_label("Name", exact=True).fill("Beth Roe")
    page.get_by_label("Sign-in name").fill("Beth")
    page.get_by_label("Role").select_option(label="Lead")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Add").click()
    first = page.locator("code.password").inner_text()
    page.get_by_role("link", name="Beth Roe").click()
    page.get_by_label("Team").fill("East")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/people")
    page.get_by_role("link", name="Beth Roe").click()
    page.get_by_role("button", name="New password").click()
    assert page.locator("code.password").inner_text() != first
    page.get_by_role("link", name="Beth Roe").click()
    page.get_by_role("button", name="Make inactive").click()
    page.wait_for_url("**/people")
    with store.reading() as session:
        row = session.scalars(select(PersonRow).where(PersonRow.sign_in_name == "beth")).one()
    assert (row.display_name, row.role, row.team, row.active) == ("Beth Roe", "lead", "East", False)
    assert complaints == []


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (360, 740)])
def test_nothing_is_cut_off_on_a_small_or_zoomed_window(
    signed_in_as: Callable[..., Page], width: int, height: int
) -> None:
    page = signed_in_as(Role.ADMINISTRATOR, viewport={"width": width, "height": height})
    for path in ("/people", "/nowhere"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        sizes = page.locator("button:visible, .places a:visible").evaluate_all(
            "all => all.map(e => e.getBoundingClientRect()).map(r => Math.min(r.width, r.height))"
        )
        assert all(size >= 24 for size in sizes)


@pytest.fixture
def written(tmp_path: Path) -> Iterator[tuple[str, FastAPI, str]]:
    """A service with a page that has one form with a draft: address, application and case."""
    settings = Settings(database_url=database_in(tmp_path), model_dir=tmp_path)
    app = create_app(settings, triage=routed)
    case = app.state.service.submit(json.dumps(request_body()).encode()).authorization_id

    @app.get("/cases/{case}/probe", include_in_schema=False)
    def probe(case: str, who: Worker, drafts: Drafts) -> HTMLResponse:
        draft = {"text": "", **drafts.load(who.person.person_id, case, "probe")}
        given: dict[str, Any] = {"header": header_of(who), "here": "/", "form_token": who.form_token}
        return HTMLResponse(templates().from_string(FORM_PAGE).render(given, case=case, draft=draft))

    @app.post("/cases/{case}/probe", include_in_schema=False)
    def sent(case: str, who: Worker) -> HTMLResponse:
        return HTMLResponse(f"done {case} {who.person.display_name}")

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", app, case
    server.should_exit = True
    thread.join(10)


def kept(app: FastAPI) -> list[str]:
    with app.state.store.reading() as session:
        return [json.loads(row.content)["text"] for row in session.scalars(select(DraftRow))]


def sign_in_by_hand(page: Page, name: str) -> None:
    page.locator("#name").fill(name)
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without"])
def test_what_is_written_survives_the_end_of_the_sign_in(
    chromium: Browser, written: tuple[str, FastAPI, str], scripts: bool
) -> None:
    url, app, case = written
    add_person(app, Role.NURSE, "ann")
    context = chromium.new_context(base_url=url, java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"/cases/{case}/probe")
    sign_in_by_hand(page, "ann")
    page.wait_for_url("**/probe")
    moved_back(app.state.store, IDLE_LIMIT + timedelta(seconds=5))
    page.locator("#text").fill("Called the clinic.")
    page.get_by_role("button", name="Send").click()

    page.get_by_text("What you wrote is kept").wait_for()
    assert kept(app) == ["Called the clinic."]
    sign_in_by_hand(page, "ann")
    page.wait_for_url(f"**/cases/{case}")
    page.goto(f"/cases/{case}/probe")
    assert page.locator("#text").input_value() == "Called the clinic."
    page.get_by_role("button", name="Send").click()
    page.get_by_text("done").wait_for()
    context.close()


def test_what_is_written_survives_a_reload_and_no_browser_storage_holds_it(
    chromium: Browser, written: tuple[str, FastAPI, str]
) -> None:
    url, app, case = written
    add_person(app, Role.NURSE, "ann")
    context = chromium.new_context(base_url=url)
    page = context.new_page()
    page.goto(f"/cases/{case}/probe")
    sign_in_by_hand(page, "ann")
    page.wait_for_url("**/probe")
    page.locator("#text").press_sequentially("Called the clinic")
    page.get_by_text("Draft kept").wait_for()
    assert kept(app) == ["Called the clinic"]
    page.locator("#text").press_sequentially(" twice.")
    page.reload()
    expect(page.locator("#text")).to_have_value("Called the clinic twice.")
    held = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert held == [0, 0, ""]

    page.locator("#text").press("Control+End")
    page.locator("#text").press_sequentially(" Again.")
    page.goto("/sign-in/left")
    for _ in range(100):
        if kept(app)[0].endswith("Again."):
            break
        page.wait_for_timeout(50)
    assert kept(app) == ["Called the clinic twice. Again."]
    context.close()
