"""A case's clock in the store: events move the due time by the plan's rule, and what is stored is what they make."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from databases import database_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from stored_requests import accepted, received
from test_case_actions import keep_result
from test_store import request
from typer.testing import CliRunner

from features.types import AuthorizationRequest, Coverage
from models.clock_events import ExtensionGranted, InformationReceived, UrgencyChanged
from models.clocks import current_alarms, earliest_due
from serving.case_actions import CaseActions
from serving.case_clock import clock_events, information_came, keep_event, recompute_due, request_of
from serving.case_standing import CaseAction
from serving.cli import app
from serving.clock_alarms import AlarmWatch, alarm_counts, due_cases, span_of
from serving.clock_view import clock_view, listed_clock
from serving.errors import ActionRefusedError, CaseChangedError, InvalidParameterError, ServingError
from serving.people import SignedIn
from serving.people_store import PeopleStore
from serving.request_updates import update_request
from serving.roles import Role
from serving.store import Store
from serving.tables import AuthorizationRow, TrailRow
from serving.ulid import UlidSource
from serving.work import ActionKind
from serving.worklist import worklist_page
from serving.worklist_filter import LIVE, Filter, Viewer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=5)
PLANS = """
default: {time_zone: UTC}
plans:
  GROUP: {line_of_business: self_funded, time_zone: America/New_York}
  MCO: {line_of_business: medicaid, time_zone: America/New_York}
  MCO-WA: {line_of_business: medicaid, state: WA, time_zone: America/Los_Angeles}
  MA: {line_of_business: medicare_advantage, time_zone: America/Chicago}
  NY: {line_of_business: commercial, state: NY, time_zone: America/New_York}
"""
ROLES = {
    "ann": Role.NURSE,
    "bob": Role.NURSE,
    "lea": Role.LEAD,
    "dora": Role.MEDICAL_DIRECTOR,
    "audrey": Role.AUDITOR,
}


class Desk:
    """A case of a plan, and people who work on it; ``now`` is moved by hand."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.actions = CaseActions(store, undo_window=WINDOW)
        book = PeopleStore(store)
        self.people = {
            name: SignedIn(book.add(name, name.title(), role, oidc_subject=name, now=NOON), UlidSource()(), "t", NOON)
            for name, role in ROLES.items()
        }
        self.now = NOON
        self.case = ""

    def comes(self, plan: str, *, received_at: datetime = NOON, urgency: str = "standard") -> AuthorizationRequest:
        plain = request(external_id=f"PA-{UlidSource()()}")
        wanted = replace(
            plain,
            coverage=Coverage(plan),
            received_at=received_at,
            urgency=urgency,  # type: ignore[arg-type]  # a test's
        )
        stored = accepted(self.store, wanted, now=received_at)
        keep_result(self.store, stored, received_at)
        self.case, self.now = stored.authorization_id, received_at
        return wanted

    def act(self, name: str, kind: ActionKind, **content: Any) -> CaseAction:
        turn = self.actions.standing(self.case).turn
        return self.actions.act(self.people[name], self.case, kind, content, turn=turn, now=self.now)

    def asks(self, name: str = "ann") -> CaseAction:
        return self.act(name, ActionKind.INFORMATION_REQUESTED, letter="Please send.", answer_by="2026-11-25")

    def extends(self, days: int = 14, ground: str = "information_needed", name: str = "ann") -> CaseAction:
        return self.act(name, ActionKind.EXTENDED, ground=ground, days=days, reason="We asked for more.")

    def undo(self, name: str, action: CaseAction) -> None:
        self.actions.undo(self.people[name], self.case, action.action_id, now=self.now)

    def documents_come(self, document_id: str) -> None:
        (part,) = received(request(text=f"More about {document_id}."))
        renamed = [replace(part, document=replace(part.document, document_id=document_id))]
        stored, new = self.store.add_documents(self.case, renamed, now=self.now)
        if new:
            keep_result(self.store, stored, self.now)

    @property
    def row(self) -> AuthorizationRow:
        with self.store.reading() as session:
            return session.get_one(AuthorizationRow, self.case)

    @property
    def due(self) -> datetime:
        return self.row.due_at

    @property
    def events(self) -> tuple[object, ...]:
        with self.store.reading() as session:
            return clock_events(session, self.case)

    def words(self, after: timedelta = timedelta(0)) -> str:
        """What the worklist says of the case, so long after now."""
        page = worklist_page(self.store, Viewer("x"), Filter(works=LIVE))
        (line,) = [case for case in page.cases if case.authorization_id == self.case]
        return listed_clock(line.clock, self.now + after, current_alarms()).words


