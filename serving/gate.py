"""The outermost layer of every answer: safe headers, one log line without content, and no traceback with note text."""

from __future__ import annotations

import logging
import time
import traceback
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import Metrics
from serving.problems import foreign_site, internal_error
from serving.request_id import REQUEST_ID_HEADER, during_request, request_id_of
from serving.tracing import OpenSpan
from serving.ulid import is_ulid

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CLIENT_LEFT = 499
"""The status that is logged and counted where the client was gone before its answer, as nginx does."""
HTTPS_ONLY = "max-age=31536000"
"""Strict-Transport-Security (RFC 6797) where browsers come by https: a year, this host alone."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_SPAN_NAMES = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "authorization_id": "greenlane.authorization_id",
}

_log = logging.getLogger("greenlane.access")


class Gate:
    """ASGI middleware. It logs method, route template, status and milliseconds: paths and queries can hold names."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, public_url: str | None) -> None:
        self._app = app
        self._metrics = metrics
        self._is_https = (public_url or "").startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = request_id_of(headers.get(REQUEST_ID_HEADER))
        with during_request(request_id), self._metrics.request_span(headers.get("traceparent")) as span:
            span.say({"greenlane.request_id": request_id})
            await self._answer(scope, receive, send, request_id, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str, span: OpenSpan) -> None:
        begin = time.perf_counter()
        status = 0
        location: str | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                location = headers.get("location")
                for name, value in HEADERS.items():
                    if not (name == "Cache-Control" and scope["path"].startswith("/static/")):
                        headers[name] = value
                headers.update(scope.get("state", {}).get("rate_headers", {}))
                if self._is_https or scope.get("scheme") == "https":
                    headers["Strict-Transport-Security"] = HTTPS_ONLY
            await send(message)

        try:
            if _from_another_site(scope):
                await foreign_site()(scope, receive, send_with_headers)
            else:
                await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            # Nobody is there to be answered, and nothing failed.
            status = status or CLIENT_LEFT
        except Exception as error:
            _log.error("%s at %s", type(error).__name__, _places(error))
            if status:
                raise ConnectionAbortedError("the answer broke off") from None
            await internal_error()(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - begin
            method, path = _method(scope), _template(scope)
            self._metrics.time_http(method, path, status, seconds)
            fields: dict[str, str | int | float] = {
                "method": method,
                "route": path,
                "status": status,
                "ms": round(seconds * 1000, 1),
                **_authorization(scope, location),
            }
            span.say({said: fields[name] for name, said in _SPAN_NAMES.items() if name in fields})
            line = (method, path, status, seconds * 1000)
            _log.info("%s %s %d %.0f ms", *line, extra={"event": "answered", **fields})


def _from_another_site(scope: Scope) -> bool:
    """Whether a browser says that another site's page makes this call, and the call changes something."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    return Headers(scope=scope).get("sec-fetch-site", "none") not in ("none", "same-origin")


def _authorization(scope: Scope, location: str | None) -> dict[str, str]:
    """Our id of the case that was asked for or made; nothing else of an address is ours to write down."""
    asked = scope.get("path_params", {}).get("authorization_id")
    found = asked if isinstance(asked, str) else (location or "").rpartition("/")[2]
    return {"authorization_id": found} if is_ulid(found) else {}


def _method(scope: Scope) -> str:
    """Any word may stand where a method is expected: written down as it came, it could be a name, or a label of its own."""
    method: str = scope["method"]
    return method if method in _METHODS else "(other)"


def _template(scope: Scope) -> str:
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) and path else "(other)"


def _places(error: Exception) -> str:
    """Where it happened, file and line only: an exception's message may hold what was being read."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
