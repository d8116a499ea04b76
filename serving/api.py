"""The HTTP interface of docs/api.md. Endpoints of a few lines; the work is in serving/service.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BeforeValidator

from features.request import EXAMPLE_REQUEST, written_as_moment
from features.types import Document
from models.types import Route
from serving.callers import Body, Looking, OnceOnly, Previewing, Submitting
from serving.errors import InvalidParameterError, StoreUnavailableError
from serving.idempotency import Answered, Once
from serving.paging import cursor_after, position_of
from serving.prefer import LONGEST_WAIT, Preference, preference_of
from serving.problems import PROBLEM_TYPE
from serving.readiness import ReadinessCheck
from serving.schemas import (
    CaseListBody,
    DocumentTextBody,
    HealthBody,
    ReadinessBody,
    ReceivedBody,
    TriageResultBody,
)
from serving.service import AuthorizationService, Submission
from serving.stored_case import ListedCase, Received

PAGE_SIZE = 50
MOST_PER_PAGE = 200
MOST_DOCUMENTS = 100_000
RETRY_AFTER_SECONDS = 2
"""When whoever got 202 may ask again: most files are read by then."""

router = APIRouter()


async def asked_preference(
    prefer: Annotated[
        str | None,
        Header(
            description="RFC 7240: `respond-async` is answered with 202 at once; `wait=N` holds the answer back up to N "
            f"seconds ({LONGEST_WAIT:.0f} at most) for the result."
        ),
    ] = None,
) -> Preference:
    """How the sender wants its answer."""
    return preference_of(prefer)


Preferred = Annotated[Preference, Depends(asked_preference)]

_DOCUMENTS_EXAMPLE = {
    "documents": [
        {
            "document_id": "d2",
            "type": "therapy_note",
            "date": "2026-10-27",
            "text": "PT discharge summary. Attended 14 of 14 visits from 9/8/2026 to 10/27/2026. No lasting relief.",
        }
    ]
}


_OF_EVERY_CALL = (401, 403, 429)
_PROBLEM_TITLES = {
    400: "Not JSON",
    401: "No valid API key",
    403: "The key lacks the scope",
    404: "Unknown",
    409: "Other content",
    410: "Erased",
    413: "Too large",
    422: "Refused",
    429: "Too many calls",
    503: "No store",
}


def body_of(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI words for a body that the endpoint reads itself."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of these problems, and of those that any call may meet."""
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    return {
        status: {"description": _PROBLEM_TITLES[status], "content": {PROBLEM_TYPE: {"schema": schema}}}
        for status in sorted({*statuses, *_OF_EVERY_CALL})
    }


def answer_of(description: str) -> dict[str, Any]:
    """The OpenAPI words for a result."""
    return {"model": TriageResultBody, "description": description}


def being_read_of(description: str) -> dict[str, Any]:
    """The OpenAPI words for an answer before there is a result."""
    return {
        "model": ReceivedBody,
        "description": description,
        "headers": {
            "Location": {"description": "Where to ask.", "schema": {"type": "string"}},
            "Retry-After": {"description": "Seconds until then.", "schema": {"type": "integer"}},
        },
    }


def received_answer(received: Received) -> tuple[dict[str, str], int, dict[str, str]]:
    """Body, status and headers of the answer about a request that is not triaged yet."""
    url = f"/v1/authorizations/{received.authorization_id}"
    body = {
        "authorization_id": received.authorization_id,
        "external_id": received.external_id,
        "status": "received",
        "status_url": url,
        "due_at": moment_text(received.due_at),
    }
    return body, 202, {"Location": url, "Retry-After": str(RETRY_AFTER_SECONDS)}


def json_answer(text: str, status: int = 200, *, again: bool = False) -> Response:
    """A JSON text as an answer. ``again``: it was given before, and nothing was done for it now."""
    return Response(text, status_code=status, media_type="application/json", headers=_replayed(again))


def _replayed(again: bool) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if again else {}


