"""The worklist in Chromium: a race of two nurses, a day's keys, saved views, search; each ends in the stored row."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from databases import database_in, stored_rows, writing
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[1]))

from complaints import hear_complaints
from running_server import RunningServer
from serving_cases import NOTE, request_body

from serving.cookies import COOKIE
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store
from serving.views import due_clock

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

CASES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worklist")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[RunningServer]:
    """Sixty cases of which every fifth is expedited."""
    now = datetime.now(UTC)
    bodies = [
        request_body(
            f"PA-{number:02d}",
            f"{NOTE} Visit {number}.",
            received_at=(now - timedelta(hours=CASES - number)).isoformat(),
            urgency="standard" if number % 5 else "expedited",
        )
        for number in range(CASES)
    ]
    for number, body in enumerate(bodies):
        body["coverage"]["line_of_business"] = "medicaid" if number % 2 else "commercial"
    samples = folder / "requests.jsonl"
    samples.write_text("\n".join(json.dumps(body) for body in bodies))
    server = RunningServer(folder, "--load", str(samples))
    server.start()
    yield server
    server.close()


@pytest.fixture
def served(running: RunningServer, folder: Path) -> RunningServer:
    """The server with nothing claimed, done or saved yet."""
    with writing(running.database_url) as connection:
        connection.execute(text("UPDATE authorizations SET assigned_to = NULL, assigned_at = NULL"))
        connection.execute(text("UPDATE people SET active = false"))
        for table in ("case_actions", "saved_views", "last_looks"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608  (our own names)
    return running


@pytest.fixture
def opened(chromium: Browser, served: RunningServer, folder: Path) -> Iterator[Callable[..., Page]]:
    """Opens the worklist in a browser of somebody who is signed in. Any error on a console fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    store = Store.open(database_in(folder))
    people = PeopleStore(store)

    def open_as(name: str, role: Role = Role.NURSE, **options: Any) -> Page:
        now = datetime.now(UTC)
        token = people.sign_in(people.add(f"{name.split()[0]}-{now.timestamp()}", name, role, now=now), now=now)
        context = chromium.new_context(base_url=served.url, viewport={"width": 1280, "height": 720}, **options)
        context.add_cookies([{"name": COOKIE, "value": token, "url": served.url}])
        contexts.append(context)
        page = context.new_page()
        hear_complaints(page, complaints, but=("409",))
        page.goto("/")
        return page

    yield open_as
    for context in contexts:
        context.close()
    store.close()
    assert complaints == []


def stored(folder: Path, query: str, **values: str) -> list[Any]:
    return stored_rows(database_in(folder), query, values)


def holder(folder: Path, external_id: str) -> str | None:
    found = stored(
        folder,
        "SELECT display_name FROM authorizations LEFT JOIN people ON person_id = assigned_to WHERE external_id = :case",
        case=external_id,
    )
    name: str | None = found[0][0]
    return name


def test_of_two_nurses_who_want_one_case_the_second_is_told_who_has_it(
    opened: Callable[..., Page], folder: Path
) -> None:
    ann, bob = opened("Ann Lee"), opened("Bob")
    name = ann.locator("tbody .case-link").first.inner_text()
    ann.get_by_role("button", name=f"Claim {name}", exact=True).click()
    ann.wait_for_url("**/cases/*")
    bob.get_by_role("button", name=f"Claim {name}", exact=True).click()

    assert "Ann Lee claimed this case" in bob.locator(".happened").inner_text()
    assert holder(folder, name) == "Ann Lee"
    assert stored(folder, "SELECT count(*) FROM case_actions") == [(1,)]
    bob.get_by_role("button", name="Claim next").click()
    bob.wait_for_url("**/cases/*")
    assert holder(folder, bob.locator("h1").inner_text()) == "Bob"


def test_one_key_claims_the_next_case_and_opens_it(opened: Callable[..., Page], folder: Path) -> None:
    page = opened("Ann Lee")
    soonest = page.locator("tbody .case-link").first.inner_text()
    page.keyboard.press("c")
    page.wait_for_url("**/cases/*")
    assert page.locator("h1").inner_text() == soonest
    assert holder(folder, soonest) == "Ann Lee"


