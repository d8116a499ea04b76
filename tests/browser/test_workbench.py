"""What a nurse does in the workbench, done in Chromium against the server as it is started by the command line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from serving.roles import Role

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def test_from_the_worklist_to_a_criterion_s_words_in_the_note(page: Page) -> None:
    page.goto("/")
    assert page.locator("tbody tr").first.locator("th").inner_text() == "PA-expedited"
    page.get_by_role("link", name="PA-plain").click()

    evidence = page.locator(".evidence-list a").first
    fact = (evidence.get_attribute("href") or "").removeprefix("#")
    quote = evidence.inner_text()
    evidence.click()

    assert page.url.endswith(f"#{fact}")
    target = page.locator(f"[id='{fact}']")
    assert target.is_visible()
    assert "".join(page.locator(".fact.pointed").all_text_contents()) == quote
    ground = "element => getComputedStyle(element).backgroundColor"
    marked = page.locator(".fact.pointed").first.evaluate(ground)
    assert marked != page.locator(".fact:not(.pointed)").last.evaluate(ground)


def test_a_highlight_leads_back_to_the_criterion_that_uses_it(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="PA-plain").click()
    highlight = page.locator("a.fact").first
    highlight.click()
    page.wait_for_url("**#about-*")
    about = page.url.rpartition("#")[2]
    # Clicked before the page's script is there, the link leads to the same place and the script marks it then.
    page.locator(f"[id='{about}'].pointed").wait_for()


@pytest.mark.parametrize("name", ["PA-plain", "PA-hostile"])
def test_the_note_in_the_browser_is_the_note_and_nothing_in_it_runs(
    page: Page, cases: list[dict[str, Any]], name: str
) -> None:
    text = next(case for case in cases if case["external_id"] == name)["documents"][0]["text"]
    page.goto("/")
    page.get_by_role("link", name=name).click()

    assert page.locator(".note-text").evaluate("element => element.textContent") == text.replace("\0", "\u2400")
    assert page.title() == f"{name} · greenlane"
    assert page.locator(".note-text script, .note-text img").count() == 0
    assert page.locator(".note-text").evaluate("element => getComputedStyle(element).whiteSpace") == "pre-wrap"


def test_the_worklist_and_a_case_can_be_reached_by_keyboard_alone(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.inner_text() == "Skip to the content"
    assert (skip.bounding_box() or {"x": -1})["x"] >= 0
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "PA-plain":
            break
    assert page.locator(":focus").evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/*")
    assert page.locator("h1").inner_text() == "PA-plain"


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360), (360, 740)])
def test_nothing_is_cut_off_on_a_small_or_zoomed_window(page: Page, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for path in ("/", None):
        if path:
            page.goto(path)
        else:
            page.get_by_role("link", name="PA-plain").click()
            page.wait_for_url("**/cases/*")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_pages_work_without_javascript(signed_in_as: Callable[..., Page]) -> None:
    page = signed_in_as(Role.NURSE, java_script_enabled=False)
    page.goto("/")
    page.get_by_role("link", name="PA-plain").click()
    page.locator(".evidence-list a").first.click()
    assert "#fact-" in page.url
    assert page.locator(".note-text [id^='fact-']:target").is_visible()
