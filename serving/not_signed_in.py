"""What a browser gets that asks for a page, or posts a form, without a sign-in. What was typed is not lost."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.cookies import COOKIE, read_cookie
from serving.deps import form_fields, same_token
from serving.drafts import LONGEST_FORM_NAME, written_fields
from serving.errors import NotSignedInError, ServingError
from serving.people import SignedIn
from serving.problems import of_serving_error
from serving.rendering import render_page
from serving.roles import Permission
from serving.sign_in_pages import sign_in_form
from serving.tenant_rooms import TenantRooms
from serving.ulid import is_ulid

_log = logging.getLogger("greenlane.serving")


async def answer_not_signed_in(request: Request, error: NotSignedInError) -> Response:
    """A page leads to the sign-in form and back; a posted form is kept as a draft; a script gets the problem."""
    idled_out = await run_in_threadpool(_idled_out, request)
    if request.method in ("GET", "HEAD"):
        return _lead_to_form(request, error, ended=idled_out is not None)
    kept = idled_out is not None and await _keep(request, idled_out)
    if not _asked_by_person(request):
        return of_serving_error(error)
    said = "You were signed out. What you wrote is kept: sign in and it is there again." if kept else "Please sign in."
    problem = "" if kept else "Nothing was done with what you sent."
    return sign_in_form(request, _page_of(request), said=said, problem=problem, status_code=error.status)


async def answer_stale_form(request: Request, error: ServingError) -> Response:
    """A form from an earlier sign-in of the same person is kept as a draft; any other is refused."""
    who: SignedIn = request.state.who
    kept = await _keep(request, who)
    if not _asked_by_person(request):
        return of_serving_error(error)
    return render_page("stale_form.html", who=who, status_code=error.status, kept=kept, page=_page_of(request))


def _lead_to_form(request: Request, error: NotSignedInError, *, ended: bool) -> Response:
    if request.headers.get("sec-fetch-mode", "navigate") != "navigate":
        return of_serving_error(error)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site") and not read_cookie(request, COOKIE):
        # Another site's link does not bring the strict cookie along; a page of ours that goes on does.
        return render_page("arriving.html", next=here)
    return RedirectResponse(f"/sign-in?{urlencode({'next': here} | ({'ended': '1'} if ended else {}))}", 303)


async def _keep(request: Request, who: SignedIn) -> bool:
    """Keep a posted form of a case as the person's draft, if it is a form that this person was given."""
    case, form_name = _case_of(request), request.url.path.rpartition("/")[2]
    if not case or not who.person.may(Permission.WORK_ON_CASES):
        return False
    try:
        form = await form_fields(request)
        named = form.get("draft")
        name = named if isinstance(named, str) and named else form_name
        return await run_in_threadpool(_save, request, who, case, name[:LONGEST_FORM_NAME], form)
    except (ServingError, HTTPException) as error:
        _log.warning("a form could not be kept: %s", type(error).__name__)
        return False


def _save(request: Request, who: SignedIn, case: str, name: str, form: FormData) -> bool:
    token = form.get("form_token")
    person_id = who.person.person_id
    room = _rooms(request).of(who.person.tenant)
    ours = same_token(token, who.form_token) or room.people.gave_form(person_id, str(token))
    if ours:
        room.drafts.save(person_id, case, name, written_fields(form), now=datetime.now(UTC))
    return ours


def _idled_out(request: Request) -> SignedIn | None:
    token = read_cookie(request, COOKIE)
    room = _rooms(request).of_sign_in(token)
    return room.people.idled_out(token, now=datetime.now(UTC)) if room is not None else None


def _rooms(request: Request) -> TenantRooms:
    return cast("TenantRooms", request.app.state.rooms)


def _case_of(request: Request) -> str:
    parts = request.url.path.split("/")
    return parts[2] if len(parts) > 3 and parts[1] == "cases" and is_ulid(parts[2]) else ""


def _page_of(request: Request) -> str:
    case = _case_of(request)
    return f"/cases/{case}" if case else "/"


def _asked_by_person(request: Request) -> bool:
    return request.headers.get("sec-fetch-mode", "navigate") == "navigate"
