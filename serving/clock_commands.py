"""``greenlane clocks due``: which decisions are due next, for a watch that runs outside the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from serving.opened_store import OfTenant, opened_store
from serving.tenants import DEFAULT_TENANT


def clocks_due(
    within: Annotated[str, typer.Option("--within", help="How long before its end: 30m, 4h, 2d.")] = "4h",
    tenant: OfTenant = DEFAULT_TENANT,
) -> None:
    """Print cases without an answer that are overdue or due soon: authorization, due, urgency, overdue or due."""
    from serving.clock_alarms import due_cases, span_of

    span = span_of(within)
    with opened_store(tenant) as store:
        for found in due_cases(store, within=span, now=datetime.now(UTC)):
            due_at = found.due_at.isoformat(timespec="seconds").replace("+00:00", "Z")
            state = "overdue" if found.overdue else "due"
            typer.echo("\t".join((found.authorization_id, due_at, found.urgency, state)))
