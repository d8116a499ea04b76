"""What every new revision of a case does to its row and gives it to wait with, whoever made it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from serving.errors import CaseCancelledError
from serving.jobs import add_job
from serving.tables import AuthorizationRow
from serving.work import Work


def begin_revision(session: Session, row: AuthorizationRow, *, leased_by: str | None, now: datetime) -> int:
    """Let the case wait for a new result, with a job; returns the number of the new revision.

    ``leased_by`` holds the job from the start. Put what decides how urgent the case is into the row first. Raises
    CaseCancelledError: a cancelled case takes nothing in. ``session`` is the transaction of whatever came.
    """
    refuse_if_cancelled(row)
    row.revision += 1
    row.status = "received"
    row.route = row.reason_code = row.reason_message = None
    row.turn += 1
    row.changed_at = now
    # What a person decided may rest on less than is there now; what they asked for may have come.
    row.second_look = row.second_look or row.work == Work.DECIDED
    row.work = Work.OPEN.value
    session.flush()
    add_job(session, row, leased_by=leased_by, now=now)
    return row.revision


def refuse_if_cancelled(row: AuthorizationRow) -> None:
    """Raise CaseCancelledError for a cancelled case."""
    if row.work == Work.CANCELLED:
        raise CaseCancelledError("authorization_id: this request was cancelled; send a new one with a new external_id")
