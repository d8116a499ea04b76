"""What the store knows against fast-tracking a request, whatever its notes say. Asked once for each result."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import BindParameter, bindparam, false, func, select
from sqlalchemy.orm import Session, aliased

from serving.case_standing import case_row
from serving.near_duplicates import has_near_duplicate
from serving.store import Store
from serving.tables import AuthorizationRow, DocumentRow, FastTrackSwitchRow, has_tenant

_MOST_COMPARED = 50
"""So many requests with the same words are compared at most; the first of another member suffices."""


@dataclass(frozen=True, slots=True)
class Doubts:
    """``near_duplicate``: it looks like another request of the same member (serving/near_duplicates.py).
    ``text_of_another_member``: a document says, word for word, what one of another member's earlier request says.
    ``fast_track_off``: the fast lane of the service family is switched off now.
    """

    near_duplicate: bool
    text_of_another_member: bool
    fast_track_off: bool


def doubts_of(store: Store, authorization_id: str, family: str | None) -> Doubts:
    """The doubts about a case whose policy is of this family (None: no policy covers it), seen at one moment.

    Raises UnknownAuthorizationError.
    """
    with store.reading() as session:
        row = case_row(session, store.tenant, authorization_id)
        asked = {"tenant": row.tenant, "case": authorization_id, "family": family or ""}
        off, shared = session.execute(_ASKED, asked).one()
        return Doubts(
            has_near_duplicate(session, row),
            bool(shared) and _is_of_another(session, row, asked),
            bool(off) and family is not None,
        )


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
        AuthorizationRow.authorization_id < _CASE,
        DocumentRow.wording.in_(select(_own.wording).where(_own.authorization_id == _CASE, _own.wording.is_not(None))),
    )
)
_WITH_THE_SAME_WORDS = _shared.distinct().limit(_MOST_COMPARED)
_ASKED = select(
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
