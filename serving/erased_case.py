"""What is left of a case whose contents were erased, for its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from models.types import Route
from serving.fact_words import spoken
from serving.people import SignedIn
from serving.roles import Permission
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.views import ROUTE_WORDS


@dataclass(frozen=True, slots=True)
class ErasedCase:
    """The skeleton of a case. ``trail_href`` is empty for who may not read the trail."""

    external_id: str
    service_code: str
    urgency: str
    received: str
    route: str
    work: str
    erased: str
    trail_href: str


def erased_case(store: Store, who: SignedIn, authorization_id: str) -> ErasedCase | None:
    """The skeleton; None where there is no such case, or its contents are there."""
    with store.reading() as session:
        row = session.get(AuthorizationRow, authorization_id)
        if row is None or row.tenant != store.tenant or row.erased_at is None:
            return None
        return ErasedCase(
            external_id=row.external_id,
            service_code=f"{row.service_system} {row.service_code}",
            urgency=row.urgency.capitalize(),
            received=_day(row.received_at or row.accepted_at),
            route=ROUTE_WORDS[Route(row.route)] if row.route else "",
            work=spoken(row.work).capitalize(),
            erased=_day(row.erased_at),
            trail_href=f"/trail/cases/{authorization_id}" if who.person.may(Permission.READ_TRAIL) else "",
        )


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
