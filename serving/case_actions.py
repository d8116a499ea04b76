"""The one place that writes what people do on a case: the action, the case's place, the decision, the trail. All or none.

What is possible is decided by :mod:`serving.case_rules`; what a form must say by :mod:`serving.action_forms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from models.decisions import Outcome
from models.types import Route
from serving.case_clock import recompute_due
from serving.case_rules import (
    OUTCOMES,
    Place,
    after,
    decision_kind,
    has_read,
    place_before,
    place_of,
    refusal,
    takes_effect_at,
    undo_refusal,
)
from serving.case_standing import CHANGING, CaseAction, Standing, case_row, standing_of
from serving.clock_actions import check_clock, move_clock
from serving.drafts import clear_draft
from serving.errors import ActionRefusedError, CaseChangedError, NotAllowedError
from serving.events import EventKind, record_event, take_back_event
from serving.last_looks import point_out
from serving.people import SignedIn
from serving.records import dumps
from serving.roles import Permission, Role
from serving.store import Store
from serving.stored_case import StoredResult, counting_decisions
from serving.tables import AuthorizationRow, CaseActionRow, DecisionRow, ResultRow
from serving.trail import record
from serving.ulid import UlidSource
from serving.versions_used import versions_of
from serving.work import DECIDING, MOVING_CLOCK, ActionKind

_EVENTS = {
    **dict.fromkeys((*DECIDING, ActionKind.WITHDRAWN), EventKind.DECIDED),
    ActionKind.INFORMATION_REQUESTED: EventKind.INFORMATION_REQUESTED,
    ActionKind.REOPENED: EventKind.REOPENED,
}
"""What intake systems are told of; the other kinds are the house's own."""

_CLOCK_DETAILS = ("ground", "days", "asked_by", "rule", "until")
"""What the trail says of an action that moves the clock, besides its kind: nothing that anybody wrote."""

CHANGED = "somebody else, or a new document, changed this case since you opened it"


class CaseActions:
    """What people do on the cases of one tenant. Safe to share between threads.

    ``undo_window``: so long a determination or a letter waits before it takes effect.
    """

    def __init__(self, store: Store, *, undo_window: timedelta) -> None:
        self._store = store
        self._undo_window = undo_window
        self._next_id = UlidSource()

    @property
    def store(self) -> Store:
        """Where the cases are kept."""
        return self._store

    def standing(self, authorization_id: str) -> Standing:
        """Where the case stands. Raises UnknownAuthorizationError."""
        with self._store.reading() as session:
            return standing_of(session, case_row(session, self._store.tenant, authorization_id))

    def act(
        self,
        who: SignedIn,
        authorization_id: str,
        kind: ActionKind,
        content: Mapping[str, Any],
        *,
        turn: int | None = None,
        form: str | None = None,
        now: datetime,
    ) -> CaseAction:
        """Do something on a case; a case that nobody has is claimed with it. The draft of ``form`` is dropped.

        ``turn`` is the turn that the person saw; corrections and notes need none. Raises UnknownAuthorizationError,
        NotAllowedError, CaseChangedError where the case moved on since, or ActionRefusedError.
        """
        person = who.person
        with self._store.writing() as session:
            row = case_row(session, self._store.tenant, authorization_id, to_change=True)
            standing = standing_of(session, row)
            if kind is ActionKind.DETERMINED_ADVERSELY and not person.may(Permission.DETERMINE_ADVERSELY):
                raise NotAllowedError("your role does not allow this")
            if kind in CHANGING | MOVING_CLOCK and turn != standing.turn:
                raise CaseChangedError(CHANGED)
            if standing.triaged_at is None:
                raise CaseChangedError("new documents are being read; look at the case again in a moment")
            refused = refusal(kind, standing, person, now=now)
            if refused is not None:
                raise ActionRefusedError(("", refused))
            _check_content(kind, standing, who, content)
            content = check_clock(session, row, kind, content, now=now)
            place = after(kind, standing, person)
            if kind in CHANGING and standing.assigned_to is None:
                self._add(session, row, ActionKind.CLAIMED, who, {}, place=place_of(standing), now=now)
            kept = {**content, "before": _place_json(place_of(standing))} if kind in CHANGING else content
            effect = takes_effect_at(kind, now=now, due_at=row.due_at, window=self._undo_window)
            action_id = self._add(session, row, kind, who, kept, place=place, now=now, effect=effect)
            move_clock(session, row, kind, content, action_id=action_id, now=now, effect=effect)
            if kind in OUTCOMES:
                _keep_decision(session, row, action_id, OUTCOMES[kind], who, now)
            for mentioned in content.get("mentions", ()):
                point_out(session, mentioned, authorization_id, now)
            if form is not None:
                clear_draft(session, person.person_id, authorization_id, form)
            return standing_of(session, row).done[action_id]

    def undo(self, who: SignedIn, authorization_id: str, action_id: str, *, now: datetime) -> CaseAction:
        """Undo what the person did; returns what was undone. Raises UnknownAuthorizationError or ActionRefusedError."""
        with self._store.writing() as session:
            row = case_row(session, self._store.tenant, authorization_id, to_change=True)
            standing = standing_of(session, row)
            action = standing.action(action_id)
            if action is None:
                raise ActionRefusedError(("", "there is no such action on this case"))
            refused = undo_refusal(action, standing, who.person, now=now)
            if refused is not None:
                raise ActionRefusedError(("", refused))
            place = place_before(action, standing)
            content = {"kind": action.kind.value}
            self._add(session, row, ActionKind.UNDONE, who, content, place=place, now=now, undoes=action_id)
            if action.kind in MOVING_CLOCK or action.kind is ActionKind.INFORMATION_REQUESTED:
                recompute_due(session, row, now=now)
            return action

    def _add(
        self,
        session: Session,
        row: AuthorizationRow,
        kind: ActionKind,
        who: SignedIn,
        content: Mapping[str, Any],
        *,
        place: Place,
        now: datetime,
        effect: datetime | None = None,
        undoes: str | None = None,
    ) -> str:
        action_id = self._next_id()
        if kind is ActionKind.CLAIMED:
            place = Place(place.work, place.second_look, who.person.person_id)
        if row.assigned_to != place.assigned_to:
            row.assigned_to = place.assigned_to
            row.assigned_at = now if place.assigned_to else None
        row.work = place.work.value
        row.second_look = place.second_look
        row.turn += 1
        row.changed_at = now
        session.add(
            CaseActionRow(
                action_id=action_id,
                tenant=self._store.tenant,
                authorization_id=row.authorization_id,
                revision=row.revision,
                kind=kind.value,
                person_id=who.person.person_id,
                role=who.person.role.value,
                at=now,
                content=dumps({**content, "turn": row.turn}),
                concept=content.get("concept") if kind is ActionKind.FACT_CORRECTED else None,
                verdict=content.get("verdict") if kind is ActionKind.FACT_CORRECTED else None,
                takes_effect_at=effect,
                undoes=undoes,
            )
        )
        session.flush()
        if undoes is not None:
            take_back_event(session, row, undoes, at=now)
        elif kind in _EVENTS:
            # A withdrawal can be undone later too; the window spares the intake system what was only a slip.
            not_before = effect or now + self._undo_window
            outcome = OUTCOMES[kind] if _EVENTS[kind] is EventKind.DECIDED else None
            record_event(
                session, row, _EVENTS[kind], at=now, outcome=outcome, action_id=action_id, not_before=not_before
            )
        details: dict[str, Any] = {
            "action_id": action_id,
            "kind": kind.value,
            "turn": row.turn,
            "revision": row.revision,
        }
        if undoes is not None:
            details["undoes"] = undoes
        if kind in MOVING_CLOCK:
            details |= {name: content[name] for name in _CLOCK_DETAILS if name in content}
        record(
            session,
            self._store.tenant,
            kind.value,
            at=now,
            who=who,
            authorization_id=row.authorization_id,
            details={**details, **_versions(session.get(ResultRow, (row.authorization_id, row.revision)))},
        )
        return action_id


