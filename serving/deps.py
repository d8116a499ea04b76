"""What endpoints ask for, as annotations that read like sentences."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

from fastapi import Depends, Header, Request
from starlette.datastructures import FormData

from serving.cookies import COOKIE, read_cookie
from serving.drafts import DraftStore
from serving.errors import BodyTooLargeError, NotAllowedError, NotSignedInError, StaleFormError
from serving.idempotency import IdempotencyKeys, Once, key_of
from serving.people import SignedIn
from serving.people_store import PeopleStore
from serving.roles import Permission
from serving.service import AuthorizationService

_PATIENCE = 4
"""A body over the limit is read, and dropped, up to this many times the limit, so that the sender gets the 413."""


def authorization_service(request: Request) -> AuthorizationService:
    """The service of this application."""
    return cast("AuthorizationService", request.app.state.service)


async def received_body(request: Request) -> bytes:
    """The body's bytes. Raises BodyTooLargeError over the limit."""
    limit: int = request.app.state.settings.body_limit
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
            if size > limit * _PATIENCE:
                break
    if size > limit:
        raise BodyTooLargeError(f"the body is larger than {limit} bytes; send fewer or smaller documents")
    return b"".join(chunks)


FORM_LIMIT = 1_000_000
"""Largest posted form in bytes: a letter of three hundred pages."""
_FORM_FIELDS = 200
_SEEN_AGAIN = timedelta(seconds=15)
"""So old a sign-in's last sign of life may be: a page of twenty requests writes it once."""


def people_store(request: Request) -> PeopleStore:
    """Where this application keeps people."""
    return cast("PeopleStore", request.app.state.people)


def draft_store(request: Request) -> DraftStore:
    """Where this application keeps drafts."""
    return cast("DraftStore", request.app.state.drafts)


def signed_in(request: Request, people: Annotated[PeopleStore, Depends(people_store)]) -> SignedIn:
    """Who is signed in, and their idle time starts again. Raises NotSignedInError.

    ``request.state.who`` remembers them for the page of an error.
    """
    token = read_cookie(request, COOKIE)
    now = datetime.now(UTC)
    who = people.signed_in(token, now=now) if token else None
    if who is None:
        raise NotSignedInError("sign in first")
    if now - who.last_seen_at > _SEEN_AGAIN:
        people.seen(token, now=now)
        who = replace(who, last_seen_at=now)
    request.state.who = who
    return who


def allowed(permission: Permission) -> Callable[[SignedIn], SignedIn]:
    """A dependency: who is signed in, if their role holds the permission. It raises NotAllowedError."""

    def check(who: Who) -> SignedIn:
        if not who.person.may(permission):
            raise NotAllowedError("your role does not allow this")
        return who

    return check


async def form_fields(request: Request) -> FormData:
    """The fields of a posted form, whoever posted it. Raises BodyTooLargeError over FORM_LIMIT."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > FORM_LIMIT:
        raise BodyTooLargeError(f"a form must say its length, and it may be {FORM_LIMIT} bytes")
    return await request.form(max_files=0, max_fields=_FORM_FIELDS)


async def posted_form(request: Request, who: Who) -> FormData:
    """The fields of a posted form. Raises StaleFormError unless it carries this sign-in's ``form_token``."""
    form = await form_fields(request)
    if not same_token(form.get("form_token"), who.form_token):
        raise StaleFormError("form_token: is not this sign-in's")
    return form


def same_token(given: object, expected: str) -> bool:
    """Whether a form's field is the token, compared in constant time."""
    return isinstance(given, str) and bool(expected) and secrets.compare_digest(given.encode(), expected.encode())


def once(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(description="Any text of your own: the same call with the same key is done once.")
    ] = None,
) -> Once:
    """This call, which may carry an Idempotency-Key. Raises InvalidParameterError for one that is none."""
    return Once(cast("IdempotencyKeys", request.app.state.idempotency_keys), key_of(idempotency_key))


Who = Annotated[SignedIn, Depends(signed_in)]
People = Annotated[PeopleStore, Depends(people_store)]
Drafts = Annotated[DraftStore, Depends(draft_store)]
SentForm = Annotated[FormData, Depends(form_fields)]
"""A form from somebody who is not signed in."""
Form = Annotated[FormData, Depends(posted_form)]
Reader = Annotated[SignedIn, Depends(allowed(Permission.READ_CASES))]
Worker = Annotated[SignedIn, Depends(allowed(Permission.WORK_ON_CASES))]
Director = Annotated[SignedIn, Depends(allowed(Permission.DETERMINE_ADVERSELY))]
Administrator = Annotated[SignedIn, Depends(allowed(Permission.KEEP_PEOPLE))]
Service = Annotated[AuthorizationService, Depends(authorization_service)]
Body = Annotated[bytes, Depends(received_body)]
OnceOnly = Annotated[Once, Depends(once)]
