"""What the case page shows about the work on the case, as frozen values: who has it, what can be done, what was done.

Nothing here tells a case of the blind audit from any other before its determination has taken effect (law 13).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from features.lexicon import Lexicon
from serving.action_forms import ASKED_BY, HOW_AGREED, PEER_TO_PEER, FormContext
from serving.case_actions import CaseActions
from serving.case_rules import has_read, refusal
from serving.case_standing import Standing, case_row, standing_of
from serving.clock_view import ClockView, clock_view
from serving.corrections import FLAGS
from serving.done_view import (
    DONE_WORDS,
    Banner,
    DoneLine,
    banner_of,
    documents_received,
    done_line,
    full_name,
    name_of,
    names_of,
)
from serving.letters import (
    WHY_EXTENDED,
    WHY_NOT_EXPEDITED,
    Asked,
    answer_by,
    information_request,
    referral_summary,
)
from serving.people import Person, SignedIn
from serving.request_updates import RequestUpdate, updates_of
from serving.roles import Permission
from serving.service import Case
from serving.tables import DraftRow
from serving.work import DECIDING, ActionKind, Work, may_have


@dataclass(frozen=True, slots=True)
class CriterionChoice:
    """A criterion that a determination can cite; never chosen beforehand."""

    criterion_id: str
    statement: str


@dataclass(frozen=True, slots=True)
class EvidenceLink:
    """A fact's own words, to be opened in the note."""

    fact_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What changed since the earlier determination."""

    earlier: str
    documents: tuple[str, ...]
    updates: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FormView:
    """A form's fields as they are to be shown: what was typed or prefilled, and what is wrong with it."""

    values: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorkView:
    """The work on one case, for the person who looks at it. ``may`` holds the kinds of action possible now, ``drafts``
    the names of the forms that they began and have not sent.
    """

    authorization_id: str
    turn: int
    form_token: str
    works: bool
    is_director: bool
    holder: str
    holds: bool
    can_claim: bool
    may: frozenset[str]
    why_not: str
    standing_words: str
    forms: Mapping[str, FormView]
    drafts: frozenset[str]
    service_words: str
    criteria: tuple[CriterionChoice, ...]
    evidence: tuple[EvidenceLink, ...]
    evidence_read: bool
    second_look: SecondLook | None
    notes: tuple[DoneLine, ...]
    corrections: tuple[DoneLine, ...]
    past: tuple[DoneLine, ...]
    undoable: DoneLine | None
    colleagues: tuple[Person, ...]
    told: str
    banner: Banner | None
    clock: ClockView
    flags: tuple[str, ...] = FLAGS
    how_agreed: Mapping[str, str] = field(default_factory=lambda: HOW_AGREED)
    peer_to_peer: Mapping[str, str] = field(default_factory=lambda: PEER_TO_PEER)
    asked_by: Mapping[str, str] = field(default_factory=lambda: ASKED_BY)

    def form(self, name: str) -> FormView:
        """The form of this name; an empty one where nothing is known about it."""
        return self.forms.get(name, FormView())


