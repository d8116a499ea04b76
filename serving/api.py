"""The HTTP interface of docs/api.md. Endpoints of a few lines; the work is in serving/service.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse, Response

from features.request import EXAMPLE_REQUEST
from features.types import Document
from models.types import Route
from serving.deps import Body, OnceOnly, Service
from serving.errors import InvalidParameterError, StoreUnavailableError
from serving.idempotency import Answered, Once
from serving.paging import cursor_after, position_of
from serving.problems import PROBLEM_TYPE
from serving.schemas import CaseListBody, DocumentTextBody, HealthBody, ReadinessBody, TriageResultBody
from serving.service import AuthorizationService, Submission
from serving.stored_case import ListedCase

PAGE_SIZE = 50
MOST_PER_PAGE = 200
MOST_DOCUMENTS = 100_000

NEW_REQUEST = "POST /v1/authorizations"

router = APIRouter()

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


def body_of(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI words for a body that the endpoint reads itself."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def problems_of(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for problem details."""
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    titles = {400: "Not JSON", 404: "Unknown", 409: "Other content", 413: "Too large", 422: "Refused", 503: "No store"}
    return {
        status: {"description": titles[status], "content": {PROBLEM_TYPE: {"schema": schema}}} for status in statuses
    }


def answer_of(description: str) -> dict[str, Any]:
    """The OpenAPI words for a result."""
    return {"model": TriageResultBody, "description": description}


def json_answer(text: str, status: int = 200, *, again: bool = False) -> Response:
    """A JSON text as an answer. ``again``: it was given before, and nothing was done for it now."""
    headers = {"Idempotent-Replayed": "true"} if again else {}
    return Response(text, status_code=status, media_type="application/json", headers=headers)


def answer_once(
    service: AuthorizationService, once: Once, call: str, body: bytes, do: Callable[[], Submission]
) -> Response:
    """Do a call that ends in a result, once for its Idempotency-Key; 201 where a case is new."""
    made: list[str] = []

    def done() -> Answered:
        submission = do()
        made.append(submission.result)
        status = 201 if submission.created and call == NEW_REQUEST else 200
        return Answered(status, submission.authorization_id, submission.revision)

    answered, again = once.answer(call, body, done)
    authorization_id, revision = answered.authorization_id or "", answered.revision or 0
    text = made[0] if made else service.result_of(authorization_id, revision)
    answer = json_answer(text, answered.status, again=again)
    answer.headers["Location"] = f"/v1/authorizations/{authorization_id}"
    return answer


@router.post(
    "/v1/authorizations",
    status_code=201,
    responses={
        201: answer_of("Stored and triaged."),
        200: answer_of("Stored before with the same content: the stored result."),
        **problems_of(400, 409, 413, 422, 503),
    },
    openapi_extra=body_of("RequestBody", EXAMPLE_REQUEST),
    summary="Store and triage one request",
    tags=["authorizations"],
)
def post_authorization(body: Body, service: Service, once: OnceOnly) -> Response:
    """The external_id is the idempotency key: send again after any failure, there will be one case."""
    return answer_once(service, once, NEW_REQUEST, body, lambda: service.submit(body))


@router.get(
    "/v1/authorizations/{authorization_id}",
    responses={200: answer_of("The stored result."), **problems_of(404, 422, 503)},
    summary="The stored result",
    tags=["authorizations"],
)
def get_authorization(authorization_id: str, service: Service) -> Response:
    """The latest result of one stored request."""
    return json_answer(service.result(authorization_id))


@router.post(
    "/v1/authorizations/{authorization_id}/documents",
    responses={200: answer_of("Triaged again."), **problems_of(400, 404, 409, 413, 422, 503)},
    openapi_extra=body_of("DocumentsBody", _DOCUMENTS_EXAMPLE),
    summary="Add documents and triage again",
    tags=["authorizations"],
)
def post_documents(authorization_id: str, body: Body, service: Service, once: OnceOnly) -> Response:
    """The earlier result stays in the history. Documents that are stored already are not added twice."""
    call = f"POST /v1/authorizations/{authorization_id}/documents"
    return answer_once(service, once, call, body, lambda: service.add_documents(authorization_id, body))


@router.get(
    "/v1/authorizations/{authorization_id}/documents/{number}/text",
    response_model=DocumentTextBody,
    responses=problems_of(404, 422, 503),
    summary="The text of one document, which facts point into",
    tags=["authorizations"],
)
def get_document_text(
    authorization_id: str,
    number: Annotated[int, Path(ge=1, le=MOST_DOCUMENTS, description="From 1, in the order they came")],
    service: Service,
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
def post_triage(body: Body, service: Service) -> Response:
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
    service: Service,
    status: Literal["received", "triaged"] | None = None,
    route: Route | None = None,
    due_before: Annotated[datetime | None, Query(description="RFC 3339 with a time zone")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = PAGE_SIZE,
) -> JSONResponse:
    """Ordered by when a decision is due, never by score. Follow ``next_cursor`` until it is null."""
    if due_before is not None and due_before.tzinfo is None:
        raise InvalidParameterError("due_before", "must carry a time zone, such as a closing Z")
    found = service.cases(status=status, route=route, due_before=due_before, after=position_of(cursor), limit=limit + 1)
    page = found[:limit]
    following = cursor_after(page[-1]) if len(found) > limit else None
    return JSONResponse({"items": [listed(case) for case in page], "next_cursor": following})


@router.get("/healthz", response_model=HealthBody, summary="Alive", tags=["operations"])
def healthz() -> JSONResponse:
    """Answers while the process lives."""
    return JSONResponse({"status": "alive"})


@router.get(
    "/readyz",
    response_model=ReadinessBody,
    responses={503: {"model": ReadinessBody, "description": "What is missing is named in checks."}},
    summary="Ready",
    tags=["operations"],
)
def readyz(request: Request, service: Service) -> JSONResponse:
    """Ready when database and pipeline work. Without a model it is degraded: every request goes to a nurse."""
    checks: dict[str, str] = {"database": "ok", **request.app.state.readiness()}
    try:
        service.check_store()
    except StoreUnavailableError as error:
        checks["database"] = str(error)
    if checks["database"] != "ok" or checks["pipeline"] != "ok":
        return JSONResponse({"status": "not_ready", "checks": checks}, status_code=503)
    status = "ready" if checks["model"] == "ok" else "degraded"
    return JSONResponse({"status": status, "checks": checks})


@router.get("/metrics", summary="Prometheus metrics", tags=["operations"], response_class=Response)
def metrics(request: Request) -> Response:
    """Counts and times without any content of requests."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


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
        "due_at": case.due_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "revision": case.revision,
        "cancelled": case.cancelled,
    }
