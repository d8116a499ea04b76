"""Where a case page reports what was seen of it: ``POST /cases/{id}/seen``, by script (JSON) or by a plain form."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from models.result import result_from_trace
from serving.deps import Reader, Room, posted_form
from serving.errors import InvalidParameterError, StaleFormError, TooManySightsError, UnknownAuthorizationError
from serving.json_body import parse_json
from serving.people import SignedIn
from serving.service import AuthorizationService
from serving.sight_rate import MOST_AT_ONCE, SightRate
from serving.sights import Reported, Sight, opening_of, report_seen
from serving.store import Store
from serving.ulid import is_ulid

_LARGEST_BODY = 64_000
_DAY_SECONDS = 86_400

router = APIRouter(include_in_schema=False)

_Id = Annotated[str, Field(max_length=200)]


class _SightBody(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    what: Literal["document_opened", "evidence_opened", "case_left"]
    criterion_id: _Id | None = None
    fact_id: _Id | None = None
    document_id: _Id | None = None
    seconds: int | None = Field(default=None, ge=0, le=_DAY_SECONDS)


class _SeenBody(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    form_token: str
    opened: int | None = Field(default=None, ge=1)
    seen: list[_SightBody] = Field(min_length=1, max_length=MOST_AT_ONCE)


async def _reported(request: Request, who: Reader) -> _SeenBody:
    """The body, whichever of the two it is. Raises StaleFormError unless it carries this sign-in's ``form_token``."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        form = await posted_form(request, who)
        given: dict[str, Any] = {name: value for name, value in form.items() if value != ""}
        outer: dict[str, Any] = {name: given.pop(name) for name in ("form_token", "opened") if name in given}
        return _checked({**outer, "seen": [given]})
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise TooManySightsError(f"seen: at most {MOST_AT_ONCE} at once")
    data = parse_json(body)
    token = data.get("form_token") if isinstance(data, dict) else None
    if not isinstance(token, str) or not secrets.compare_digest(token.encode(), who.form_token.encode()):
        raise StaleFormError("form_token: is not this sign-in's")
    return _checked(data)


def _checked(data: Mapping[str, Any]) -> _SeenBody:
    try:
        return _SeenBody.model_validate(data)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise InvalidParameterError(".".join(str(part) for part in wrong["loc"]), str(wrong["msg"])) from None


@router.post("/cases/{authorization_id}/seen")
async def report(
    request: Request,
    authorization_id: str,
    room: Room,
    who: Reader,
    body: Annotated[_SeenBody, Depends(_reported)],
) -> Response:
    """Record what was seen; a form goes back to the case, at the evidence it named."""
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    rate: SightRate = request.app.state.sight_rate
    if not rate.allows(who.sign_in_id, len(body.seen)):
        raise TooManySightsError("seen: too many at once; wait a moment")
    await run_in_threadpool(_record, room.store, room.service, who, authorization_id, body)
    if request.headers.get("content-type", "").startswith("application/json"):
        return Response(status_code=204)
    fact_id = body.seen[0].fact_id
    fragment = f"#fact-{quote(fact_id)}" if fact_id else ""
    return RedirectResponse(f"/cases/{authorization_id}{fragment}", status_code=303)


def _record(store: Store, service: AuthorizationService, who: SignedIn, authorization_id: str, body: _SeenBody) -> None:
    opening = opening_of(store, who, authorization_id, body.opened)
    case = service.case(authorization_id, earlier=True)
    shown = next(result for result in case.history if result.revision == opening.revision)
    reported = [
        Reported(Sight(each.what), each.criterion_id, each.fact_id, each.document_id, each.seconds)
        for each in body.seen
    ]
    report_seen(
        store,
        who,
        opening,
        reported,
        result_from_trace(json.loads(shown.trace)),
        [document.document_id for document in case.stored.request.documents],
        now=datetime.now(UTC),
    )
