"""A lead's and a data scientist's pages of numbers in Chromium."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from case_work import CaseWork
from complaints import hear_complaints
from databases import database_in
from running_server import RunningServer
from sqlalchemy import select

from serving.cookies import COOKIE
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store
from serving.tables import TrailRow

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Store, CaseWork]]:
    """A running service, its database, and the work of two nurses in it, to which a test may add."""
    folder = tmp_path_factory.mktemp("numbers")
    server = RunningServer(folder)
    server.start()
    store = Store.open(database_in(folder))
    work, now = CaseWork(store), datetime.now(UTC)
    for name, minutes in (("ann", 10), ("bob", 0)):
        work.person(name)
        for number in range(14):
            case = work.case(received=now - timedelta(hours=20 + number), work="decided", score=0.8)
            work.act(case, "approved", name, now - timedelta(minutes=5))
            work.act(case, "fact_corrected", name, now - timedelta(minutes=5), verdict="wrong", concept="bmi")
            work.opened(case, name, now - timedelta(minutes=5 + minutes, seconds=10))
    work.case(received=now - timedelta(hours=160))
    yield server, store, work
    store.close()
    server.close()


@pytest.fixture(params=["light", "dark"])
def page_as(
    request: pytest.FixtureRequest, chromium: Browser, kept: tuple[RunningServer, Store, CaseWork]
) -> Iterator[Callable[..., Page]]:
    """Opens a page as somebody of a role, in light and in dark; any complaint on the console fails the test."""
    server, store, _ = kept
    people, contexts, complaints = PeopleStore(store), [], []

    def open_as(role: Role, path: str, *, javascript: bool = True, width: int = 1280, height: int = 720) -> Page:
        now = datetime.now(UTC)
        name = f"{role.value}-{now.timestamp()}"
        token = people.sign_in(people.add(name, "Lee Park", role, password=PASSWORD, now=now), now=now)
        context = chromium.new_context(
            base_url=server.url,
            viewport={"width": width, "height": height},
            color_scheme=request.param,
            java_script_enabled=javascript,
        )
        context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
        contexts.append(context)
        page = context.new_page()
        hear_complaints(page, complaints)
        page.goto(path)
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert complaints == []


def contrast(page: Page, text: str, ground: str) -> float:
    """The contrast (WCAG 2.2) of an element's colour on another's background."""
    colours = page.evaluate(
        """([text, ground]) => {
            const of = (element, names) => names.map(name => getComputedStyle(element)[name])
                .find(colour => colour && colour !== 'none' && !colour.endsWith(', 0)'));
            return [of(document.querySelector(text), text.startsWith('.chart') ? ['fill'] : ['color']),
                    of(document.querySelector(ground), ['backgroundColor'])];
        }""",
        [text, ground],
    )
    bright = []
    for colour in colours:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        bright.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(bright) / min(bright)


def test_a_lead_sees_the_alarm_and_each_table_beside_its_chart(page_as: Callable[..., Page]) -> None:
    page = page_as(Role.LEAD, "/numbers")
    assert "14 of 28 decisions (50 %)" in page.locator("#alarm").inner_text()
    for slug in ("turnaround", "time-left", "age", "workload", "quick", "routes", "corrections"):
        chart = page.locator(f"#{slug} svg").bounding_box()
        table = page.locator(f"#{slug} table").bounding_box()
        assert chart is not None
        assert table is not None
        assert chart["x"] + chart["width"] <= table["x"], slug
        assert page.locator(f"#{slug} svg").get_attribute("role") == "img"
    page.locator("#alarm a").click()
    assert page.locator("#quick tbody tr").nth(1).inner_text().split() == ["Bob", "14", "14", "0", "100", "%"]


@pytest.mark.parametrize(
    ("text", "ground", "least"),
    [
        (".figure .of", ".figure", 4.5),
        (".figure.watch .value", ".figure", 4.5),
        (".alarm", ".alarm", 4.5),
        (".chart-label", ".numbers-section", 4.5),
        (".chart-figure", ".numbers-section", 4.5),
        (".chart-part-0", ".numbers-section", 3),
        (".numbers-note", ".numbers-section", 4.5),
    ],
)
def test_words_and_bars_stand_out(page_as: Callable[..., Page], text: str, ground: str, least: float) -> None:
    assert contrast(page_as(Role.LEAD, "/numbers"), text, ground) >= least


def test_the_period_is_chosen_by_keyboard_alone(page_as: Callable[..., Page]) -> None:
    page = page_as(Role.LEAD, "/numbers")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "period":
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/numbers?period=30d*")
    assert page.locator("input[value='30d']").is_checked()


def test_a_table_is_downloaded_and_the_trail_knows(
    page_as: Callable[..., Page], kept: tuple[RunningServer, Store, CaseWork], tmp_path: Path
) -> None:
    page = page_as(Role.LEAD, "/numbers?period=today")
    with page.expect_download() as download:
        page.locator("#workload .csv").click()
    download.value.save_as(tmp_path / "workload.csv")
    with (tmp_path / "workload.csv").open(newline="") as file:
        rows = {row["Reviewer"]: row for row in csv.DictReader(file)}
    assert (rows["Ann"]["In the period"], rows["Ann"]["Median a case (minutes)"]) == ("14", "10.1")
    with kept[1].reading() as session:
        last = session.scalars(select(TrailRow).order_by(TrailRow.number.desc()).limit(1)).one()
    assert last.action == "numbers_exported"


def test_the_page_keeps_itself_fresh_without_losing_the_place(
    page_as: Callable[..., Page], kept: tuple[RunningServer, Store, CaseWork]
) -> None:
    page = page_as(Role.LEAD, "/numbers")
    waiting = page.locator(".figure", has_text="Overdue now").locator(".of")
    before = waiting.inner_text()
    page.locator("#age .csv").focus()
    page.evaluate("window.scrollTo(0, 900)")
    place = page.locator("#age").bounding_box()
    kept[2].case(received=datetime.now(UTC), work="open", line="medicaid")
    page.evaluate("refresh()")
    page.wait_for_function("before => document.querySelectorAll('.figure .of')[1].innerText !== before", arg=before)
    assert page.evaluate("document.activeElement.closest('section').id") == "age"
    now = page.locator("#age").bounding_box()
    assert place is not None
    assert now is not None
    # A row more above it is made up for.
    assert now["y"] == pytest.approx(place["y"], abs=1)


def test_the_pages_work_without_javascript(page_as: Callable[..., Page]) -> None:
    page = page_as(Role.LEAD, "/numbers?period=today", javascript=False)
    page.get_by_role("link", name="Refresh").click()
    assert page.locator("#turnaround table").is_visible()
    assert page.locator("input[value='today']").is_checked()


@pytest.mark.parametrize(("role", "path"), [(Role.LEAD, "/numbers"), (Role.DATA_SCIENTIST, "/aggregates")])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (360, 740)])
def test_nothing_is_cut_off_on_a_small_or_zoomed_window(
    page_as: Callable[..., Page], role: Role, path: str, width: int, height: int
) -> None:
    page = page_as(role, path, width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    small = page.evaluate(
        """() => [...document.querySelectorAll('main a, main button, main input:not([type=radio]), main label.choice')]
            .filter(element => element.getBoundingClientRect().height < 24).map(element => element.outerHTML)"""
    )
    assert small == []


def test_a_data_scientist_sees_no_name(page_as: Callable[..., Page]) -> None:
    page = page_as(Role.DATA_SCIENTIST, "/aggregates")
    words = page.locator("main").inner_text()
    assert "bmi" in words
    assert "Ann" not in words.replace("Answered", "")
    assert page.locator("#score svg circle").count() == 1
