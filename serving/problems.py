"""Errors as problem details (RFC 9457): the field's name and what to do, never note text, never a value."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from features.errors import RequestRefusedError
from serving.errors import InvalidParameterError, ServingError
from serving.request_id import current_request_id

PROBLEM_TYPE = "application/problem+json"


def problem(status: int, slug: str, title: str, detail: str, errors: Sequence[tuple[str, str]] = ()) -> JSONResponse:
    """A problem+json answer; ``errors`` are (field, message) pairs."""
    body: dict[str, Any] = {
        "type": f"urn:greenlane:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
    }
    request_id = current_request_id()
    if request_id:
        body["request_id"] = request_id
    if errors:
        body["errors"] = [{"field": field, "message": message} for field, message in errors]
    return JSONResponse(body, status_code=status, media_type=PROBLEM_TYPE)


def refused(error: RequestRefusedError) -> JSONResponse:
    """422 that names every field that is wrong."""
    named = ", ".join(field for field, _ in error.problems)
    title = InvalidParameterError.title
    return problem(422, InvalidParameterError.slug, title, f"Please correct: {named}", error.problems)


def of_serving_error(error: ServingError) -> JSONResponse:
    """The status and kind the error carries."""
    errors = error.problems if isinstance(error, InvalidParameterError) else ()
    answer = problem(error.status, error.slug, error.title, error.public, errors)
    answer.headers.update(error.headers)
    return answer


def of_http_exception(error: HTTPException) -> JSONResponse:
    """Starlette's own errors (404, 405): the standard phrase only."""
    phrase = HTTPStatus(error.status_code).phrase
    answer = problem(error.status_code, phrase.lower().replace(" ", "-"), phrase, phrase)
    answer.headers.update(error.headers or {})
    return answer


def of_validation_error(error: RequestValidationError) -> JSONResponse:
    """Query parameters FastAPI could not read. Its own answer would repeat the input."""
    names = sorted({".".join(str(part) for part in detail["loc"][1:]) or "request" for detail in error.errors()})
    title = InvalidParameterError.title
    problems = [(name, "has the wrong form; see the OpenAPI document") for name in names]
    return problem(422, InvalidParameterError.slug, title, f"Please correct: {', '.join(names)}", problems)


def internal_error() -> JSONResponse:
    """500 without any detail."""
    return problem(500, ServingError.slug, ServingError.title, "The error is logged; nothing was fast-tracked by it.")


def foreign_site() -> JSONResponse:
    """403 for a call that another site's page makes through a browser."""
    return problem(403, "foreign-site", "Not from here", "Another site's page may not call this interface.")