@pytest.fixture(autouse=True)
def plans(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path_factory.mktemp("plans") / "plans.yaml"
    file.write_text(PLANS)
    monkeypatch.setenv("GREENLANE_PLANS", str(file))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store.open(database_in(tmp_path))
    yield Desk(store)
    store.close()


@pytest.fixture
def each_desk(any_store: Store) -> Desk:
    """On each database."""
    return Desk(any_store)


def test_an_extension_moves_the_due_time_by_its_days_and_keeps_the_notice(each_desk: Desk) -> None:
    desk = each_desk
    desk.comes("MCO")
    before = desk.due
    done = desk.extends(10)
    assert desk.due == before + timedelta(days=10)
    assert desk.row.extended_days == 10
    assert "no later than December 7, 2026" in done.content["letter"]
    assert "grievance" in done.content["letter"]
    with desk.store.reading() as session:
        entry = session.scalars(select(TrailRow).where(TrailRow.action == "extended")).one()
    assert '"days":10' in entry.details
    assert "We asked" not in entry.details


@pytest.mark.parametrize("days", [0, 15])
def test_an_extension_beyond_the_allowed_days_is_refused_naming_the_rule(desk: Desk, days: int) -> None:
    desk.comes("MCO")
    before = desk.due
    with pytest.raises(ActionRefusedError, match=r"medicaid \(42 CFR 438.210.*allows 1 to 14 days"):
        desk.extends(days)
    assert desk.due == before
    assert desk.events == ()


def test_an_extension_for_a_reason_that_the_rule_does_not_know_is_refused(desk: Desk) -> None:
    desk.comes("MA", urgency="expedited")
    with pytest.raises(ActionRefusedError, match=r"medicare-advantage .*only where the member asks"):
        desk.extends(ground="beyond_control")


def test_a_second_extension_is_refused_where_the_rule_allows_one(desk: Desk) -> None:
    desk.comes("MA")
    desk.extends(3)
    with pytest.raises(ActionRefusedError, match="extended before, and the rule medicare-advantage"):
        desk.extends(3)
    assert desk.due == NOON + timedelta(days=10)


@pytest.mark.parametrize(("plan", "rule"), [("OTHER", "default"), ("MCO-WA", "washington")])
def test_a_rule_without_extension_allows_none(desk: Desk, plan: str, rule: str) -> None:
    desk.comes(plan)
    with pytest.raises(ActionRefusedError, match=f"the rule {rule} allows no extension"):
        desk.extends()


def test_nothing_is_extended_once_the_time_is_up(desk: Desk) -> None:
    desk.comes("MCO")
    desk.now += timedelta(days=8)
    with pytest.raises(ActionRefusedError, match="the time is up"):
        desk.extends()


def test_an_undone_extension_does_not_count_and_another_may_follow(desk: Desk) -> None:
    desk.comes("MCO")
    before = desk.due
    done = desk.extends(14)
    desk.now += timedelta(minutes=4)
    desk.undo("ann", done)
    assert desk.due == before
    assert desk.row.extended_days == 0
    desk.extends(2)
    assert desk.due == before + timedelta(days=2)


def test_an_extension_that_took_effect_is_not_undone(desk: Desk) -> None:
    desk.comes("MCO")
    done = desk.extends(14)
    desk.now += WINDOW
    with pytest.raises(ActionRefusedError, match="has taken effect"):
        desk.undo("ann", done)


def test_the_clock_stands_still_only_where_the_rule_says_so(each_desk: Desk) -> None:
    desk = each_desk
    desk.comes("GROUP")
    desk.extends(15)
    extended = desk.due
    desk.asks()
    assert desk.words() == "due in 30 d", "the letter can still be undone"
    assert desk.words(after=timedelta(days=3)) == "paused, 29 d left"
    desk.now += timedelta(days=10)
    desk.documents_come("d2")
    assert desk.due == extended + timedelta(days=10) - WINDOW
    assert desk.row.paused_at is None
    desk.comes("MCO")
    desk.extends(14)
    before = desk.due
    desk.asks()
    desk.now += timedelta(days=3)
    desk.documents_come("d2")
    assert desk.due == before, "Medicaid's clock never stands still"
    assert any(isinstance(event, InformationReceived) for event in desk.events)


def test_a_pause_that_is_not_over_is_not_in_the_due_time_and_raises_no_alarm_until_it_must_end(desk: Desk) -> None:
    desk.comes("GROUP")
    desk.extends(15)
    before = desk.due
    desk.asks()
    row = desk.row
    assert row.due_at == before
    assert row.paused_at == NOON + WINDOW
    assert row.red_at == before + timedelta(days=45)
    assert row.amber_at is not None
    assert row.amber_at < row.red_at
    assert desk.words(after=timedelta(days=46)) == "due in 29 d", "45 days are the most"


def test_undoing_a_request_for_information_lets_the_clock_run_again(desk: Desk) -> None:
    desk.comes("GROUP")
    desk.extends(15)
    done = desk.asks()
    assert desk.row.paused_at is not None
    desk.now += timedelta(minutes=2)
    desk.undo("ann", done)
    row = desk.row
    assert row.paused_at is None
    assert row.red_at == row.due_at
    assert desk.words(after=timedelta(days=3)).startswith("due in")


def test_documents_that_come_before_the_letter_leaves_stop_no_clock(desk: Desk) -> None:
    desk.comes("GROUP")
    desk.extends(15)
    before = desk.due
    desk.asks()
    desk.now += timedelta(minutes=1)
    desk.documents_come("d2")
    assert desk.due == before
    assert desk.row.paused_at is None


def test_late_information_gives_no_more_than_the_rule_does(desk: Desk) -> None:
    desk.comes("GROUP")
    desk.extends(15)
    before = desk.due
    desk.asks()
    desk.now += timedelta(days=80)
    desk.documents_come("d2")
    assert desk.due == before + timedelta(days=45)


def test_the_same_documents_twice_are_one_answer(desk: Desk) -> None:
    desk.comes("GROUP")
    desk.extends(15)
    desk.asks()
    desk.now += timedelta(days=1)
    desk.documents_come("d2")
    events, due = desk.events, desk.due
    desk.now += timedelta(days=1)
    desk.documents_come("d2")
    desk.documents_come("d3")
    assert desk.events == events
    assert desk.due == due


def test_made_expedited_is_due_in_72_hours_and_listed_so(each_desk: Desk) -> None:
    desk = each_desk
    desk.comes("MA")
    desk.now += timedelta(days=1)
    desk.act("lea", ActionKind.MADE_EXPEDITED, asked_by="physician", reason="Waiting could harm.")
    assert desk.due == desk.now + timedelta(hours=72)
    assert desk.row.urgency == "expedited"


def test_expedited_review_that_is_not_granted_gets_the_standard_time_from_receipt_and_a_notice(desk: Desk) -> None:
    desk.comes("MA", urgency="expedited")
    desk.now += timedelta(hours=3)
    done = desk.act("ann", ActionKind.NOT_EXPEDITED, asked_by="member", reason="Stable.", told_on="2026-11-20")
    assert desk.due == NOON + timedelta(days=7)
    assert desk.row.urgency == "standard"
    assert "fast grievance" in done.content["letter"]
    assert "November 27, 2026" in done.content["letter"]


def test_what_a_physician_asks_for_is_granted(desk: Desk) -> None:
    desk.comes("MA", urgency="expedited")
    with pytest.raises(ActionRefusedError, match=r"422\.570\(c\)\(2\)"):
        desk.act("ann", ActionKind.NOT_EXPEDITED, asked_by="physician", reason="Stable.", told_on="2026-11-20")
    desk.comes("MA")
    desk.act("ann", ActionKind.MADE_EXPEDITED, asked_by="physician", reason="Waiting could harm.")
    with pytest.raises(ActionRefusedError, match=r"422\.570\(c\)\(2\)"):
        desk.act("ann", ActionKind.NOT_EXPEDITED, asked_by="member", reason="Stable.", told_on="2026-11-20")
    assert desk.row.urgency == "expedited"


def test_an_expedited_time_that_is_up_is_not_lengthened(desk: Desk) -> None:
    desk.comes("MA", urgency="expedited")
    desk.now += timedelta(hours=73)
    with pytest.raises(ActionRefusedError, match="expedited time of the rule medicare-advantage is up"):
        desk.act("ann", ActionKind.NOT_EXPEDITED, asked_by="member", reason="Stable.", told_on="2026-11-20")


def test_undoing_what_made_a_case_expedited_brings_its_urgency_and_time_back(desk: Desk) -> None:
    desk.comes("MA")
    before = desk.due
    done = desk.act("ann", ActionKind.MADE_EXPEDITED, asked_by="plan", reason="Waiting could harm.")
    desk.undo("ann", done)
    assert (desk.due, desk.row.urgency) == (before, "standard")


def test_what_moved_the_clock_is_undone_from_the_last(desk: Desk) -> None:
    desk.comes("MA")
    first = desk.extends(5)
    desk.act("ann", ActionKind.MADE_EXPEDITED, asked_by="plan", reason="Waiting could harm.")
    with pytest.raises(ActionRefusedError, match="undo that first"):
        desk.undo("ann", first)


def test_a_lead_moves_any_clock_and_a_nurse_only_that_of_a_case_nobody_else_has(desk: Desk) -> None:
    desk.comes("MCO")
    desk.asks("ann")
    with pytest.raises(ActionRefusedError, match="somebody else has this case"):
        desk.extends(name="bob")
    with pytest.raises(ServingError):
        desk.extends(name="audrey")
    desk.extends(name="lea")
    assert desk.row.assigned_to == desk.people["ann"].person.person_id, "the case stays with whom it was"


def test_who_saw_another_turn_moves_no_clock(desk: Desk) -> None:
    desk.comes("MCO")
    content = {"ground": "member_asks", "days": 3, "reason": "x"}
    with pytest.raises(CaseChangedError):
        desk.actions.act(desk.people["ann"], desk.case, ActionKind.EXTENDED, content, turn=99, now=desk.now)
    assert desk.events == ()


def test_a_new_result_keeps_what_events_made_of_the_due_time(desk: Desk) -> None:
    desk.comes("MCO")
    desk.extends(14)
    extended = desk.due
    desk.documents_come("d2")
    assert desk.due == extended


@pytest.mark.parametrize(
    ("plan", "received_at", "local"),
    [
        # Clocks go back on 1 November, forward on 14 March 2027; New Year's Day is no business day.
        ("MCO", datetime(2026, 10, 28, 16, tzinfo=UTC), "2026-11-18 11:00"),
        ("MCO", datetime(2027, 3, 10, 17, tzinfo=UTC), "2027-03-31 12:00"),
        ("MCO", datetime(2026, 12, 28, 17, tzinfo=UTC), "2027-01-18 12:00"),
        ("GROUP", datetime(2026, 12, 20, 17, tzinfo=UTC), "2027-01-18 12:00"),
    ],
)
def test_extended_times_end_by_the_clock_of_the_plan_across_its_changes(
    each_desk: Desk, plan: str, received_at: datetime, local: str
) -> None:
    desk = each_desk
    wanted = desk.comes(plan, received_at=received_at)
    desk.extends(14)
    assert desk.due == earliest_due(wanted, [ExtensionGranted(received_at, "information_needed", 14)]).due_at
    assert desk.due.astimezone(ZoneInfo("America/New_York")).strftime("%Y-%m-%d %H:%M") == local


def test_business_days_are_counted_on_the_page_and_leave_out_new_year(each_desk: Desk) -> None:
    desk = each_desk
    received_at = datetime(2026, 12, 30, 17, tzinfo=UTC)
    desk.comes("NY", received_at=received_at)
    assert desk.due == datetime(2027, 1, 5, 17, tzinfo=UTC), "31 December, 4 and 5 January"
    with desk.store.reading() as session:
        row = session.get_one(AuthorizationRow, desk.case)
        assert clock_view(session, row, received_at).left == "3 business days left"
        assert clock_view(session, row, datetime(2027, 1, 2, 12, tzinfo=UTC)).left == "2 business days left"
        assert clock_view(session, row, datetime(2027, 1, 5, 16, tzinfo=UTC)).left == "ends on this business day"
    assert desk.row.due_allowed == "3 business days"


def test_the_case_page_tells_rule_extension_and_history(desk: Desk) -> None:
    desk.comes("GROUP")
    desk.extends(15)
    desk.asks()
    with desk.store.reading() as session:
        view = clock_view(session, session.get_one(AuthorizationRow, desk.case), NOON + timedelta(days=2))
    assert "erisa" in view.rule
    assert "2560.503-1" in view.source
    assert view.paused == "Paused since 2026-11-20 12:05 UTC, waiting for information"
    assert view.extension == "Extended by 15 days; no further extension"
    assert view.grounds == {}
    assert [line.words.split(":")[0] for line in view.history] == [
        "received as standard",
        "extended by 15 days",
        "information asked for",
    ]


def test_a_case_of_before_the_rules_is_coloured_by_its_due_time_alone(desk: Desk) -> None:
    desk.comes("MCO")
    with desk.store.writing() as session:
        row = session.get_one(AuthorizationRow, desk.case)
        row.amber_at = row.red_at = row.paused_at = row.due_allowed = row.extended_days = None
    assert desk.words(after=timedelta(days=1)) == "due in 6 d"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "extend", "documents", "expedite", "standard", "undo", "triage"]),
        st.integers(min_value=0, max_value=10_000),
        st.integers(min_value=1, max_value=15),
    ),
    max_size=7,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.sampled_from(["GROUP", "MCO", "MA", "NY", "OTHER"]), steps=STEPS)
