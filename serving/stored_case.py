"""What the store gives out: frozen records of requests, results and cases, and how they are made from rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from features.request import READABLE_CONTENT_TYPE
from features.types import AuthorizationRequest, Document
from models.decisions import Decision, Outcome
from models.near_duplicates import likeness, person_likeness
from models.types import Route
from serving.database import without_nul
from serving.documents.read_document import ReadDocument
from serving.errors import AuthorizationErasedError
from serving.records import ReceivedDocument, dumps, request_from_record, request_record
from serving.tables import AuthorizationRow, CaseActionRow, DecisionRow, DocumentRow, ResultRow
from serving.work import Work

CaseStatus = Literal["received", "triaged"]


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """An accepted request. ``revision`` counts from 1 and grows when documents are added or it is updated."""

    authorization_id: str
    content_hash: str
    request: AuthorizationRequest
    revision: int
    audit_selected: bool


@dataclass(frozen=True, slots=True)
class Received:
    """What is known of an accepted request before it is triaged. ``due_at`` is UTC; nothing is due once ``cancelled``."""

    authorization_id: str
    external_id: str
    due_at: datetime
    cancelled: bool


@dataclass(frozen=True, slots=True)
class UnreadDocument:
    """A file that waits for its reader."""

    document_id: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One triage as stored: ``result`` is the contract's JSON text, ``trace`` the record for the pages, JSON too."""

    revision: int
    triaged_at: datetime
    route: Route
    held_for_audit: bool
    result: str
    trace: str


