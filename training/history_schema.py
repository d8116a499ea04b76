"""One row of own history: a past request with what was decided about it, checked for what would spoil training.

docs/own-history.md explains each column. Messages name row and column and never repeat a value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from models.decisions import HISTORY_COLUMNS, NEEDED_COLUMNS, DecisionSource, Outcome

ANSWER_FIELDS = frozenset(
    {
        "outcome",
        "decision",
        "decided_at",
        "determination",
        "overturned_at",
        "overturned_to",
        "audit_probability",
        "label",
    }
)
"""Names under which a decision might hide inside a request."""

Kind = TypeVar("Kind", bound=StrEnum)


class RowProblem(Exception):  # noqa: N818  # it is a finding about a row, which the reader collects
    """What is wrong with one column of one row."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(f"{column}: {message}")


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """A row that can be used. ``request`` follows the contract and holds only documents there were at the decision.

    ``member`` is the key that is the same on all requests of a person; ``left_out`` counts documents that came after the
    decision. ``outcome``, ``decided_at`` and ``source`` are None together: nobody decided yet. Times are UTC.
    """

    external_id: str
    member: str
    member_id: str | None
    received_at: datetime
    request: Mapping[str, Any]
    left_out: int
    outcome: Outcome | None
    decided_at: datetime | None
    source: DecisionSource | None
    audit_probability: float | None
    overturned_at: datetime | None
    overturned_to: Outcome | None
    model_version: str | None

    def outcome_by(self, moment: datetime) -> Outcome | None:
        """What held at ``moment``: the overturning outcome where there was one by then, else the decision."""
        if self.decided_at is None or self.decided_at > moment:
            return None
        if self.overturned_at is not None and self.overturned_at <= moment:
            return self.overturned_to
        return self.outcome


def check_columns(columns: Iterator[str] | list[str]) -> str | None:
    """What is wrong with a file's columns, in one line; None where nothing is."""
    given = list(columns)
    missing = [name for name in NEEDED_COLUMNS if name not in given]
    if missing:
        return f"column {missing[0]} is missing; needed are {', '.join(NEEDED_COLUMNS)}"
    unknown = [name for name in given if name not in HISTORY_COLUMNS]
    if unknown:
        return f"there is no column {unknown[0]!r} in own history; there are {', '.join(HISTORY_COLUMNS)}"
    return None


def parse_row(raw: Mapping[str, Any], *, now: datetime) -> HistoryRow:
    """A row from its columns. Raises RowProblem for the first thing that is wrong with it."""
    request = _request(raw.get("request"))
    hidden = _answer_inside(request)
    if hidden:
        raise RowProblem(f"request.{hidden}", "a decision stands inside the request; the model would learn the answer")
    received_at = _received_at(request, now)
    outcome = _kind(Outcome, raw, "outcome")
    decided_at = _moment(raw, "decided_at", now)
    source = _kind(DecisionSource, raw, "source")
    if outcome is None and (decided_at is not None or source is not None):
        raise RowProblem("outcome", "is empty, but decided_at or source is not")
    if outcome is not None and decided_at is None:
        raise RowProblem("decided_at", "is needed where there is an outcome")
    if outcome is not None and source is None:
        raise RowProblem("source", "is needed where there is an outcome")
    if decided_at is not None and decided_at < received_at:
        raise RowProblem("decided_at", "lies before request.received_at")
    overturned_at, overturned_to = _moment(raw, "overturned_at", now), _kind(Outcome, raw, "overturned_to")
    if (overturned_at is None) != (overturned_to is None):
        raise RowProblem("overturned_at", "overturned_at and overturned_to are given together or not at all")
    if overturned_at is not None and (decided_at is None or overturned_at < decided_at):
        raise RowProblem("overturned_at", "lies before decided_at")
    probability = _probability(raw)
    if source is DecisionSource.BLIND_AUDIT and not probability:
        raise RowProblem("audit_probability", "is needed (above 0) where source is blind_audit")
    if source is DecisionSource.FAST_TRACK and outcome is not Outcome.APPROVED_AS_REQUESTED:
        raise RowProblem("outcome", "must be approved_as_requested where source is fast_track")
    kept, left_out = _documents_at_decision(request, _added(raw, now), decided_at)
    member_id = request["member"].get("member_id") if isinstance(request.get("member"), Mapping) else None
    member = raw.get("member_key") or member_id
    if not member:
        raise RowProblem("member_key", "is needed where the request has no member.member_id")
    return HistoryRow(
        external_id=str(request.get("external_id")),
        member=str(member),
        member_id=str(member_id) if member_id else None,
        received_at=received_at,
        request={**request, "documents": kept},
        left_out=left_out,
        outcome=outcome,
        decided_at=decided_at,
        source=source,
        audit_probability=probability,
        overturned_at=overturned_at,
        overturned_to=overturned_to,
        model_version=str(raw["model_version"]) if raw.get("model_version") else None,
    )


