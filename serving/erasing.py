"""Erasing what cases said: the request's contents, documents, results, drafts and what people wrote.

A skeleton stays: ids, codes, times, route and decisions, so that numbers and the trail's chain hold. The trail never held
what notes say. Nothing on legal hold is erased, and nothing that must still be kept unless two people approve it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Delete, Update, and_, delete, func, select, update
from sqlalchemy.orm import Session

from serving.batch_tables import BatchLineRow, IdempotencyKeyRow, RequestVersionRow
from serving.errors import ErasureRefusedError
from serving.keeping_tables import ErasureRow
from serving.legal_holds import forget_released, holds_of, is_held, lock_keeping
from serving.member_cases import ever_of_member
from serving.people import Person
from serving.records import dumps
from serving.retention import is_closed, is_due
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DocumentRow, DraftRow, ResultRow
from serving.trail import record
from serving.ulid import UlidSource

ERASED = "contents_erased"
"""What the trail calls it."""
NOTHING_LEFT = dumps({"erased": True})
LINE_ERASED = dumps([{"field": "line", "message": "what this line said was erased"}])
"""Stands with the lines of batches whose requests were erased."""
CASES_AT_ONCE = 20
"""Cases erased in one transaction."""
APPROVERS_NEEDED = 2


class Ground(StrEnum):
    """Why contents may be erased."""

    RETENTION_OVER = "retention_over"
    MEMBER_REQUEST = "member_request"
    DESPITE_RETENTION = "despite_retention"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What one erasure took away, over its cases."""

    erasure_id: str
    cases: int
    documents: int
    results: int
    drafts: int
    actions: int


def apply_retention(
    store: Store, years: Mapping[str, int], *, by: str, now: datetime, at_once: int = CASES_AT_ONCE
) -> Iterator[Erasure]:
    """Erase every case whose time is over and that no hold keeps, a transaction for some of them at a time."""
    due = (
        select(AuthorizationRow)
        .where(AuthorizationRow.tenant == store.tenant, is_due(years, now), ~is_held())
        .order_by(AuthorizationRow.accepted_at, AuthorizationRow.authorization_id)
        .limit(at_once)
        .with_for_update()
    )
    while True:
        with store.writing() as session:
            lock_keeping(session)
            rows = session.scalars(due).all()
            if not rows:
                # Also of what was erased before holds were looked at.
                forget_released(session, store.tenant)
                return
            done = _erase(session, store, rows, Ground.RETENTION_OVER, "the time to keep it is over", by, (), now)
        yield done


def erase_member(
    store: Store,
    member_id: str,
    years: Mapping[str, int],
    *,
    why: str,
    by: str,
    now: datetime,
    despite_retention: bool = False,
    approvers: Sequence[Person] = (),
) -> Erasure:
    """Erase everything of a member, or nothing. Raises ErasureRefusedError, which never names them.

    Where only released holds name them, these are what is erased. A case that an update gave to somebody else goes as a
    whole: its documents may tell of both.

    ``despite_retention``: also what must still be kept, which two active people other than ``by`` approve.
    """
    if not why.strip():
        raise ErasureRefusedError("--why: say why")
    if despite_retention:
        _check_approvers(approvers, by)
    of_member = and_(ever_of_member(store.tenant, member_id), AuthorizationRow.erased_at.is_(None))
    query = select(AuthorizationRow).where(of_member).order_by(AuthorizationRow.authorization_id).with_for_update()
    with store.writing() as session:
        lock_keeping(session)
        rows = session.scalars(query).all()
        on_member = session.scalars(holds_of(store.tenant, member_id)).all()
        if any(hold.released_at is None for hold in on_member) and not rows:
            raise ErasureRefusedError("a legal hold stands on this member; nothing was erased")
        count = select(func.count()).select_from(AuthorizationRow).where(of_member)
        _refuse(
            len(rows),
            released=len(on_member),
            held=session.scalar(count.where(is_held())) or 0,
            still_open=session.scalar(count.where(~is_closed(now))) or 0,
            kept=0 if despite_retention else session.scalar(count.where(~is_due(years, now))) or 0,
        )
        ground = Ground.DESPITE_RETENTION if despite_retention else Ground.MEMBER_REQUEST
        return _erase(session, store, rows, ground, why, by, approvers, now, holds=len(on_member))


