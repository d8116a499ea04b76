"""Signing in and out: by password, through an identity provider, and staying signed in."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from serving.cookies import (
    COOKIE,
    FORM_COOKIE,
    OIDC_COOKIE,
    ORGANIZATION_COOKIE,
    drop_cookie,
    read_cookie,
    set_cookie,
)
from serving.deps import Form, People, Rooms, SentForm, Who, same_token
from serving.errors import IdentityProviderError, ServingError, SignInRefusedError, TooManySignInsError
from serving.local_path import local_path
from serving.oidc import ATTEMPT_SECONDS, WAY_BACK, Attempt, IdentityProvider
from serving.people import Person, SignedIn
from serving.rendering import home_of, render_page
from serving.sign_in_limit import SignInLimit
from serving.tenant_rooms import TenantRoom, TenantRooms
from serving.tenants import DEFAULT_TENANT, LONGEST_TENANT

_log = logging.getLogger("greenlane.serving")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

WRONG = "Name and password do not belong together, or the account is not active."
WRONG_OF_SEVERAL = "Organization, name and password do not belong together, or the account is not active."

_NO_TENANT = ""
_ORGANIZATION_SECONDS = 180 * 24 * 3600


@router.get("/sign-in")
def sign_in_page(
    request: Request, rooms: Rooms, next_path: Annotated[str, Query(alias="next")] = "/", ended: bool = False
) -> Response:
    """The form; who is signed in already goes on."""
    who = current(request, rooms)
    if who is not None:
        return RedirectResponse(_destination(who.person, next_path), 303)
    said = (
        "Your sign-in ended after 15 minutes without a sign of you. What you wrote in a case is kept." if ended else ""
    )
    return sign_in_form(request, next_path, said=said)


@router.post("/sign-in")
def post_sign_in(request: Request, rooms: Rooms, form: SentForm) -> Response:
    """Sign in by password."""
    name, password, next_path = (_text(form.get(field)) for field in ("name", "password", "next"))
    organization = _text(form.get("organization"))[:LONGEST_TENANT]
    if not same_token(form.get("form_token"), read_cookie(request, FORM_COOKIE)):
        said = "Please try once more. If this comes again, your browser does not take cookies from this site."
        return sign_in_form(request, next_path, organization=organization, name=name, problem=said, status_code=403)
    return _by_password(request, rooms, organization, name, password, next_path)


@router.get("/sign-in/left")
def seconds_left(request: Request, rooms: Rooms) -> Response:
    """How many seconds the sign-in has left. Asking is no sign of life; 0 where it ended."""
    who = current(request, rooms)
    left = (who.ends_at - datetime.now(UTC)).total_seconds() if who is not None else 0
    return JSONResponse({"seconds": max(0, int(left))})


@router.post("/sign-in/stay")
def stay(request: Request, who: Who, people: People, rooms: Rooms, form: Form) -> Response:
    """A sign of life. A script gets the seconds left, a form the page it came from."""
    people.seen(read_cookie(request, COOKIE), now=datetime.now(UTC))
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(_destination(who.person, _text(form.get("next"))), 303)
    return seconds_left(request, rooms)


@router.post("/sign-out")
def sign_out(request: Request, who: Who, people: People, form: Form) -> Response:
    """End the sign-in, here and in the database."""
    del who, form
    people.sign_out(read_cookie(request, COOKIE), now=datetime.now(UTC))
    answer = RedirectResponse("/sign-in", 303)
    drop_cookie(request, answer, COOKIE)
    return answer


@router.get("/sign-in/oidc")
def leave_for_provider(request: Request, next_path: Annotated[str, Query(alias="next")] = "/") -> Response:
    """To the identity provider; where it cannot be reached, the form says so."""
    try:
        address, attempt = _provider(request).begin(local_path(next_path))
    except ServingError as error:
        return _provider_problem(request, error, next_path)
    answer = RedirectResponse(address, 303)
    set_cookie(request, answer, OIDC_COOKIE, attempt.as_cookie(), seconds=ATTEMPT_SECONDS)
    return answer


@router.get(WAY_BACK)
def back_from_provider(request: Request, rooms: Rooms) -> Response:
    """Back from the identity provider. The browser goes on from a page of ours: strict cookies do not come from theirs."""
    attempt = Attempt.of_cookie(read_cookie(request, OIDC_COOKIE))
    next_path = attempt.next if attempt else "/"
    try:
        if attempt is None:
            raise IdentityProviderError("state: this browser did not leave from here")
        found = _provider(request).finish(request.query_params, attempt)
        room = rooms.of_organization(found.tenant)
        if room is None:
            raise SignInRefusedError("tenant: the identity provider names no organization that is active here")
        person = room.people.come_by_oidc(
            found.subject, name=found.name, display_name=found.display_name, role=found.role, now=datetime.now(UTC)
        )
    except ServingError as error:
        answer = _provider_problem(request, error, next_path)
    else:
        answer = render_page("arriving.html", next=_destination(person, next_path))
        _begin(request, answer, rooms, room, person)
    drop_cookie(request, answer, OIDC_COOKIE)
    return answer


def current(request: Request, rooms: TenantRooms) -> SignedIn | None:
    """Who is signed in, without a sign of life."""
    token = read_cookie(request, COOKIE)
    room = rooms.of_sign_in(token)
    return room.people.signed_in(token, now=datetime.now(UTC)) if room is not None else None


def sign_in_form(
    request: Request,
    next_path: str,
    *,
    organization: str = "",
    name: str = "",
    said: str = "",
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    """The sign-in page: what is ``said`` calmly, the ``problem`` as an alert.

    Where there are several organizations it asks which; who signs in types it, so that no stranger gets a list of them.
    """
    form_token = read_cookie(request, FORM_COOKIE) or secrets.token_urlsafe(32)
    answer = render_page(
        "sign_in.html",
        status_code=status_code,
        next=local_path(next_path),
        has_organizations=_has_organizations(request),
        organization=organization or read_cookie(request, ORGANIZATION_COOKIE),
        name=name,
        said=said,
        problem=problem,
        has_provider=request.app.state.identity_provider is not None,
        form_token=form_token,
    )
    set_cookie(request, answer, FORM_COOKIE, form_token)
    return answer


def _by_password(
    request: Request, rooms: TenantRooms, organization: str, name: str, password: str, next_path: str
) -> Response:
    room = rooms.of_organization(organization)
    # Where there is no such organization, the default one's people are looked through in vain: it takes as long.
    people = room.people if room is not None else rooms.of(DEFAULT_TENANT).people
    tenant = room.tenant if room is not None else _NO_TENANT
    limit: SignInLimit = request.app.state.sign_in_limit
    now = datetime.now(UTC)
    try:
        limit.begin(name, tenant=tenant, now=now)
    except TooManySignInsError as error:
        minutes = -(-error.seconds // 60)
        wait = f"{error.seconds} seconds" if error.seconds <= 60 else f"{minutes} minutes"
        said = f"Too many sign-ins failed. Please try again in {wait}, or ask an administrator for a new password."
        answer = sign_in_form(
            request, next_path, organization=organization, name=name, problem=said, status_code=error.status
        )
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    person = people.with_password(name if room is not None else "", password)
    if room is None or person is None:
        people.sign_in_failed(name if room is not None else "", now=now)
        wrong = WRONG_OF_SEVERAL if _has_organizations(request) else WRONG
        return sign_in_form(request, next_path, organization=organization, name=name, problem=wrong, status_code=401)
    limit.succeeded(name, tenant=tenant)
    onward = RedirectResponse(_destination(person, next_path), 303)
    _begin(request, onward, rooms, room, person)
    return onward


def _begin(request: Request, answer: Response, rooms: TenantRooms, room: TenantRoom, person: Person) -> None:
    """Give the browser a new token; one it came with ends, so that nobody can have planted it."""
    now = datetime.now(UTC)
    before = read_cookie(request, COOKIE)
    of_before = rooms.of_sign_in(before)
    if of_before is not None:
        of_before.people.sign_out(before, now=now)
    set_cookie(request, answer, COOKIE, room.people.sign_in(person, now=now))
    if _has_organizations(request):
        set_cookie(request, answer, ORGANIZATION_COOKIE, room.tenant, seconds=_ORGANIZATION_SECONDS)
    drop_cookie(request, answer, FORM_COOKIE)


def _has_organizations(request: Request) -> bool:
    rooms: TenantRooms = request.app.state.rooms
    return len(rooms.tenants.active()) > 1


def _destination(person: Person, next_path: str) -> str:
    path = local_path(next_path)
    return home_of(person.role) if path == "/" else path


def _provider(request: Request) -> IdentityProvider:
    provider = cast("IdentityProvider | None", request.app.state.identity_provider)
    if provider is None:
        raise IdentityProviderError("no identity provider is set up here")
    return provider


def _provider_problem(request: Request, error: ServingError, next_path: str) -> HTMLResponse:
    _log.warning("sign-in through the identity provider: %s", error.logged)
    refused = isinstance(error, SignInRefusedError)
    said = (
        "Your organization knows you, but you have no role here, or your account is not active. "
        "Please ask an administrator."
        if refused
        else "Your organization's sign-in cannot be used right now. Please try again, or sign in with a password."
    )
    return sign_in_form(request, next_path, problem=said, status_code=error.status)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