def _request(value: Any) -> dict[str, Any]:
    """The request, from JSON text or nested; checked against the contract, which names the field that is wrong."""
    from features.errors import RequestRefusedError
    from features.request import parse_request

    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise RowProblem("request", "is not JSON") from None
    if not isinstance(value, Mapping):
        raise RowProblem("request", "must be the request as a JSON object")
    request = {str(key): _plain(part) for key, part in value.items()}
    hidden = _answer_inside(request)
    if hidden is None:
        try:
            parse_request(request)
        except RequestRefusedError as error:
            raise RowProblem(f"request.{error.problems[0][0]}", error.problems[0][1]) from None
    return request


def _plain(value: Any) -> Any:
    """Nested columns as JSON values: a Parquet struct has every field on every row, null where it was not given."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, date):
        return value.isoformat()
    return value


def _answer_inside(value: Any, place: str = "") -> str | None:
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key in ANSWER_FIELDS:
                return f"{place}{key}"
            found = _answer_inside(part, f"{place}{key}.")
            if found:
                return found
    elif isinstance(value, list):
        for number, part in enumerate(value):
            found = _answer_inside(part, f"{place}{number}.")
            if found:
                return found
    return None


def _received_at(request: Mapping[str, Any], now: datetime) -> datetime:
    if not request.get("received_at"):
        raise RowProblem("request.received_at", "is needed: splits go by time")
    received = _instant(request["received_at"], "request.received_at")
    if received > now:
        raise RowProblem("request.received_at", "lies in the future")
    return received


def _documents_at_decision(
    request: Mapping[str, Any], added: Mapping[str, datetime], decided_at: datetime | None
) -> tuple[list[Any], int]:
    """The documents whoever decided could have read, and how many came later.

    A document's date is the clinic's day; one that is known to have come in time may carry a later one (a mistyped date).
    """
    documents = request["documents"]
    if decided_at is None:
        return list(documents), 0
    kept = []
    for number, document in enumerate(documents):
        came = added.get(document["document_id"])
        if came is not None and came > decided_at:
            continue
        day = document.get("date")
        if came is None and day and date.fromisoformat(str(day)[:10]) > decided_at.date():
            raise RowProblem(
                f"request.documents.{number}.date",
                "lies after the decision: the model would read what nobody could then",
            )
        kept.append(document)
    if not kept:
        raise RowProblem("documents_added", "every document came after the decision")
    return kept, len(documents) - len(kept)


def _added(raw: Mapping[str, Any], now: datetime) -> dict[str, datetime]:
    value = raw.get("documents_added")
    if value in (None, ""):
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise RowProblem("documents_added", "is not JSON") from None
    if isinstance(value, list):  # a Parquet map
        value = dict(value)
    if not isinstance(value, Mapping):
        raise RowProblem("documents_added", "must be an object of document_id and time")
    return {str(name): _past(at, "documents_added", now) for name, at in value.items() if at is not None}


def _kind(kind: type[Kind], raw: Mapping[str, Any], column: str) -> Kind | None:
    value = raw.get(column)
    if value in (None, ""):
        return None
    try:
        return kind(value)
    except ValueError:
        raise RowProblem(column, f"must be one of {', '.join(member.value for member in kind)}") from None


def _moment(raw: Mapping[str, Any], column: str, now: datetime) -> datetime | None:
    value = raw.get(column)
    return None if value in (None, "") else _past(value, column, now)


def _past(value: Any, column: str, now: datetime) -> datetime:
    moment = _instant(value, column)
    if moment > now:
        raise RowProblem(column, "lies in the future")
    return moment


def _instant(value: Any, column: str) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise RowProblem(column, "must be a time such as 2026-11-20T15:04:05Z") from None
    if moment.tzinfo is None:
        raise RowProblem(column, "needs a time zone, such as a closing Z")
    return moment.astimezone(UTC)


def _probability(raw: Mapping[str, Any]) -> float | None:
    value = raw.get("audit_probability")
    if value in (None, ""):
        return None
    try:
        probability = float(value)
    except (TypeError, ValueError):
        raise RowProblem("audit_probability", "must be a number from 0 to 1") from None
    if math.isnan(probability):
        return None
    if not 0.0 <= probability <= 1.0:
        raise RowProblem("audit_probability", "must be a number from 0 to 1")
    return probability
