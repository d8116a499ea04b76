"""Working on a case: every rule of it, over a real database, and as a machine that tries whatever comes next."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from databases import copied_database, drop_databases, lasting_database
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from serving_cases import routed
from sqlalchemy import select
from stored_requests import accepted, kept, received
from test_store import request

from models.decisions import Outcome
from models.types import Reason, Route
from serving.case_actions import CaseActions
from serving.case_rules import decision_kind, has_read, refusal, takes_effect_at
from serving.case_standing import CHANGING, CaseAction, Standing
from serving.database import open_engine
from serving.errors import ActionRefusedError, CaseChangedError, NotAllowedError, ServingError
from serving.past_decisions import past_cases
from serving.people import SignedIn
from serving.people_store import PeopleStore
from serving.roles import Permission, Role
from serving.store import Store
from serving.stored_case import counting_decisions
from serving.tables import AuthorizationRow, CaseActionRow, DecisionRow, TrailRow
from serving.trail import record
from serving.ulid import UlidSource
from serving.work import DECIDING, ActionKind, Work

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=5)
ADVERSE = {"reasons": "Specific reasons in plain language.", "criteria": ["therapy"], "guideline": None}


ROLES = {
    "ann": Role.NURSE,
    "bob": Role.NURSE,
    "lea": Role.LEAD,
    "dora": Role.MEDICAL_DIRECTOR,
    "dan": Role.MEDICAL_DIRECTOR,
    "data": Role.DATA_SCIENTIST,
    "audrey": Role.AUDITOR,
    "adam": Role.ADMINISTRATOR,
}


@dataclass
class Desk:
    """A store with one case and somebody of each role; ``now`` is moved by hand."""

    store: Store
    actions: CaseActions
    people: dict[str, SignedIn]
    case: str
    now: datetime = NOW

    def act(
        self, name: str, kind: ActionKind, content: dict[str, Any] | None = None, turn: int | None = None
    ) -> CaseAction:
        content = dict(ADVERSE if content is None and kind is ActionKind.DETERMINED_ADVERSELY else content or {})
        standing = self.standing
        if standing.second_look and kind in DECIDING:
            content.setdefault("acknowledged", [])
        seen = standing.turn if turn is None else turn
        return self.actions.act(self.people[name], self.case, kind, content, turn=seen, now=self.now)

    def undo(self, name: str, action: CaseAction) -> None:
        self.actions.undo(self.people[name], self.case, action.action_id, now=self.now)

    def open_evidence(self, name: str) -> None:
        with self.store.writing() as session:
            for what in ("case_opened", "evidence_opened"):
                record(
                    session,
                    self.store.tenant,
                    what,
                    at=self.now,
                    who=self.people[name],
                    authorization_id=self.case,
                    details={"revision": self.standing.revision},
                )

    def documents_come(self, document_id: str) -> None:
        more = request(text=f"More about {document_id}.")
        (part,) = received(more)
        renamed = [replace(part, document=replace(part.document, document_id=document_id))]
        stored, _ = self.store.add_documents(self.case, renamed, now=self.now)
        keep_result(self.store, stored, self.now)

    @property
    def standing(self) -> Standing:
        return self.actions.standing(self.case)

    @property
    def decisions(self) -> list[tuple[str, str]]:
        with self.store.reading() as session:
            return [(row.kind, row.outcome) for row in counting_decisions(session, self.case)]


def keep_result(store: Store, stored: Any, now: datetime) -> None:
    result = routed(stored.request, Route.NURSE_REVIEW, (Reason("x", "A nurse reads this."),))
    kept(store, stored, result, now=now)


@cache
def _prepared() -> tuple[str, str, dict[str, SignedIn]]:
    """A database with one case and its people, made once: its URL, the case's id, the people."""
    url = lasting_database("one case and its people")
    store = Store.open(url)
    wanted = request()
    stored = accepted(store, wanted, now=NOW, due_at=NOW + timedelta(days=3))
    keep_result(store, stored, NOW)
    book = PeopleStore(store)
    people = {
        name: SignedIn(book.add(name, name.title(), role, oidc_subject=name, now=NOW), UlidSource()(), "token", NOW)
        for name, role in ROLES.items()
    }
    store.close()
    return url, stored.authorization_id, people


