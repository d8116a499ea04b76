"""The queue in the browser: what waits, what was given up, and the page of a case that is still being read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from serving.deps import Cases, Form, Rooms, allowed, onlooker
from serving.errors import BeingReadError, JobRefusedError, UnknownAuthorizationError, UnknownJobError
from serving.job_list import dead_jobs, open_jobs, retry
from serving.job_view import NOTICES, queue_view
from serving.jobs import JobQueue
from serving.people import SignedIn
from serving.rendering import render_page
from serving.roles import Permission
from serving.store import Store
from serving.stored_case import Received
from serving.ulid import is_ulid
from serving.views import due_clock

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


def job_queue(request: Request) -> JobQueue:
    """The queue of this application."""
    return cast("JobQueue", request.app.state.queue)


Queue = Annotated[JobQueue, Depends(job_queue)]
Keeper = Annotated[SignedIn, Depends(allowed(Permission.KEEP_QUEUE))]
Onlooker = Annotated[SignedIn, Depends(onlooker(Permission.READ_CASES))]


@router.get("/jobs")
def jobs_page(who: Keeper, store: Cases, queue: Queue, notice: str = "") -> HTMLResponse:
    """What waits and what was given up."""
    return _page(who, store, queue, notice=NOTICES.get(notice, ""))


@router.post("/jobs/{job_id}/retry")
def retry_job(job_id: str, who: Keeper, store: Cases, queue: Queue, form: Form) -> Response:
    """Have a job tried again now."""
    del form
    if not re.fullmatch("[1-9][0-9]{0,17}", job_id):
        raise UnknownJobError("job_id: no job has this number")
    try:
        retry(store, int(job_id), now=datetime.now(UTC), who=who)
    except JobRefusedError as error:
        return _page(who, store, queue, problem=f"Not tried again: {error}.", status=JobRefusedError.status)
    queue.announce()
    return RedirectResponse("/jobs?notice=again", HTTPStatus.SEE_OTHER)


@router.get("/cases/{authorization_id}/being-read")
def is_being_read(authorization_id: str, rooms: Rooms, who: Onlooker) -> JSONResponse:
    """Whether a case is still being read, for its page to ask."""
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    try:
        rooms.of(who.person.tenant).service.result(authorization_id)
    except BeingReadError:
        return JSONResponse({"being_read": True})
    return JSONResponse({"being_read": False})


def being_read_page(request: Request, received: Received) -> HTMLResponse:
    """What is shown of a case before it is read."""
    who: SignedIn | None = getattr(request.state, "who", None)
    return render_page(
        "being_read.html",
        who=who,
        here="/",
        status_code=HTTPStatus.ACCEPTED,
        authorization_id=received.authorization_id,
        external_id=received.external_id,
        due=None if received.cancelled else due_clock(received.due_at, datetime.now(UTC)),
    )


def _page(
    who: SignedIn, store: Store, queue: JobQueue, *, notice: str = "", problem: str = "", status: int = 200
) -> HTMLResponse:
    view = queue_view(
        queue.depth(store.tenant),
        open_jobs(store),
        dead_jobs(store),
        names_cases=who.person.may(Permission.READ_CASES),
        now=datetime.now(UTC),
    )
    return render_page(
        "jobs.html", who=who, here="/jobs", status_code=status, view=view, notice=notice, problem=problem
    )