def _check_approvers(approvers: Sequence[Person], by: str) -> None:
    named = {person.person_id for person in approvers if person.active and person.sign_in_name != by.casefold()}
    if len(named) < APPROVERS_NEEDED:
        raise ErasureRefusedError(
            "--approved-by: two people who may sign in must approve, neither of them the one who erases"
        )


def _refuse(cases: int, *, released: int, held: int, still_open: int, kept: int) -> None:
    if not cases and not released:
        raise ErasureRefusedError("no request of this member has contents that could be erased")
    if held:
        raise ErasureRefusedError(f"a legal hold stands on {held} of {cases} requests; nothing was erased")
    if still_open:
        raise ErasureRefusedError(
            f"{still_open} of {cases} requests are not closed, or what was done can be undone; nothing was erased"
        )
    if kept:
        raise ErasureRefusedError(
            f"{kept} of {cases} requests must still be kept (GREENLANE_RETENTION_YEARS); nothing was erased"
        )


def _erase(
    session: Session,
    store: Store,
    rows: Sequence[AuthorizationRow],
    ground: Ground,
    why: str,
    by: str,
    approvers: Sequence[Person],
    now: datetime,
    *,
    holds: int = 0,
) -> Erasure:
    erasure_id = UlidSource()()
    session.add(
        ErasureRow(
            erasure_id=erasure_id,
            tenant=store.tenant,
            ground=ground.value,
            why=why,
            erased_by=by,
            approved_by=", ".join(person.sign_in_name for person in approvers)[:400] or None,
            cases=len(rows),
            at=now,
        )
    )
    counts = [_erase_case(session, row, now) for row in rows]
    session.flush()
    forget_released(session, store.tenant)
    # Last, as every entry is: on PostgreSQL it waits for others that add one.
    approved_by = [person.person_id for person in approvers]
    for row, count in zip(rows, counts, strict=True):
        details = {"erasure_id": erasure_id, "ground": ground.value, "approved_by": approved_by, **count}
        record(session, store.tenant, ERASED, at=now, authorization_id=row.authorization_id, details=details)
    if not rows:
        details = {"erasure_id": erasure_id, "ground": ground.value, "approved_by": approved_by, "holds": holds}
        record(session, store.tenant, ERASED, at=now, details=details)
    sums = {name: sum(count[name] for count in counts) for name in ("documents", "results", "drafts", "actions")}
    return Erasure(erasure_id, len(rows), **sums)


def _erase_case(session: Session, row: AuthorizationRow, now: datetime) -> dict[str, int]:
    """Take away what a case said; returns of how many rows. Nothing is read for it, so that it works on what is broken."""
    case = row.authorization_id
    gone: dict[str, Delete | Update] = {
        "documents": delete(DocumentRow).where(DocumentRow.authorization_id == case),
        "drafts": delete(DraftRow).where(DraftRow.authorization_id == case),
        "results": update(ResultRow)
        .where(ResultRow.authorization_id == case)
        .values(result=NOTHING_LEFT, trace=NOTHING_LEFT),
        "actions": update(CaseActionRow).where(CaseActionRow.authorization_id == case).values(content=NOTHING_LEFT),
    }
    counts = {name: session.connection().execute(statement).rowcount for name, statement in gone.items()}
    # What came with calls: earlier requests, hashes of bodies, and in the answer of a batch the result.
    for statement in (
        update(RequestVersionRow)
        .where(RequestVersionRow.authorization_id == case)
        .values(request=NOTHING_LEFT, member_id=None),
        delete(IdempotencyKeyRow).where(IdempotencyKeyRow.authorization_id == case),
        update(BatchLineRow).where(BatchLineRow.authorization_id == case).values(problem=LINE_ERASED),
    ):
        session.connection().execute(statement)
    row.request = NOTHING_LEFT
    row.service_description = row.reason_message = row.member_id = None
    # Hashes of who it was about and what was sent would let somebody try out who and what.
    row.likeness = row.content_hash = ""
    row.person_likeness = None
    row.erased_at = now
    return counts
