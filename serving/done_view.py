"""What was done on a case, in words: its past, the line after an action with the way on, and what others did meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from features.types import Document
from serving.action_forms import HOW_AGREED
from serving.cancellations import cancellation_of
from serving.case_actions import CaseActions
from serving.case_rules import undo_refusal
from serving.case_standing import CaseAction, Standing, case_row, standing_of
from serving.corrections import FLAGS
from serving.fact_words import spoken
from serving.people import Person
from serving.request_updates import updates_of
from serving.roles import Permission, Role
from serving.tables import AuthorizationRow, CaseActionRow, DocumentRow, PersonRow
from serving.work import ActionKind, Work

DONE_WORDS = {
    ActionKind.CLAIMED: "claimed this case",
    ActionKind.RELEASED: "released this case",
    ActionKind.ASSIGNED: "assigned this case",
    ActionKind.FACT_CORRECTED: "corrected a fact",
    ActionKind.NOTED: "wrote a note",
    ActionKind.INFORMATION_REQUESTED: "asked for information",
    ActionKind.APPROVED: "approved as requested",
    ActionKind.APPROVED_MODIFIED: "approved with changes the provider agreed to",
    ActionKind.REFERRED: "referred to the medical director",
    ActionKind.RETURNED: "returned to the nurse",
    ActionKind.DETERMINED_ADVERSELY: "recorded an adverse determination",
    ActionKind.WITHDRAWN: "recorded that the provider withdrew",
    ActionKind.REOPENED: "opened this case again",
    ActionKind.EXTENDED: "took more time",
    ActionKind.MADE_EXPEDITED: "made this case expedited",
    ActionKind.NOT_EXPEDITED: "did not grant expedited review",
}
"""What somebody did, after their name."""

_BANNER_WORDS = {
    ActionKind.APPROVED: "Approved",
    ActionKind.APPROVED_MODIFIED: "Approved with changes",
    ActionKind.INFORMATION_REQUESTED: "Asked for information on",
    ActionKind.REFERRED: "Referred",
    ActionKind.RETURNED: "Returned",
    ActionKind.DETERMINED_ADVERSELY: "Adverse determination recorded on",
    ActionKind.WITHDRAWN: "Withdrawn:",
    ActionKind.REOPENED: "Opened again:",
    ActionKind.EXTENDED: "More time taken for",
    ActionKind.MADE_EXPEDITED: "Made expedited:",
    ActionKind.NOT_EXPEDITED: "Standard time for",
    ActionKind.NOTED: "Note kept on",
    ActionKind.FACT_CORRECTED: "Correction kept on",
}
_READ_ALOUD = {
    "text": "text",
    "reason": "reason",
    "summary": "summary",
    "letter": "letter",
}


@dataclass(frozen=True, slots=True)
class DoneLine:
    """One action in the case's past. ``text`` is what was written with it, ``undo_words`` empty where it cannot be."""

    action_id: str
    kind: str
    who: str
    words: str
    at: str
    text: str
    undone: bool
    undo_words: str


@dataclass(frozen=True, slots=True)
class Banner:
    """The line about what was just done, with the way on."""

    words: str
    action_id: str
    authorization_id: str
    undo_words: str
    next_id: str | None


def happened_since(
    actions: CaseActions, authorization_id: str, turn: int, who: Person, now: datetime
) -> tuple[str, ...]:
    """In words, what was done on the case after the turn that a person saw. Documents that came are counted too."""
    with actions.store.reading() as session:
        row = case_row(session, actions.store.tenant, authorization_id)
        names = names_of(session, row.tenant)
        acted = session.scalars(select(CaseActionRow).where(CaseActionRow.authorization_id == authorization_id)).all()
        received = documents_received(session, authorization_id)
        updates = updates_of(session, row)
        cancelled = cancellation_of(session, authorization_id)
    events = [
        (action.at, action.action_id, f"{name_of(action.person_id, who, names)} {_kind_words(action.kind)}")
        for action in acted
    ]
    events += [(update.at, "", "the request was updated") for update in updates]
    if cancelled is not None:
        events.append((cancelled.cancelled_at, "", "the request was cancelled"))
    came = {revision: at for _, revision, at in received if revision > 1 and at is not None}
    events += [(at, "", "new documents came") for at in came.values()]
    recent = sorted(events)[-(row.turn - turn) :] if row.turn > turn else []
    return tuple(f"{words}, {_ago(now - at)} ago" for at, _, words in recent)


def done_line(
    action: CaseAction,
    standing: Standing,
    who: Person,
    names: Mapping[str, Person],
    now: datetime,
    documents: Sequence[Document],
) -> DoneLine:
    """One action in words."""
    return DoneLine(
        action_id=action.action_id,
        kind=action.kind.value,
        who=name_of(action.person_id, who, names),
        words=DONE_WORDS[action.kind],
        at=action.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        text=_text(action, documents),
        undone=action.undone,
        undo_words=_undo_words(action, standing, who, now),
    )


