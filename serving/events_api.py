"""``GET /v1/events``: the alternative to webhooks, and the way to catch up after a long time away."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from models.decisions import Outcome
from serving.api import MOST_PER_PAGE, PAGE_SIZE, problems_of
from serving.callers import Feed
from serving.events import EventKind

router = APIRouter()


class EventBody(BaseModel):
    """Something that happened to a case, as webhooks send it too (there without ``cursor``)."""

    model_config = ConfigDict(extra="forbid")

    event_id: str = Field(description="ULID; the same however often the event comes.")
    kind: EventKind
    at: AwareDatetime
    authorization_id: str
    external_id: str
    revision: int = Field(ge=1, description="Of the request: it grows when documents are added.")
    route: Literal["fast_track", "nurse_review"] | None = Field(description="Of a result; null for other kinds.")
    outcome: Outcome | None = Field(description="Of a determination; null for other kinds.")
    result: str = Field(description="Path to get the result from.")
    cursor: str = Field(description="What to ask after to go on from here.")


class EventListBody(BaseModel):
    """Events, oldest first. ``next_cursor`` is what to ask after next time, also where nothing new came."""

    model_config = ConfigDict(extra="forbid")

    items: list[EventBody]
    next_cursor: str | None


@router.get(
    "/v1/events",
    response_model=EventListBody,
    responses=problems_of(422, 503),
    summary="What happened, in order",
    tags=["events"],
)
def list_events(
    feed: Feed,
    after: Annotated[str | None, Query(max_length=100, description="A cursor; without one from the first")] = None,
    kinds: Annotated[list[EventKind] | None, Query(description="May be given several times")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = PAGE_SIZE,
) -> JSONResponse:
    """Nothing ever appears before an event that was given out: go on from ``next_cursor`` and you miss none."""
    found = feed.after(after, kinds=kinds or (), limit=limit)
    items = [{**event.content, "cursor": event.cursor} for event in found.events]
    return JSONResponse({"items": items, "next_cursor": found.next_cursor})
