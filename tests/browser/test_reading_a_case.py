"""Reading a case in Chromium: evidence walked through by key, highlights that explain themselves, real and hostile notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from complaints import hear_complaints
from conftest import HOSTILE
from page_reading import facts_by_character
from running_server import RunningServer
from serving_cases import request_body
from signing_in import PASSWORD

from serving.cookies import COOKIE
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

READ_NOTES = """() => [...document.querySelectorAll('.note-text')].map(note => {
    const facts = [];
    const walker = document.createTreeWalker(note, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.data;
        const named = walker.currentNode.parentElement.closest('[data-facts]')?.dataset.facts ?? '';
        facts.push([[...text].length, named]);
    }
    return {text: note.textContent, facts, tags: [...new Set([...note.querySelectorAll('*')].map(e => e.tagName))]};
})"""


def open_case(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_role("link", name=name, exact=True).click()
    page.wait_for_url("**/cases/*")


def pointed(page: Page) -> str:
    return "".join(page.locator(".note-text .fact.pointed:not(.under)").all_text_contents())


def test_letters_walk_through_the_evidence_of_a_criterion_and_come_round(page: Page) -> None:
    open_case(page, "PA-plain")
    links = page.locator(".reading .walk")
    many = next(n for n in range(links.count()) if len((links.nth(n).get_attribute("data-walk") or "").split()) > 1)
    facts = (links.nth(many).get_attribute("data-walk") or "").split()
    for _ in range(many + 1):
        page.keyboard.press("]")
    seen: list[str | None] = []
    for number in range(len(facts) + 1):
        assert links.nth(many).get_attribute("data-step") == f"{number % len(facts) + 1} of {len(facts)}"
        seen.append(page.evaluate("location.hash"))
        assert pointed(page) != ""
        page.keyboard.press("n")
    assert seen == [f"#fact-{fact}" for fact in (*facts, facts[0])]
    page.keyboard.press("p")
    assert page.evaluate("location.hash") == f"#fact-{facts[0]}"


def test_a_criterion_steps_on_at_each_click_and_by_arrows_and_keeps_the_focus(page: Page) -> None:
    open_case(page, "PA-plain")
    link = page.locator(".reading .walk").first
    count = len((link.get_attribute("data-walk") or "").split())
    before = page.evaluate("history.length")
    link.click()
    assert link.get_attribute("data-step") == f"1 of {count}"
    link.press("ArrowRight")
    assert link.get_attribute("data-step") == f"{1 % count + 1} of {count}"
    assert link.evaluate("element => element === document.activeElement")
    assert page.evaluate("history.length") == before
    assert page.evaluate("window.scrollY") == 0


def test_a_highlight_says_what_it_is_which_words_negate_it_and_who_uses_it(page: Page) -> None:
    open_case(page, "PA-plain")
    page.locator(".note-text a.fact.negated").first.click()
    panel = page.locator("#fact-panel")
    assert "negated by “denies”" in panel.inner_text()
    assert page.locator(".note-text .pointed-cue").first.inner_text() == "Denies"
    uses = panel.locator(".uses a")
    place = (uses.first.get_attribute("href") or "").removeprefix("#")
    assert page.locator(f"[id='{place}']").is_visible()
    assert panel.locator(".fact-card").first.get_attribute("data-fact-id") == place.removeprefix("about-")

    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert page.locator(".pointed").count() == 0


def test_a_highlight_opened_by_keyboard_takes_the_focus_to_its_panel_and_back(page: Page) -> None:
    open_case(page, "PA-plain")
    link = page.locator(".note-text a.fact").first
    link.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "fact-panel"
    page.keyboard.press("Escape")
    assert link.evaluate("element => element === document.activeElement")


def test_every_highlight_is_within_reach_of_the_keyboard_unless_it_is_filtered_away(page: Page) -> None:
    def reached() -> set[str]:
        seen: set[str] = set()
        for _ in range(60):
            page.keyboard.press("j")
            cards = page.locator("#fact-panel .fact-card")
            seen |= set(cards.evaluate_all("cards => cards.map(card => card.dataset.factId)"))
        return seen

    def facts_of(marks: str) -> set[str]:
        named = page.locator(marks).evaluate_all("marks => marks.map(mark => mark.dataset.facts)")
        return {fact for facts in named for fact in facts.split()}

    open_case(page, "PA-plain")
    everything = facts_of(".note-text [data-facts]:not(.category-body-part)")
    evidence = facts_of(".note-text a.fact")
    assert evidence < everything
    assert reached() == everything
    open_case(page, "PA-plain")
    page.locator("label", has=page.locator("#only-evidence")).click()
    assert reached() == evidence


def test_a_category_that_is_not_ticked_is_not_marked_with_or_without_javascript(
    signed_in_as: Callable[..., Page],
) -> None:
    for scripts in (True, False):
        page = signed_in_as(Role.NURSE, java_script_enabled=scripts)
        open_case(page, "PA-plain")
        mark = page.locator(".note-text .fact.category-treatment:not(.under)").first
        assert mark.evaluate("element => getComputedStyle(element).backgroundColor") != "rgba(0, 0, 0, 0)"
        page.locator("label", has=page.locator("#mark-category-treatment")).click()
        assert mark.evaluate("element => getComputedStyle(element).backgroundColor") == "rgba(0, 0, 0, 0)"


def test_whoever_only_reads_has_the_keys_and_switches_them_off_on_every_page(
    signed_in_as: Callable[..., Page],
) -> None:
    page = signed_in_as(Role.AUDITOR)
    open_case(page, "PA-plain")
    page.keyboard.press("n")
    assert page.locator("[data-step]").count() == 1
    page.keyboard.press("?")
    assert page.locator("dialog[open], .key[open]").count() == 1
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    page.get_by_role("button", name="Switch them off").click()
    page.wait_for_selector("#case[data-keys=off]")
    page.keyboard.press("n")
    page.keyboard.press("?")
    assert page.locator("[data-step], dialog[open]").count() == 0
    page.goto("/")
    assert page.locator("main").get_attribute("data-keys") == "off"


def test_the_score_is_fetched_when_it_is_opened_and_not_before(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/score") else None)
    open_case(page, "PA-plain")
    assert asked == []
    page.locator("details.score summary").click()
    page.locator("#score").wait_for()
    assert len(asked) == 1


def test_a_wide_selection_of_words_opens_no_panel(page: Page) -> None:
    open_case(page, "PA-plain")
    box = page.locator(".note-text a.fact").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert page.evaluate("window.getSelection().toString()") != ""
    assert page.locator("#fact-panel").is_hidden()


@pytest.fixture(scope="module")
def bodies(real_notes: list[str]) -> list[dict[str, Any]]:
    """Fifty real notes, one case each; then one case of two documents, one of them hostile and of several pages."""
    found = [request_body(f"R-{number:02d}", text) for number, text in enumerate(real_notes[::8][:50])]
    two = request_body("R-two")
    two["documents"] = [
        {"document_id": "d1", "type": "progress_note", "text": f"{HOSTILE}\f{real_notes[3]}\f{HOSTILE}"},
        {"document_id": "d2", "type": "therapy_note", "text": "He completed physical therapy for 8 weeks."},
    ]
    return [*found, two]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory, bodies: list[dict[str, Any]]) -> Iterator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("real")
    samples = folder / "requests.jsonl"
    samples.write_text("\n".join(json.dumps(body) for body in bodies))
    server = RunningServer(folder, "--load", str(samples))
    server.start()
    yield server
    server.close()


@pytest.fixture
def reader(chromium: Browser, real_server: RunningServer) -> Iterator[Callable[..., Page]]:
    """A page of a nurse who reads the real notes, each in a browser context of its own."""
    store = Store.open(real_server.database_url)
    people = PeopleStore(store)
    nurse = people.named("nurse") or people.add("nurse", "Nurse", Role.NURSE, password=PASSWORD, now=datetime.now(UTC))
    token = people.sign_in(nurse, now=datetime.now(UTC))
    store.close()
    contexts: list[BrowserContext] = []

    def reader(**options: Any) -> Page:
        context = chromium.new_context(base_url=real_server.url, viewport={"width": 1280, "height": 720}, **options)
        contexts.append(context)
        context.add_cookies([{"name": COOKIE, "value": token, "url": real_server.url}])
        return context.new_page()

    yield reader
    for context in contexts:
        context.close()


def stored(server: RunningServer) -> dict[str, Any]:
    listed = httpx.get(f"{server.url}/v1/authorizations?limit=200").json()["items"]
    return {
        case["external_id"]: httpx.get(f"{server.url}/v1/authorizations/{case['authorization_id']}").json()
        for case in listed
    }


def test_fifty_real_notes_and_a_hostile_one_are_themselves_in_the_browser_and_marked_where_their_facts_are(
    reader: Callable[..., Page], real_server: RunningServer, bodies: list[dict[str, Any]]
) -> None:
    results = stored(real_server)
    page = reader()
    complaints: list[str] = []
    hear_complaints(page, complaints)
    for body in bodies:
        result = results[body["external_id"]]
        page.goto(f"/cases/{result['authorization_id']}")
        notes = page.evaluate(READ_NOTES)
        assert len(notes) == len(body["documents"])
        for note, document in zip(notes, body["documents"], strict=True):
            text = document["text"]
            assert note["text"] == text.replace("\0", "\u2400")
            named = [frozenset(facts.split()) for length, facts in note["facts"] for _ in range(length)]
            spans = [
                (fact["fact_id"], fact["start"], fact["end"])
                for fact in result["facts"]
                if fact["document_id"] == document["document_id"]
            ]
            assert named == facts_by_character(len(text), spans)
            assert set(note["tags"]) <= {"A", "MARK", "SPAN"}
        assert page.title() == f"{body['external_id']} · greenlane"
    assert complaints == []


@pytest.mark.parametrize("scripts", [True, False])
def test_one_document_at_a_time_follows_the_evidence(
    reader: Callable[..., Page], real_server: RunningServer, scripts: bool
) -> None:
    case = stored(real_server)["R-two"]
    elsewhere = next(fact["fact_id"] for fact in case["facts"] if fact["document_id"] == "d2")
    page = reader(java_script_enabled=scripts)
    page.goto(f"/cases/{case['authorization_id']}")
    first, second = page.locator("#document-1"), page.locator("#document-2")
    assert first.is_visible()
    assert second.is_visible()
    page.get_by_role("link", name="One", exact=True).click()
    second.wait_for(state="hidden")
    assert first.is_visible()
    page.goto(f"{page.url.split('#')[0]}#fact-{elsewhere}")
    if scripts:
        page.reload()
    assert second.is_visible()
    assert first.is_hidden()
    page.locator(".document-list a").first.click()
    first.wait_for()
    assert second.is_hidden()
    page.get_by_role("link", name="All", exact=True).click()
    second.wait_for()


def test_pages_of_a_document_are_numbered_outside_its_text(
    reader: Callable[..., Page], real_server: RunningServer
) -> None:
    case = stored(real_server)["R-two"]
    page = reader()
    page.goto(f"/cases/{case['authorization_id']}")
    shown = page.locator(".page").evaluate_all("pages => pages.map(p => getComputedStyle(p, '::before').content)")
    assert shown == ['"Page 1 of 3"', '"Page 2 of 3"', '"Page 3 of 3"']


def test_on_paper_the_whole_note_and_the_criteria_are_there_without_scrolling(
    reader: Callable[..., Page], real_server: RunningServer
) -> None:
    case = stored(real_server)["R-two"]
    page = reader()
    page.goto(f"/cases/{case['authorization_id']}?show=2")
    page.emulate_media(media="print")
    for part in ("#document-1", "#document-2", ".reading"):
        assert page.locator(part).is_visible()
    for pane in (".documents", ".reading"):
        assert page.locator(pane).evaluate("pane => pane.scrollHeight <= pane.clientHeight + 1")
    folded = page.locator("details.spare .wording, details.spare .explanation")
    heights = folded.evaluate_all("parts => parts.map(part => part.getBoundingClientRect().height)")
    assert heights
    assert min(heights) > 0
    negated = page.locator(".note-text .fact.negated").first
    assert "overline" in negated.evaluate("mark => getComputedStyle(mark).textDecorationLine")
    assert page.locator(".documents-head").is_hidden()


def test_a_highlight_s_panel_leaves_the_reader_at_the_note_where_the_page_is_one_column(page: Page) -> None:
    page.set_viewport_size({"width": 640, "height": 360})
    open_case(page, "PA-plain")
    highlight = page.locator(".note-text a.fact").first
    highlight.scroll_into_view_if_needed()
    before = page.evaluate("window.scrollY")
    highlight.click()
    assert page.locator("#fact-panel").is_visible()
    assert page.evaluate("window.scrollY") == before


def test_without_javascript_the_score_is_a_page_with_a_way_back(signed_in_as: Callable[..., Page]) -> None:
    page = signed_in_as(Role.NURSE, java_script_enabled=False)
    open_case(page, "PA-plain")
    page.locator("details.score summary").click()
    page.get_by_role("link", name="Show the score").click()
    page.wait_for_url("**/score")
    assert page.locator("#score").is_visible()
    page.get_by_role("link", name="Back to the case").click()
    page.wait_for_url("**/cases/*")
    assert page.locator("h1").inner_text() == "PA-plain"


def test_looking_at_evidence_is_told_to_who_listens(page: Page) -> None:
    open_case(page, "PA-plain")
    page.evaluate(
        "() => { window.seen = []; addEventListener('greenlane:evidence', e => seen.push(e.detail.factId), true) }"
    )
    page.keyboard.press("n")
    shown = page.evaluate("location.hash").removeprefix("#fact-")
    assert page.evaluate("window.seen") == [shown]


def test_taking_marks_away_leaves_the_reader_at_the_same_words(
    reader: Callable[..., Page], real_server: RunningServer, bodies: list[dict[str, Any]]
) -> None:
    longest = max(bodies[:50], key=lambda body: len(body["documents"][0]["text"]))
    case = stored(real_server)[longest["external_id"]]
    page = reader()
    page.goto(f"/cases/{case['authorization_id']}")
    for _ in range(12):
        page.keyboard.press("j")
    where = "document.querySelector('.note-text .pointed').getBoundingClientRect().top"
    before = page.evaluate(where)
    box = page.locator("label", has=page.locator("#only-evidence")).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 10, box["y"] + 10)
    assert page.locator("#only-evidence").is_checked()
    assert page.evaluate(where) == pytest.approx(before, abs=2)
    page.keyboard.press("Space")
    assert page.evaluate(where) == pytest.approx(before, abs=2)
