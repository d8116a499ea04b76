"""A case that is being read, and the queue, as people meet them in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from case_desk import CaseDesk
from playwright.sync_api import expect

from serving.roles import Role

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(chromium: Browser, tmp_path: Path) -> Iterator[CaseDesk]:
    desk = CaseDesk(tmp_path, chromium)
    yield desk
    desk.close()


def test_a_case_that_is_being_read_opens_by_itself_when_it_has_been(desk: CaseDesk) -> None:
    desk.leave_unread("PA-unread")
    case = desk.row("PA-unread").authorization_id
    with desk.page_of(Role.NURSE, "kim") as page:
        page.goto(f"/cases/{case}")
        expect(page.get_by_role("heading", name="PA-unread is being read")).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="opens the case")).to_be_visible()
        desk.lease_ends(case, datetime.now(UTC))
        expect(page.locator(".note-text").first).to_be_visible(timeout=30_000)


def test_without_scripts_a_link_looks_again(desk: CaseDesk) -> None:
    desk.leave_unread("PA-unread")
    case = desk.row("PA-unread").authorization_id
    with desk.page_of(Role.NURSE, "kim", java_script_enabled=False) as page:
        page.goto(f"/cases/{case}")
        page.get_by_role("link", name="Look again").click()
        expect(page.get_by_role("heading", name="PA-unread is being read")).to_be_visible()
        expect(page.get_by_text("opens the case")).to_have_count(0)


def test_a_lead_reaches_the_queue_from_the_header_and_by_keyboard(desk: CaseDesk) -> None:
    desk.leave_unread("PA-unread")
    with desk.page_of(Role.LEAD, "lea") as page:
        page.goto("/")
        page.get_by_role("link", name="Queue").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Queue")).to_be_visible()
        expect(page.get_by_role("row", name="PA-unread")).to_contain_text("being read")
