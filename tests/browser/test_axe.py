"""axe-core finds nothing against WCAG 2.2 AA on any page, light or dark, opened by whoever may open it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from case_desk import CaseDesk
from sqlalchemy import select, update

from serving.case_actions import CaseActions
from serving.erasing import erase_member
from serving.events import EventKind
from serving.job_tables import JobRow
from serving.outbox import Outbox
from serving.outbox_tables import DeliveryRow, EventRow
from serving.people import Person, SignedIn
from serving.people_store import PeopleStore
from serving.roles import Role
from serving.webhook_address import AddressRule
from serving.webhooks import Webhooks
from serving.work import ActionKind

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

STANDARD = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")

RUN = """async tags => {
  // The one rule that axe leaves out unless it is asked for.
  const rules = {"target-size": {enabled: true}};
  const found = await axe.run(document, {runOnly: {type: "tag", values: tags}, rules});
  const told = found.violations.flatMap(({id, nodes}) => nodes.map(node =>
    [`${id} ${node.target.join(" ")}`, node.failureSummary.replace(/\\s+/g, " ")]));
  return {broken: Object.fromEntries(told), kept: found.passes.map(({id}) => id)};
}"""

Open = Callable[["Page", CaseDesk], object]


class PreparedDesk(CaseDesk):
    """Cases in every state that has a page of its own look: approved, approved long ago, to be looked at again, referred,
    erased.
    """

    def prepare(self) -> None:
        """Let a nurse and a medical director work."""
        now = datetime.now(UTC)
        earlier = now - timedelta(hours=1)
        kim = self._who(Role.NURSE, "kim")
        self.do(kim, "PA-2", ActionKind.INFORMATION_REQUESTED, {"letter": "Dear colleague", "answer_by": "2030-01-01"})
        self.do(kim, "PA-3", ActionKind.APPROVED, {}, earlier)
        self.do(kim, "PA-4", ActionKind.APPROVED, {}, earlier)
        self.do(kim, "PA-8", ActionKind.APPROVED, {}, earlier)
        approvers = [Person(str(number), f"p{number}", "P", Role.LEAD, None, True) for number in range(2)]
        erase_member(
            self.store,
            "M-PA-8",
            {"": 10},
            why="asked for by letter",
            by="ruth",
            now=now,
            despite_retention=True,
            approvers=approvers,
        )
        self.do(kim, "PA-4", ActionKind.REOPENED, {"reason": "The provider called."})
        self.do(kim, "PA-5", ActionKind.REFERRED, {"summary": "Please look at the weakness."})
        self.do(kim, "PA-6", ActionKind.NOTED, {"text": "Called the clinic.", "mentions": []})
        self.approval = self.do(kim, "PA-7", ActionKind.APPROVED, {})
        self.leave_unread("PA-unread")
        self.fail_a_delivery(datetime.now(UTC))
        with self.store.writing() as session:
            given_up = self.row("PA-8").authorization_id
            session.execute(
                update(JobRow).where(JobRow.authorization_id == given_up).values(state="dead", error="process_ended")
            )

    def fail_a_delivery(self, now: datetime) -> None:
        """A webhook to which one event could not be delivered."""
        webhooks = Webhooks(self.store, AddressRule(frozenset(), loopback=False))
        webhook, _ = webhooks.add("https://example.org/in", [EventKind.CANCELLED], created_by="kim", now=now)
        Outbox(self.store).release(now=now)
        with self.store.writing() as session:
            event = session.scalars(select(EventRow).limit(1)).one()
            session.add(
                DeliveryRow(
                    webhook_id=webhook.webhook_id,
                    event_number=event.event_number,
                    authorization_id=event.authorization_id,
                    state="failed",
                    attempts=37,
                    queued_at=now,
                    next_at=now,
                    last_at=now,
                    last_answer="503",
                )
            )

    def do(
        self, who: SignedIn, external_id: str, kind: ActionKind, content: dict[str, Any], now: datetime | None = None
    ) -> str:
        """Do something on a case, as it stands; returns the action's id."""
        actions = CaseActions(self.store, undo_window=timedelta(minutes=5))
        row = self.row(external_id)
        done = actions.act(who, row.authorization_id, kind, content, turn=row.turn, now=now or datetime.now(UTC))
        return done.action_id

    def case(self, external_id: str, rest: str = "") -> str:
        """The address of a case, or of something below it."""
        return f"/cases/{self.row(external_id).authorization_id}{rest}"

    def person(self, name: str) -> str:
        """The address of a person."""
        found = PeopleStore(self.store).named(name)
        assert found is not None
        return f"/people/{found.person_id}"

    def _who(self, role: Role, name: str) -> SignedIn:
        with self.page_of(role, name):
            pass
        person = PeopleStore(self.store).named(name)
        assert person is not None
        return SignedIn(person, "", "", datetime.now(UTC))


