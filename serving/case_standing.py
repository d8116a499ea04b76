"""Where a case stands: its place in the work, and everything people did on it. Read from the store, frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from models.types import Route
from serving.errors import UnknownAuthorizationError
from serving.roles import Role
from serving.stored_case import refuse_erased
from serving.tables import AuthorizationRow, CaseActionRow, ResultRow, TrailRow
from serving.work import DECIDING, ActionKind, Work

CHANGING = DECIDING | {
    ActionKind.INFORMATION_REQUESTED,
    ActionKind.REFERRED,
    ActionKind.RETURNED,
    ActionKind.WITHDRAWN,
    ActionKind.REOPENED,
}
"""The kinds that move a case on. Claims, corrections and notes leave it where it is."""

_OPENED_CASE = "case_opened"
_OPENED_EVIDENCE = frozenset({"evidence_opened", "document_opened"})


@dataclass(frozen=True, slots=True)
class CaseAction:
    """One thing a person did on a case. ``takes_effect_at`` None: at once, and it can be undone later too."""

    action_id: str
    kind: ActionKind
    person_id: str
    role: Role
    at: datetime
    revision: int
    content: Mapping[str, Any]
    takes_effect_at: datetime | None
    undone: bool

    def is_in_effect(self, now: datetime) -> bool:
        """Whether it counts and nobody can undo it any more by the clock alone."""
        return not self.undone and (self.takes_effect_at is None or self.takes_effect_at <= now)


@dataclass(frozen=True, slots=True)
class Standing:
    """A case as the rules of :mod:`serving.case_rules` see it.

    ``triaged_at`` is when the revision in force was read, None while it is not. ``actions`` are in the order they were
    done, undone ones among them. ``read_by`` are the people who, in this revision, opened the case and a piece of its
    evidence or a document (from the trail).
    """

    authorization_id: str
    work: Work
    turn: int
    revision: int
    second_look: bool
    assigned_to: str | None
    due_at: datetime
    route: Route | None
    triaged_at: datetime | None
    actions: tuple[CaseAction, ...]
    read_by: frozenset[str]
    urgency: str = "standard"

    @property
    def counting(self) -> tuple[CaseAction, ...]:
        """The actions that were not undone."""
        return tuple(action for action in self.actions if not action.undone)

    @property
    def last_change(self) -> CaseAction | None:
        """The action that brought the case where it stands."""
        return next((action for action in reversed(self.counting) if action.kind in CHANGING), None)

    @property
    def decisions(self) -> tuple[CaseAction, ...]:
        """Every determination that was not undone, oldest first. More than one only on a case that was opened again."""
        return tuple(action for action in self.counting if action.kind in DECIDING)

    @property
    def was_adverse(self) -> bool:
        """Whether an adverse determination was recorded and not undone."""
        return any(action.kind is ActionKind.DETERMINED_ADVERSELY for action in self.decisions)

    def action(self, action_id: str) -> CaseAction | None:
        """The action of this id, None where the case has none."""
        return self.done.get(action_id)

    @property
    def done(self) -> dict[str, CaseAction]:
        """Every action of the case by its id."""
        return {action.action_id: action for action in self.actions}


# Built once: every call asks for one.
_CASE = select(AuthorizationRow).where(AuthorizationRow.authorization_id == bindparam("case"))
_TO_CHANGE = _CASE.with_for_update().execution_options(populate_existing=True)


def case_row(session: Session, tenant: str, authorization_id: str, *, to_change: bool = False) -> AuthorizationRow:
    """The case's row, locked ``to_change`` it. Raises UnknownAuthorizationError or AuthorizationErasedError."""
    row = session.scalar(_TO_CHANGE if to_change else _CASE, {"case": authorization_id})
    if row is None or row.tenant != tenant:
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    refuse_erased(row)
    return row


def standing_of(session: Session, row: AuthorizationRow) -> Standing:
    """Where the case of this row stands."""
    rows = session.scalars(
        select(CaseActionRow)
        .where(CaseActionRow.authorization_id == row.authorization_id)
        .order_by(CaseActionRow.at, CaseActionRow.action_id)
    ).all()
    undone = {action.undoes for action in rows if action.undoes}
    triaged_at = session.scalar(
        select(ResultRow.triaged_at).where(
            ResultRow.authorization_id == row.authorization_id, ResultRow.revision == row.revision
        )
    )
    return Standing(
        authorization_id=row.authorization_id,
        work=Work(row.work),
        turn=row.turn,
        revision=row.revision,
        second_look=row.second_look,
        assigned_to=row.assigned_to,
        due_at=row.due_at,
        route=Route(row.route) if row.route else None,
        triaged_at=triaged_at,
        actions=tuple(
            _action(action, action.action_id in undone) for action in rows if action.kind != ActionKind.UNDONE
        ),
        read_by=_readers(session, row.authorization_id, row.revision),
        urgency=row.urgency,
    )


def _action(row: CaseActionRow, undone: bool) -> CaseAction:
    return CaseAction(
        action_id=row.action_id,
        kind=ActionKind(row.kind),
        person_id=row.person_id,
        role=Role(row.role),
        at=row.at,
        revision=row.revision,
        content=json.loads(row.content),
        takes_effect_at=row.takes_effect_at,
        undone=undone,
    )


def _readers(session: Session, authorization_id: str, revision: int) -> frozenset[str]:
    found = session.execute(
        select(TrailRow.person_id, TrailRow.action, TrailRow.details).where(
            TrailRow.authorization_id == authorization_id,
            TrailRow.action.in_([_OPENED_CASE, *_OPENED_EVIDENCE]),
            TrailRow.person_id.is_not(None),
        )
    ).all()
    now = [
        (person_id, action) for person_id, action, details in found if json.loads(details).get("revision") == revision
    ]
    opened = {person_id for person_id, action in now if action == _OPENED_CASE}
    looked = {person_id for person_id, action in now if action in _OPENED_EVIDENCE}
    return frozenset(person_id for person_id in opened & looked if person_id)
