"""A medical director's working day in Chromium: each step is done in the browser and then looked up in the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from case_desk import CaseDesk
from test_nurse_day import open_case

from serving.roles import Role
from serving.work import ActionKind

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

REASONS = (
    "The notes show that you had eight weeks of physical therapy, but not how you were after it. The policy asks that "
    "the pain stayed the same or came back."
)


@pytest.fixture(scope="module")
def desk(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseDesk]:
    desk = CaseDesk(tmp_path_factory.mktemp("director"), chromium)
    yield desk
    desk.close()


def refer(desk: CaseDesk, external_id: str) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, external_id)
        page.keyboard.press("m")
        page.get_by_role("button", name="Refer to the medical director").click()
        page.wait_for_url("**?done=*")
    assert desk.row(external_id).work == "referred"


def fill_in(page: Page) -> None:
    page.get_by_label("Specific reasons").fill(REASONS)
    page.locator("input[name=criteria]").first.check()
    page.get_by_label("offered, and the provider declined").check()
    page.get_by_label("Offered on").fill(datetime.now(UTC).date().isoformat())


def test_a_determination_waits_for_the_evidence_and_loses_no_word_meanwhile(desk: CaseDesk) -> None:
    refer(desk, "PA-1")
    with desk.page_of(Role.MEDICAL_DIRECTOR, "dora") as page:
        open_case(page, "PA-1")
        page.get_by_role("link", name="Adverse determination").click()
        fill_in(page)
        page.get_by_role("button", name="Record the determination").click()
        assert "open the evidence" in page.locator(".message").inner_text().lower()
        assert page.get_by_label("Specific reasons").input_value() == REASONS
        assert desk.row("PA-1").work == "referred"

        with page.context.expect_page() as opened:
            page.locator(".evidence-first a").first.click(modifiers=["Control"])
        evidence = opened.value
        evidence.wait_for_url("**/cases/*#*")
        evidence.close()
        page.get_by_role("button", name="Record the determination").click()
        page.wait_for_url("**?done=*")
        assert page.locator(".done-line").inner_text().startswith("Adverse determination recorded on PA-1")
    kind, content = desk.kept("PA-1")[-1]
    assert (kind, content["peer_to_peer"]) == (ActionKind.DETERMINED_ADVERSELY, "declined")
    assert REASONS in content["letter"]
    assert "within 180 days" in content["letter"]
    assert desk.row("PA-1").work == "decided"


def test_a_determination_is_undone_and_the_case_approved_instead(desk: CaseDesk) -> None:
    with desk.page_of(Role.MEDICAL_DIRECTOR, "dora") as page:
        page.goto(f"/cases/{desk.row('PA-1').authorization_id}")
        page.keyboard.press("u")
        page.wait_for_url("**?done=*")
        assert desk.row("PA-1").work == "referred"
        page.keyboard.press("a")
        page.keyboard.press("Enter")
        page.wait_for_function("document.querySelector('.done-words')?.textContent.startsWith('Approved')")
    assert [kind for kind, _ in desk.kept("PA-1")][-2:] == ["undone", "approved"]


def test_a_referred_case_is_returned_to_the_nurse_who_goes_on(desk: CaseDesk) -> None:
    refer(desk, "PA-2")
    with desk.page_of(Role.MEDICAL_DIRECTOR, "dora") as page:
        open_case(page, "PA-2")
        page.locator("#do-return > summary").click()
        page.get_by_label("What the nurse should do next").fill("Ask for the therapist's last note.")
        page.get_by_role("button", name="Return to the nurse").click()
        page.wait_for_url("**?done=*")
    assert desk.row("PA-2").work == "open"
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-2")
        assert "You have this case" in page.locator(".holder").inner_text()
        assert "Ask for the therapist's last note." in (page.locator(".file-notes").text_content() or "")


def test_a_nurse_sees_no_such_form_and_gets_none(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-3")
        assert page.get_by_text("Adverse").count() == 0
        answer = page.goto(f"{page.url}/determine-adversely")
        assert answer is not None
        assert answer.status == 403


def test_an_auditor_sees_the_case_and_no_form(desk: CaseDesk) -> None:
    with desk.page_of(Role.AUDITOR, "audrey") as page:
        open_case(page, "PA-3")
        assert page.locator(".holder").is_visible()
        assert page.locator("main form").count() == 0
