"""The id of one HTTP request: in every line logged meanwhile, in the answer's head and in problem details."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from serving.ulid import UlidSource, is_ulid

REQUEST_ID_HEADER = "X-Request-Id"
_HEXADECIMAL = re.compile(r"(?=.*[0-9])[0-9a-fA-F]{8}[0-9a-fA-F-]{8,56}")

_current: ContextVar[str] = ContextVar("greenlane_request_id", default="")
_next_id = UlidSource()


def request_id_of(sent: str | None) -> str:
    """The id the sender gave, where it is a ULID, a UUID or a trace id; else a new ULID.

    Whatever else a sender may call a request can hold a name, and this id stands in the log.
    """
    return sent if sent is not None and (is_ulid(sent) or _HEXADECIMAL.fullmatch(sent)) else _next_id()


def current_request_id() -> str:
    """The id of the request that is being answered here, empty outside of one."""
    return _current.get()


@contextmanager
def during_request(request_id: str) -> Iterator[None]:
    """Let everything that happens meanwhile, also in threads that answer it, know the request's id."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
