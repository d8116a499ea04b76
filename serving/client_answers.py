"""What the client gives back: frozen, typed, and tolerant of fields that a newer service adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

RouteName = Literal["fast_track", "nurse_review"]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request took its route."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask the provider for, on day 0."""

    criterion_id: str
    ask: str


@dataclass(frozen=True, slots=True)
class Result:
    """One triage. ``body`` is the whole of it as docs/api.md describes it: criteria, facts, score and certificate too."""

    authorization_id: str
    external_id: str
    route: RouteName
    reasons: tuple[Reason, ...]
    due_at: datetime
    missing: tuple[Ask, ...]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a case stands. ``result`` None: stored, and not triaged yet; :meth:`serving.client.Greenlane.wait` waits for it.

    ``created``: this call made the case; None where a pending answer does not tell. ``due_at``: when the decision is due,
    None where the service did not say. ``retry_after``: the seconds after which the service wants to be asked again.
    """

    authorization_id: str
    external_id: str
    created: bool | None
    due_at: datetime | None
    result: Result | None
    retry_after: float | None = None

    @property
    def pending(self) -> bool:
        """Whether there is no result yet."""
        return self.result is None

    @property
    def route(self) -> RouteName | None:
        """Where the request goes; None while it is pending."""
        return self.result.route if self.result is not None else None

    def as_created(self, created: bool | None) -> Answer:
        """The same, as the answer to the call that made the case or found it."""
        return replace(self, created=created)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a case. ``cursor`` names the place right after it in the events; webhooks bring none.

    ``route`` is of ``authorization.triaged``, ``outcome`` of ``authorization.decided``: ``approved_as_requested``,
    ``approved_modified``, ``adverse`` or ``withdrawn``. ``result`` is the path to get the result from.
    """

    event_id: str
    kind: str
    at: datetime
    authorization_id: str
    external_id: str
    revision: int
    route: RouteName | None
    outcome: str | None
    result: str
    cursor: str | None


@dataclass(frozen=True, slots=True)
class BatchLine:
    """What became of one line of a batch, counted from 1: a result, or the ``errors`` (field, message) it was refused for."""

    line: int
    result: Result | None
    errors: tuple[tuple[str, str], ...]


def answer_of(status: int, headers: Mapping[str, str], body: Mapping[str, Any]) -> Answer:
    """The answer to a call: 202 is pending, everything else brings a result."""
    if status == 202:
        asked = headers.get("retry-after", "")
        due_at = body.get("due_at")
        return Answer(
            authorization_id=body["authorization_id"],
            external_id=body["external_id"],
            created=None,
            due_at=datetime.fromisoformat(due_at) if due_at else None,
            result=None,
            retry_after=float(asked) if asked.isascii() and asked.isdecimal() else None,
        )
    result = result_of(body)
    return Answer(result.authorization_id, result.external_id, status == 201, result.due_at, result)


def result_of(body: Mapping[str, Any]) -> Result:
    """The result that a body holds."""
    return Result(
        authorization_id=body["authorization_id"],
        external_id=body["external_id"],
        route=body["route"],
        reasons=tuple(Reason(reason["code"], reason["message"]) for reason in body["reasons"]),
        due_at=datetime.fromisoformat(body["due_at"]),
        missing=tuple(Ask(missing["criterion_id"], missing["ask"]) for missing in body["missing"]),
        body=body,
    )


def event_of(body: Mapping[str, Any]) -> Event:
    """The event that a body holds. Raises KeyError, TypeError or ValueError where it holds none."""
    return Event(
        event_id=body["event_id"],
        kind=body["kind"],
        at=datetime.fromisoformat(body["at"]),
        authorization_id=body["authorization_id"],
        external_id=body["external_id"],
        revision=body["revision"],
        route=body["route"],
        outcome=body["outcome"],
        result=body["result"],
        cursor=body.get("cursor"),
    )


def batch_line_of(body: Mapping[str, Any]) -> BatchLine:
    """What a line of a batch's results, or of its problems, says."""
    result, errors = body.get("result"), body.get("errors") or ()
    return BatchLine(
        line=int(body["line"]),
        result=result_of(result) if result else None,
        errors=tuple((error["field"], error["message"]) for error in errors),
    )
