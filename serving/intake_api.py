"""What an intake system does with a request it sent before: update it, cancel it, ask how it stands."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ValidationError

from features.request import EXAMPLE_REQUEST, refusal
from serving.api import (
    Preferred,
    answer_of,
    answer_once,
    being_read_of,
    body_of,
    listed,
    moment_text,
    problems_of,
)
from serving.callers import Body, Looking, OnceOnly, Submitting
from serving.cancellations import Cancellation
from serving.idempotency import Answered
from serving.json_body import parse_json
from serving.schemas import CancellationBody, CancelledBody, FoundCasesBody, SearchBody

router = APIRouter()

_BodyModel = TypeVar("_BodyModel", bound=BaseModel)


def _update_example() -> dict[str, Any]:
    example = copy.deepcopy(EXAMPLE_REQUEST)
    del example["documents"]
    example["urgency"] = "expedited"
    example["service"]["units"] = 2
    return example


@router.put(
    "/v1/authorizations/{authorization_id}",
    responses={
        200: answer_of("Triaged again."),
        202: being_read_of("Stored; its files or its long text are being read."),
        **problems_of(400, 404, 409, 410, 413, 422, 503),
    },
    openapi_extra=body_of("UpdateBody", _update_example()),
    summary="Update a request and triage again",
    tags=["authorizations"],
)
def put_authorization(
    authorization_id: str, service: Submitting, body: Body, prefer: Preferred, once: OnceOnly
) -> Response:
    """The whole request without its documents; its external_id stays. The earlier request and result are kept."""
    call = f"PUT /v1/authorizations/{authorization_id}"
    return answer_once(service, once, prefer, call, body, lambda: service.update(authorization_id, body, prefer))


@router.post(
    "/v1/authorizations/{authorization_id}/cancellation",
    response_model=CancelledBody,
    responses=problems_of(400, 404, 409, 410, 413, 422, 503),
    openapi_extra=body_of("CancellationBody", {"reason": "withdrawn_by_provider"}),
    summary="Take a request back",
    tags=["authorizations"],
)
def post_cancellation(authorization_id: str, service: Submitting, body: Body, once: OnceOnly) -> Response:
    """The case needs nobody any more. A request that was determined or fast-tracked cannot be taken back."""
    made: list[Cancellation] = []

    def cancel() -> Answered:
        made.append(service.cancel(authorization_id, _validated(CancellationBody, body).reason))
        return Answered(200, authorization_id)

    _, again = once.answer(f"POST /v1/authorizations/{authorization_id}/cancellation", body, cancel)
    if again:
        # What is cancelled stays so: to ask again is to read it.
        cancel()
    headers = {"Idempotent-Replayed": "true"} if again else {}
    return JSONResponse(_cancelled(made[0]), headers=headers)


@router.post(
    "/v1/authorizations/search",
    response_model=FoundCasesBody,
    responses=problems_of(400, 413, 422, 503),
    openapi_extra=body_of("SearchBody", {"external_ids": ["PA-2026-000123", "PA-2026-000124"]}),
    summary="How requests stand, by their external ids",
    tags=["authorizations"],
)
def search_authorizations(service: Looking, body: Body) -> Response:
    """For a system that lost track. A call of its own because addresses end up in logs, and ids may not."""
    wanted = _validated(SearchBody, body).external_ids
    found = service.find(wanted)
    known = {case.external_id for case in found}
    unknown = [external_id for external_id in dict.fromkeys(wanted) if external_id not in known]
    return JSONResponse({"items": [listed(case) for case in found], "unknown": unknown})


def _cancelled(made: Cancellation) -> dict[str, Any]:
    return {
        "authorization_id": made.authorization_id,
        "cancelled": True,
        "reason": made.reason.value,
        "cancelled_at": moment_text(made.cancelled_at),
    }


def _validated(model: type[_BodyModel], body: bytes) -> _BodyModel:
    try:
        return model.model_validate(parse_json(body))
    except ValidationError as error:
        raise refusal(error) from None
