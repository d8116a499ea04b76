"""What people do to a case's clock: whether the rule allows it, and the event it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from models.clock_events import ClockEvent, ExtensionGranted, InformationRequested, UrgencyChanged
from models.clocks import earliest_due, time_allowed
from models.working_days import zone_of
from serving.case_clock import clock_events, keep_event, request_of
from serving.case_rules import PHYSICIANS_REQUEST
from serving.errors import ActionRefusedError
from serving.letters import Asked, extension_notice, not_expedited_notice
from serving.tables import AuthorizationRow
from serving.work import ActionKind

GROUNDS: Mapping[str, str] = {
    "member_asks": "the member asks for it",
    "provider_asks": "the provider asks for it",
    "information_needed": "information is needed, and waiting for it is in the member's interest",
    "beyond_control": "matters beyond the plan's control",
}
"""The reasons that rules know for taking more time (42 CFR 422.568(b), 438.210(d); 29 CFR 2560.503-1(f)), in words."""


def check_clock(
    session: Session, row: AuthorizationRow, kind: ActionKind, content: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """The content of an action that moves the clock, with its notice; any other content as it is.

    Raises ActionRefusedError, naming the rule, where the rule does not allow it.
    """
    if kind is ActionKind.EXTENDED:
        return _check_extension(session, row, content, now)
    if kind is ActionKind.NOT_EXPEDITED:
        return _check_not_expedited(session, row, content, now)
    return content


def move_clock(
    session: Session,
    row: AuthorizationRow,
    kind: ActionKind,
    content: Mapping[str, Any],
    *,
    action_id: str,
    now: datetime,
    effect: datetime | None,
) -> None:
    """Store what an action does to the clock, in its transaction. A letter that asks counts from when it takes effect."""
    event = _event(kind, content, now, effect or now)
    if event is not None:
        keep_event(session, row, event, now=now, action_id=action_id)


def _check_extension(
    session: Session, row: AuthorizationRow, content: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    request, events = request_of(row), clock_events(session, row.authorization_id)
    due = earliest_due(request, events, now=now)
    found = time_allowed(request, due)
    extension = found[1].extension if found is not None else None
    if extension is None:
        raise ActionRefusedError(("", f"the rule {due.rule} allows no extension ({due.source})"))
    where = f"the rule {due.rule} ({extension.source})"
    if not due.may_extend_days:
        raise ActionRefusedError(("", f"the time was extended before, and {where} allows that once"))
    if now > due.due_at:
        raise ActionRefusedError(("", f"the time is up; {where} lets it be extended only before"))
    problems = []
    if content["ground"] not in extension.reasons:
        known = ", or ".join(GROUNDS[reason] for reason in extension.reasons)
        problems.append(("ground", f"{where} allows an extension only where {known}"))
    if not 1 <= content["days"] <= extension.up_to_days:
        problems.append(("days", f"{where} allows 1 to {extension.up_to_days} days"))
    if problems:
        raise ActionRefusedError(*problems)
    until = earliest_due(request, (*events, ExtensionGranted(now, content["ground"], content["days"])))
    if until.due_at <= due.due_at:
        raise ActionRefusedError(("", f"the rule {until.rule} allows no later time ({until.source})"))
    day = (until.due_at - timedelta(microseconds=1)).astimezone(zone_of(until.time_zone)).date()
    letter = extension_notice(_asked(row), content["reason"], day, now.astimezone(zone_of(until.time_zone)).date())
    return {**content, "letter": letter, "rule": due.rule, "until": until.due_at.isoformat()}


def _check_not_expedited(
    session: Session, row: AuthorizationRow, content: Mapping[str, Any], now: datetime
) -> Mapping[str, Any]:
    if content["asked_by"] == "physician":
        raise ActionRefusedError(("asked_by", PHYSICIANS_REQUEST))
    request, events = request_of(row), clock_events(session, row.authorization_id)
    due = earliest_due(request, events, now=now)
    if now > due.due_at:
        raise ActionRefusedError(
            ("", f"the expedited time of the rule {due.rule} is up; it can no longer be lengthened")
        )
    until = earliest_due(request, (*events, UrgencyChanged(now, "standard")))
    zone = zone_of(until.time_zone)
    day = (until.due_at - timedelta(microseconds=1)).astimezone(zone).date()
    letter = not_expedited_notice(_asked(row), content["reason"], day, now.astimezone(zone).date())
    return {**content, "letter": letter, "rule": until.rule, "until": until.due_at.isoformat()}


def _asked(row: AuthorizationRow) -> Asked:
    code = f"({row.service_system} {row.service_code})"
    service = f"{row.service_description} {code}" if row.service_description else code
    return Asked(row.external_id, service, row.line_of_business)


def _event(kind: ActionKind, content: Mapping[str, Any], now: datetime, effect: datetime) -> ClockEvent | None:
    if kind is ActionKind.INFORMATION_REQUESTED:
        return InformationRequested(effect)
    if kind is ActionKind.EXTENDED:
        return ExtensionGranted(now, content["ground"], content["days"])
    if kind is ActionKind.MADE_EXPEDITED:
        return UrgencyChanged(now, "expedited")
    return UrgencyChanged(now, "standard") if kind is ActionKind.NOT_EXPEDITED else None