def test_a_nurse_walks_the_list_opens_and_claims_by_keys_alone(opened: Callable[..., Page], folder: Path) -> None:
    page = opened("Ann Lee")
    in_order = page.locator("tbody .case-link").all_inner_texts()
    focused = page.locator(":focus")
    for key, expected in (("j", 0), ("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("k", 0), ("j", 1)):
        page.keyboard.press(key)
        assert focused.inner_text() == in_order[expected]
    page.keyboard.press("c")
    page.wait_for_url("**/cases/*")
    assert holder(folder, in_order[1]) == "Ann Lee"
    page.go_back()
    page.keyboard.press("n")
    page.wait_for_url("**/?*after=*")
    assert len(page.locator("tbody tr").all()) == CASES - 50
    page.keyboard.press("p")
    page.wait_for_url("**/?*before=*")
    assert page.locator("tbody .case-link").all_inner_texts() == in_order
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/*")
    assert page.locator("h1").inner_text() == in_order[0]


def test_keys_are_told_of_and_can_be_switched_off_and_do_not_disturb_typing(opened: Callable[..., Page]) -> None:
    page = opened("Ann Lee")
    page.keyboard.press("/")
    page.keyboard.type("c?nj")
    assert page.locator("#search").input_value() == "c?nj"
    page.locator("#search").fill("")
    page.locator("h1").click()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    assert dialog.is_visible()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.get_by_role("button", name="Keys").click()
    page.get_by_role("button", name="Switch them off").click()
    page.keyboard.press("?")
    page.keyboard.press("j")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.reload()
    page.keyboard.press("?")
    assert not dialog.is_visible()


def test_a_filter_is_chosen_saved_and_opens_first(opened: Callable[..., Page], folder: Path) -> None:
    page = opened("Ann Lee")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("expedited").check()
    page.get_by_label("medicaid").check()
    page.get_by_role("button", name="Show").click()
    assert page.locator(".total").inner_text() == "6"
    assert page.locator("tbody .line").all_inner_texts() == ["medicaid"] * 6
    page.get_by_text("Save this view").click()
    page.get_by_label("Name").fill("Urgent Medicaid")
    page.get_by_label("opens first").check()
    page.get_by_role("button", name="Save", exact=True).click()
    assert stored(folder, "SELECT name, is_default FROM saved_views") == [("Urgent Medicaid", True)]
    page.goto("/")
    assert page.locator(".total").inner_text() == "6"
    page.get_by_role("link", name="Without: medicaid").click()
    assert page.locator(".total").inner_text() == "12"


def test_a_search_opens_the_case_and_never_shows_the_id_in_the_address(opened: Callable[..., Page]) -> None:
    page = opened("Ann Lee")
    page.keyboard.press("/")
    page.keyboard.type("PA-1")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search")
    assert page.locator("tbody tr").count() == 10
    page.locator("#search").fill("PA-17")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/*")
    assert page.locator("h1").inner_text() == "PA-17"
    assert "PA-17" not in page.url


def test_clocks_turn_while_the_page_stays_open_and_tell_a_change_of_level(opened: Callable[..., Page]) -> None:
    page = opened("Ann Lee")
    page.clock.install(time=datetime.now(UTC))
    page.reload()
    cell = page.locator("tbody tr").first.locator(".due")
    time = page.locator("tbody tr time").first
    soon_at = datetime.fromisoformat(time.get_attribute("data-soon-at") or "")
    due = datetime.fromisoformat(time.get_attribute("datetime") or "")
    began = datetime.fromisoformat(page.locator("table.cases").get_attribute("data-now") or "")
    assert "calm" not in (cell.get_attribute("class") or "")
    passed = timedelta()
    for hours in (2, 9, 7, 60, 40):
        passed += timedelta(hours=hours)
        page.clock.fast_forward(hours * 3600 * 1000)
        words = time.inner_text()
        moments = [began + passed + timedelta(seconds=s) for s in (-5, 0, 5, 25)]
        near = {due_clock(due, moment, soon=moment >= soon_at) for moment in moments}
        assert words in {clock.words for clock in near}
        assert cell.get_attribute("class") in {f"due {clock.level}" for clock in near}
    assert "overdue by" in page.locator("#clock-news").inner_text()


def test_everything_works_without_javascript(opened: Callable[..., Page], folder: Path) -> None:
    page = opened("Lea", Role.LEAD, java_script_enabled=False)
    page.locator("tbody input[type=checkbox]").first.check()
    name = page.locator("tbody .case-link").first.inner_text()
    page.get_by_role("button", name="Assign").click()
    page.get_by_text("Assigned.", exact=True).wait_for()
    assert holder(folder, name) == "Lea"
    page.get_by_role("button", name=f"Release {name}").click()
    page.locator(".holder").wait_for(state="detached")
    assert holder(folder, name) is None
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("expedited").check()
    page.get_by_role("button", name="Show").click()
    assert page.locator(".total").inner_text() == "12"
    page.get_by_role("button", name="Claim next").click()
    page.wait_for_url("**/cases/*")
    assert holder(folder, page.locator("h1").inner_text()) == "Lea"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (360, 740)])
def test_nothing_is_cut_off_and_every_target_is_large_enough(
    opened: Callable[..., Page], scheme: str, width: int, height: int
) -> None:
    page = opened("Lea", Role.LEAD, color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": height})
    page.get_by_text("Filters", exact=True).click()
    page.get_by_text("Save this view").click()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.evaluate(
        """() => [...document.querySelectorAll("main a, main button, main select, main summary, main label")]
        .filter(e => e.checkVisibility() && !e.classList.contains("unseen"))
        .filter(e => { const r = e.getBoundingClientRect(); return r.height < 24 || r.width < 24 })
        .map(e => e.outerHTML)"""
    )
    assert small == []