def _versions(row: ResultRow | None) -> dict[str, Any]:
    if row is None:
        return {}
    return versions_of(
        StoredResult(row.revision, row.triaged_at, Route(row.route), row.held_for_audit, row.result, row.trace)
    )


def _check_content(kind: ActionKind, standing: Standing, who: SignedIn, content: Mapping[str, Any]) -> None:
    if kind is ActionKind.DETERMINED_ADVERSELY:
        if not has_read(standing, who.person):
            raise ActionRefusedError(
                ("", "open the evidence or a document first: as this case stands now you have opened none")
            )
        if not content.get("reasons") or not (content.get("criteria") or content.get("guideline")):
            raise ActionRefusedError(("reasons", "needs specific reasons and the criteria they rest on"))
    if kind in DECIDING and standing.second_look and "acknowledged" not in content:
        raise ActionRefusedError(("acknowledged", "say that you have seen what changed since the earlier decision"))


def _place_json(place: Place) -> dict[str, object]:
    return {"work": place.work.value, "second_look": place.second_look, "assigned_to": place.assigned_to}


def _keep_decision(
    session: Session, row: AuthorizationRow, action_id: str, outcome: Outcome, who: SignedIn, now: datetime
) -> None:
    earlier = counting_decisions(session, row.authorization_id)
    standing = _standing_decision(earlier)
    documents_of = session.get(CaseActionRow, standing.action_id) if standing and standing.action_id else None
    kind = decision_kind(
        outcome,
        standing_outcome=Outcome(standing.outcome) if standing else None,
        route=Route(row.route) if row.route else None,
        same_documents=documents_of is not None and documents_of.revision == row.revision,
    )
    session.add(
        DecisionRow(
            authorization_id=row.authorization_id,
            kind=kind,
            outcome=outcome.value,
            decided_at=now,
            decided_by=who.person.person_id,
            role="medical_director" if who.person.role is Role.MEDICAL_DIRECTOR else "nurse",
            recorded_at=now,
            action_id=action_id,
        )
    )


def _standing_decision(earlier: list[DecisionRow]) -> DecisionRow | None:
    """The one that says what became of the request as it came: the last that overturned it, else the first."""
    overturned = [decision for decision in earlier if decision.kind == "overturned"]
    return overturned[-1] if overturned else earlier[0] if earlier else None
