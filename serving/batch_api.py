"""Batches over HTTP: JSON Lines in, read and stored piece by piece, and JSON Lines out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from features.request import EXAMPLE_REQUEST
from models.types import Route
from serving.api import problems_of
from serving.batches import BYTES_AT_ONCE, LINES_AT_ONCE, MOST_LINES, BatchCounts, Batches
from serving.callers import Calling, LookingThrough, OnceOnly, TakingIn
from serving.errors import BodyTooLargeError, InvalidParameterError, ServingError
from serving.idempotency import Answered, Once, content_digest, must_be_same
from serving.line_reader import LineReader, ReceivedLine
from serving.records import dumps
from serving.schemas import BatchBody, TakenBatchBody
from serving.settings import Settings

JSON_LINES = "application/x-ndjson"
_CALL = "POST /v1/batches"
_LARGEST_LINE_NUMBER = 2**31 - 1

_log = logging.getLogger("greenlane.serving")
router = APIRouter()


_After = Annotated[
    int,
    Query(ge=0, le=_LARGEST_LINE_NUMBER, description="Lines after this one: the last line of a stream that broke off"),
]


def _lines_in() -> dict[str, Any]:
    example = "\n".join(dumps({**EXAMPLE_REQUEST, "external_id": external_id}) for external_id in ("PA-1", "PA-2"))
    content = {"schema": {"type": "string"}, "example": f"{example}\n"}
    return {"requestBody": {"required": True, "content": {JSON_LINES: content}}}


def _lines_out(description: str, example: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {"description": description, "content": {JSON_LINES: {"schema": {"type": "string"}, "example": example}}}
    }


@dataclass(slots=True)
class _Intake:
    """A batch while it comes in: what has not been stored yet, and what was read so far. Lives for one call."""

    batches: Batches
    reader: LineReader
    batch_id: str = ""
    lines: int = 0
    waiting: list[ReceivedLine] = field(default_factory=list)
    waiting_bytes: int = 0

    async def feed(self, piece: bytes) -> None:
        """Take in a piece of the body."""
        for line in self.reader.feed(piece):
            await self._take_in(line)

    async def finish(self) -> None:
        """Every byte has come."""
        for line in self.reader.finish():
            await self._take_in(line)
        await self.store()
        if self.batch_id:
            await run_in_threadpool(self.batches.end, self.batch_id, datetime.now(UTC))

    async def store(self) -> None:
        """Store the lines that wait."""
        if not self.waiting:
            return
        now = datetime.now(UTC)
        if not self.batch_id:
            self.batch_id = await run_in_threadpool(self.batches.begin, now)
        lines, self.waiting, self.waiting_bytes = self.waiting, [], 0
        await run_in_threadpool(self.batches.take, self.batch_id, lines, now)

    async def _take_in(self, line: ReceivedLine) -> None:
        self.lines += 1
        if self.lines > MOST_LINES:
            raise BodyTooLargeError(await self.taken_so_far(f"{MOST_LINES} lines"))
        self.waiting.append(line)
        self.waiting_bytes += len(line.content or b"")
        if len(self.waiting) >= LINES_AT_ONCE or self.waiting_bytes >= BYTES_AT_ONCE:
            await self.store()

    async def taken_so_far(self, limit: str) -> str:
        """What to tell whose batch is too large."""
        await self.store()
        taken = f"what came before was taken in as batch {self.batch_id}" if self.batch_id else "nothing was taken in"
        return f"a batch may hold {limit}; {taken}; send the rest as another batch"


@router.post(
    "/v1/batches",
    status_code=202,
    response_model=TakenBatchBody,
    responses=problems_of(413, 422, 503),
    openapi_extra=_lines_in(),
    summary="Store many requests, one a line",
    tags=["batches"],
)
async def post_batch(request: Request, calling: Calling, batches: TakingIn, once: OnceOnly) -> Response:
    """JSON Lines, up to 100,000. Each line is stored as it comes; one that is refused stops no other.

    Where the connection breaks, send the same batch again: what was stored stays one case.
    """
    settings: Settings = request.app.state.settings
    digest = content_digest(_CALL)
    kept = await run_in_threadpool(once.keys.begin, once.key, None) if once.key is not None else None
    if kept is not None:
        async for piece in request.stream():
            digest.update(piece)
        must_be_same(kept, digest.hexdigest())
        counts = await run_in_threadpool(batches.counts, kept.answered.batch_id or "")
        return _taken(counts, again=True)
    intake = _Intake(batches, LineReader(longest=calling.body_limit))
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > settings.batch_bytes:
                raise BodyTooLargeError(await intake.taken_so_far(f"{settings.batch_bytes} bytes"))
            digest.update(piece)
            await intake.feed(piece)
        await intake.finish()
        if not intake.lines:
            raise InvalidParameterError("batch", "holds no request; send one JSON object a line")
    except ClientDisconnect:
        await intake.store()
        _log.info("a batch broke off after %d lines, which were taken in", intake.lines)
        return Response(status_code=400)
    except ServingError as error:
        await _forgotten(once, error)
        raise
    if once.key is not None:
        answered = Answered(202, batch_id=intake.batch_id)
        await run_in_threadpool(once.keys.answered, once.key, digest.hexdigest(), answered)
    return _taken(await run_in_threadpool(batches.counts, intake.batch_id))


async def _forgotten(once: Once, error: ServingError) -> None:
    if once.key is not None and error.status < 500:
        await run_in_threadpool(once.keys.forget, once.key)


@router.get(
    "/v1/batches/{batch_id}",
    response_model=BatchBody,
    responses=problems_of(404, 422, 503),
    summary="How a batch stands",
    tags=["batches"],
)
def get_batch(batch_id: str, batches: LookingThrough) -> JSONResponse:
    """``received`` is how many wait for triage: at 0 every result is there."""
    counts = batches.counts(batch_id)
    return JSONResponse(
        {
            **_summary(counts),
            "complete": counts.complete,
            "received": counts.received,
            **{route.value: counts.routes[route] for route in Route},
        }
    )


@router.get(
    "/v1/batches/{batch_id}/problems",
    response_class=StreamingResponse,
    responses={
        **_lines_out(
            "The refused lines in order.", '{"errors":[{"field":"service","message":"is required"}],"line":7}\n'
        ),
        **problems_of(404, 422, 503),
    },
    summary="The lines that were refused",
    tags=["batches"],
)
def get_problems(batch_id: str, batches: LookingThrough, after: _After = 0) -> Response:
    """Each with its number and every field that is wrong, never a value."""
    batches.counts(batch_id)
    return StreamingResponse(_ended(batches.problems(batch_id, after=after)), media_type=JSON_LINES)


@router.get(
    "/v1/batches/{batch_id}/results",
    response_class=StreamingResponse,
    responses={
        **_lines_out("The results there are, in the order of the lines.", '{"line":1,"result":{}}\n'),
        **problems_of(404, 422, 503),
    },
    summary="The results of a batch",
    tags=["batches"],
)
def get_results(batch_id: str, batches: LookingThrough, after: _After = 0) -> Response:
    """A line whose request waits for triage is left out: ask again once ``received`` is 0."""
    batches.counts(batch_id)
    return StreamingResponse(_ended(batches.results(batch_id, after=after)), media_type=JSON_LINES)


def _ended(lines: Iterator[str]) -> Iterator[str]:
    return (f"{line}\n" for line in lines)


def _taken(counts: BatchCounts, *, again: bool = False) -> JSONResponse:
    address = f"/v1/batches/{counts.batch_id}"
    headers = {"Location": address, **({"Idempotent-Replayed": "true"} if again else {})}
    return JSONResponse({**_summary(counts), "status_url": address}, status_code=202, headers=headers)


def _summary(counts: BatchCounts) -> dict[str, Any]:
    return {
        "batch_id": counts.batch_id,
        "lines": counts.lines,
        "accepted": counts.accepted,
        "repeated": counts.repeated,
        "refused": counts.refused,
    }
