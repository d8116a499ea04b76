"""An intake system changes a request that is stored: the earlier one is kept, and the case is triaged again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from features.types import AuthorizationRequest
from serving.batch_tables import RequestVersionRow
from serving.case_clock import recompute_due_no_later
from serving.case_standing import case_row
from serving.events import EventKind, record_event
from serving.new_request import due_or_refused
from serving.records import dumps, request_record
from serving.revisions import begin_revision, refuse_if_cancelled
from serving.store import LeaseFor, Store, for_whoever_takes_it
from serving.stored_case import StoredRequest, columns_of, stored_request
from serving.tables import AuthorizationRow
from serving.trail import record

Change = Callable[[AuthorizationRequest], AuthorizationRequest]
"""What an update makes of the request as it stands."""

_TOLD = {
    "service.system": "code system",
    "service.code": "service code",
    "service.description": "service",
    "service.units": "units",
    "service.place_of_service": "place of service",
    "service.start_date": "first day",
    "service.end_date": "last day",
    "urgency": "urgency",
    "review_type": "type of review",
    "received_at": "received",
    "diagnoses": "diagnoses",
}
"""Fields whose values a reviewer is shown, in this order; of the others the name is enough."""

_NAMED = {"member": "the member", "coverage": "the coverage", "provider": "the provider"}


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that an update changed; ``before`` and ``after`` are empty where only its name is told."""

    field: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """The change on one line."""
        return f"{self.field}: {self.before} → {self.after}" if self.before or self.after else self.field


@dataclass(frozen=True, slots=True)
class RequestUpdate:
    """What one update changed. ``revision`` is the one it made."""

    revision: int
    at: datetime
    changes: tuple[FieldChange, ...]


def update_request(
    store: Store,
    authorization_id: str,
    change: Change,
    *,
    now: datetime,
    lease_for: LeaseFor = for_whoever_takes_it,
) -> tuple[StoredRequest, bool]:
    """Change a request, which gets a job; one that says the same already stays as it is. Returns it and whether anything
    is new.

    ``change`` may raise RequestRefusedError. Raises UnknownAuthorizationError or CaseCancelledError.
    """
    with store.writing() as session:
        row = case_row(session, store.tenant, authorization_id, to_change=True)
        earlier = stored_request(session, row)
        request = change(earlier.request)
        due_or_refused(request)
        before, after = json.loads(row.request), request_record(request)
        if before == after:
            return earlier, False
        refuse_if_cancelled(row)
        session.add(
            RequestVersionRow(
                authorization_id=authorization_id,
                revision=row.revision,
                request=dumps(before),
                replaced_at=now,
                member_id=row.member_id,
            )
        )
        for column, value in columns_of(request).items():
            setattr(row, column, value)
        # The sooner of both: late is a harm, early is not.
        recompute_due_no_later(session, row, now=now)
        revision = begin_revision(session, row, leased_by=lease_for(request), now=now)
        record_event(session, row, EventKind.UPDATED, at=now)
        details = {"revision": revision, "fields": [name for name, *_ in _differences(before, after)]}
        record(session, store.tenant, "request_updated", at=now, authorization_id=authorization_id, details=details)
        return replace(earlier, request=request, revision=revision), True


def updates_of(session: Session, row: AuthorizationRow) -> tuple[RequestUpdate, ...]:
    """Every update of a request with what it changed, oldest first."""
    versions = session.scalars(
        select(RequestVersionRow)
        .where(RequestVersionRow.authorization_id == row.authorization_id)
        .order_by(RequestVersionRow.revision)
    ).all()
    records = [*(json.loads(version.request) for version in versions), json.loads(row.request)]
    return tuple(
        RequestUpdate(version.revision + 1, version.replaced_at.astimezone(UTC), _changes(before, after))
        for version, before, after in zip(versions, records[:-1], records[1:], strict=True)
    )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    found = {name: (old, new) for name, old, new in _differences(before, after)}
    told = [FieldChange(words, *map(_shown, found[name])) for name, words in _TOLD.items() if name in found]
    parts = dict.fromkeys(name.split(".")[0] for name in found)
    return (*told, *(FieldChange(words, "", "") for part, words in _NAMED.items() if part in parts))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Dotted names of the fields that differ, with both values."""
    old, new = _flat(before), _flat(after)
    return [(name, old.get(name), value) for name, value in new.items() if old.get(name) != value]


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found.update({f"{name}.{inner}": each for inner, each in value.items()})
        else:
            found[name] = value
    return found


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "not given"
    if isinstance(value, list):
        return ", ".join(str(diagnosis["code"]) for diagnosis in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
