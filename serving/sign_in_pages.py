"""Signing in and out: by password, through an identity provider, and staying signed in."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from serving.cookies import COOKIE, FORM_COOKIE, OIDC_COOKIE, drop_cookie, read_cookie, set_cookie
from serving.deps import Form, People, SentForm, Who, same_token
from serving.errors import IdentityProviderError, ServingError, SignInRefusedError, TooManySignInsError
from serving.local_path import local_path
from serving.oidc import ATTEMPT_SECONDS, WAY_BACK, Attempt, IdentityProvider
from serving.people import Person, SignedIn
from serving.people_store import PeopleStore
from serving.rendering import home_of, render_page
from serving.sign_in_limit import SignInLimit

_log = logging.getLogger("greenlane.serving")

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

WRONG = "Name and password do not belong together, or the account is not active."


@router.get("/sign-in")
def sign_in_page(
    request: Request, people: People, next_path: Annotated[str, Query(alias="next")] = "/", ended: bool = False
) -> Response:
    """The form; who is signed in already goes on."""
    who = current(request, people)
    if who is not None:
        return RedirectResponse(_destination(who.person, next_path), 303)
    said = (
        "Your sign-in ended after 15 minutes without a sign of you. What you wrote in a case is kept." if ended else ""
    )
    return sign_in_form(request, next_path, said=said)


@router.post("/sign-in")
def post_sign_in(request: Request, people: People, form: SentForm) -> Response:
    """Sign in by password."""
    name, password, next_path = (_text(form.get(field)) for field in ("name", "password", "next"))
    if not same_token(form.get("form_token"), read_cookie(request, FORM_COOKIE)):
        said = "Please try once more. If this comes again, your browser does not take cookies from this site."
        return sign_in_form(request, next_path, name=name, problem=said, status_code=403)
    return _by_password(request, people, name, password, next_path)


@router.get("/sign-in/left")
def seconds_left(request: Request, people: People) -> Response:
    """How many seconds the sign-in has left. Asking is no sign of life; 0 where it ended."""
    who = current(request, people)
    left = (who.ends_at - datetime.now(UTC)).total_seconds() if who is not None else 0
    return JSONResponse({"seconds": max(0, int(left))})


@router.post("/sign-in/stay")
def stay(request: Request, who: Who, people: People, form: Form) -> Response:
    """A sign of life. A script gets the seconds left, a form the page it came from."""
    people.seen(read_cookie(request, COOKIE), now=datetime.now(UTC))
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(_destination(who.person, _text(form.get("next"))), 303)
    return seconds_left(request, people)


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
def back_from_provider(request: Request, people: People) -> Response:
    """Back from the identity provider. The browser goes on from a page of ours: strict cookies do not come from theirs."""
    attempt = Attempt.of_cookie(read_cookie(request, OIDC_COOKIE))
    next_path = attempt.next if attempt else "/"
    try:
        if attempt is None:
            raise IdentityProviderError("state: this browser did not leave from here")
        found = _provider(request).finish(request.query_params, attempt)
        person = people.come_by_oidc(
            found.subject, name=found.name, display_name=found.display_name, role=found.role, now=datetime.now(UTC)
        )
    except ServingError as error:
        answer = _provider_problem(request, error, next_path)
    else:
        answer = render_page("arriving.html", next=_destination(person, next_path))
        _begin(request, answer, people, person)
    drop_cookie(request, answer, OIDC_COOKIE)
    return answer


def current(request: Request, people: PeopleStore) -> SignedIn | None:
    """Who is signed in, without a sign of life."""
    token = read_cookie(request, COOKIE)
    return people.signed_in(token, now=datetime.now(UTC)) if token else None


def sign_in_form(
    request: Request, next_path: str, *, name: str = "", said: str = "", problem: str = "", status_code: int = 200
) -> HTMLResponse:
    """The sign-in page: what is ``said`` calmly, the ``problem`` as an alert."""
    form_token = read_cookie(request, FORM_COOKIE) or secrets.token_urlsafe(32)
    answer = render_page(
        "sign_in.html",
        status_code=status_code,
        next=local_path(next_path),
        name=name,
        said=said,
        problem=problem,
        has_provider=request.app.state.identity_provider is not None,
        form_token=form_token,
    )
    set_cookie(request, answer, FORM_COOKIE, form_token)
    return answer


def _by_password(request: Request, people: PeopleStore, name: str, password: str, next_path: str) -> Response:
    limit: SignInLimit = request.app.state.sign_in_limit
    now = datetime.now(UTC)
    try:
        limit.begin(name, now=now)
    except TooManySignInsError as error:
        minutes = -(-error.seconds // 60)
        wait = f"{error.seconds} seconds" if error.seconds <= 60 else f"{minutes} minutes"
        said = f"Too many sign-ins failed. Please try again in {wait}, or ask an administrator for a new password."
        answer = sign_in_form(request, next_path, name=name, problem=said, status_code=error.status)
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    person = people.with_password(name, password)
    if person is None:
        people.sign_in_failed(name, now=now)
        return sign_in_form(request, next_path, name=name, problem=WRONG, status_code=401)
    limit.succeeded(name)
    onward = RedirectResponse(_destination(person, next_path), 303)
    _begin(request, onward, people, person)
    return onward


def _begin(request: Request, answer: Response, people: PeopleStore, person: Person) -> None:
    """Give the browser a new token; one it came with ends, so that nobody can have planted it."""
    now = datetime.now(UTC)
    before = read_cookie(request, COOKIE)
    if before:
        people.sign_out(before, now=now)
    set_cookie(request, answer, COOKIE, people.sign_in(person, now=now))
    drop_cookie(request, answer, FORM_COOKIE)


def _destination(person: Person, next_path: str) -> str:
    path = local_path(next_path)
    return home_of(person.role) if path == "/" else path


def _provider(request: Request) -> IdentityProvider:
    provider = cast("IdentityProvider | None", request.app.state.identity_provider)
    if provider is None:
        raise IdentityProviderError("no identity provider is set up here")
    return provider


def _provider_problem(request: Request, error: ServingError, next_path: str) -> HTMLResponse:
    _log.warning("sign-in through the identity provider: %s", error)
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