def test_the_stored_due_time_is_always_what_the_stored_events_make(desk: Desk, plan: str, steps: Any) -> None:
    wanted = desk.comes(plan)
    done: list[CaseAction] = []
    for number, (step, minutes, days) in enumerate(steps):
        desk.now += timedelta(minutes=minutes)
        try:
            match step:
                case "ask":
                    done.append(desk.asks())
                case "extend":
                    done.append(desk.extends(days))
                case "documents":
                    desk.documents_come(f"more-{number}")
                case "expedite":
                    done.append(desk.act("ann", ActionKind.MADE_EXPEDITED, asked_by="plan", reason="x"))
                case "standard":
                    done.append(desk.act("ann", ActionKind.NOT_EXPEDITED, asked_by="member", reason="x", told_on="x"))
                case "undo" if done:
                    desk.undo("ann", done.pop())
        except ActionRefusedError:
            pass
        with desk.store.reading() as session:
            row = session.get_one(AuthorizationRow, desk.case)
            events = clock_events(session, desk.case)
        assert row.due_at == earliest_due(wanted, events).due_at == earliest_due(wanted, events[::-1]).due_at
        assert row.red_at is not None
        assert row.red_at >= row.due_at
        assert (row.red_at == row.due_at) or row.paused_at is not None
        assert request_of(row) == replace(wanted, documents=())


