"""What endpoints ask for, as annotations that read like sentences."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.datastructures import FormData

from serving.errors import BodyTooLargeError, NotAllowedError, NotSignedInError, StaleFormError
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


COOKIE = "greenlane_sign_in"
"""The cookie that holds a browser's sign-in token."""

_FORM_FIELDS = 200
_SEEN_AGAIN = timedelta(seconds=15)
"""So old a sign-in's last sign of life may be: a page of twenty requests writes it once."""


def people_store(request: Request) -> PeopleStore:
    """Where this application keeps people."""
    return cast("PeopleStore", request.app.state.people)


def signed_in(request: Request, people: Annotated[PeopleStore, Depends(people_store)]) -> SignedIn:
    """Who is signed in, and their idle time starts again. Raises NotSignedInError."""
    token = request.cookies.get(COOKIE, "")
    now = datetime.now(UTC)
    who = people.signed_in(token, now=now) if token else None
    if who is None:
        raise NotSignedInError("sign in first")
    if now - who.last_seen_at > _SEEN_AGAIN:
        people.seen(token, now=now)
    return who


def perhaps_signed_in(request: Request, people: Annotated[PeopleStore, Depends(people_store)]) -> SignedIn | None:
    """Who is signed in, None where nobody is."""
    try:
        return signed_in(request, people)
    except NotSignedInError:
        return None


def allowed(permission: Permission) -> Callable[[SignedIn], SignedIn]:
    """A dependency: who is signed in, if their role holds the permission. It raises NotAllowedError."""

    def check(who: Who) -> SignedIn:
        if not who.person.may(permission):
            raise NotAllowedError("your role does not allow this")
        return who

    return check


async def posted_form(request: Request, who: Who) -> FormData:
    """The fields of a posted form. Raises StaleFormError unless it carries this sign-in's ``form_token``."""
    form = await request.form(max_files=0, max_fields=_FORM_FIELDS)
    token = form.get("form_token")
    if not isinstance(token, str) or not secrets.compare_digest(token.encode(), who.form_token.encode()):
        raise StaleFormError("form_token: is not this sign-in's")
    return form


Who = Annotated[SignedIn, Depends(signed_in)]
Perhaps = Annotated[SignedIn | None, Depends(perhaps_signed_in)]
People = Annotated[PeopleStore, Depends(people_store)]
Form = Annotated[FormData, Depends(posted_form)]
Reader = Annotated[SignedIn, Depends(allowed(Permission.READ_CASES))]
Worker = Annotated[SignedIn, Depends(allowed(Permission.WORK_ON_CASES))]
Director = Annotated[SignedIn, Depends(allowed(Permission.DETERMINE_ADVERSELY))]
Service = Annotated[AuthorizationService, Depends(authorization_service)]
Body = Annotated[bytes, Depends(received_body)]
