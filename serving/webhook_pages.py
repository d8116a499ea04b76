"""The administrator's page of webhooks: how each stands, what could not be delivered, and another day for it."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from serving.deps import Administrator, Form, TenantWebhooks
from serving.rendering import render_page

MOST_FAILURES = 50
"""Of one webhook, on the page; `greenlane webhooks failures` prints more."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/webhooks")
def webhooks_page(who: Administrator, webhooks: TenantWebhooks) -> HTMLResponse:
    """Every webhook and every failure, by our ids alone: an administrator reads no cases."""
    states = webhooks.states()
    failed = [
        (state, webhooks.failures(webhook_id=state.webhook.webhook_id, limit=MOST_FAILURES))
        for state in states
        if state.failed
    ]
    return render_page("webhooks.html", who=who, here="/webhooks", states=states, failed=failed, now=datetime.now(UTC))


@router.post("/webhooks/{webhook_id}/redeliver")
def redeliver(webhook_id: str, who: Administrator, webhooks: TenantWebhooks, form: Form) -> Response:
    """Try one event, or all that failed, for another day."""
    event_id = form.get("event_id")
    wanted = event_id if isinstance(event_id, str) and event_id else None
    webhooks.redeliver(webhook_id, event_id=wanted, by=who, now=datetime.now(UTC))
    return RedirectResponse("/webhooks", 303)
