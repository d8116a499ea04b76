"""An intake system takes a request back. The case needs nobody any more; it was not answered, and nothing was denied."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from serving.batch_tables import CancellationRow
from serving.case_standing import case_row
from serving.errors import CancellationRefusedError
from serving.events import EventKind, record_event
from serving.store import Store
from serving.trail import record
from serving.work import Work

_ANSWERED = {
    Work.DECIDED: "this request was determined; send a new one, or ask for the case to be opened again",
    Work.FAST_TRACKED: "this request was fast-tracked; tell the people who work on cases",
}


class CancellationReason(StrEnum):
    """Why an intake system takes a request back."""

    WITHDRAWN_BY_PROVIDER = "withdrawn_by_provider"
    ENTERED_IN_ERROR = "entered_in_error"
    MEMBER_NO_LONGER_COVERED = "member_no_longer_covered"
    OTHER = "other"


REASON_WORDS = {
    CancellationReason.WITHDRAWN_BY_PROVIDER: "the provider withdrew it",
    CancellationReason.ENTERED_IN_ERROR: "it was entered in error",
    CancellationReason.MEMBER_NO_LONGER_COVERED: "the member is no longer covered",
    CancellationReason.OTHER: "another reason",
}


@dataclass(frozen=True, slots=True)
class Cancellation:
    """That a request was taken back."""

    authorization_id: str
    reason: CancellationReason
    cancelled_at: datetime


def cancel(store: Store, authorization_id: str, reason: CancellationReason, *, now: datetime) -> Cancellation:
    """Cancel a request; one that is cancelled stays as it is, with its first reason.

    Raises UnknownAuthorizationError, or CancellationRefusedError where the request was determined or fast-tracked.
    """
    with store.writing() as session:
        row = case_row(session, store.tenant, authorization_id, to_change=True)
        earlier = session.get(CancellationRow, authorization_id)
        if earlier is not None:
            return _cancellation(earlier)
        refused = _ANSWERED.get(Work(row.work))
        if refused is not None:
            raise CancellationRefusedError(f"authorization_id: {refused}")
        made = CancellationRow(
            authorization_id=authorization_id, tenant=store.tenant, reason=reason.value, cancelled_at=now
        )
        session.add(made)
        row.work = Work.CANCELLED.value
        row.turn += 1
        row.changed_at = now
        session.flush()
        record_event(session, row, EventKind.CANCELLED, at=now)
        details = {"reason": reason.value, "revision": row.revision}
        record(session, store.tenant, "request_cancelled", at=now, authorization_id=authorization_id, details=details)
        return _cancellation(made)


def cancellation_of(session: Session, authorization_id: str) -> Cancellation | None:
    """How a case was cancelled, None where it was not."""
    row = session.get(CancellationRow, authorization_id)
    return _cancellation(row) if row is not None else None


def _cancellation(row: CancellationRow) -> Cancellation:
    return Cancellation(row.authorization_id, CancellationReason(row.reason), row.cancelled_at.astimezone(UTC))