def open_desk(folder: Path, *, window: timedelta = WINDOW) -> Desk:
    database, case, people = _prepared()
    store = Store(open_engine(copied_database(database, folder)))
    return Desk(store, CaseActions(store, undo_window=window), people, case)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = open_desk(tmp_path)
    yield desk
    desk.store.close()


NOT_DIRECTORS = ("ann", "bob", "lea", "data", "audrey", "adam")


@pytest.mark.parametrize("name", NOT_DIRECTORS)
def test_nobody_but_a_medical_director_records_an_adverse_determination(desk: Desk, name: str) -> None:
    desk.open_evidence(name)
    with pytest.raises(NotAllowedError):
        desk.act(name, ActionKind.DETERMINED_ADVERSELY)
    assert desk.standing.work is Work.OPEN
    assert desk.decisions == []


@pytest.mark.parametrize("name", ["data", "audrey", "adam"])
def test_who_may_only_look_can_do_nothing(desk: Desk, name: str) -> None:
    for kind in (*sorted(CHANGING), ActionKind.NOTED, ActionKind.FACT_CORRECTED):
        with pytest.raises((ActionRefusedError, NotAllowedError)):
            desk.act(name, kind)
    assert desk.standing.actions == ()


def test_an_adverse_determination_needs_opened_evidence_of_the_documents_as_they_are(desk: Desk) -> None:
    with pytest.raises(ActionRefusedError, match="open the evidence"):
        desk.act("dora", ActionKind.DETERMINED_ADVERSELY)
    desk.open_evidence("dora")
    desk.now += timedelta(hours=1)
    desk.documents_come("d2")
    with pytest.raises(ActionRefusedError, match="open the evidence"):
        desk.act("dora", ActionKind.DETERMINED_ADVERSELY)
    desk.open_evidence("dora")
    desk.act("dora", ActionKind.DETERMINED_ADVERSELY)
    assert desk.decisions == [("decision", "adverse")]


@pytest.mark.parametrize("content", [{}, {"reasons": "x"}, {"criteria": ["therapy"]}])
def test_an_adverse_determination_needs_reasons_and_what_they_rest_on(desk: Desk, content: dict[str, Any]) -> None:
    desk.open_evidence("dora")
    with pytest.raises(ActionRefusedError):
        desk.act("dora", ActionKind.DETERMINED_ADVERSELY, content)


def test_the_first_action_claims_a_case_and_nobody_else_acts_on_it_then(desk: Desk) -> None:
    desk.act("ann", ActionKind.INFORMATION_REQUESTED)
    standing = desk.standing
    assert standing.assigned_to == desk.people["ann"].person.person_id
    assert [action.kind for action in standing.actions] == [ActionKind.CLAIMED, ActionKind.INFORMATION_REQUESTED]
    with pytest.raises(ActionRefusedError, match="somebody else has this case"):
        desk.act("bob", ActionKind.APPROVED)
    desk.act("bob", ActionKind.NOTED, {"text": "x", "mentions": []})


def test_acting_on_an_old_view_of_the_case_is_refused_and_changes_nothing(desk: Desk) -> None:
    desk.act("bob", ActionKind.NOTED, {"text": "look again", "mentions": []})
    with pytest.raises(CaseChangedError):
        desk.act("ann", ActionKind.APPROVED, turn=0)
    assert desk.standing.work is Work.OPEN
    desk.act("ann", ActionKind.APPROVED)


