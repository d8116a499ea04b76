"""Where the pages' script keeps what is being typed."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from starlette.responses import Response

from serving.deps import Drafts, Form, Worker
from serving.drafts import written_fields

router = APIRouter(include_in_schema=False)


@router.post("/cases/{authorization_id}/drafts/{form_name}", status_code=204)
def keep_draft(authorization_id: str, form_name: str, who: Worker, drafts: Drafts, form: Form) -> Response:
    """Keep the fields as this person's draft; 204."""
    drafts.save(who.person.person_id, authorization_id, form_name, written_fields(form), now=datetime.now(UTC))
    return Response(status_code=204)


@router.get("/cases/{authorization_id}/drafts/{form_name}")
def kept_draft(authorization_id: str, form_name: str, who: Worker, drafts: Drafts) -> Response:
    """The fields of this person's draft as JSON, empty where nothing is kept."""
    return JSONResponse(drafts.load(who.person.person_id, authorization_id, form_name))
