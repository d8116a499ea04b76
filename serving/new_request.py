"""A request as it comes in, parsed and complete, before it is stored: everything the store needs to accept it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from features.errors import RequestRefusedError
from features.request import parse_request
from features.types import AuthorizationRequest
from models.clocks import earliest_due
from models.types import DueTime
from serving.json_body import parse_json
from serving.records import ReceivedDocument, fingerprint, received_documents


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request with the bytes of its documents. ``content_hash`` tells whether a repeat says the same; ``due`` when a
    decision is due and by which rule. ``audit_selected`` was drawn with ``audit_probability`` and is only kept where the
    request is new.
    """

    authorization_id: str
    request: AuthorizationRequest
    documents: tuple[ReceivedDocument, ...]
    content_hash: str
    due: DueTime
    audit_selected: bool
    audit_probability: float


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A validated body: the request, its documents' bytes, and whether the sender said when it was received."""

    request: AuthorizationRequest
    documents: tuple[ReceivedDocument, ...]
    clock_given: bool
    due: DueTime

    def numbered(self, next_id: Callable[[], str], *, audit_selected: bool, audit_probability: float) -> NewRequest:
        """The request with an id of its own and its draw for the blind audit."""
        content_hash = fingerprint(self.request, self.documents, clock_given=self.clock_given)
        return NewRequest(
            next_id(), self.request, self.documents, content_hash, self.due, audit_selected, audit_probability
        )


def parsed_request(body: bytes, now: datetime) -> ParsedRequest:
    """The request of a JSON body. Raises UnreadableBodyError or RequestRefusedError, naming every field."""
    data = parse_json(body)
    request = parse_request(data, now=now)
    return ParsedRequest(
        request,
        tuple(received_documents(request.documents, data["documents"])),
        data.get("received_at") is not None,
        due_or_refused(request),
    )


def due_or_refused(request: AuthorizationRequest) -> DueTime:
    """When a decision is due. Raises RequestRefusedError where that is past the year 9999."""
    try:
        return earliest_due(request)
    except OverflowError:
        raise RequestRefusedError((("received_at", "is too far from now"),)) from None