def banner_of(session: Session, tenant: str, done: str, who: Person, now: datetime) -> Banner | None:
    """The line about an action that this person just did, None where it is not theirs or none of those."""
    found = session.get(CaseActionRow, done)
    if found is None or found.tenant != tenant or found.person_id != who.person_id:
        return None
    row = session.get_one(AuthorizationRow, found.authorization_id)
    if row.erased_at is not None:
        return None
    standing = standing_of(session, row)
    action = standing.action(done)
    if action is None or action.kind not in _BANNER_WORDS:
        return None
    begin = "Undone:" if action.undone else _BANNER_WORDS[action.kind]
    return Banner(
        words=f"{begin} {row.external_id}",
        action_id=done,
        authorization_id=row.authorization_id,
        undo_words=_undo_words(action, standing, who, now),
        next_id=_next_case(session, row, who) if action.kind in _BANNER_WORDS else None,
    )


def _next_case(session: Session, row: AuthorizationRow, who: Person) -> str | None:
    """The case due next that this person can work on: theirs or nobody's, never by score."""
    work = Work.REFERRED if who.may(Permission.DETERMINE_ADVERSELY) else Work.OPEN
    return session.scalar(
        select(AuthorizationRow.authorization_id)
        .where(
            AuthorizationRow.tenant == row.tenant,
            AuthorizationRow.work == work.value,
            AuthorizationRow.authorization_id != row.authorization_id,
            AuthorizationRow.assigned_to.is_(None) | (AuthorizationRow.assigned_to == who.person_id),
        )
        .order_by(AuthorizationRow.due_at, AuthorizationRow.authorization_id)
        .limit(1)
    )


def names_of(session: Session, tenant: str) -> dict[str, Person]:
    """Everybody of the tenant by id."""
    rows = session.scalars(select(PersonRow).where(PersonRow.tenant == tenant).order_by(PersonRow.display_name))
    return {
        row.person_id: Person(
            row.person_id,
            row.sign_in_name,
            row.display_name,
            Role(row.role),
            row.team,
            row.active,
            tenant=row.tenant,
        )
        for row in rows
    }


def documents_received(session: Session, authorization_id: str) -> list[tuple[str, int, datetime | None]]:
    """Each document: its id, the revision it came with, and when (None: not recorded)."""
    rows = session.execute(
        select(DocumentRow.document_id, DocumentRow.revision, DocumentRow.received_at)
        .where(DocumentRow.authorization_id == authorization_id)
        .order_by(DocumentRow.position)
    )
    return [(row.document_id, row.revision, row.received_at) for row in rows]


def _text(action: CaseAction, documents: Sequence[Document]) -> str:
    content = action.content
    if action.kind is ActionKind.FACT_CORRECTED:
        text = next((each.text for each in documents if each.document_id == content["document_id"]), "")
        quote = text[content["start"] : content["end"]]
        flags = ", ".join(flag for flag in FLAGS if content["assertion"][flag]) or "affirmed"
        return f"“{quote}”: {spoken(content['verdict'])}, {spoken(content['concept'])}, {flags}"
    if action.kind is ActionKind.APPROVED_MODIFIED:
        parts = [
            f"{content['units']:g} units" if content["units"] is not None else "",
            content["level_of_care"] or "",
            f"from {content['start_date']}" if content["start_date"] else "",
            f"until {content['end_date']}" if content["end_date"] else "",
        ]
        agreed = f"{content['agreed_by']} agreed {HOW_AGREED[content['agreed_how']]} on {content['agreed_on']}"
        return f"{', '.join(part for part in parts if part)}. {agreed}."
    if action.kind in (ActionKind.EXTENDED, ActionKind.NOT_EXPEDITED):
        return str(content["letter"])
    return str(next((content[name] for name in _READ_ALOUD if content.get(name)), ""))


def _undo_words(action: CaseAction, standing: Standing, who: Person, now: datetime) -> str:
    if undo_refusal(action, standing, who, now=now) is not None:
        return ""
    if action.takes_effect_at is None:
        return "Undo"
    return f"Undo ({max(1, round((action.takes_effect_at - now).total_seconds() / 60))} min)"


def full_name(person_id: str, names: Mapping[str, Person]) -> str:
    """The display name."""
    person = names.get(person_id)
    return person.display_name if person else "Somebody"


def name_of(person_id: str, who: Person, names: Mapping[str, Person]) -> str:
    """The display name, "You" for who looks."""
    return "You" if person_id == who.person_id else full_name(person_id, names)


def _kind_words(kind: str) -> str:
    return "undid something" if kind == ActionKind.UNDONE else DONE_WORDS[ActionKind(kind)]


def _ago(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
