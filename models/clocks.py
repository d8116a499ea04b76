"""When a decision is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from features.types import AuthorizationRequest

EXPEDITED = timedelta(hours=72)
"""42 CFR 438.210(d)(2) and 422.572(a): expedited decisions within 72 hours of receipt."""
STANDARD = timedelta(days=7)
"""42 CFR 438.210(d)(1) and 422.568(b) as amended by CMS-0057-F, from 2026-01-01: seven calendar days."""


def due_at(request: AuthorizationRequest) -> datetime:
    """The turnaround limit of a request, UTC."""
    return request.received_at + (EXPEDITED if request.urgency == "expedited" else STANDARD)