@pytest.fixture(scope="module")
def desk(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PreparedDesk]:
    desk = PreparedDesk(tmp_path_factory.mktemp("axe"), chromium)
    desk.prepare()
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def at(address: str) -> Open:
    """A page by its address."""
    return lambda page, desk: page.goto(address)


def case(external_id: str, rest: str = "") -> Open:
    """A case, or something below it."""
    return lambda page, desk: page.goto(desk.case(external_id, rest))


def case_with(external_id: str, opened: str) -> Open:
    """A case with one of its folded parts open."""

    def open_case(page: Page, desk: CaseDesk) -> None:
        case(external_id)(page, desk)
        page.locator(opened).evaluate("part => { part.open = true; part.scrollIntoView(); }")

    return open_case


def everything_unfolded(open_page: Open) -> Open:
    """A page with all its folded parts open."""

    def open_it(page: Page, desk: CaseDesk) -> None:
        open_page(page, desk)
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true;")

    return open_it


def evidence(page: Page, desk: CaseDesk) -> None:
    case("PA-1")(page, desk)
    page.locator(".note-text [data-facts]").first.click()
    page.locator("#fact-panel .fact-card").first.wait_for()


def keys(open_page: Open) -> Open:
    """A page with the help on its keys."""

    def open_keys(page: Page, desk: CaseDesk) -> None:
        open_page(page, desk)
        page.keyboard.press("?")
        page.locator("dialog[open], details.key[open]").first.wait_for()

    return open_keys


def search_of(words: str) -> Open:
    """What the worklist's search finds."""

    def open_found(page: Page, desk: CaseDesk) -> None:
        page.goto("/")
        page.locator("form[action='/search'] input:not([type=hidden])").first.fill(words)
        page.locator("form[action='/search'] input:not([type=hidden])").first.press("Enter")
        page.wait_for_url("**/search")

    return open_found


def sent(external_id: str, path: str, **fields: str) -> Open:
    """The answer to a form of a case that a browser would not send."""

    def open_answer(page: Page, desk: CaseDesk) -> None:
        case(external_id)(page, desk)
        page.locator(f"form[action$='/{path}']").first.evaluate(
            """(form, fields) => {
              for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
              form.submit();
            }""",
            fields,
        )
        page.wait_for_url(f"**/{path}")

    return open_answer


def adverse_refused(page: Page, desk: CaseDesk) -> None:
    case("PA-5", "/determine-adversely")(page, desk)
    with page.expect_navigation():
        page.locator("form.act").evaluate("form => form.submit()")


def person(page: Page, desk: PreparedDesk) -> None:
    page.goto(desk.person("kim"))


def person_refused(page: Page, desk: CaseDesk) -> None:
    page.goto("/people")
    with page.expect_navigation():
        page.locator("form[action='/people']").evaluate("form => form.submit()")


def trail_found(page: Page, desk: CaseDesk) -> None:
    page.goto("/trail")
    with page.expect_navigation():
        page.locator("form[action='/trail/search']").first.evaluate("form => form.submit()")


def sign_in_refused(page: Page, desk: CaseDesk) -> None:
    page.goto("/sign-in")
    page.get_by_label("Name").fill("nobody")
    page.get_by_label("Password").fill("a wrong password")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").first.wait_for()


def being_read(page: Page, desk: PreparedDesk) -> None:
    page.goto(desk.case("PA-unread"))


