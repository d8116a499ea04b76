"""What the endpoints of pages ask for, as annotations that read like sentences.

Which tenant's it is follows from who is signed in. The interface under /v1/ asks in serving/callers.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.datastructures import FormData

from serving.case_actions import CaseActions
from serving.cookies import COOKIE, read_cookie
from serving.drafts import DraftStore
from serving.errors import BodyTooLargeError, NotAllowedError, NotSignedInError, StaleFormError
from serving.people import SignedIn
from serving.people_store import PeopleStore
from serving.roles import Permission
from serving.service import AuthorizationService
from serving.store import Store
from serving.tenant_rooms import TenantRoom, TenantRooms
from serving.webhooks import Webhooks
from serving.worklist_counts import WorklistCounts

FORM_LIMIT = 1_000_000
"""Largest posted form in bytes: a letter of three hundred pages."""
_FORM_FIELDS = 200
_SEEN_AGAIN = timedelta(seconds=15)
"""So old a sign-in's last sign of life may be: a page of twenty requests writes it once."""


async def tenant_rooms(request: Request) -> TenantRooms:
    """The rooms of this application's tenants."""
    return cast("TenantRooms", request.app.state.rooms)


Rooms = Annotated[TenantRooms, Depends(tenant_rooms)]


def signed_in(request: Request, rooms: Rooms) -> SignedIn:
    """Who is signed in, and their idle time starts again. Raises NotSignedInError.

    ``request.state.who`` remembers them for the page of an error.
    """
    token = read_cookie(request, COOKIE)
    now = datetime.now(UTC)
    room = rooms.of_sign_in(token)
    who = room.people.signed_in(token, now=now) if room is not None else None
    if room is None or who is None:
        raise NotSignedInError("sign in first")
    if now - who.last_seen_at > _SEEN_AGAIN:
        room.people.seen(token, now=now)
        who = replace(who, last_seen_at=now)
    request.state.who = who
    return who


def onlooker(permission: Permission) -> Callable[..., SignedIn]:
    """A dependency as :func:`allowed` makes it, for what a page asks by itself: that is no sign of life."""

    def check(request: Request, rooms: Rooms) -> SignedIn:
        token = read_cookie(request, COOKIE)
        room = rooms.of_sign_in(token)
        who = room.people.signed_in(token, now=datetime.now(UTC)) if room is not None else None
        if who is None:
            raise NotSignedInError("sign in first")
        if not who.person.may(permission):
            raise NotAllowedError("your role does not allow this")
        return who

    return check


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


Who = Annotated[SignedIn, Depends(signed_in)]


async def room_of(who: Who, rooms: Rooms) -> TenantRoom:
    """The room of who is signed in."""
    return rooms.of(who.person.tenant)


Room = Annotated[TenantRoom, Depends(room_of)]


async def _service(room: Room) -> AuthorizationService:
    return room.service


async def _store(room: Room) -> Store:
    return room.store


async def _people(room: Room) -> PeopleStore:
    return room.people


async def _drafts(room: Room) -> DraftStore:
    return room.drafts


async def _actions(room: Room) -> CaseActions:
    return room.actions


async def _webhooks(room: Room) -> Webhooks:
    return room.webhooks


async def _counts(room: Room) -> WorklistCounts:
    return room.worklist_counts


Service = Annotated[AuthorizationService, Depends(_service)]
Cases = Annotated[Store, Depends(_store)]
People = Annotated[PeopleStore, Depends(_people)]
Drafts = Annotated[DraftStore, Depends(_drafts)]
Actions = Annotated[CaseActions, Depends(_actions)]
TenantWebhooks = Annotated[Webhooks, Depends(_webhooks)]
Counts = Annotated[WorklistCounts, Depends(_counts)]
SentForm = Annotated[FormData, Depends(form_fields)]
"""A form from somebody who is not signed in."""
Form = Annotated[FormData, Depends(posted_form)]
Reader = Annotated[SignedIn, Depends(allowed(Permission.READ_CASES))]
Worker = Annotated[SignedIn, Depends(allowed(Permission.WORK_ON_CASES))]
Director = Annotated[SignedIn, Depends(allowed(Permission.DETERMINE_ADVERSELY))]
Administrator = Annotated[SignedIn, Depends(allowed(Permission.KEEP_PEOPLE))]
