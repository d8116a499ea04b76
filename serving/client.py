"""A client for intake systems. It needs Python and httpx2 alone: nothing of the service is imported.

>>> from serving.client import Greenlane
>>> client = Greenlane("https://greenlane.example.org", key="glk_...")  # doctest: +SKIP
>>> answer = client.submit(request, wait=60)  # doctest: +SKIP
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx2

from serving.client_answers import Answer, BatchLine, Event, answer_of, batch_line_of, event_of
from serving.client_errors import (
    ClientError,
    NotInTimeError,
    RefusedError,
    UnavailableError,
    UnreachableError,
    error_of,
)
from serving.webhook_signature import WebhookSignatureError, check_signature

__all__ = [
    "Answer",
    "BatchLine",
    "ClientError",
    "Event",
    "Greenlane",
    "NotInTimeError",
    "RefusedError",
    "UnavailableError",
    "UnreachableError",
    "WebhookSignatureError",
    "verify_webhook",
]

_AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same call may succeed. Nothing is done twice by it: see :meth:`Greenlane.submit`."""
_LONGEST_PAUSE = 30.0
_POLLED_EVERY = 1.0
_EVENTS_AT_ONCE = 200


class Greenlane:
    """One greenlane service. Safe to share between threads; use it as a context manager, or close it.

    ``key`` is the API key of the intake system. A call waits up to ``timeout`` seconds for its answer, and is made up to
    ``attempts`` times where the service cannot be reached, is busy (429) or away (502, 503, 504); a service that says when to
    come again is asked then. ``trust``: a file of authorities instead of the public ones.
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout: float = 60, attempts: int = 6, trust: str | None = None
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError("url: must begin with https:// or http://")
        headers = {"user-agent": "greenlane-client", "accept": "application/json"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        self._attempts = max(1, attempts)
        self._http = httpx2.Client(
            base_url=url.rstrip("/"), headers=headers, timeout=timeout, verify=_trust(trust), follow_redirects=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def submit(self, request: Mapping[str, Any], *, wait: float = 0, idempotency_key: str | None = None) -> Answer:
        """Send one request (docs/api.md). However often it is sent, its ``external_id`` makes it one case.

        The answer is the result, or pending where the service still reads; ``wait``: up to so many seconds for the result.
        Raises ClientError: RefusedError names the fields to correct, NotInTimeError comes with the pending answer.
        """
        return self._waited(self._send("POST", "/v1/authorizations", request, idempotency_key), wait)

    def get(self, authorization_id: str) -> Answer:
        """How the case stands now. Raises ClientError."""
        return self._answered(self._call("GET", _path(authorization_id)))

    def wait(self, authorization_id: str, *, seconds: float = 60) -> Answer:
        """The result, as soon as there is one. Raises NotInTimeError, with the pending answer, and ClientError."""
        return self._waited(self.get(authorization_id), seconds)

    def add_documents(
        self,
        authorization_id: str,
        documents: Sequence[Mapping[str, Any]],
        *,
        wait: float = 0,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Add documents; the case is triaged again. Those that are stored already are skipped. Raises ClientError."""
        body = {"documents": list(documents)}
        return self._waited(self._send("POST", _path(authorization_id, "documents"), body, idempotency_key), wait)

    def update(
        self,
        authorization_id: str,
        request: Mapping[str, Any],
        *,
        wait: float = 0,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Replace what was asked for: the whole request without its documents. Triaged again. Raises ClientError."""
        return self._waited(self._send("PUT", _path(authorization_id), request, idempotency_key), wait)

    def cancel(self, authorization_id: str, *, reason: str, idempotency_key: str | None = None) -> None:
        """Take the request back; ``reason`` is one of docs/api.md. Raises ClientError."""
        key = idempotency_key or _new_key()
        self._call("POST", _path(authorization_id, "cancellation"), body=_json({"reason": reason}), key=key)

    def batch(
        self, requests: Iterable[Mapping[str, Any]], *, wait: float = 3600, idempotency_key: str | None = None
    ) -> Iterator[BatchLine]:
        """Send many requests in one call and yield what became of each, in their order, as soon as it is known.

        The lines are streamed; a connection that breaks is not tried again here, because an iterator cannot be read
        twice: send the batch again, those that were accepted stay one case each. Raises ClientError, and NotInTimeError
        where a line is not triaged within ``wait`` seconds.
        """
        lines = (_json(request) + b"\n" for request in requests)
        headers = {"content-type": "application/x-ndjson", "idempotency-key": idempotency_key or _new_key()}
        try:
            answer = self._http.request("POST", "/v1/batches", content=lines, headers=headers)
        except httpx2.HTTPError as error:
            raise UnreachableError(type(error).__name__) from None
        if not answer.is_success:
            raise error_of(answer)
        begun = answer.json()
        yield from self._batch_lines(f"/v1/batches/{begun['batch_id']}", int(begun["lines"]), time.monotonic() + wait)

    def events(
        self, after: str | None = None, *, kinds: Sequence[str] = (), follow: float | None = None
    ) -> Iterator[Event]:
        """What happened after the cursor ``after`` (None: ever), oldest first. Keep ``event.cursor`` to go on from there.

        It ends with the newest event; ``follow``: it never ends, and asks again every so many seconds. Raises ClientError.
        """
        while True:
            query: list[tuple[str, str]] = [("limit", str(_EVENTS_AT_ONCE)), *(("kinds", kind) for kind in kinds)]
            if after is not None:
                query.append(("after", after))
            page = self._call("GET", "/v1/events", query=query).json()
            for item in page["items"]:
                event = event_of(item)
                after = event.cursor
                yield event
            if len(page["items"]) < _EVENTS_AT_ONCE:
                if follow is None:
                    return
                time.sleep(follow)

    def _batch_lines(self, batch: str, lines: int, deadline: float) -> Iterator[BatchLine]:
        refused: dict[int, BatchLine] | None = None
        following = 1
        while following <= lines:
            begun = following
            try:
                if refused is None:
                    refused = {line.line: line for line in self._lines(f"{batch}/problems", 0)}
                for line in _in_order(following, refused, self._lines(f"{batch}/results", following - 1)):
                    yield line
                    following = line.line + 1
            except (UnreachableError, UnavailableError):
                # The batch is stored: nothing is lost by asking again.
                if time.monotonic() >= deadline:
                    raise
            if following == begun:
                if time.monotonic() >= deadline:
                    raise NotInTimeError(f"line {following} of the batch is not triaged yet", None)
                time.sleep(_POLLED_EVERY)

    def _lines(self, path: str, after: int) -> Iterator[BatchLine]:
        """The JSON Lines there, read as they come: a hundred thousand results do not fit in memory."""
        try:
            with self._http.stream("GET", path, params=[("after", str(after))]) as answer:
                if not answer.is_success:
                    answer.read()
                    raise error_of(answer)
                yield from (batch_line_of(json.loads(text)) for text in answer.iter_lines() if text.strip())
        except httpx2.TransportError as error:
            raise UnreachableError(type(error).__name__) from None

    def _waited(self, answer: Answer, seconds: float) -> Answer:
        deadline = time.monotonic() + seconds
        while answer.result is None:
            left = deadline - time.monotonic()
            if seconds <= 0:
                return answer
            if left <= 0:
                raise NotInTimeError("the request is stored and not triaged yet", answer)
            time.sleep(min(left, answer.retry_after or _POLLED_EVERY))
            created = answer.created
            answer = self.get(answer.authorization_id).as_created(created)
        return answer

    def _send(self, method: str, path: str, body: Mapping[str, Any], key: str | None) -> Answer:
        return self._answered(self._call(method, path, body=_json(body), key=key or _new_key()))

    def _answered(self, answer: httpx2.Response) -> Answer:
        try:
            return answer_of(answer.status_code, answer.headers, answer.json())
        except (ValueError, KeyError, TypeError):
            raise UnavailableError("what answers is no greenlane service", status=answer.status_code) from None

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        key: str | None = None,
        query: Sequence[tuple[str, str]] = (),
    ) -> httpx2.Response:
        headers = {"content-type": "application/json"} if body is not None else {}
        if key is not None:
            headers["idempotency-key"] = key
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._http.request(method, path, content=body, headers=headers, params=list(query))
            except httpx2.TransportError as error:
                failure: Exception = UnreachableError(type(error).__name__)
                pause = None
            else:
                if answer.is_success:
                    return answer
                failure = error_of(answer)
                if answer.status_code not in _AGAIN:
                    break
                pause = _asked_pause(answer)
            if attempt < self._attempts:
                time.sleep(_pause(attempt) if pause is None else pause)
        raise failure from None


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str, *, now: datetime | None = None) -> Event:
    """The event that a webhook brings, once its signature and its time are found right.

    ``body``: the bytes as they came, before anything parses them. ``secret``: ``whsec_...``; while it is being changed,
    either of the two. Raises WebhookSignatureError: then answer 400 and do nothing. An event may come more than once: keep
    ``event.event_id`` and skip what you have.
    """
    check_signature(headers, body, secret, now=now)
    try:
        return event_of(json.loads(body))
    except (ValueError, KeyError, TypeError):
        raise WebhookSignatureError("the body is signed and is no event that this version knows") from None


def _in_order(following: int, refused: Mapping[int, BatchLine], results: Iterator[BatchLine]) -> Iterator[BatchLine]:
    """Results and refused lines from line ``following`` on, up to the first that is neither yet."""
    for result in results:
        while following in refused:
            yield refused[following]
            following += 1
        if result.line != following:
            return
        yield result
        following += 1
    while following in refused:
        yield refused[following]
        following += 1


def _path(authorization_id: str, *more: str) -> str:
    return "/".join(("/v1/authorizations", quote(authorization_id, safe=""), *more))


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _new_key() -> str:
    return secrets.token_hex(16)


def _pause(attempt: int) -> float:
    return min(0.5 * 2.0 ** (attempt - 1), _LONGEST_PAUSE) * secrets.SystemRandom().uniform(0.5, 1)


def _asked_pause(answer: httpx2.Response) -> float | None:
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), _LONGEST_PAUSE) if asked.isascii() and asked.isdecimal() else None


def _trust(path: str | None) -> Any:
    if path is None:
        return True
    import ssl

    return ssl.create_default_context(cafile=path)
