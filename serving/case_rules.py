"""The rules of working on a case: who may do what when, what it changes, and until when it can be undone. Pure.

A refusal is one sentence for the person who wants to act, None where nothing speaks against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.decisions import DecisionKind, Outcome
from models.types import Route
from serving.case_standing import CHANGING, CaseAction, Standing
from serving.people import Person
from serving.roles import Permission
from serving.work import DECIDING, MOVING_CLOCK, ActionKind, Work

_UNDECIDED = frozenset({Work.OPEN, Work.AWAITING_INFORMATION, Work.REFERRED})
_POSSIBLE: dict[ActionKind, frozenset[Work]] = {
    ActionKind.INFORMATION_REQUESTED: _UNDECIDED,
    ActionKind.APPROVED: _UNDECIDED,
    ActionKind.APPROVED_MODIFIED: _UNDECIDED,
    ActionKind.REFERRED: _UNDECIDED - {Work.REFERRED},
    ActionKind.RETURNED: frozenset({Work.REFERRED}),
    ActionKind.DETERMINED_ADVERSELY: _UNDECIDED,
    ActionKind.WITHDRAWN: _UNDECIDED,
    ActionKind.REOPENED: frozenset(Work) - _UNDECIDED - {Work.CANCELLED},
    ActionKind.NOTED: frozenset(Work),
    ActionKind.FACT_CORRECTED: frozenset(Work),
    **dict.fromkeys(MOVING_CLOCK, _UNDECIDED),
}
_NEEDS = {
    ActionKind.DETERMINED_ADVERSELY: Permission.DETERMINE_ADVERSELY,
    ActionKind.RETURNED: Permission.DETERMINE_ADVERSELY,
}
"""What each kind needs; the others need WORK_ON_CASES."""

_SENT = DECIDING | MOVING_CLOCK | {ActionKind.INFORMATION_REQUESTED}
"""What leaves the house as a letter, or moves a clock for good: these wait, so that they can be undone."""

PHYSICIANS_REQUEST = (
    "a physician asked for the expedited review, or supports it: it must be granted (42 CFR 422.570(c)(2)(ii))"
)

_BECOMES = {
    ActionKind.INFORMATION_REQUESTED: Work.AWAITING_INFORMATION,
    ActionKind.REFERRED: Work.REFERRED,
    ActionKind.RETURNED: Work.OPEN,
    ActionKind.WITHDRAWN: Work.WITHDRAWN,
    ActionKind.REOPENED: Work.OPEN,
    **dict.fromkeys(DECIDING, Work.DECIDED),
}
_HANDS_OVER = frozenset({ActionKind.REFERRED, ActionKind.RETURNED, ActionKind.REOPENED})

OUTCOMES = {
    ActionKind.APPROVED: Outcome.APPROVED_AS_REQUESTED,
    ActionKind.APPROVED_MODIFIED: Outcome.APPROVED_MODIFIED,
    ActionKind.INFORMATION_REQUESTED: Outcome.INFORMATION_REQUESTED,
    ActionKind.REFERRED: Outcome.REFERRED,
    ActionKind.DETERMINED_ADVERSELY: Outcome.ADVERSE,
    ActionKind.WITHDRAWN: Outcome.WITHDRAWN,
}
"""What an action says about the request, for the plan's own history (models/decisions.py)."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an action on a case can change about it."""

    work: Work
    second_look: bool
    assigned_to: str | None


def place_of(standing: Standing) -> Place:
    """The place as it is."""
    return Place(standing.work, standing.second_look, standing.assigned_to)


def allows(person: Person, kind: ActionKind) -> bool:
    """Whether the person's role holds what the kind of action needs."""
    return person.may(_NEEDS.get(kind, Permission.WORK_ON_CASES))


def refusal(kind: ActionKind, standing: Standing, person: Person, *, now: datetime) -> str | None:
    """Why the person cannot do this on the case now."""
    if not allows(person, kind):
        return "your role does not allow this"
    if standing.work not in _POSSIBLE.get(kind, frozenset()):
        return f"this is not possible on a case that is {standing.work.value.replace('_', ' ')}"
    if kind in MOVING_CLOCK:
        return _refusal_to_move_clock(kind, standing, person)
    if kind not in CHANGING:
        return None
    if kind is ActionKind.REOPENED:
        return _refusal_to_reopen(standing, now)
    if standing.assigned_to not in (None, person.person_id):
        return "somebody else has this case"
    if standing.work is Work.REFERRED and not person.may(Permission.DETERMINE_ADVERSELY):
        return "this case is with the medical director"
    if kind in DECIDING and standing.was_adverse:
        return _refusal_of_second_decider(standing, person)
    return None


def _refusal_to_move_clock(kind: ActionKind, standing: Standing, person: Person) -> str | None:
    """Who has the case moves its clock, and a lead that of any. What the rule allows is asked of the clock itself."""
    if kind is ActionKind.MADE_EXPEDITED and standing.urgency == "expedited":
        return "this case is expedited already"
    if kind is ActionKind.NOT_EXPEDITED and standing.urgency != "expedited":
        return "this case is not expedited"
    granted = [action for action in standing.counting if action.kind is ActionKind.MADE_EXPEDITED]
    if kind is ActionKind.NOT_EXPEDITED and any(action.content.get("asked_by") == "physician" for action in granted):
        return PHYSICIANS_REQUEST
    if person.may(Permission.ASSIGN):
        return None
    if standing.assigned_to not in (None, person.person_id):
        return "somebody else has this case"
    if standing.work is Work.REFERRED and not person.may(Permission.DETERMINE_ADVERSELY):
        return "this case is with the medical director"
    return None