def work_view(
    actions: CaseActions,
    case: Case,
    who: SignedIn,
    *,
    now: datetime,
    done: str | None = None,
    typed: Mapping[str, FormView] | None = None,
) -> WorkView:
    """The work on a case. ``done`` names the action just done; ``typed`` are forms that came back with what was typed."""
    with actions.store.reading() as session:
        row = case_row(session, actions.store.tenant, case.stored.authorization_id)
        standing = standing_of(session, row)
        names = names_of(session, row.tenant)
        drafts = _drafts(session, who.person.person_id, row.authorization_id)
        received = documents_received(session, row.authorization_id)
        updates = updates_of(session, row)
        clock = clock_view(session, row, now)
        banner = banner_of(session, row.tenant, done, who.person, now) if done else None
    result = json.loads(case.latest.trace)
    works = who.person.may(Permission.WORK_ON_CASES)
    refused = {kind: refusal(kind, standing, who.person, now=now) for kind in ActionKind}
    may = frozenset(kind.value for kind, why in refused.items() if why is None) if works else frozenset()
    if not clock.grounds:
        may -= {ActionKind.EXTENDED.value}
    lines = [
        done_line(action, standing, who.person, names, now, case.stored.request.documents)
        for action in standing.actions
    ]
    mine = [
        line for line in lines if line.undo_words and line.kind not in (ActionKind.NOTED, ActionKind.FACT_CORRECTED)
    ]
    service = case.stored.request.service
    undecided = standing.work in (Work.OPEN, Work.AWAITING_INFORMATION, Work.REFERRED)
    return WorkView(
        authorization_id=row.authorization_id,
        turn=standing.turn,
        form_token=who.form_token,
        works=works,
        is_director=who.person.may(Permission.DETERMINE_ADVERSELY),
        holder=_holder(standing, who.person, names),
        holds=undecided and standing.assigned_to == who.person.person_id,
        can_claim=works and undecided and standing.assigned_to is None and may_have(who.person.role, standing.work),
        may=may,
        why_not=(refused[ActionKind.APPROVED] or "") if works and undecided else "",
        standing_words=_standing_words(standing, now),
        drafts=frozenset(drafts),
        forms={**_prefilled(case, result, clock, now), **drafts, **(typed or {})},
        service_words=_units(service.units),
        criteria=_choices(result),
        evidence=_evidence(result),
        evidence_read=has_read(standing, who.person),
        second_look=_second_look(standing, received, updates, names),
        notes=tuple(line for line in lines if line.kind == ActionKind.NOTED and not line.undone),
        corrections=tuple(line for line in lines if line.kind == ActionKind.FACT_CORRECTED and not line.undone),
        past=tuple(line for line in lines if line.kind not in (ActionKind.NOTED, ActionKind.FACT_CORRECTED)),
        undoable=mine[-1] if mine else None,
        colleagues=tuple(person for person in names.values() if person.active and person.may(Permission.WORK_ON_CASES)),
        told=_told(case, standing, now),
        banner=banner,
        clock=clock,
    )


def form_context(actions: CaseActions, case: Case, *, now: datetime) -> FormContext:
    """What the forms of a case are held against."""
    with actions.store.reading() as session:
        standing = standing_of(session, case_row(session, actions.store.tenant, case.stored.authorization_id))
        received = documents_received(session, case.stored.authorization_id)
        people = names_of(session, actions.store.tenant)
    return FormContext(
        service=case.stored.request.service,
        criterion_ids=frozenset(choice.criterion_id for choice in _choices(json.loads(case.latest.trace))),
        new_documents=_new_documents(standing, received),
        people=tuple(person for person in people.values() if person.active),
        today=now.date(),
    )


def asked(case: Case) -> Asked:
    """What letters say about the request: its number and its service."""
    request = case.stored.request
    words = " ".join(
        part for part in (request.service.description, f"({request.service.system} {request.service.code})") if part
    )
    return Asked(request.external_id, words, request.coverage.line_of_business)


def concept_names(lexicon: Lexicon) -> tuple[str, ...]:
    """The preferred names of all concepts, sorted."""
    return tuple(sorted({concept.name for concept in lexicon.concepts.values()}, key=str.casefold))


def _holder(standing: Standing, who: Person, names: Mapping[str, Person]) -> str:
    if standing.assigned_to is None:
        return "Nobody has this case yet"
    return (
        "You have this case"
        if standing.assigned_to == who.person_id
        else f"{name_of(standing.assigned_to, who, names)} has this case"
    )


def _standing_words(standing: Standing, now: datetime) -> str:
    last = standing.last_change
    waiting = last is not None and last.takes_effect_at is not None and not last.is_in_effect(now)
    words = {
        Work.OPEN: "Open",
        Work.AWAITING_INFORMATION: "Awaiting information",
        Work.REFERRED: "With the medical director",
        Work.DECIDED: "Decided",
        Work.WITHDRAWN: "Withdrawn by the provider",
        Work.FAST_TRACKED: "Fast-tracked",
        Work.CANCELLED: "Cancelled by the intake system",
    }[standing.work]
    return f"{words}, takes effect in a few minutes" if waiting else words


