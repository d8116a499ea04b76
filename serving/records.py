"""A request as the store keeps it, and the fingerprint that tells whether a repeat is the same request.

A record is ASCII JSON (so that it also fits databases that take no NUL in text); the bytes of each document are kept
beside it, exactly as received: UTF-8 for text/plain, the decoded ``data`` for everything else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from features.request import READABLE_CONTENT_TYPE, request_to_json
from features.types import AuthorizationRequest, Coverage, Diagnosis, Document, Member, Provider, Service
from serving.documents.pool import ReadingPool


@dataclass(frozen=True, slots=True)
class ReceivedDocument:
    """A document with its bytes as received. ``document.text`` is empty where the content is not text."""

    document: Document
    content: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that was sent with this document."""
        digest = hashlib.sha256(dumps(_document_record(self.document)).encode())
        digest.update(hashlib.sha256(self.content).digest())
        return digest.hexdigest()

    @property
    def wording(self) -> str | None:
        """SHA-256 over the words alone, whatever their case and layout; None for a text too short to be one person's."""
        return wording_of(self.document.text)


def wording_of(text: str) -> str | None:
    """SHA-256 over the words of a text alone, whatever their case and layout; None for one too short to be one person's."""
    words = re.findall(r"\w+", text.lower())
    if len(words) < FEWEST_OWN_WORDS:
        return None
    return hashlib.sha256(" ".join(words).encode()).hexdigest()


FEWEST_OWN_WORDS = 40
"""Shorter texts may well be the same for two people: "Signed and dated", a form with nothing filled in."""


def dumps(value: object) -> str:
    """Canonical ASCII JSON: sorted keys, no white space, no NaN."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def received_documents(documents: Sequence[Document], bodies: Sequence[Mapping[str, Any]]) -> list[ReceivedDocument]:
    """Each parsed document with the bytes of the body it was parsed from (same order)."""
    return [
        ReceivedDocument(document, base64.b64decode(body["data"]) if body.get("data") else document.text.encode())
        for document, body in zip(documents, bodies, strict=True)
    ]


def read_received(received: ReceivedDocument, pool: ReadingPool) -> Document:
    """A received document as triage sees it: plain text as it is, a file as its reader found it."""
    document = received.document
    if document.content_type == READABLE_CONTENT_TYPE:
        return document
    return pool.read(received.content, document.content_type).applied_to(document)


def fingerprint(request: AuthorizationRequest, documents: Sequence[ReceivedDocument], *, clock_given: bool) -> str:
    """SHA-256 of the request's content. A ``received_at`` that we filled in ourselves is not content."""
    record = request_record(request)
    if not clock_given:
        record["received_at"] = None
    record["documents"] = [document.fingerprint for document in documents]
    return hashlib.sha256(dumps(record).encode()).hexdigest()


def request_record(request: AuthorizationRequest) -> dict[str, Any]:
    """The request without its documents, as JSON values."""
    record = request_to_json(request)
    del record["documents"]
    return record


def request_from_record(record: Mapping[str, Any], documents: Sequence[Document]) -> AuthorizationRequest:
    """The inverse of :func:`request_record`. It does not validate again: what was accepted stays readable."""
    member, service = record["member"], record["service"]
    return AuthorizationRequest(
        external_id=record["external_id"],
        review_type=record["review_type"],
        urgency=record["urgency"],
        received_at=datetime.fromisoformat(record["received_at"]),
        member=Member(date.fromisoformat(member["birth_date"]), member["member_id"], member["sex"]),
        coverage=Coverage(**record["coverage"]),
        service=Service(
            **{
                **service,
                "start_date": _date(service["start_date"]),
                "end_date": _date(service["end_date"]),
            }
        ),
        diagnoses=tuple(Diagnosis(**diagnosis) for diagnosis in record["diagnoses"]),
        provider=Provider(**record["provider"]),
        documents=tuple(documents),
    )


def _document_record(document: Document) -> dict[str, Any]:
    return {
        "document_id": document.document_id,
        "type": document.type,
        "date": document.date.isoformat() if document.date else None,
        "content_type": document.content_type,
    }


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
