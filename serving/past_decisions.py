"""What people decided about cases: recorded from other systems, and read with their cases for those who train."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import literal, select, tuple_

from models.decisions import Decision, Outcome
from models.types import Route
from serving.errors import DecisionRefusedError, UnknownAuthorizationError
from serving.store import Store
from serving.stored_case import PastCase, decisions_on, past_case, refuse_erased
from serving.tables import AuthorizationRow, DecisionRow, UtcDateTime


def record_decision(store: Store, external_id: str, decision: Decision, *, now: datetime) -> bool:
    """Record what a person decided; the same decision twice is recorded once. Returns whether it is new.

    Raises UnknownAuthorizationError, or DecisionRefusedError where the decision cannot be: an adverse one by
    someone who is no medical director, one before the request came or in the future, one that overturns nothing.
    """
    with store.writing() as session:
        row = session.scalar(
            select(AuthorizationRow).where(
                AuthorizationRow.tenant == store.tenant, AuthorizationRow.external_id == external_id
            )
        )
        if row is None:
            raise UnknownAuthorizationError("external_id: no authorization has this id")
        refuse_erased(row)
        earlier = decisions_on(session, row.authorization_id)
        if decision in earlier:
            return False
        if decision.outcome is Outcome.ADVERSE and decision.role != "medical_director":
            raise DecisionRefusedError("role: only a medical director records an adverse determination")
        received_at = datetime.fromisoformat(json.loads(row.request)["received_at"])
        if decision.decided_at < received_at:
            raise DecisionRefusedError("decided_at: lies before the request was received")
        if decision.decided_at > now:
            raise DecisionRefusedError("decided_at: lies in the future")
        if decision.kind == "overturned":
            decided = [past.decided_at for past in earlier if past.kind == "decision"]
            if not decided and row.route != Route.FAST_TRACK.value:
                raise DecisionRefusedError("kind: nothing was decided yet that could be overturned")
            if decided and decision.decided_at < decided[0]:
                raise DecisionRefusedError("decided_at: lies before the decision it overturns")
        session.add(
            DecisionRow(
                authorization_id=row.authorization_id,
                kind=decision.kind,
                outcome=decision.outcome.value,
                decided_at=decision.decided_at,
                decided_by=decision.decided_by,
                role=decision.role,
                recorded_at=now,
            )
        )
        return True


def past_cases(
    store: Store, *, since: datetime | None = None, now: datetime | None = None, page: int = 100
) -> Iterator[PastCase]:
    """Every accepted case with what was decided about it, in the order they came; ``page`` of them at a time. Those
    whose contents were erased are left out.

    ``since``: only those accepted then or later. What was undone, or by ``now`` (the clock's by default) can still
    be, is no decision.
    """
    now = now or datetime.now(UTC)
    after: tuple[datetime, str] | None = None
    while True:
        query = select(AuthorizationRow).where(
            AuthorizationRow.tenant == store.tenant, AuthorizationRow.erased_at.is_(None)
        )
        if since is not None:
            query = query.where(AuthorizationRow.accepted_at >= since)
        if after is not None:
            query = query.where(
                tuple_(AuthorizationRow.accepted_at, AuthorizationRow.authorization_id)
                > tuple_(literal(after[0], UtcDateTime), literal(after[1]))
            )
        query = query.order_by(AuthorizationRow.accepted_at, AuthorizationRow.authorization_id).limit(page)
        with store.reading() as session:
            found = [past_case(session, row, now) for row in session.scalars(query)]
        yield from found
        if len(found) < page:
            return
        after = (found[-1].accepted_at, found[-1].authorization_id)