def test_events_recorded_in_any_order_and_twice_make_the_same_time(desk: Desk) -> None:
    events = [
        UrgencyChanged(NOON + timedelta(days=1), "expedited"),
        ExtensionGranted(NOON + timedelta(days=2), "member_asks", 4),
        InformationReceived(NOON + timedelta(days=2)),
    ]
    found = set()
    for order in (events, events[::-1], [*events, *events]):
        desk.comes("MA")
        with desk.store.writing() as session:
            row = session.get_one(AuthorizationRow, desk.case)
            for event in order:
                keep_event(session, row, event, now=NOON + timedelta(days=2))
            information_came(session, row, now=NOON + timedelta(days=2))
            recompute_due(session, row, now=NOON)
        found.add((desk.due, desk.row.urgency))
    assert len(found) == 1


def test_an_update_that_would_give_more_time_leaves_the_sooner_clock_with_its_rule_and_alarms(each_desk: Desk) -> None:
    desk = each_desk
    wanted = desk.comes("MA", urgency="expedited")
    amber_at = desk.row.amber_at
    update_request(desk.store, desk.case, lambda _: replace(wanted, urgency="standard"), now=NOON)
    row = desk.row
    assert (row.due_at, row.red_at, row.amber_at) == (NOON + timedelta(hours=72), NOON + timedelta(hours=72), amber_at)
    assert row.due_allowed == "72 hours"
    assert alarm_counts(desk.store, NOON + timedelta(hours=49)).soon["standard"] == 1
    assert alarm_counts(desk.store, NOON + timedelta(hours=73)).overdue["standard"] == 1


