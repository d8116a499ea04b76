"""A nurse's working day in Chromium: each step is done in the browser and then looked up in the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from case_desk import NOTE_WITH_SIGNS, CaseDesk
from signing_in import PASSWORD

from serving.roles import Role

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
else:
    expect = pytest.importorskip("playwright.sync_api").expect

pytestmark = pytest.mark.browser

MOST_KEYS = 6


@pytest.fixture(scope="module")
def desk(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseDesk]:
    desk = CaseDesk(tmp_path_factory.mktemp("nurse"), chromium)
    yield desk
    desk.close()


def open_case(page: Page, external_id: str) -> None:
    page.goto("/")
    page.get_by_role("link", name=external_id, exact=True).click()
    page.wait_for_url("**/cases/*")


def select_in_note(page: Page, words: str) -> None:
    """Mark words of the note as a hand does, over whatever highlights they are in."""
    page.evaluate(
        """words => {
          const note = document.querySelector(".note-text");
          const walker = document.createTreeWalker(note, NodeFilter.SHOW_TEXT);
          const start = note.textContent.indexOf(words), end = start + words.length;
          const range = document.createRange();
          let at = 0;
          while (walker.nextNode()) {
            const length = walker.currentNode.data.length;
            if (start >= at && start < at + length) range.setStart(walker.currentNode, start - at);
            if (end > at && end <= at + length) { range.setEnd(walker.currentNode, end - at); break; }
            at += length;
          }
          getSelection().removeAllRanges();
          getSelection().addRange(range);
        }""",
        words,
    )


def test_a_clear_case_is_approved_in_at_most_six_keys(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        keys: list[str] = []

        def press(key: str) -> None:
            keys.append(key)
            page.keyboard.press(key)

        page.goto("/")
        press("c")
        page.wait_for_url("**/cases/*")
        assert page.locator("h1").inner_text() == "PA-1", "the case that is due first"
        press("a")
        assert page.locator(":focus").inner_text() == "Approve as requested"
        press("Enter")
        page.wait_for_url("**/cases/*?done=*")

        assert desk.row("PA-1").work == "decided"
        assert [kind for kind, _ in desk.kept("PA-1")] == ["claimed", "approved"]
        assert len(keys) <= MOST_KEYS, keys

        assert page.locator(".done-line").inner_text().startswith("Approved PA-1")
        assert page.locator(":focus").inner_text().startswith("Next case")
        page.keyboard.press("c")
        page.wait_for_url(lambda url: desk.row("PA-2").authorization_id in url)
        page.keyboard.press("u")
        page.wait_for_url(lambda url: desk.row("PA-1").authorization_id in url)
        assert page.locator(".done-line").inner_text().startswith("Undone: PA-1")
        assert desk.row("PA-1").work == "open"


def test_information_is_asked_for_in_a_letter_that_only_needs_reading(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-2")
        page.keyboard.press("r")
        letter = page.locator(":focus")
        assert letter.input_value().startswith("About the request PA-2:")
        page.keyboard.press("Control+Home")
        page.keyboard.type("Dear colleague,\n\n")
        page.get_by_role("button", name="Keep and send the letter").click()
        page.wait_for_url("**?done=*")
    assert desk.row("PA-2").work == "awaiting_information"
    kind, content = desk.kept("PA-2")[-1]
    assert kind == "information_requested"
    assert content["letter"].startswith("Dear colleague,\n\nAbout the request PA-2:")


@pytest.mark.parametrize("words", ["foot drop", "therapy from 8/17/2026", "months.\r\n\tCompleted"])
def test_words_that_were_missed_are_selected_and_kept_with_exact_offsets(desk: CaseDesk, words: str) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-3")
        page.get_by_text("Correct what was read").click()
        select_in_note(page, words)
        page.get_by_label("They mean").fill("Low back pain")
        page.locator("form[data-draft=add_missed]").get_by_label("past").check()
        page.get_by_role("button", name="Keep what was missed").click()
        page.wait_for_url("**?done=*")
    kind, content = desk.kept("PA-3")[-1]
    assert kind == "fact_corrected"
    assert NOTE_WITH_SIGNS[content["start"] : content["end"]] == words
    assert (content["concept"], content["document_id"], content["assertion"]["historical"]) == (
        "low_back_pain",
        "d1",
        True,
    )


def test_a_highlight_is_clicked_and_said_to_be_wrong(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-4")
        highlight = page.locator(".note-text [data-facts]").first
        fact_id = (highlight.get_attribute("data-facts") or "").split()[0]
        highlight.click()
        card = page.locator(f".fact-card[data-fact-id='{fact_id}']")
        card.get_by_text("Confirm or correct").click()
        card.get_by_label("wrong: the note does not say this").check()
        card.get_by_role("button", name="Keep the correction").click()
        page.wait_for_url("**?done=*")
    content = desk.kept("PA-4")[-1][1]
    assert (content["verdict"], content["fact_id"]) == ("wrong", fact_id)


def test_a_colleague_is_mentioned_and_their_note_stops_an_approval_on_an_old_page(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as first, desk.page_of(Role.NURSE, "lou") as second:
        open_case(first, "PA-5")
        first.get_by_text("Request information").first.click()
        first.get_by_label("Letter to the provider").fill("A letter of my own.")
        open_case(second, "PA-5")
        second.keyboard.press("f")
        second.get_by_label("Mention").select_option("kim")
        second.get_by_label("Note to file").press_sequentially("please look at the dates")
        second.get_by_role("button", name="Keep the note").click()
        second.wait_for_url("**?done=*")
        first.get_by_role("button", name="Keep and send the letter").click()
        assert "Lou wrote a note" in first.locator(".message").inner_text()
        assert first.get_by_label("Letter to the provider").input_value() == "A letter of my own."
        assert desk.row("PA-5").work == "open"
        first.get_by_role("button", name="Keep and send the letter").click()
        first.wait_for_url("**?done=*")
    kinds = [kind for kind, _ in desk.kept("PA-5")]
    assert kinds == ["noted", "claimed", "information_requested"]
    note = desk.kept("PA-5")[0][1]
    assert len(note["mentions"]) == 1
    assert note["text"].startswith("@kim")


def test_a_case_is_referred_without_javascript(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim", java_script_enabled=False) as page:
        open_case(page, "PA-6")
        page.locator("#do-refer > summary").click()
        summary = page.get_by_label("Summary for the medical director")
        assert "Question for the medical director:" in summary.input_value()
        summary.fill("Please look at the weakness.")
        page.get_by_role("button", name="Refer to the medical director").click()
        assert page.locator(".done-line").inner_text().startswith("Referred PA-6")
        page.get_by_role("button", name="Undo").click()
    assert desk.row("PA-6").work == "open"
    assert [kind for kind, _ in desk.kept("PA-6")] == ["claimed", "referred", "undone"]


def test_single_keys_are_switched_off_and_stay_off(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-7")
        page.keyboard.press("?")
        page.get_by_role("button", name="Switch them off").click()
        page.keyboard.press("a")
        assert not page.locator("#do-approve").evaluate("panel => panel.open")
        page.reload()
        page.keyboard.press("a")
        assert not page.locator("#do-approve").evaluate("panel => panel.open")
        page.keyboard.press("?")
        page.keyboard.press("n")
        assert page.locator("dialog[open], [data-step]").count() == 0
        page.get_by_role("button", name="Keys").click()
        page.get_by_role("button", name="Switch them on").click()
        page.wait_for_selector("#case[data-keys=on]")
        page.keyboard.press("a")
        assert page.locator("#do-approve").evaluate("panel => panel.open")
        page.keyboard.press("Escape")
        assert not page.locator("#do-approve").evaluate("panel => panel.open")


def test_a_half_written_letter_survives_a_reload(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-7")
        page.keyboard.press("r")
        letter = page.get_by_label("Letter to the provider")
        asked = letter.input_value()
        page.keyboard.press("Control+Home")
        page.keyboard.type("Dear colleague,\n\nabout")
        page.reload()
        expect(letter).to_have_value(f"Dear colleague,\n\nabout{asked}")
        page.reload()
        expect(page.locator("#do-request > summary")).to_contain_text("draft")
        expect(letter).to_have_value(f"Dear colleague,\n\nabout{asked}")
    assert desk.drafts("PA-7") == ["request_information"]


@pytest.mark.parametrize("kept_before", [True, False], ids=["kept before the end", "sent after the end"])
def test_a_letter_survives_the_end_of_the_sign_in(desk: CaseDesk, kept_before: bool) -> None:
    words = f"A letter, {kept_before}."
    with desk.page_of(Role.NURSE, "nia", password=True) as page:
        open_case(page, "PA-7")
        page.keyboard.press("r")
        letter = page.get_by_label("Letter to the provider")
        if kept_before:
            letter.fill(words)
            page.get_by_text("Draft kept").wait_for()
            desk.let_idle("nia")
        else:
            desk.let_idle("nia")
            letter.fill(words)
        page.get_by_role("button", name="Keep and send the letter").click()
        page.locator("#password").wait_for()
        assert "What you wrote is kept" in page.locator("main").inner_text()
        assert desk.row("PA-7").work == "open"
        page.locator("#name").fill("nia")
        page.locator("#password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases/*")
        page.keyboard.press("r")
        expect(letter).to_have_value(words)


def test_a_correction_that_was_begun_is_said_of_its_own_fact_alone(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-7")
        marks = page.locator(".note-text [data-facts]")
        begun, other = marks.first, marks.last
        begun.click()
        card = page.locator(".fact-card").first
        card.get_by_text("Confirm or correct").click()
        card.get_by_label("wrong: the note does not say this").check()
        page.get_by_text("Draft kept").wait_for()
        page.reload()
        other.click()
        assert page.locator(".fact-card input:checked").count() == 0
        begun.click()
        assert card.get_by_label("wrong: the note does not say this").is_checked()
        assert card.get_by_role("button", name="Keep the correction").is_visible()


def test_letters_typed_into_a_form_are_text_and_not_keys(desk: CaseDesk) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        open_case(page, "PA-7")
        page.keyboard.press("f")
        page.keyboard.type("fmarcu?")
        assert page.get_by_label("Note to file").input_value() == "fmarcu?"
        assert not page.locator("#do-approve").evaluate("panel => panel.open")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 360)])
def test_every_panel_can_be_read_on_a_small_or_zoomed_window(desk: CaseDesk, width: int, height: int) -> None:
    with desk.page_of(Role.NURSE, "kim") as page:
        page.set_viewport_size({"width": width, "height": height})
        open_case(page, "PA-8")
        for panel in page.locator("details.act-panel").all():
            panel.locator("summary").first.click()
            button = panel.locator("button.main")
            button.scroll_into_view_if_needed()
            assert button.is_visible()
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 24
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
