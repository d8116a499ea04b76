"""The nurse's pages, rendered on the server; they work without JavaScript."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from models.types import Route
from serving.deps import Service
from serving.errors import UnknownAuthorizationError
from serving.paging import cursor_after, position_of
from serving.ulid import is_ulid
from serving.views import ROUTE_WORDS, WorklistTab, WorklistView, case_view, worklist_row

ROWS_PER_PAGE = 50

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def worklist(service: Service, cursor: str | None = None, route: Route | None = None) -> HTMLResponse:
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
    return page("worklist.html", view=view)


@router.get("/cases/{authorization_id}")
def case(authorization_id: str, service: Service) -> HTMLResponse:
    """One case: the documents with their evidence, the policy's criteria beside them."""
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    return page("case.html", view=case_view(service.case(authorization_id), datetime.now(UTC)))


def error_page(_request: Request, status: int) -> HTMLResponse:
    """An error for a browser: what kind, and the way back."""
    return page("problem.html", status_code=status, phrase=HTTPStatus(status).phrase)


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


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def page(template: str, *, status_code: int = 200, **context: object) -> HTMLResponse:
    """A rendered template."""
    return HTMLResponse(_templates().get_template(template).render(context), status_code=status_code)