def test_an_update_of_a_case_of_before_the_rules_raises_its_alarm_by_its_due_time(desk: Desk) -> None:
    wanted = desk.comes("MA", urgency="expedited")
    with desk.store.writing() as session:
        session.get_one(AuthorizationRow, desk.case).red_at = None
        session.get_one(AuthorizationRow, desk.case).amber_at = None
    update_request(desk.store, desk.case, lambda _: replace(wanted, urgency="standard"), now=NOON)
    assert (desk.row.due_at, desk.row.red_at) == (NOON + timedelta(hours=72),) * 2


@pytest.mark.parametrize(("plan", "other"), [("GROUP", "MA"), ("MA", "GROUP"), ("MCO-WA", "GROUP"), ("NY", "MCO")])
@pytest.mark.parametrize("steps", [(), ("extends",), ("extends", "asks")])
def test_no_update_moves_any_alarm_to_later(desk: Desk, plan: str, other: str, steps: tuple[str, ...]) -> None:
    wanted = desk.comes(plan)
    for step in steps:
        with suppress(ActionRefusedError):
            getattr(desk, step)()
    before = desk.row
    update_request(desk.store, desk.case, lambda _: replace(wanted, coverage=Coverage(other)), now=NOON)
    row = desk.row
    assert before.red_at is not None
    assert before.amber_at is not None
    assert row.amber_at is not None
    assert row.red_at is not None
    assert row.due_at <= before.due_at
    assert row.due_at <= row.red_at <= before.red_at
    assert row.amber_at <= min(before.amber_at, row.red_at)
    assert row.paused_at is not None or row.red_at == row.due_at