NURSE = {
    "worklist": at("/"),
    "worklist, unfolded": everything_unfolded(at("/?status=open&status=decided&urgency=standard")),
    "worklist, empty": at("/?urgency=expedited"),
    "worklist, keys": keys(at("/")),
    "found": search_of("PA-"),
    "found, nothing": search_of("nowhere"),
    "case": case("PA-1"),
    "case, evidence": evidence,
    "case, keys": keys(case("PA-1")),
    "case, approve": case_with("PA-1", "#do-approve"),
    "case, approve with changes": case_with("PA-1", "#do-approve-modified"),
    "case, request information": case_with("PA-1", "#do-request"),
    "case, refer": case_with("PA-1", "#do-refer"),
    "case, withdrawn": case_with("PA-1", "#do-withdraw"),
    "case, note": case_with("PA-6", "#do-note"),
    "case, missed": case_with("PA-1", "#correct"),
    "case, unfolded": everything_unfolded(case("PA-6")),
    "case, waiting": case("PA-2"),
    "case, erased": case("PA-8"),
    "case, done": lambda page, desk: page.goto(desk.case("PA-7", f"?done={desk.approval}")),
    "case, open again": case_with("PA-3", "#do-reopen"),
    "case, second look": case_with("PA-4", "#do-approve"),
    "score": case("PA-1", "/score"),
    "corrections": case("PA-1", "/corrections"),
    "approve with changes, refused": sent("PA-1", "approve-modified"),
    "refer, refused": sent("PA-1", "refer", summary=""),
    "refer, changed meanwhile": sent("PA-6", "refer", turn="0"),
    "missed, refused": sent("PA-1", "corrections", quote="e", concept="Low back pain"),
    "stale form": sent("PA-1", "refer", form_token="x"),
    "problem": at("/cases/nowhere"),
    "not allowed": at("/numbers"),
}
DIRECTOR = {
    "worklist": at("/"),
    "case, return": case_with("PA-5", "#do-return"),
    "adverse": case("PA-5", "/determine-adversely"),
    "adverse, refused": adverse_refused,
}
LEAD = {
    "worklist": everything_unfolded(at("/")),
    "case": case("PA-1"),
    "numbers": at("/numbers"),
    "queue": at("/jobs"),
    "case, being read": being_read,
    "numbers, unfolded": everything_unfolded(at("/numbers?period=30")),
}
DATA_SCIENTIST = {"aggregates": everything_unfolded(at("/aggregates"))}
AUDITOR = {
    "case": case("PA-6"),
    "trail": everything_unfolded(at("/trail")),
    "trail, found": trail_found,
    "trail of a case": lambda page, desk: page.goto(f"/trail{desk.case('PA-7')}"),
}
ADMINISTRATOR = {
    "people": everything_unfolded(at("/people")),
    "people, refused": person_refused,
    "person": everything_unfolded(person),
    "queue": at("/jobs"),
    "webhooks": at("/webhooks"),
}
NOBODY = {"sign-in": at("/sign-in"), "sign-in, ended": at("/sign-in?ended=1"), "sign-in, refused": sign_in_refused}

PAGES: list[tuple[Role | None, str, Any]] = [
    (role, name, open_page)
    for role, pages in (
        (Role.NURSE, NURSE),
        (Role.MEDICAL_DIRECTOR, DIRECTOR),
        (Role.LEAD, LEAD),
        (Role.DATA_SCIENTIST, DATA_SCIENTIST),
        (Role.AUDITOR, AUDITOR),
        (Role.ADMINISTRATOR, ADMINISTRATOR),
        (None, NOBODY),
    )
    for name, open_page in pages.items()
]
NAMES = {Role.NURSE: "kim", Role.MEDICAL_DIRECTOR: "dora"}


@contextmanager
def page_of(desk: PreparedDesk, role: Role | None, **options: Any) -> Iterator[Page]:
    if role is not None:
        with desk.page_of(role, NAMES.get(role, role.value), **options) as page:
            yield page
        return
    with desk.page_of(Role.NURSE, "kim", **options) as page:
        page.context.clear_cookies()
        yield page


@pytest.mark.parametrize(
    ("role", "open_page"),
    [(role, open_page) for role, _, open_page in PAGES],
    ids=[f"{role.value if role else 'nobody'}: {name}" for role, name, _ in PAGES],
)
def test_a_page_keeps_wcag_2_2_aa(desk: PreparedDesk, axe: str, role: Role | None, open_page: Open) -> None:
    # The policy that forbids foreign scripts would forbid axe; nothing else differs from what people see.
    with page_of(desk, role, bypass_csp=True) as page:
        open_page(page, desk)
        page.evaluate(axe)
        for colors in ("light", "dark"):
            page.emulate_media(color_scheme=colors)
            found = page.evaluate(RUN, list(STANDARD))
            assert found["broken"] == {}, colors
            assert {"color-contrast", "target-size"} <= set(found["kept"])
