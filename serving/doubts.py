"""What the store knows against fast-tracking a request, whatever its notes say. Asked once for each result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, exists, false, func, select
from sqlalchemy.orm import Session, aliased

from serving.tables import AuthorizationRow, DocumentRow, FastTrackSwitchRow

NEAR_DUPLICATE_SPAN = timedelta(days=30)
"""A second request for the same member and service within this time is looked at by a nurse."""

_MOST_COMPARED = 50
"""So many requests with the same words are compared at most; the first of another member suffices."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """``near_duplicate``: the same member's request for the same service was accepted in the 30 days before.
    ``text_of_another_member``: a document says, word for word, what one of another member's earlier request says.
    ``fast_track_off``: the fast lane of the service family is switched off now.
    """

    near_duplicate: bool
    text_of_another_member: bool
    fast_track_off: bool


def doubts_of(session: Session, row: AuthorizationRow, family: str | None) -> Doubts:
    """The doubts about a case whose policy is of this family (None: no policy covers it)."""
    case = {"tenant": row.tenant, "case": row.authorization_id}
    near, off, shared = session.execute(
        _ASKED,
        {
            **case,
            "likeness": row.likeness,
            "earliest": row.accepted_at - NEAR_DUPLICATE_SPAN,
            "latest": row.accepted_at,
            "family": family or "",
        },
    ).one()
    another = False
    if shared:
        own = json.loads(row.request)["member"]
        another = any(json.loads(other)["member"] != own for other in session.scalars(_WITH_THE_SAME_WORDS, case))
    return Doubts(bool(near), another, bool(off) and family is not None)


# Built once: SQLAlchemy takes as long to put a statement together as a database to answer it.
_TENANT, _CASE = bindparam("tenant"), bindparam("case")
_other, _own = aliased(AuthorizationRow), aliased(DocumentRow)
_shared = (
    select(_other.request)
    .join(DocumentRow, DocumentRow.authorization_id == _other.authorization_id)
    .where(
        _other.tenant == _TENANT,
        _other.authorization_id < _CASE,
        DocumentRow.wording.in_(select(_own.wording).where(_own.authorization_id == _CASE, _own.wording.is_not(None))),
    )
)
_WITH_THE_SAME_WORDS = _shared.distinct().limit(_MOST_COMPARED)
_ASKED = select(
    exists().where(
        AuthorizationRow.tenant == _TENANT,
        AuthorizationRow.likeness == bindparam("likeness"),
        AuthorizationRow.accepted_at >= bindparam("earliest"),
        AuthorizationRow.accepted_at <= bindparam("latest"),
        AuthorizationRow.authorization_id < _CASE,
    ),
    func.coalesce(
        select(FastTrackSwitchRow.off)
        .where(FastTrackSwitchRow.tenant == _TENANT, FastTrackSwitchRow.family == bindparam("family"))
        .order_by(FastTrackSwitchRow.switch_id.desc())
        .limit(1)
        .scalar_subquery(),
        false(),
    ),
    _shared.exists(),
)
