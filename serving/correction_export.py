"""Corrections as JSON Lines, for those who improve the lexicon and the reading (docs/workbench.md names the columns).

The file holds words of notes and nobody's name: reviewers are numbered in the order they come up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.errors import ExportError
from serving.private_file import private_file
from serving.records import dumps
from serving.store import Store
from serving.tables import AuthorizationRow, CaseActionRow, DocumentRow, ResultRow
from serving.work import ActionKind

CORRECTION_COLUMNS = (
    "correction_id",
    "corrected_at",
    "reviewer",
    "role",
    "authorization_id",
    "revision",
    "document_id",
    "document_fingerprint",
    "start",
    "end",
    "text",
    "context",
    "context_start",
    "verdict",
    "concept",
    "read_assertion",
    "assertion",
    "pipeline_version",
)
"""The columns, in the order in which docs/workbench.md explains them."""

CONTEXT = 200
"""So many characters of the note are written on each side of the corrected words."""


def export_corrections(store: Store, path: Path) -> int:
    """Write every correction that was not taken back to ``path`` (.jsonl), oldest first; returns how many.

    Those of cases whose contents were erased are left out.
    Raises ExportError where the file cannot be written; an earlier file of that name then stays as it was.
    """
    if path.suffix != ".jsonl":
        raise ExportError(f"{path}: must end in .jsonl")
    count = 0
    with private_file(path) as file, store.reading() as session:
        for row in _corrections(store, session):
            file.write(dumps(row) + "\n")
            count += 1
    return count


def _corrections(store: Store, session: Session) -> Iterator[dict[str, Any]]:
    tenant = store.tenant
    undone = select(CaseActionRow.undoes).where(CaseActionRow.tenant == tenant, CaseActionRow.undoes.is_not(None))
    query = (
        select(CaseActionRow, ResultRow.pipeline_version)
        .join(
            ResultRow,
            (ResultRow.authorization_id == CaseActionRow.authorization_id)
            & (ResultRow.revision == CaseActionRow.revision),
        )
        .join(AuthorizationRow, AuthorizationRow.authorization_id == CaseActionRow.authorization_id)
        .where(
            CaseActionRow.tenant == tenant,
            AuthorizationRow.erased_at.is_(None),
            CaseActionRow.kind == ActionKind.FACT_CORRECTED.value,
            CaseActionRow.action_id.not_in(undone),
        )
        .order_by(CaseActionRow.at, CaseActionRow.action_id)
        .execution_options(yield_per=100)
    )
    reviewers: dict[str, str] = {}
    for action, version in session.execute(query):
        document = session.get_one(DocumentRow, (action.authorization_id, json.loads(action.content)["document_id"]))
        yield {
            **_words(action, store.request(action.authorization_id).request.document(document.document_id).text),
            "correction_id": action.action_id,
            "corrected_at": action.at.isoformat().replace("+00:00", "Z"),
            "reviewer": reviewers.setdefault(action.person_id, f"reviewer-{len(reviewers) + 1}"),
            "role": action.role,
            "authorization_id": action.authorization_id,
            "revision": action.revision,
            "document_id": document.document_id,
            "document_fingerprint": document.fingerprint,
            "pipeline_version": version,
        }


def _words(action: CaseActionRow, text: str) -> dict[str, Any]:
    content = json.loads(action.content)
    start, end = content["start"], content["end"]
    first = max(0, start - CONTEXT)
    return {
        "start": start,
        "end": end,
        "text": text[start:end],
        "context": text[first : end + CONTEXT],
        "context_start": first,
        "verdict": content["verdict"],
        "concept": content["concept"],
        "read_assertion": content["read_assertion"],
        "assertion": content["assertion"],
    }
