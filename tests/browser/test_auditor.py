"""A nurse reads a case, an auditor asks what happened: done in Chromium, checked in the stored trail."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

# The folder's conftest.py puts tests/ on the path.
from complaints import hear_complaints
from databases import database_in, stored_rows
from running_server import RunningServer
from serving_cases import request_body
from trail_attacks import replace_trail, trail_rows

from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

NOTE = (
    "52-year-old woman with low back pain and right leg pain for four months.\n"
    "She completed eight weeks of physical therapy from 8/17/2026 to 10/12/2026 without relief.\n"
    "Denies saddle anesthesia, fever and weight loss.\n"
)
SECONDS_LOOKED = 2
FOCUS = """() => {
  const element = document.activeElement;
  return [element.name ?? "", getComputedStyle(element).outlineStyle, element.matches(":focus")];
}"""


class House:
    """A server of this test alone, its database, and a way to be somebody in a browser."""

    def __init__(self, folder: Path, browser: Browser) -> None:
        self.database = database_in(folder)
        samples = folder / "requests.jsonl"
        samples.write_text("\n".join(json.dumps(request_body(f"PA-{n}", NOTE)) for n in (1, 2)))
        self._server = RunningServer(folder, "--load", str(samples))
        self._server.start()
        self._browser = browser
        self._tokens: dict[str, str] = {}

    @contextmanager
    def signed_in(self, role: Role, name: str, **options: Any) -> Iterator[Page]:
        """A page of a browser in which this person is signed in. Any complaint on its console fails the test."""
        if name not in self._tokens:
            store = Store.open(self.database)
            people = PeopleStore(store)
            person = people.add(name, name.replace("_", " ").title(), role, now=datetime.now(UTC))
            self._tokens[name] = people.sign_in(person, now=datetime.now(UTC))
            store.close()
        settings = {"viewport": {"width": 1280, "height": 720}, **options}
        context: BrowserContext = self._browser.new_context(base_url=self._server.url, **settings)
        cookie = {"name": "greenlane_sign_in", "value": self._tokens[name], "url": self._server.url}
        context.add_cookies([cookie])  # type: ignore[list-item]  # a TypedDict, given as a dict
        page = context.new_page()
        complaints: list[str] = []
        hear_complaints(page, complaints)
        yield page
        context.close()
        assert complaints == []

    def entries(self, action: str) -> list[dict[str, Any]]:
        """The details of every stored entry of this kind, oldest first."""
        query = "SELECT details FROM trail WHERE action = :action ORDER BY number"
        rows = stored_rows(self.database, query, {"action": action})
        return [json.loads(details) for (details,) in rows]

    def case(self, external_id: str) -> str:
        """Our id of a case."""
        query = "SELECT authorization_id FROM authorizations WHERE external_id = :external_id"
        ((found,),) = stored_rows(self.database, query, {"external_id": external_id})
        return str(found)

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"), chromium)
    yield house
    house.close()


def until(met: Callable[[], object], page: Page) -> None:
    """Wait until something holds on the server's side."""
    for _ in range(100):
        if met():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come to hold within ten seconds")


def a_nurse_reads(house: House, name: str = "ann_lee") -> None:
    """Open a case, follow a criterion to its words, look for a while, leave."""
    with house.signed_in(Role.NURSE, name) as page:
        left = len(house.entries("case_left"))
        page.goto(f"/cases/{house.case('PA-1')}")
        page.locator('a[href^="#fact-"]').first.click()
        page.wait_for_timeout(SECONDS_LOOKED * 1000 + 200)
        page.goto("/")
        until(lambda: len(house.entries("case_left")) > left, page)


def test_what_a_nurse_looks_at_is_in_the_trail_when_they_leave(house: House) -> None:
    a_nurse_reads(house, "nia_fox")
    assert [set(details) for details in house.entries("evidence_opened")[-1:]] == [
        {"revision", "opened", "fact_id", "criterion_id"}
    ]
    assert house.entries("document_opened")[-1]["document"] == 1
    assert SECONDS_LOOKED <= house.entries("case_left")[-1]["seconds"] <= SECONDS_LOOKED + 10


def test_evidence_that_another_script_shows_is_in_the_trail_once(house: House) -> None:
    with house.signed_in(Role.NURSE, "cal_dow") as page:
        before = len(house.entries("evidence_opened"))
        page.goto(f"/cases/{house.case('PA-2')}")
        show = "fact => document.dispatchEvent(new CustomEvent('greenlane:evidence', { detail: { factId: fact } }))"
        facts = [link.removeprefix("#fact-") for link in _evidence_links(page)][:2]
        for fact in (*facts, facts[0]):
            page.evaluate(show, fact)
        until(lambda: len(house.entries("evidence_opened")) > before, page)
        page.goto("/")
    assert [details["fact_id"] for details in house.entries("evidence_opened")[before:]] == facts


