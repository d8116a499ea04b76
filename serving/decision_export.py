"""Past requests with their decisions, as the own-history file that training reads (docs/own-history.md).

The file holds notes, so it is written for its owner's eyes only, and appears under its name when it is complete.
"""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from features.request import READABLE_CONTENT_TYPE, request_to_json
from features.types import Document
from models.decisions import HISTORY_COLUMNS, Decision, DecisionSource, Outcome
from models.types import Route
from serving.errors import ExportError
from serving.past_decisions import past_cases
from serving.private_file import private_file
from serving.records import dumps
from serving.store import Store
from serving.stored_case import PastCase

_FORMATS = (".jsonl", ".csv")
_JSON_COLUMNS = ("request", "documents_added")


@dataclass(frozen=True, slots=True)
class Exported:
    """How many cases were written, and how many of them nobody decided yet.

    ``unweighed`` counts cases of the blind audit from before its share was recorded: nobody can say how many requests
    they stand for, so they are not written.
    """

    cases: int
    undecided: int
    unweighed: int


def export_decisions(store: Store, path: Path, *, since: datetime | None = None) -> Exported:
    """Write every case accepted ``since`` then (all of them by default) to ``path``, ending in .jsonl or .csv.

    Cases are held in memory a few at a time. Raises ExportError where the file cannot be written; an earlier file of that
    name then stays as it was.
    """
    if path.suffix not in _FORMATS:
        raise ExportError(f"{path}: must end in {' or '.join(_FORMATS)}")
    cases = undecided = unweighed = 0
    with private_file(path) as file:
        write = _writer(file, path.suffix)
        for case in past_cases(store, since=since):
            row = history_row(case)
            if row["source"] == DecisionSource.BLIND_AUDIT and not row["audit_probability"]:
                unweighed += 1
                continue
            write(row)
            cases += 1
            undecided += row["outcome"] is None
    return Exported(cases, undecided, unweighed)


def history_row(case: PastCase) -> dict[str, Any]:
    """One case in the columns of own history, None where there is nothing to say.

    A fast track is approved as requested by nobody; a case that the blind audit held back is the audit's.
    """
    result = case.result
    fast = result is not None and result.route is Route.FAST_TRACK
    decided = next((decision for decision in case.decisions if decision.kind == "decision"), None)
    overturned = next((decision for decision in reversed(case.decisions) if decision.kind == "overturned"), None)
    outcome, decided_at, source = None, None, None
    if fast and result is not None:
        outcome, source = Outcome.APPROVED_AS_REQUESTED, DecisionSource.FAST_TRACK
        # A request loaded long after it was received may have been taken back before it was triaged here.
        decided_at = min(result.triaged_at, overturned.decided_at) if overturned else result.triaged_at
    elif decided is not None:
        outcome, decided_at = decided.outcome, decided.decided_at
        source = _source(decided, audited=result is not None and result.held_for_audit)
    return {
        "request": _request(case),
        "outcome": outcome.value if outcome else None,
        "decided_at": _time(decided_at),
        "source": source.value if source else None,
        "audit_probability": case.audit_probability,
        "overturned_at": _time(overturned.decided_at) if overturned else None,
        "overturned_to": overturned.outcome.value if overturned else None,
        "member_key": case.request.member.member_id,
        "documents_added": {received.document.document_id: _time(at) for received, at in case.documents if at},
        "model_version": _model_version(case),
    }


def _source(decided: Decision, *, audited: bool) -> DecisionSource:
    if audited:
        return DecisionSource.BLIND_AUDIT
    return DecisionSource.MEDICAL_DIRECTOR if decided.role == "medical_director" else DecisionSource.NURSE


def _request(case: PastCase) -> dict[str, Any]:
    record = request_to_json(case.request)
    for shown, (received, _) in zip(record["documents"], case.documents, strict=True):
        document = received.document
        if document.content_type == READABLE_CONTENT_TYPE:
            continue
        if _read_without_doubt(document):
            # What triage saw is what training should see, whether or not it can read files.
            shown["content_type"] = READABLE_CONTENT_TYPE
        else:
            del shown["text"]
            shown["data"] = base64.b64encode(received.content).decode()
    return record


def _read_without_doubt(document: Document) -> bool:
    return document.has_text and not (document.unread_pages or document.recognized_pages or document.problems)


def _model_version(case: PastCase) -> str | None:
    model = json.loads(case.result.result)["model"] if case.result else None
    return f"{model['name']}/{model['version']}" if model else None


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def _writer(file: IO[str], suffix: str) -> Callable[[dict[str, Any]], object]:
    if suffix == ".jsonl":
        return lambda row: file.write(dumps(row) + "\n")
    table = csv.writer(file)
    table.writerow(HISTORY_COLUMNS)
    return lambda row: table.writerow(
        dumps(row[name]) if name in _JSON_COLUMNS else row[name] for name in HISTORY_COLUMNS
    )
