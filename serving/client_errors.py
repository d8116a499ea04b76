"""The errors of the client: one family. They carry the problem details that the service answered (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from serving.client_answers import Answer


class ClientError(Exception):
    """A call did not come to an answer.

    ``status`` is the HTTP status, None where nothing answered; ``kind`` the end of the problem's type, such as
    ``content-conflict``; ``errors`` are (field, message) pairs. None holds a value that was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: str | None = None,
        detail: str = "",
        errors: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors


class UnreachableError(ClientError):
    """The service cannot be reached, or did not answer in time. Whether it took the request is not known: send it again."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"the service cannot be reached: {cause}")


class UnavailableError(ClientError):
    """The service answers that it cannot, now: it is busy, stopping, or something failed there (429, 5xx)."""


class RefusedError(ClientError):
    """The service does not take this as it stands: sending it again changes nothing (4xx)."""


class NotInTimeError(ClientError):
    """What was sent is stored, and has no result yet. ``answer`` is the pending one, None of a batch."""

    def __init__(self, message: str, answer: Answer | None) -> None:
        super().__init__(message)
        self.answer = answer


class _Response(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def text(self) -> str: ...


def error_of(answer: _Response) -> ClientError:
    """The error that an answer other than 2xx is."""
    problem = _problem(answer)
    status = answer.status_code
    errors = tuple((str(e.get("field")), str(e.get("message"))) for e in _listed(problem.get("errors")))
    title, detail = str(problem.get("title") or "The call failed"), str(problem.get("detail") or "")
    named = "; ".join(f"{field}: {message}" for field, message in errors)
    message = ": ".join(part for part in (f"{status} {title}", named or detail) if part)
    kind = str(problem["type"]).rpartition(":")[2] if problem.get("type") else None
    family = RefusedError if 400 <= status < 500 and status != 429 else UnavailableError
    return family(message, status=status, kind=kind, detail=detail, errors=errors)


def _problem(answer: _Response) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _listed(errors: object) -> list[Mapping[str, Any]]:
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