@dataclass(frozen=True, slots=True)
class ListedCase:
    """A line of the list. ``route`` and the reason are None while no result is stored."""

    authorization_id: str
    external_id: str
    status: CaseStatus
    urgency: str
    service_system: str
    service_code: str
    service_description: str | None
    due_at: datetime
    route: Route | None
    reason_code: str | None
    reason_message: str | None
    revision: int
    cancelled: bool


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where a page of the list ends: due time first, id second."""

    due_at: datetime
    authorization_id: str


@dataclass(frozen=True, slots=True)
class PastCase:
    """A stored case with what was decided about it, for export.

    ``documents`` hold each document with its bytes and when it was there (None: not recorded): those sent with the request
    since that was received, later ones since they came. ``result`` is the first
    stored result of the revision in force, ``decisions`` are in the order they were recorded.
    """

    accepted_at: datetime
    authorization_id: str
    request: AuthorizationRequest
    documents: tuple[tuple[ReceivedDocument, datetime | None], ...]
    audit_probability: float | None
    result: StoredResult | None
    decisions: tuple[Decision, ...]


def refuse_erased(row: AuthorizationRow) -> None:
    """Raise AuthorizationErasedError where nothing is left of the case but its skeleton."""
    if row.erased_at is not None:
        raise AuthorizationErasedError("the contents of this authorization were erased; its id, codes and times remain")


def stored_request(session: Session, row: AuthorizationRow) -> StoredRequest:
    # All of them: a cursor that an unusable record leaves open would keep SQLite from the connection's next transaction.
    rows = session.scalars(
        select(DocumentRow).where(DocumentRow.authorization_id == row.authorization_id).order_by(DocumentRow.position)
    ).all()
    request = request_from_record(json.loads(row.request), [document_of(document) for document in rows])
    return StoredRequest(row.authorization_id, row.content_hash, request, row.revision, row.audit_selected)


def columns_of(request: AuthorizationRequest) -> dict[str, Any]:
    """The columns of ``authorizations`` that say what is asked for, as they are on the request."""
    return {
        "likeness": likeness(request),
        "person_likeness": person_likeness(request),
        "request": dumps(request_record(request)),
        "service_system": request.service.system,
        "service_code": without_nul(request.service.code),
        "service_description": _copy(request.service.description),
        "urgency": request.urgency,
        "member_id": _copy(request.member.member_id),
        "line_of_business": _copy(request.coverage.line_of_business),
        "received_at": request.received_at,
    }


def _copy(text: str | None) -> str | None:
    # The request keeps what was sent; the worklist's copy of it is shown and searched.
    return without_nul(text) if text is not None else None


def document_of(row: DocumentRow) -> Document:
    readable = row.content_type == READABLE_CONTENT_TYPE
    document = Document(
        document_id=row.document_id,
        text=row.content.decode() if readable else "",
        type=row.type,  # type: ignore[arg-type]  # validated against the same list when it was accepted
        date=date.fromisoformat(row.date) if row.date else None,
        content_type=row.content_type,
    )
    read = kept_reading(row)
    return read.applied_to(document) if read is not None else document


def kept_reading(row: DocumentRow) -> ReadDocument | None:
    if row.reading is None or row.extracted_text is None:
        return None
    return ReadDocument.from_record(row.extracted_text.decode(), row.reading)


def past_case(session: Session, row: AuthorizationRow, now: datetime) -> PastCase:
    documents = session.scalars(
        select(DocumentRow).where(DocumentRow.authorization_id == row.authorization_id).order_by(DocumentRow.position)
    ).all()
    record = json.loads(row.request)
    # A request may be loaded long after it was received; its own documents were there all the time.
    with_request = datetime.fromisoformat(record["received_at"])
    received = tuple(
        (
            ReceivedDocument(document_of(found), found.content),
            with_request if found.revision == 1 else found.received_at,
        )
        for found in documents
    )
    result = session.get(ResultRow, (row.authorization_id, row.revision))
    return PastCase(
        accepted_at=row.accepted_at,
        authorization_id=row.authorization_id,
        request=request_from_record(record, [document.document for document, _ in received]),
        documents=received,
        audit_probability=row.audit_probability,
        result=stored_result(result) if result is not None else None,
        decisions=tuple(decisions_on(session, row.authorization_id, in_effect_at=now)),
    )


def counting_decisions(
    session: Session, authorization_id: str, *, in_effect_at: datetime | None = None
) -> list[DecisionRow]:
    """The decisions on a case that were not undone, in the order they were recorded.

    ``in_effect_at``: only those that take effect by then, so that the clock has ended their undoing.
    """
    undone = select(CaseActionRow.undoes).where(
        CaseActionRow.authorization_id == authorization_id, CaseActionRow.undoes.is_not(None)
    )
    counts: ColumnElement[bool] = DecisionRow.action_id.not_in(undone)
    if in_effect_at is not None:
        effect = CaseActionRow.takes_effect_at
        counts = and_(counts, or_(effect.is_(None), effect <= in_effect_at))
    query = (
        select(DecisionRow)
        .outerjoin(CaseActionRow, CaseActionRow.action_id == DecisionRow.action_id)
        .where(DecisionRow.authorization_id == authorization_id, or_(DecisionRow.action_id.is_(None), counts))
        .order_by(DecisionRow.decision_id)
    )
    return list(session.scalars(query))


def decisions_on(session: Session, authorization_id: str, *, in_effect_at: datetime | None = None) -> list[Decision]:
    rows = counting_decisions(session, authorization_id, in_effect_at=in_effect_at)
    return [
        Decision(
            outcome=Outcome(row.outcome),
            decided_at=row.decided_at.astimezone(UTC),
            decided_by=row.decided_by,
            role="medical_director" if row.role == "medical_director" else "nurse",
            kind="overturned" if row.kind == "overturned" else "decision",
        )
        for row in rows
    ]


def stored_result(row: ResultRow) -> StoredResult:
    return StoredResult(
        row.revision,
        row.triaged_at.astimezone(UTC),
        Route(row.route),
        row.held_for_audit,
        row.result,
        row.trace,
    )


def listed_case(row: AuthorizationRow) -> ListedCase:
    return ListedCase(
        authorization_id=row.authorization_id,
        external_id=row.external_id,
        status="received" if row.status == "received" else "triaged",
        urgency=row.urgency,
        service_system=row.service_system,
        service_code=row.service_code,
        service_description=row.service_description,
        due_at=row.due_at,
        route=Route(row.route) if row.route else None,
        reason_code=row.reason_code,
        reason_message=row.reason_message,
        revision=row.revision,
        cancelled=row.work == Work.CANCELLED,
    )