def test_of_two_who_decide_one_case_at_the_same_time_exactly_one_does(desk: Desk) -> None:
    turn = desk.standing.turn

    def decide(name: str) -> bool:
        try:
            desk.act(name, ActionKind.APPROVED, turn=turn)
        except CaseChangedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(decide, ["ann", "bob", "lea", "dora"]))
    assert sorted(done) == [False, False, False, True]
    assert desk.decisions == [("decision", "approved_as_requested")]


def test_a_referred_case_is_the_director_s_until_it_is_returned_to_the_nurse(desk: Desk) -> None:
    desk.act("ann", ActionKind.REFERRED, {"summary": "x"})
    assert desk.standing.assigned_to is None
    with pytest.raises(ActionRefusedError, match="medical director"):
        desk.act("bob", ActionKind.APPROVED)
    desk.act("dora", ActionKind.RETURNED, {"reason": "ask first"})
    assert (desk.standing.work, desk.standing.assigned_to) == (Work.OPEN, desk.people["ann"].person.person_id)
    desk.act("ann", ActionKind.APPROVED)
    assert desk.decisions == [("decision", "referred"), ("decision", "approved_as_requested")]


def test_a_referral_cannot_be_taken_back_once_a_director_has_the_case(desk: Desk) -> None:
    referred = desk.act("ann", ActionKind.REFERRED, {"summary": "x"})
    with desk.store.writing() as session:
        row = session.get_one(AuthorizationRow, desk.case)
        row.assigned_to = desk.people["dora"].person.person_id
    with pytest.raises(ActionRefusedError, match="taken this case up"):
        desk.undo("ann", referred)


def test_a_determination_can_be_undone_by_who_made_it_until_it_takes_effect(desk: Desk) -> None:
    approved = desk.act("ann", ActionKind.APPROVED)
    assert approved.takes_effect_at == NOW + WINDOW
    with pytest.raises(ActionRefusedError, match="only who did this"):
        desk.undo("lea", approved)
    desk.now = NOW + WINDOW - timedelta(seconds=1)
    desk.undo("ann", approved)
    assert (desk.standing.work, desk.decisions) == (Work.OPEN, [])
    with pytest.raises(ActionRefusedError, match="undone before"):
        desk.undo("ann", approved)
    again = desk.act("ann", ActionKind.APPROVED)
    desk.now += WINDOW
    with pytest.raises(ActionRefusedError, match="taken effect"):
        desk.undo("ann", again)


def test_what_is_due_before_the_window_ends_takes_effect_at_once() -> None:
    for left, waits in ((WINDOW, True), (WINDOW - timedelta(seconds=1), False), (-WINDOW, False)):
        effect = takes_effect_at(ActionKind.APPROVED, now=NOW, due_at=NOW + left, window=WINDOW)
        assert effect == (NOW + WINDOW if waits else NOW)
    assert takes_effect_at(ActionKind.REFERRED, now=NOW, due_at=NOW, window=WINDOW) is None


def test_a_window_of_nothing_leaves_nothing_to_undo(tmp_path: Path) -> None:
    desk = open_desk(tmp_path, window=timedelta(0))
    approved = desk.act("ann", ActionKind.APPROVED)
    with pytest.raises(ActionRefusedError, match="taken effect"):
        desk.undo("ann", approved)


def test_notes_and_corrections_can_be_taken_back_whenever_by_who_made_them(desk: Desk) -> None:
    note = desk.act("ann", ActionKind.NOTED, {"text": "x", "mentions": []})
    desk.act("bob", ActionKind.APPROVED)
    desk.now += timedelta(days=30)
    with pytest.raises(ActionRefusedError):
        desk.undo("bob", note)
    desk.undo("ann", note)
    assert desk.standing.work is Work.DECIDED


def test_only_the_last_step_of_a_case_is_undone(desk: Desk) -> None:
    asked = desk.act("ann", ActionKind.INFORMATION_REQUESTED)
    approved = desk.act("ann", ActionKind.APPROVED)
    with pytest.raises(ActionRefusedError, match="undo that first"):
        desk.undo("ann", asked)
    desk.undo("ann", approved)
    assert desk.standing.work is Work.AWAITING_INFORMATION
    desk.undo("ann", asked)
    assert desk.standing.work is Work.OPEN


