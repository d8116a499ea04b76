"""What endpoints ask for, as annotations that read like sentences."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from serving.errors import BodyTooLargeError
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


Service = Annotated[AuthorizationService, Depends(authorization_service)]
Body = Annotated[bytes, Depends(received_body)]
