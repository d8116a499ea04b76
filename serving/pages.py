"""The nurse's pages, rendered on the server; they work without JavaScript."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from models.types import Route
from serving.case_view import case_view
from serving.deps import Reader, Service
from serving.errors import UnknownAuthorizationError
from serving.paging import cursor_after, position_of
from serving.people import SignedIn
from serving.rendering import home_of, render_page
from serving.service import AuthorizationService, Case
from serving.sights import case_opened
from serving.ulid import is_ulid
from serving.views import ROUTE_WORDS, WorklistTab, WorklistView, worklist_row

ROWS_PER_PAGE = 50

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def worklist(who: Reader, service: Service, cursor: str | None = None, route: Route | None = None) -> HTMLResponse:
    """Cases by due time."""
    now = datetime.now(UTC)
    found = service.cases(route=route, after=position_of(cursor), limit=ROWS_PER_PAGE + 1)
    shown = found[:ROWS_PER_PAGE]
    more = cursor_after(shown[-1]) if len(found) > ROWS_PER_PAGE else None
    view = WorklistView(
        rows=tuple(worklist_row(case, now) for case in shown),
        tabs=_tabs(service.counts(), route),
        next_href=_href(route, more) if more else None,
        is_first=cursor is None,
    )
    return render_page("worklist.html", who=who, here="/", view=view)


@router.get("/cases/{authorization_id}")
def case(
    request: Request, authorization_id: str, service: Service, who: Reader, show: str | None = None
) -> HTMLResponse:
    """One case: the documents with their evidence, the policy's criteria beside them.

    ``show`` is the number of a document to show by itself; anything else shows them all, one below the other.
    """
    alone = int(show) if show is not None and re.fullmatch("[1-9][0-9]{0,3}", show) else None
    found = known_case(authorization_id, service)
    opened = case_opened(request.app.state.store, who, authorization_id, found.latest)
    view = case_view(found, datetime.now(UTC), alone=alone)
    return render_page("case.html", who=who, here="/", view=view, opened=opened)


def error_page(request: Request, status: int) -> HTMLResponse:
    """An error for a browser: what kind, and the way back."""
    who: SignedIn | None = getattr(request.state, "who", None)
    return render_page(
        "problem.html",
        who=who,
        status_code=status,
        phrase=HTTPStatus(status).phrase,
        home=home_of(who.person.role) if who is not None else "/",
    )


def _tabs(counts: dict[Route | None, int], current: Route | None) -> tuple[WorklistTab, ...]:
    everything = WorklistTab("All", _href(None, None), sum(counts.values()), current is None)
    by_route = [
        WorklistTab(words, _href(route, None), counts.get(route, 0), current is route)
        for route, words in reversed(ROUTE_WORDS.items())
    ]
    return (everything, *by_route)


def _href(route: Route | None, cursor: str | None) -> str:
    query = {"route": route.value if route else None, "cursor": cursor}
    given = {name: value for name, value in query.items() if value}
    return f"/?{urlencode(given)}" if given else "/"


def known_case(authorization_id: str, service: AuthorizationService) -> Case:
    """The case of an id that came in an address. Raises UnknownAuthorizationError."""
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    return service.case(authorization_id)