def test_documents_that_came_in_between_keep_the_case_open_when_a_determination_is_undone(desk: Desk) -> None:
    approved = desk.act("ann", ActionKind.APPROVED)
    desk.documents_come("d2")
    assert (desk.standing.work, desk.standing.second_look) == (Work.OPEN, True)
    desk.undo("ann", approved)
    assert (desk.standing.work, desk.standing.second_look) == (Work.OPEN, False)


def test_a_second_look_needs_to_say_that_the_change_was_seen(desk: Desk) -> None:
    desk.act("ann", ActionKind.APPROVED)
    desk.now += timedelta(days=1)
    desk.act("bob", ActionKind.REOPENED, {"reason": "the provider called"})
    assert desk.standing.second_look
    with pytest.raises(ActionRefusedError, match="acknowledged"):
        desk.actions.act(desk.people["bob"], desk.case, ActionKind.APPROVED, {}, turn=desk.standing.turn, now=desk.now)
    desk.act("bob", ActionKind.APPROVED)
    assert not desk.standing.second_look


def test_after_an_adverse_determination_another_director_decides(desk: Desk) -> None:
    desk.open_evidence("dora")
    desk.act("dora", ActionKind.DETERMINED_ADVERSELY)
    desk.now += timedelta(days=1)
    desk.act("lea", ActionKind.REOPENED, {"reason": "appeal"})
    for name in ("lea", "dora"):
        with desk.store.writing() as session:
            session.get_one(AuthorizationRow, desk.case).assigned_to = None
        desk.open_evidence(name)
        for kind in (ActionKind.APPROVED, ActionKind.DETERMINED_ADVERSELY):
            with pytest.raises((ActionRefusedError, NotAllowedError)):
                desk.act(name, kind)
    desk.act("dan", ActionKind.APPROVED)
    assert desk.decisions == [("decision", "adverse"), ("overturned", "approved_as_requested")]


def test_a_determination_that_can_still_be_undone_is_not_opened_again(desk: Desk) -> None:
    desk.act("ann", ActionKind.APPROVED)
    with pytest.raises(ActionRefusedError, match="has not taken effect"):
        desk.act("bob", ActionKind.REOPENED, {"reason": "x"})


def test_an_undone_or_waiting_decision_is_not_exported_and_one_in_effect_is(desk: Desk) -> None:
    approved = desk.act("ann", ActionKind.APPROVED)

    def exported(now: datetime) -> tuple[Outcome, ...]:
        (case,) = past_cases(desk.store, now=now)
        return tuple(decision.outcome for decision in case.decisions)

    assert exported(NOW) == ()
    assert exported(NOW + WINDOW) == (Outcome.APPROVED_AS_REQUESTED,)
    desk.undo("ann", approved)
    assert exported(NOW + WINDOW) == ()
    desk.act("ann", ActionKind.WITHDRAWN, {"withdrawn_by": "the office, by telephone"})
    assert exported(NOW) == (Outcome.WITHDRAWN,)


@pytest.mark.parametrize(
    ("outcome", "standing", "route", "same", "kind"),
    [
        (Outcome.APPROVED_AS_REQUESTED, None, None, False, "decision"),
        (Outcome.ADVERSE, Outcome.APPROVED_AS_REQUESTED, None, False, "overturned"),
        (Outcome.APPROVED_MODIFIED, None, Route.FAST_TRACK, False, "overturned"),
        (Outcome.APPROVED_AS_REQUESTED, None, Route.FAST_TRACK, False, "decision"),
        (Outcome.APPROVED_AS_REQUESTED, Outcome.ADVERSE, None, True, "overturned"),
        (Outcome.APPROVED_AS_REQUESTED, Outcome.ADVERSE, None, False, "decision"),
        (Outcome.APPROVED_AS_REQUESTED, Outcome.INFORMATION_REQUESTED, None, True, "decision"),
        (Outcome.ADVERSE, Outcome.INFORMATION_REQUESTED, None, True, "decision"),
        (Outcome.WITHDRAWN, Outcome.APPROVED_AS_REQUESTED, None, True, "decision"),
    ],
)
def test_an_outcome_is_overturned_only_by_the_same_documents_or_by_taking_an_approval_back(
    outcome: Outcome, standing: Outcome | None, route: Route | None, same: bool, kind: str
) -> None:
    assert decision_kind(outcome, standing_outcome=standing, route=route, same_documents=same) == kind


