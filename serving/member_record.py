"""Everything kept about a member, in one file for them: 45 CFR 164.524 (access) and 164.528 (accounting of disclosures).

``.zip`` holds ``record.json`` and each document as it came; ``.json`` holds the same in one text, files in base64. Drafts
are left out: what somebody has not sent is no part of the record.
"""

from __future__ import annotations

import base64
import json
import mimetypes
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from features.request import READABLE_CONTENT_TYPE
from serving.batch_tables import RequestVersionRow
from serving.cancellations import cancellation_of
from serving.errors import ExportError, UnknownAuthorizationError
from serving.member_cases import ever_of_member
from serving.private_file import private_bytes
from serving.records import dumps
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DecisionRow, DocumentRow, ResultRow, TrailRow
from serving.trail import record

FORMATS = (".json", ".zip")
EXPORTED = "member_exported"
"""What the trail calls it."""


@dataclass(frozen=True, slots=True)
class ExportedRecord:
    """How many requests and documents were written."""

    cases: int
    documents: int


def export_member(store: Store, member_id: str, path: Path, *, now: datetime) -> ExportedRecord:
    """Write every request that is or was the member's, with its documents, results, decisions, what people did and wrote,
    and its trail.

    The trail tells of the export before anything is written. Raises ExportError, or UnknownAuthorizationError where no
    request with contents is or was of this member.
    """
    if path.suffix not in FORMATS:
        raise ExportError(f"{path}: must end in {' or '.join(FORMATS)}")
    cases = _record_export(store, member_id, now)
    documents = 0
    with private_bytes(path) as file:
        if path.suffix == ".zip":
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                found = []
                for case, contents in _cases(store, cases):
                    for document, content in zip(case["documents"], contents, strict=True):
                        document["file"] = _name(case["authorization_id"], document)
                        archive.writestr(document["file"], content)
                    documents += len(contents)
                    found.append(case)
                archive.writestr("record.json", _text(member_id, found, now))
        else:
            found = []
            for case, contents in _cases(store, cases):
                for document, content in zip(case["documents"], contents, strict=True):
                    _put_inside(document, content)
                documents += len(contents)
                found.append(case)
            file.write(_text(member_id, found, now).encode())
    return ExportedRecord(len(cases), documents)


def _record_export(store: Store, member_id: str, now: datetime) -> list[str]:
    """The ids of the member's cases, once the trail says that they are exported."""
    query = (
        select(AuthorizationRow.authorization_id)
        .where(ever_of_member(store.tenant, member_id), AuthorizationRow.erased_at.is_(None))
        .order_by(AuthorizationRow.accepted_at, AuthorizationRow.authorization_id)
    )
    with store.writing() as session:
        cases = list(session.scalars(query))
        for case in cases:
            record(session, store.tenant, EXPORTED, at=now, authorization_id=case)
    if not cases:
        raise UnknownAuthorizationError("no request with contents is of this member")
    return cases


def _cases(store: Store, cases: list[str]) -> Iterator[tuple[dict[str, Any], list[bytes]]]:
    """Each case as JSON values, and its documents' bytes in the same order; one case in memory at a time."""
    for case in cases:
        with store.reading() as session:
            row = session.get_one(AuthorizationRow, case)
            documents = session.scalars(
                select(DocumentRow).where(DocumentRow.authorization_id == case).order_by(DocumentRow.position)
            ).all()
            yield _case(session, row, documents), [document.content for document in documents]


def _case(session: Session, row: AuthorizationRow, documents: Sequence[DocumentRow]) -> dict[str, Any]:
    of_case = row.authorization_id
    results = session.scalars(
        select(ResultRow).where(ResultRow.authorization_id == of_case).order_by(ResultRow.revision)
    )
    decisions = session.scalars(
        select(DecisionRow).where(DecisionRow.authorization_id == of_case).order_by(DecisionRow.decision_id)
    )
    actions = session.scalars(
        select(CaseActionRow).where(CaseActionRow.authorization_id == of_case).order_by(CaseActionRow.action_id)
    )
    versions = session.scalars(
        select(RequestVersionRow)
        .where(RequestVersionRow.authorization_id == of_case)
        .order_by(RequestVersionRow.revision)
    )
    cancelled = cancellation_of(session, of_case)
    trail = session.scalars(select(TrailRow).where(TrailRow.authorization_id == of_case).order_by(TrailRow.number))
    return {
        "authorization_id": of_case,
        "status": row.work,
        "accepted_at": _time(row.accepted_at),
        "due_at": _time(row.due_at),
        "request": json.loads(row.request),
        "earlier_requests": [
            {"revision": each.revision, "replaced_at": _time(each.replaced_at), "request": json.loads(each.request)}
            for each in versions
        ],
        "cancelled": {"reason": cancelled.reason.value, "at": _time(cancelled.cancelled_at)} if cancelled else None,
        "documents": [_document(document) for document in documents],
        "results": [{"triaged_at": _time(each.triaged_at), **json.loads(each.result)} for each in results],
        "decisions": [
            {"kind": each.kind, "outcome": each.outcome, "decided_at": _time(each.decided_at), "role": each.role}
            for each in decisions
        ],
        "actions": [
            {
                "action_id": each.action_id,
                "kind": each.kind,
                "at": _time(each.at),
                "person_id": each.person_id,
                "role": each.role,
                "undoes": each.undoes,
                "content": json.loads(each.content),
            }
            for each in actions
        ],
        "trail": [
            {"number": each.number, "at": _time(each.at), "person_id": each.person_id, "role": each.role}
            | {"action": each.action, "details": json.loads(each.details)}
            for each in trail
        ],
    }


def _document(row: DocumentRow) -> dict[str, Any]:
    return {
        "number": row.position + 1,
        "document_id": row.document_id,
        "type": row.type,
        "date": row.date,
        "content_type": row.content_type,
        "received_at": _time(row.received_at),
        "extracted_text": row.extracted_text.decode() if row.extracted_text is not None else None,
    }


def _put_inside(document: dict[str, Any], content: bytes) -> None:
    if document["content_type"] == READABLE_CONTENT_TYPE:
        document["text"] = content.decode()
    else:
        document["data"] = base64.b64encode(content).decode()


def _name(authorization_id: str, document: dict[str, Any]) -> str:
    # Numbered by us: a sender's own name for a document may be any text.
    kind = mimetypes.guess_extension(document["content_type"]) or ".bin"
    return f"documents/{authorization_id}/{document['number']}{kind}"


def _text(member_id: str, cases: list[dict[str, Any]], now: datetime) -> str:
    return dumps({"member_id": member_id, "exported_at": _time(now), "authorizations": cases}) + "\n"


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