def answer_once(
    service: AuthorizationService,
    once: Once,
    prefer: Preference,
    call: str,
    body: bytes,
    do: Callable[[], Submission],
) -> Response:
    """Do a call that ends in a result, once for its Idempotency-Key: 201 where a case is new, 202 where it is being read.

    A call that was answered with 202 is answered with the result once it is there.
    """
    made: list[Submission] = []

    def done() -> Answered:
        submission = do()
        made.append(submission)
        triaged = 201 if submission.created else 200
        status = 202 if isinstance(submission.result, Received) else triaged
        return Answered(status, submission.authorization_id, submission.revision)

    answered, again = once.answer(call, body, done)
    authorization_id, revision = answered.authorization_id or "", answered.revision or 0
    found = made[0].result if made else service.answered(authorization_id, revision)
    answer: Response
    if isinstance(found, Received):
        content, status, headers = received_answer(found)
        answer = JSONResponse(content, status, {**headers, **_replayed(again)})
    else:
        answer = json_answer(found, 200 if answered.status == 202 else answered.status, again=again)
        answer.headers["Location"] = f"/v1/authorizations/{authorization_id}"
    if prefer.applied and made and made[0].waited:
        answer.headers["Preference-Applied"] = prefer.applied
    return answer


def moment_text(at: datetime) -> str:
    """A moment as the interface writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@router.post(
    "/v1/authorizations",
    status_code=201,
    responses={
        201: answer_of("Stored and triaged."),
        200: answer_of("Stored before with the same content: the stored result."),
        202: being_read_of("Stored; its files or its long text are being read."),
        **problems_of(400, 409, 410, 413, 422, 503),
    },
    openapi_extra=body_of("RequestBody", EXAMPLE_REQUEST),
    summary="Store and triage one request",
    tags=["authorizations"],
)
def post_authorization(service: Submitting, body: Body, prefer: Preferred, once: OnceOnly) -> Response:
    """The external_id is the idempotency key: send again after any failure, there will be one case.

    Answered with the result where all documents are plain text and together short, else with 202 and where to ask.
    """
    return answer_once(service, once, prefer, "POST /v1/authorizations", body, lambda: service.submit(body, prefer))


@router.get(
    "/v1/authorizations/{authorization_id}",
    responses={
        200: answer_of("The stored result."),
        202: being_read_of("Stored, and not triaged yet."),
        **problems_of(404, 410, 422, 503),
    },
    summary="The stored result",
    tags=["authorizations"],
)
def get_authorization(authorization_id: str, service: Looking) -> Response:
    """The latest result of one stored request."""
    return json_answer(service.result(authorization_id))


@router.post(
    "/v1/authorizations/{authorization_id}/documents",
    responses={
        200: answer_of("Triaged again."),
        202: being_read_of("Stored; what came is being read."),
        **problems_of(400, 404, 409, 410, 413, 422, 503),
    },
    openapi_extra=body_of("DocumentsBody", _DOCUMENTS_EXAMPLE),
    summary="Add documents and triage again",
    tags=["authorizations"],
)
def post_documents(
    authorization_id: str, service: Submitting, body: Body, prefer: Preferred, once: OnceOnly
) -> Response:
    """The earlier result stays in the history. Documents that are stored already are not added twice."""
    call = f"POST /v1/authorizations/{authorization_id}/documents"
    return answer_once(service, once, prefer, call, body, lambda: service.add_documents(authorization_id, body, prefer))


@router.get(
    "/v1/authorizations/{authorization_id}/documents/{number}/text",
    response_model=DocumentTextBody,
    responses={202: being_read_of("Stored, and not read yet."), **problems_of(404, 410, 422, 503)},
    summary="The text of one document, which facts point into",
    tags=["authorizations"],
)
def get_document_text(
    authorization_id: str,
    number: Annotated[int, Path(ge=1, le=MOST_DOCUMENTS, description="From 1, in the order they came")],
    service: Looking,
) -> JSONResponse:
    """Documents are numbered because their ids are the sender's, who may put a name there.

    For plain text what was sent, for anything else what its reader found, with its pages and what it could not read.
    """
    return JSONResponse(_text_of(service.document(authorization_id, number)))


@router.post(
    "/v1/triage",
    responses={200: answer_of("The answer; nothing is stored."), **problems_of(400, 413, 422, 503)},
    openapi_extra=body_of("RequestBody", EXAMPLE_REQUEST),
    summary="Triage without storing",
    tags=["triage"],
)
def post_triage(service: Previewing, body: Body) -> Response:
    """The same answer as for a stored request, without the draw for the blind audit."""
    return json_answer(service.preview(body))


@router.get(
    "/v1/authorizations",
    response_model=CaseListBody,
    responses=problems_of(422, 503),
    summary="Stored cases, soonest due first",
    tags=["authorizations"],
)
def list_authorizations(
    service: Looking,
    status: Literal["received", "triaged"] | None = None,
    route: Route | None = None,
    due_before: Annotated[
        datetime | None, BeforeValidator(written_as_moment), Query(description="RFC 3339 with a time zone")
    ] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = PAGE_SIZE,
) -> JSONResponse:
    """Ordered by when a decision is due, never by score. Follow ``next_cursor`` until it is null."""
    if due_before is not None:
        due_before = _in_utc("due_before", due_before)
    found = service.cases(status=status, route=route, due_before=due_before, after=position_of(cursor), limit=limit + 1)
    page = found[:limit]
    following = cursor_after(page[-1]) if len(found) > limit else None
    return JSONResponse({"items": [listed(case) for case in page], "next_cursor": following})


@router.get("/healthz", response_model=HealthBody, summary="Alive", tags=["operations"])
async def healthz() -> JSONResponse:
    """Answers while the process lives."""
    # Not in a thread: all of them may be taken by calls that wait.
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    response_model=ReadinessBody,
    responses={503: {"model": ReadinessBody, "description": "What is missing is named in checks."}},
    summary="Ready",
    tags=["operations"],
)
def readyz(request: Request) -> JSONResponse:
    """Ready when database, disk and pipeline work and nobody stops the service.

    Without a model, or where files cannot be read, it is degraded: a nurse gets what would have been fast-tracked.
    """
    check: ReadinessCheck = request.app.state.readiness
    found = check.look()
    return JSONResponse({"status": found.status, "checks": found.checks}, status_code=200 if found.is_ready else 503)


@router.get("/metrics", summary="Prometheus metrics", tags=["operations"], response_class=Response)
def metrics(request: Request) -> Response:
    """Counts and times without any content of requests."""
    try:
        counts = request.app.state.deliveries.counts()
    except StoreUnavailableError:
        # What this process counted itself is still worth reading.
        counts = None
    if counts is not None:
        oldest = counts.oldest_waiting_at
        waited = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0
        request.app.state.metrics.show_deliveries(
            waiting=counts.waiting, failed=counts.failed, oldest_seconds=max(0, waited)
        )
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _in_utc(field: str, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise InvalidParameterError(field, "must carry a time zone, such as a closing Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidParameterError(field, "is too far from now") from None


def _text_of(document: Document) -> dict[str, Any]:
    return {
        "document_id": document.document_id,
        "content_type": document.content_type,
        "text": document.text,
        "pages": [{"page": page, "start": start} for page, start in enumerate(document.page_starts, start=1)],
        "read_by": document.read_by,
        "unread": document.unread,
        "unread_pages": list(document.unread_pages),
        "recognized_pages": list(document.recognized_pages),
        "problems": [{"code": problem.code, "message": problem.message} for problem in document.problems],
    }


def listed(case: ListedCase) -> dict[str, Any]:
    """A case as lists show it."""
    reason = {"code": case.reason_code, "message": case.reason_message} if case.reason_code else None
    return {
        "authorization_id": case.authorization_id,
        "external_id": case.external_id,
        "status": case.status,
        "urgency": case.urgency,
        "service": {
            "system": case.service_system,
            "code": case.service_code,
            "description": case.service_description,
        },
        "route": case.route.value if case.route else None,
        "reason": reason,
        "due_at": moment_text(case.due_at),
        "revision": case.revision,
        "cancelled": case.cancelled,
    }