def test_the_trail_says_what_was_done_with_which_versions_and_no_word_of_it(desk: Desk) -> None:
    desk.act("ann", ActionKind.NOTED, {"text": "Denies fever, Jane Roe", "mentions": []})
    approved = desk.act("ann", ActionKind.APPROVED)
    with desk.store.reading() as session:
        entry = session.scalars(select(TrailRow).where(TrailRow.action == "approved")).one()
        everything = " ".join(session.scalars(select(TrailRow.details)))
    details = json.loads(entry.details)
    assert (details["action_id"], details["kind"], details["turn"]) == (approved.action_id, "approved", 3)
    assert details["policy"] == {"policy_id": "lumbar-spine-mri", "version": "2026.1"}
    assert details["model"] == {"name": "greenlane-approval", "version": "3"}
    assert "fever" not in everything
    assert "Roe" not in everything


class CaseMachine(RuleBasedStateMachine):
    """Whatever people try in whatever order. Refusals are fine; what they leave behind must hold."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.desk = open_desk(Path(self._folder.name))
        self.turn = 0
        self.documents = 1

    @initialize()
    def begin(self) -> None:
        self.turn = self.desk.standing.turn

    def teardown(self) -> None:
        self.desk.store.close()
        drop_databases(Path(self._folder.name))
        self._folder.cleanup()

    @rule(
        name=st.sampled_from(["ann", "bob", "lea", "dora", "dan", "audrey"]),
        kind=st.sampled_from(sorted(CHANGING | {ActionKind.NOTED})),
        stale=st.integers(0, 5).map(lambda number: number == 0),
    )
    def somebody_acts(self, name: str, kind: ActionKind, stale: bool) -> None:
        before = self.desk.standing
        try:
            done = self.desk.act(
                name,
                kind,
                {"text": "x", "mentions": []} if kind is ActionKind.NOTED else None,
                before.turn - 1 if stale else None,
            )
        except ServingError:
            assert self.desk.standing == before
        else:
            assert not (stale and kind in CHANGING)
            assert self.desk.people[name].person.may(Permission.WORK_ON_CASES)
            assert done.kind is kind

    @rule(data=st.data(), patience=st.sampled_from([0, 10]))
    def somebody_does_what_is_possible(self, data: st.DataObject, patience: int) -> None:
        self.desk.now += timedelta(minutes=patience)
        standing = self.desk.standing
        possible = [
            (name, kind)
            for kind in sorted(CHANGING)
            for name in ("ann", "bob", "dora", "dan")
            if refusal(kind, standing, self.desk.people[name].person, now=self.desk.now) is None
        ]
        if not possible:
            return
        kind = data.draw(st.sampled_from(sorted({kind for _, kind in possible})))
        name = data.draw(st.sampled_from([name for name, each in possible if each is kind]))
        read = has_read(standing, self.desk.people[name].person)
        if kind is ActionKind.DETERMINED_ADVERSELY and not read:
            with pytest.raises(ActionRefusedError, match="open the evidence"):
                self.desk.act(name, kind)
            self.desk.open_evidence(name)
        done = self.desk.act(name, kind)
        assert self.desk.standing.last_change == done

    @rule(name=st.sampled_from(["dora", "dan", "ann"]))
    def somebody_reads_the_evidence(self, name: str) -> None:
        self.desk.open_evidence(name)

    @rule(minutes=st.sampled_from([1, 3, 6, 60]))
    def time_passes(self, minutes: int) -> None:
        self.desk.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.documents < 4)
    @rule()
    def documents_come(self) -> None:
        self.documents += 1
        self.desk.documents_come(f"d{self.documents}")

    @precondition(lambda self: self.desk.standing.counting)
    @rule(name=st.sampled_from(["ann", "bob", "dora", "dan", None]), data=st.data())
    def somebody_undoes(self, name: str | None, data: st.DataObject) -> None:
        before = self.desk.standing
        action = data.draw(st.sampled_from(before.actions))
        if name is None:
            # Who did the last step.
            action = before.last_change or action
            name = next(each for each, who in self.desk.people.items() if who.person.person_id == action.person_id)
        try:
            self.desk.undo(name, action)
        except ActionRefusedError:
            assert self.desk.standing == before
            return
        after = self.desk.standing
        assert action.person_id == self.desk.people[name].person.person_id
        assert action.takes_effect_at is None or self.desk.now < action.takes_effect_at
        if action.kind in CHANGING and action.revision == before.revision:
            assert after.work == action.content["before"]["work"]
            assert after.second_look == action.content["before"]["second_look"]
        else:
            assert after.work == before.work

    @invariant()
    def a_decided_case_has_exactly_one_deciding_action_that_holds(self) -> None:
        standing = self.desk.standing
        last = standing.last_change
        assert (standing.work is Work.DECIDED) == (
            last is not None and last.kind in DECIDING and last.revision == standing.revision
        )
        reopened = [n for n, action in enumerate(standing.counting) if action.kind is ActionKind.REOPENED]
        since = standing.counting[reopened[-1] + 1 if reopened else 0 :]
        holding = [a for a in since if a.kind in DECIDING and a.revision == standing.revision]
        assert len(holding) == (standing.work is Work.DECIDED)

    @invariant()
    def no_adverse_determination_without_a_director_who_read(self) -> None:
        for action in self.desk.standing.actions:
            if action.kind is ActionKind.DETERMINED_ADVERSELY:
                assert action.role is Role.MEDICAL_DIRECTOR

    @invariant()
    def the_turn_grows_with_every_change(self) -> None:
        turn = self.desk.standing.turn
        with self.desk.store.reading() as session:
            rows = session.scalars(select(CaseActionRow).order_by(CaseActionRow.action_id)).all()
        turns = [json.loads(row.content)["turn"] for row in rows]
        assert all(first < second for first, second in pairwise(turns))
        assert turn >= self.turn
        assert turn == len(rows) + self.documents - 1
        self.turn = turn

    @invariant()
    def the_trail_holds_each_action_in_order(self) -> None:
        with self.desk.store.reading() as session:
            done = session.scalars(select(CaseActionRow.action_id).order_by(CaseActionRow.action_id)).all()
            told = session.scalars(select(TrailRow).order_by(TrailRow.number)).all()
        named = [json.loads(entry.details).get("action_id") for entry in told]
        assert [action_id for action_id in named if action_id] == list(done)
        assert [entry.previous_hash for entry in told[1:]] == [entry.hash for entry in told[:-1]]

    @invariant()
    def every_outcome_that_was_not_undone_is_a_decision(self) -> None:
        with self.desk.store.reading() as session:
            kept = {row.action_id for row in counting_decisions(session, self.desk.case)}
            every = set(session.scalars(select(DecisionRow.action_id)))
        counting = self.desk.standing.counting
        wanted = {a.action_id for a in counting if a.kind in CHANGING - {ActionKind.RETURNED, ActionKind.REOPENED}}
        assert kept == wanted <= every


TestWhateverPeopleTry = CaseMachine.TestCase
TestWhateverPeopleTry.settings = settings(
    max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.slow
def test_whatever_people_try_for_longer() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis gives it no types
        CaseMachine,
        settings=settings(
            max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