def _refusal_to_reopen(standing: Standing, now: datetime) -> str | None:
    last = standing.last_change
    if last is not None and last.kind in DECIDING and not last.is_in_effect(now):
        return "the determination has not taken effect; who made it can undo it"
    return None


def _refusal_of_second_decider(standing: Standing, person: Person) -> str | None:
    """42 CFR 422.590(h) and 438.406(b)(2): a physician who took no part in the earlier determination."""
    if not person.may(Permission.DETERMINE_ADVERSELY):
        return "a medical director who took no part in the earlier determination decides this case"
    if person.person_id in {action.person_id for action in standing.decisions}:
        return "you made an earlier determination on this case; another medical director decides it"
    return None


def has_read(standing: Standing, person: Person) -> bool:
    """Whether the person opened the case and a piece of its evidence as the documents are now."""
    return person.person_id in standing.read_by


def after(kind: ActionKind, standing: Standing, person: Person) -> Place:
    """The case's place after the action. Who moves a case on has it, unless the action hands it over."""
    if kind not in CHANGING:
        return place_of(standing)
    second_look = standing.second_look and kind not in DECIDING
    if kind is ActionKind.REOPENED:
        second_look = second_look or standing.work in (Work.DECIDED, Work.FAST_TRACKED)
    assigned_to: str | None = person.person_id
    if kind is ActionKind.REFERRED:
        assigned_to = None
    elif kind is ActionKind.RETURNED:
        last = standing.last_change
        assigned_to = last.person_id if last is not None and last.kind is ActionKind.REFERRED else None
    return Place(_BECOMES[kind], second_look, assigned_to)


def takes_effect_at(kind: ActionKind, *, now: datetime, due_at: datetime, window: timedelta) -> datetime | None:
    """When a determination or letter takes effect: after the undo window, at once where it is due before that ends.

    None for every other kind: nothing leaves the house, so it can be undone for longer.
    """
    if kind not in _SENT:
        return None
    return now if due_at < now + window else now + window


def undo_refusal(action: CaseAction, standing: Standing, person: Person, *, now: datetime) -> str | None:
    """Why the person cannot undo the action now."""
    if action.person_id != person.person_id:
        return "only who did this can undo it"
    if action.undone:
        return "this was undone before"
    if standing.work is Work.CANCELLED and action.kind not in (ActionKind.NOTED, ActionKind.FACT_CORRECTED):
        return "the intake system cancelled this request since"
    if action.takes_effect_at is not None and action.is_in_effect(now):
        return "this has taken effect and cannot be undone; open the case again instead"
    if action.kind in (ActionKind.NOTED, ActionKind.FACT_CORRECTED):
        return None
    if action.kind in MOVING_CLOCK:
        last_moved = [other for other in standing.counting if other.kind in MOVING_CLOCK][-1]
        return None if action == last_moved else "the clock was moved again since; undo that first"
    if action.kind is ActionKind.CLAIMED:
        return None if standing.assigned_to == person.person_id else "you do not have this case any more"
    if action.kind not in CHANGING:
        return "this is taken back by claiming or assigning the case again"
    if action != standing.last_change:
        return "something was done on this case since; undo that first"
    if action.kind is ActionKind.REFERRED and standing.assigned_to not in (None, person.person_id):
        return "somebody has taken this case up; ask them to return it"
    return None


def place_before(action: CaseAction, standing: Standing) -> Place:
    """The case's place once the action is undone. New documents that came in between leave the case open."""
    if action.kind is ActionKind.CLAIMED:
        return Place(standing.work, standing.second_look, None)
    if action.kind not in CHANGING:
        return place_of(standing)
    before = action.content["before"]
    if standing.revision != action.revision:
        return Place(standing.work, before["second_look"], standing.assigned_to)
    assigned_to = before["assigned_to"] if action.kind in _HANDS_OVER else standing.assigned_to
    return Place(Work(before["work"]), before["second_look"], assigned_to)


def decision_kind(
    outcome: Outcome, *, standing_outcome: Outcome | None, route: Route | None, same_documents: bool
) -> DecisionKind:
    """Whether an outcome replaces the one that stands, or follows it.

    An approval that is taken back is overturned whatever the reason. Another outcome is overturned only by the same
    documents: what new ones show says nothing about the request as it came.
    """
    if standing_outcome is None and route is Route.FAST_TRACK:
        standing_outcome = Outcome.APPROVED_AS_REQUESTED
    if outcome in (Outcome.INFORMATION_REQUESTED, Outcome.REFERRED, Outcome.WITHDRAWN) or outcome == standing_outcome:
        return "decision"
    taken_back = standing_outcome is Outcome.APPROVED_AS_REQUESTED
    set_right = standing_outcome in (Outcome.ADVERSE, Outcome.APPROVED_MODIFIED) and same_documents
    return "overturned" if taken_back or set_right else "decision"
