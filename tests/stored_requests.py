"""Requests put into a store, and results kept for them, past the service: for tests of what lies below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from features.types import AuthorizationRequest
from models.clocks import earliest_due
from models.result import result_text, trace_text
from models.types import TriageResult
from serving.doubted import DoubtedError
from serving.doubts import NO_DOUBTS
from serving.new_request import NewRequest
from serving.records import ReceivedDocument
from serving.service import heeding
from serving.store import LeaseFor, Store, for_whoever_takes_it
from serving.stored_case import StoredRequest
from serving.ulid import UlidSource

NEW_ID = UlidSource()


def received(request: AuthorizationRequest) -> tuple[ReceivedDocument, ...]:
    """The request's documents as they came: plain text."""
    return tuple(ReceivedDocument(document, document.text.encode()) for document in request.documents)


def accepted(
    store: Store,
    request: AuthorizationRequest,
    *,
    now: datetime,
    due_at: datetime | None = None,
    documents: Sequence[ReceivedDocument] | None = None,
    content_hash: str = "h",
    lease_for: LeaseFor = for_whoever_takes_it,
) -> StoredRequest:
    """The stored request, new or found; ``due_at`` in place of what the rules say."""
    due = earliest_due(request)
    new = NewRequest(
        authorization_id=NEW_ID(),
        request=request,
        documents=received(request) if documents is None else tuple(documents),
        content_hash=content_hash,
        due=due if due_at is None else replace(due, due_at=due_at),
        audit_selected=False,
        audit_probability=0.05,
    )
    return store.accept(new, now=now, lease_for=lease_for)[0]


def kept(store: Store, stored: StoredRequest, result: TriageResult, *, now: datetime, dead: str | None = None) -> bool:
    """Keep a result as the service does, after every doubt; whether it is the one that is stored now."""
    doubts = NO_DOUBTS
    while True:
        heeded = heeding(result, doubts)
        try:
            _, is_this_one = store.keep_result(
                stored,
                heeded,
                result_json=result_text(heeded),
                trace=trace_text(heeded),
                held_for_audit=False,
                now=now,
                dead=dead,
                heeded=doubts,
            )
        except DoubtedError as found:
            doubts = found.doubts
        else:
            return is_this_one