def _evidence_links(page: Page) -> list[str]:
    links: list[str] = page.locator('a[href^="#fact-"]').evaluate_all(
        "all => [...new Set(all.map(link => link.getAttribute('href')))]"
    )
    return links


def test_time_in_the_background_does_not_count(house: House) -> None:
    with house.signed_in(Role.NURSE, "bea_kim") as page:
        left = len(house.entries("case_left"))
        page.goto(f"/cases/{house.case('PA-2')}")
        page.wait_for_timeout(1100)
        # Chromium without a screen keeps every page in front: what the browser would say of one behind is said here.
        page.evaluate("() => { document.hasFocus = () => false; window.dispatchEvent(new Event('blur')); }")
        page.wait_for_timeout(3000)
        page.goto("/")
        until(lambda: len(house.entries("case_left")) > left, page)
    assert house.entries("case_left")[-1]["seconds"] <= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_auditor_s_day(house: House, scheme: str, tmp_path: Path) -> None:
    nurse = f"ann_{scheme}"
    a_nurse_reads(house, nurse)
    name = nurse.replace("_", " ").title()
    with house.signed_in(Role.AUDITOR, "eve_orr", color_scheme=scheme) as page:
        page.goto("/trail")
        page.get_by_label("Person").select_option(name)
        page.get_by_role("button", name="Show", exact=True).click()
        assert set(page.locator(".trail .name").all_inner_texts()) == {name}
        assert "opened the case" in page.locator(".trail .words").all_inner_texts()

        with page.expect_download() as download:
            page.get_by_role("button", name="Export as CSV").click()
        with Path(str(download.value.path())).open(newline="") as file:
            assert {row["person"] for row in csv.DictReader(file)} == {name}

        page.get_by_label("Case, by the intake system's id").fill("PA-1")
        page.keyboard.press("Enter")
        page.wait_for_url("**/trail/cases/*")
        assert page.locator("h1").inner_text() == "Trail of PA-1"
        assert "PA-1" not in urlsplit(page.url).path
        told = " ".join(page.locator(".trail th").all_inner_texts())
        assert re.search(rf"{name} nurse opened the evidence for “[^”]+”", told)
        assert name in page.locator(".visits th").all_inner_texts()

        page.goto("/trail")
        page.get_by_role("button", name=re.compile("Verify")).click()
        assert "The trail holds" in page.get_by_role("status").inner_text()
    assert house.entries("trail_verified")[-1]["broken"] == 0
    assert house.entries("trail_exported") != []


def test_an_auditor_works_by_keyboard_alone(house: House) -> None:
    with house.signed_in(Role.AUDITOR, "eve_orr") as page:
        page.goto("/trail")
        reached: list[str] = []
        for _ in range(20):
            page.keyboard.press("Tab")
            # The date field's own calendar button has the focus without being :focus; Chromium outlines it itself.
            name, outline, focused = page.evaluate(FOCUS)
            assert not focused or outline == "solid"
            reached.append(name)
            if name == "external_id":
                break
        assert {"person", "action", "day"} <= set(reached)
        page.keyboard.type("PA-2")
        page.keyboard.press("Enter")
        page.wait_for_url("**/trail/cases/*")
        assert page.locator("h1").inner_text() == "Trail of PA-2"


def test_the_trail_works_without_javascript_and_in_a_narrow_window(house: House) -> None:
    with house.signed_in(Role.AUDITOR, "eve_orr", java_script_enabled=False) as page:
        for width, height in ((1280, 720), (640, 360), (360, 740)):
            page.set_viewport_size({"width": width, "height": height})
            page.goto("/trail")
            # Without scripts of the page's own the browser still answers ours.
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            small = page.locator("main :is(button, select, input:not([type=hidden]), .of-case a)").evaluate_all(
                "all => all.filter(e => e.getBoundingClientRect().height < 24).map(e => e.outerHTML)"
            )
            assert small == []
        page.get_by_label("Case, by the intake system's id").fill("PA-9")
        page.get_by_role("button", name="Open its trail").click()
        assert page.locator("main").get_by_role("alert").inner_text() == "No case has this id."


def test_one_altered_entry_is_found_and_named_on_the_page(house: House) -> None:
    whole = trail_rows(house.database)
    changed = [dict(row) for row in whole]
    changed[4]["at"] = "2026-01-01 00:00:00.000000"
    with house.signed_in(Role.AUDITOR, "eve_orr") as page:
        page.goto("/trail")
        replace_trail(house.database, changed)
        page.get_by_role("button", name=re.compile("Verify")).click()
        said = page.get_by_role("status").inner_text()
    assert "does not hold in one place: entry 5: its hash does not match its content" in said
    assert house.entries("trail_verified")[-1]["first"] == 5
    replace_trail(house.database, whole)