def test_alarms_count_by_the_rules_own_alarm_and_leave_out_what_stands_still(each_desk: Desk) -> None:
    desk = each_desk
    desk.comes("MA", urgency="expedited")
    desk.comes("MCO")
    desk.comes("GROUP", received_at=NOON - timedelta(days=10))
    desk.extends(1)
    desk.asks()

    def counts(after: timedelta) -> tuple[dict[str, int], dict[str, int]]:
        found = alarm_counts(desk.store, NOON + after)
        return dict(found.overdue), dict(found.soon)

    assert counts(timedelta(hours=47)) == ({"expedited": 0, "standard": 0}, {"expedited": 0, "standard": 0})
    assert counts(timedelta(hours=49)) == ({"expedited": 0, "standard": 0}, {"expedited": 1, "standard": 0})
    assert counts(timedelta(days=5, hours=1)) == ({"expedited": 1, "standard": 0}, {"expedited": 0, "standard": 1})
    assert counts(timedelta(days=8)) == ({"expedited": 1, "standard": 1}, {"expedited": 0, "standard": 0})
    assert counts(timedelta(days=80))[0] == {"expedited": 1, "standard": 2}


def test_what_is_due_is_listed_by_id_soonest_first_and_closed_cases_are_not(desk: Desk) -> None:
    desk.comes("MCO")
    later = desk.case
    desk.comes("MA", urgency="expedited")
    sooner = desk.case
    desk.comes("MA", urgency="expedited")
    desk.act("ann", ActionKind.APPROVED)
    now = NOON + timedelta(days=6)
    found = list(due_cases(desk.store, within=timedelta(days=2), now=now))
    assert [(each.authorization_id, each.overdue) for each in found] == [(sooner, True), (later, False)]
    assert [each.authorization_id for each in due_cases(desk.store, within=timedelta(hours=4), now=now)] == [sooner]


def test_the_log_says_how_many_clocks_are_near_and_names_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    wanted = desk.comes("MA", urgency="expedited")
    watch = AlarmWatch(desk.store, every=timedelta(minutes=15))
    with caplog.at_level("WARNING", logger="greenlane.serving"):
        watch.look(NOON)
        assert caplog.messages == []
        watch.look(NOON + timedelta(hours=73))
    assert caplog.messages == ["clocks: overdue 1 expedited, 0 standard; due soon 0 expedited, 0 standard"]
    assert wanted.external_id not in caplog.text


@pytest.mark.parametrize("written", ["", "4", "h", "-1h", "4 h", "99999h", "4w"])
def test_a_span_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(InvalidParameterError, match="such as 30m, 4h or 2d"):
        span_of(written)


def test_the_command_prints_authorizations_and_due_times_alone(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = desk.comes("MCO", received_at=datetime(2026, 1, 5, 12, tzinfo=UTC))
    monkeypatch.setenv("GREENLANE_DATABASE_URL", database_in(tmp_path))
    done = CliRunner().invoke(app, ["clocks", "due", "--within", "4h"])
    assert done.stdout == f"{desk.case}\t2026-01-12T12:00:00Z\tstandard\toverdue\n"
    assert wanted.external_id not in done.stdout
    assert CliRunner().invoke(app, ["clocks", "due", "--within", "soon"]).exit_code != 0


def test_a_case_that_waits_to_be_read_has_its_rules_alarms_already(any_store: Store) -> None:
    wanted = request("PA-waits")
    stored = accepted(any_store, wanted, now=wanted.received_at)
    due = earliest_due(wanted)
    with any_store.reading() as session:
        row = session.get_one(AuthorizationRow, stored.authorization_id)
        assert (row.due_rule, row.due_at, row.amber_at) == (due.rule, due.due_at, due.soon_at)
