"""Builders of documents, requests, facts and readings: everything has a default, a test says only what it is about."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from features.criteria import Context
from features.extract import extract
from features.request import EXAMPLE_REQUEST
from features.types import (
    AuthorizationRequest,
    Coverage,
    Diagnosis,
    Document,
    DocumentType,
    Fact,
    Laterality,
    Member,
    Service,
)

RECEIVED = datetime(2026, 11, 20, 15, 4, 5, tzinfo=UTC)
VISIT = date(2026, 11, 10)
REQUESTED = RECEIVED.date()
ACTIVE = Coverage(status="active")
MAN = Member(date(1968, 4, 12), "M-1001", "male")


def body(**changes: Any) -> dict[str, Any]:
    """The interface's example request as parsed JSON, with changes; None as a value removes the field."""
    made = copy.deepcopy(EXAMPLE_REQUEST)
    made.update(changes)
    return {field: value for field, value in made.items() if value is not None}


def document(
    text: str, document_id: str = "d1", kind: DocumentType = "progress_note", day: date | None = VISIT
) -> Document:
    """A plain-text document of the visit's day."""
    return Document(document_id, text, kind, day)


def request(
    *documents: Document,
    code: str = "72148",
    system: str = "CPT",
    description: str | None = None,
    diagnosis: str = "M54.16",
    coverage: Coverage = ACTIVE,
    member: Member = MAN,
    **changes: Any,
) -> AuthorizationRequest:
    """A request for a lumbar MRI with these documents."""
    values: dict[str, Any] = {
        "external_id": "PA-1",
        "member": member,
        "service": Service(system=system, code=code, description=description),  # type: ignore[arg-type]  # tests pass any
        "diagnoses": (Diagnosis("ICD-10-CM", diagnosis),),
        "documents": documents or (document("He has had low back pain for three months and takes naproxen."),),
        "received_at": RECEIVED,
        "coverage": coverage,
    }
    return AuthorizationRequest(**{**values, **changes})


def facts_in(text: str, kind: DocumentType = "progress_note", day: date | None = VISIT) -> list[Fact]:
    """The facts of one document."""
    return extract([document(text, kind=kind, day=day)])


def facts_of(concept: str, text: str, kind: DocumentType = "progress_note", day: date | None = VISIT) -> list[Fact]:
    """The facts of one concept in one document."""
    return [fact for fact in facts_in(text, kind, day) if fact.concept == concept]


def fact(concept: str, category: str = "problem", **changes: Any) -> Fact:
    """A fact as a reader would make it, without a text behind it."""
    values: dict[str, Any] = {
        "fact_id": "f1",
        "concept": concept,
        "category": category,
        "document_id": "d1",
        "start": 0,
        "end": 4,
        "text": "word",
        "section": "history_of_present_illness",
    }
    return Fact(**{**values, **changes})


def context(
    documents: Mapping[str, Document] | None = None, side: Laterality | None = None, day: date = REQUESTED
) -> Context:
    """An evaluation context: one visit note ten days before the request unless said otherwise."""
    return Context(day, side, documents or {"d1": document("")}, {})


def days_before(count: int, day: date = REQUESTED) -> date:
    """The day ``count`` days before the request."""
    return day - timedelta(days=count)