def _units(units: float | None) -> str:
    if units is None:
        return "units not given"
    return "1 unit" if units == 1 else f"{units:g} units"


def _prefilled(case: Case, result: Mapping[str, Any], clock: ClockView, now: datetime) -> dict[str, FormView]:
    by = answer_by(clock.due_at, now)
    questions = list(dict.fromkeys(missing["ask"] for missing in result["missing"]))
    letter = information_request(asked(case), questions, by)
    return {
        "request_information": FormView({"letter": letter, "answer_by": by.isoformat()}),
        "extend": FormView({"days": str(clock.most_days), "ground": "information_needed", "reason": WHY_EXTENDED}),
        "not_expedited": FormView({"told_on": now.date().isoformat(), "reason": WHY_NOT_EXPEDITED}),
        "refer": FormView({"summary": referral_summary([each for each in result["criteria"] if each["needed"]])}),
    }


def _choices(result: Mapping[str, Any]) -> tuple[CriterionChoice, ...]:
    parents = {criterion["parent"] for criterion in result["criteria"]}
    return tuple(
        CriterionChoice(criterion["criterion_id"], criterion["statement"])
        for criterion in result["criteria"]
        if criterion["criterion_id"] not in parents
    )


def _evidence(result: Mapping[str, Any]) -> tuple[EvidenceLink, ...]:
    used = {fact_id for criterion in result["criteria"] for fact_id in criterion["evidence"]}
    return tuple(EvidenceLink(fact["fact_id"], fact["text"]) for fact in result["facts"] if fact["fact_id"] in used)


def _new_documents(standing: Standing, received: Sequence[tuple[str, int, datetime | None]]) -> tuple[str, ...]:
    earlier = standing.decisions
    seen = earlier[-1].revision if earlier else 1
    return tuple(document_id for document_id, revision, _ in received if revision > seen)


def _second_look(
    standing: Standing,
    received: Sequence[tuple[str, int, datetime | None]],
    updates: Sequence[RequestUpdate],
    names: Mapping[str, Person],
) -> SecondLook | None:
    if not standing.second_look:
        return None
    earlier = standing.decisions[-1] if standing.decisions else None
    reopened = [action for action in standing.counting if action.kind is ActionKind.REOPENED]
    return SecondLook(
        earlier=f"{full_name(earlier.person_id, names)} {DONE_WORDS[earlier.kind]} on {earlier.at:%Y-%m-%d}"
        if earlier
        else "",
        documents=_new_documents(standing, received),
        updates=tuple(
            change.words
            for update in updates
            if earlier is None or update.revision > earlier.revision
            for change in update.changes
        ),
        reason=str(reopened[-1].content.get("reason", "")) if reopened else "",
    )


def _told(case: Case, standing: Standing, now: datetime) -> str:
    """What the blind audit kept to itself, once nobody can change their determination any more for knowing it."""
    last = standing.last_change
    if standing.work is not Work.DECIDED or last is None or last.kind not in DECIDING or not last.is_in_effect(now):
        return ""
    return (
        "This case was drawn for the blind audit: it would have been fast-tracked."
        if case.latest.held_for_audit
        else ""
    )


def _drafts(session: Session, person_id: str, authorization_id: str) -> dict[str, FormView]:
    rows = session.scalars(
        select(DraftRow).where(DraftRow.person_id == person_id, DraftRow.authorization_id == authorization_id)
    )
    return {row.form: _draft(json.loads(row.content)) for row in rows}


def _draft(fields: Mapping[str, str]) -> FormView:
    # A field that came several times is kept with a line for each.
    return FormView(fields, {name: text.split("\n") for name, text in fields.items()})
