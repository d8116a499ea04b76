"""Who calls the interface under /v1/: an intake system by its API key, or, in development, anybody on this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers

from serving.api_keys import ApiKey, Scope
from serving.batches import Batches
from serving.deps import Rooms
from serving.errors import BodyTooLargeError, KeyNeededError, ScopeNeededError
from serving.event_feed import EventFeed
from serving.idempotency import Once, key_of
from serving.key_check import KeyCheck
from serving.request_rate import RequestRate
from serving.service import AuthorizationService
from serving.settings import Settings, is_loopback
from serving.tenant_rooms import TenantRoom
from serving.tenants import DEFAULT_TENANT

_PATIENCE = 4
"""A body over the limit is read, and dropped, up to this many times the limit, so that the sender gets the 413."""

_PASSED_ON = frozenset({"forwarded", "via", "x-real-ip"})
"""What proxies add, beside ``X-Forwarded-*``."""

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="api_key",
    description="An intake system's API key, as `greenlane keys add` printed it.",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is. ``key`` None: a call without one, where none is needed. ``body_limit`` in bytes."""

    tenant: str
    key: ApiKey | None
    body_limit: int


async def caller(request: Request, _shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Who calls; the call is counted against their key's limit.

    Raises KeyNeededError or TooManyRequestsError.
    """
    settings: Settings = request.app.state.settings
    sent = request.headers.get("authorization")
    if sent is None:
        if settings.needs_keys or not _is_from_this_machine(request.headers):
            raise KeyNeededError("send an API key: Authorization: Bearer glk_...")
        return Caller(DEFAULT_TENANT, None, settings.body_limit)
    scheme, _, token = sent.partition(" ")
    if scheme.lower() != "bearer":
        raise KeyNeededError("send the API key as: Authorization: Bearer glk_...")
    check = cast("KeyCheck", request.app.state.key_check)
    # It asks the database, and may take a good part of a tenth of a second.
    key = await run_in_threadpool(check.key_of, token.strip(), now=datetime.now(UTC))
    per_minute = settings.requests_per_minute if key.requests_per_minute is None else key.requests_per_minute
    if per_minute:
        rate = cast("RequestRate", request.app.state.request_rate)
        # serving/gate.py puts them on the answer, whoever makes it.
        request.state.rate_headers = rate.take(key.key_id, per_minute).headers
    return Caller(key.tenant, key, settings.body_limit if key.body_limit is None else key.body_limit)


def _is_from_this_machine(headers: Headers) -> bool:
    """Whether the call was meant for this machine by name, and nobody says to have passed it on.

    Others reach what listens here alone by a proxy beside it, or by a name of theirs that leads here (DNS rebinding).
    """
    try:
        name = urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return False
    passed_on = any(header in _PASSED_ON or header.startswith("x-forwarded-") for header in headers)
    return name is not None and is_loopback(name) and not passed_on


Calling = Annotated[Caller, Depends(caller)]


def room_for(scope: Scope) -> Callable[[Caller, Rooms], Awaitable[TenantRoom]]:
    """A dependency: the caller's room, if their key has the scope. It raises ScopeNeededError."""

    async def room(calling: Calling, rooms: Rooms) -> TenantRoom:
        if calling.key is not None and scope not in calling.key.scopes:
            raise ScopeNeededError(scope.value)
        return rooms.of(calling.tenant)

    return room


SubmitRoom = Annotated[TenantRoom, Depends(room_for(Scope.SUBMIT))]
ReadRoom = Annotated[TenantRoom, Depends(room_for(Scope.READ))]
PreviewRoom = Annotated[TenantRoom, Depends(room_for(Scope.PREVIEW))]
EventsRoom = Annotated[TenantRoom, Depends(room_for(Scope.EVENTS))]


async def _submitting(room: SubmitRoom) -> AuthorizationService:
    return room.service


async def _looking(room: ReadRoom) -> AuthorizationService:
    return room.service


async def _previewing(room: PreviewRoom) -> AuthorizationService:
    return room.service


async def _taking_in(room: SubmitRoom) -> Batches:
    return room.batches


async def _looking_through(room: ReadRoom) -> Batches:
    return room.batches


async def once(
    room: SubmitRoom,
    idempotency_key: Annotated[
        str | None, Header(description="Any text of your own: the same call with the same key is done once.")
    ] = None,
) -> Once:
    """This call, which may carry an Idempotency-Key. Raises InvalidParameterError for one that is none."""
    return Once(room.idempotency_keys, key_of(idempotency_key))


async def _feed(room: EventsRoom) -> EventFeed:
    return room.event_feed


async def received_body(request: Request, calling: Calling) -> bytes:
    """The body's bytes. Raises BodyTooLargeError over the caller's limit."""
    limit = calling.body_limit
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


Submitting = Annotated[AuthorizationService, Depends(_submitting)]
"""The service of a caller who may submit, add to and withdraw requests."""
Looking = Annotated[AuthorizationService, Depends(_looking)]
"""The service of a caller who may read results."""
Previewing = Annotated[AuthorizationService, Depends(_previewing)]
"""The service of a caller who may ask what a request would get."""
TakingIn = Annotated[Batches, Depends(_taking_in)]
"""The batches of a caller who may submit requests."""
LookingThrough = Annotated[Batches, Depends(_looking_through)]
"""The batches of a caller who may read results."""
OnceOnly = Annotated[Once, Depends(once)]
"""A call that may carry an Idempotency-Key, of a caller who may submit."""
Feed = Annotated[EventFeed, Depends(_feed)]
"""The events of a caller who may be told what happens."""
Body = Annotated[bytes, Depends(received_body)]
