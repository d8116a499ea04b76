"""What the store knows against fast-tracking a request, whatever its notes say.

Asked in the transaction that keeps the result, so that of two requests that speak against each other the second to be kept
finds the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields

from sqlalchemy import BindParameter, bindparam, false, func, select
from sqlalchemy.orm import Session, aliased

from serving.near_duplicates import IS_ANY_ALIKE, asked_about, has_near_duplicate
from serving.tables import AuthorizationRow, CaseActionRow, DocumentRow, FastTrackSwitchRow, has_tenant
from serving.work import DECIDING, ActionKind, Work

_MOST_COMPARED = 50
"""So many requests with the same words are compared at most; the first of another member suffices."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """``near_duplicate``: it looks like another request of the same member (serving/near_duplicates.py).
    ``text_of_another_member``: a document says, word for word, what one of another member's request says.
    ``fast_track_off``: the fast lane of the service family is switched off now. ``second_look``: people have referred it,
    decided it or closed it as withdrawn. ``superseded``: more has come since the revision that was read. ``cancelled``: the
    intake system took it back.
    """

    near_duplicate: bool = False
    text_of_another_member: bool = False
    fast_track_off: bool = False
    second_look: bool = False
    superseded: bool = False
    cancelled: bool = False

    def __or__(self, other: Doubts) -> Doubts:
        return Doubts(*(getattr(self, field.name) or getattr(other, field.name) for field in fields(Doubts)))


NO_DOUBTS: Doubts = Doubts()


def doubts_of(session: Session, row: AuthorizationRow, *, revision: int, family: str | None) -> Doubts:
    """The doubts about the result of a revision whose policy is of this family (None: no policy covers it)."""
    asked = {**asked_about(session, row), "family": family or ""}
    off, shared, acted, alike = session.connection().execute(_ASKED[row.member_id is not None], asked).one()
    return Doubts(
        near_duplicate=bool(alike) and has_near_duplicate(session, row),
        text_of_another_member=bool(shared) and _is_of_another(session, row, asked),
        fast_track_off=bool(off) and family is not None,
        second_look=bool(acted) or row.second_look,
        superseded=row.revision != revision,
        cancelled=row.work == Work.CANCELLED,
    )


def hold_alike(session: Session, row: AuthorizationRow) -> None:
    """Let nobody else keep a result of a request of this person, or of this member for this service, until the end.

    SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        for alike in sorted({row.likeness, row.person_likeness or ""}):
            session.connection().execute(_HOLD, {"alike": f"{row.tenant} {alike}"})


def _is_of_another(session: Session, row: AuthorizationRow, asked: dict[str, str]) -> bool:
    own = json.loads(row.request)["member"]
    return any(json.loads(other)["member"] != own for other in session.scalars(_WITH_THE_SAME_WORDS, asked))


# Built once: SQLAlchemy takes as long to put a statement together as a database to answer it.
_TENANT: BindParameter[str] = bindparam("tenant")
_CASE: BindParameter[str] = bindparam("case")
_own = aliased(DocumentRow)
_shared = (
    select(AuthorizationRow.request)
    .join(DocumentRow, DocumentRow.authorization_id == AuthorizationRow.authorization_id)
    .where(
        has_tenant(_TENANT),
        AuthorizationRow.erased_at.is_(None),
        # Later ones too: a text may have come to this case after it came to theirs.
        AuthorizationRow.authorization_id != _CASE,
        DocumentRow.wording.in_(select(_own.wording).where(_own.authorization_id == _CASE, _own.wording.is_not(None))),
    )
)
_WITH_THE_SAME_WORDS = _shared.distinct().limit(_MOST_COMPARED)
_ENDING = [kind.value for kind in (*DECIDING, ActionKind.REFERRED, ActionKind.WITHDRAWN)]
_SWITCH_TEXTS_ACTIONS = (
    func.coalesce(
        select(FastTrackSwitchRow.off)
        .where(FastTrackSwitchRow.tenant == _TENANT, FastTrackSwitchRow.family == bindparam("family"))
        .order_by(FastTrackSwitchRow.switch_id.desc())
        .limit(1)
        .scalar_subquery(),
        false(),
    ),
    _shared.exists(),
    select(CaseActionRow.action_id)
    .where(CaseActionRow.authorization_id == _CASE, CaseActionRow.kind.in_(_ENDING))
    .exists(),
)
_ASKED = {by_member: select(*_SWITCH_TEXTS_ACTIONS, any_alike) for by_member, any_alike in IS_ANY_ALIKE.items()}
_HOLD = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("alike"), 0)))
