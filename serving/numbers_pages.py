"""The lead's and the data scientist's pages of numbers, and the same tables as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from serving.aggregates import aggregates
from serving.aggregates_view import aggregate_sections
from serving.deps import Cases, Rooms, allowed, onlooker
from serving.errors import UnknownTableError
from serving.number_tables import NumberTable
from serving.numbers import lead_numbers
from serving.numbers_view import NumbersView, Section, clock_words, numbers_view
from serving.people import SignedIn
from serving.periods import PERIOD_NAMES, Period, period_of
from serving.rendering import render_page
from serving.roles import Permission
from serving.settings import Settings
from serving.store import Store
from serving.trail import record

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@dataclass(frozen=True, slots=True)
class PeriodFilter:
    """The filter above the numbers: the period, what can be chosen, and the query that keeps it."""

    period: Period
    choices: tuple[tuple[str, str], ...]
    query: str


def chosen_period(
    period: str = "7d",
    first: Annotated[str, Query(alias="from")] = "",
    last: Annotated[str, Query(alias="to")] = "",
) -> PeriodFilter:
    """The period of the query; the last seven days where it names none."""
    chosen = period_of(period, first, last, datetime.now(UTC))
    days = {"from": first, "to": last} if chosen.name == "custom" else {}
    return PeriodFilter(chosen, tuple(PERIOD_NAMES.items()), urlencode({"period": chosen.name, **days}))


def app_settings(request: Request) -> Settings:
    """The settings of this application."""
    return cast("Settings", request.app.state.settings)


Chosen = Annotated[PeriodFilter, Depends(chosen_period)]
ReportReader = Annotated[SignedIn, Depends(allowed(Permission.READ_REPORTS))]
Onlooker = Annotated[SignedIn, Depends(onlooker(Permission.READ_REPORTS))]
AggregateReader = Annotated[SignedIn, Depends(allowed(Permission.READ_AGGREGATES))]
Set = Annotated[Settings, Depends(app_settings)]


@router.get("/numbers")
def numbers(chosen: Chosen, store: Cases, settings: Set, who: ReportReader) -> HTMLResponse:
    """The lead's page."""
    view = _lead_view(store, settings, chosen)
    return render_page("numbers.html", who=who, here="/numbers", view=view, chosen=chosen)


@router.get("/numbers/now")
def numbers_now(chosen: Chosen, rooms: Rooms, settings: Set, who: Onlooker) -> HTMLResponse:
    """The numbers of the lead's page alone, for the page to refresh itself."""
    store = rooms.of(who.person.tenant).store
    return render_page("numbers_now.html", view=_lead_view(store, settings, chosen), chosen=chosen)


@router.get("/numbers/{table}.csv")
def numbers_csv(table: str, chosen: Chosen, store: Cases, settings: Set, who: ReportReader) -> Response:
    """One table of the lead's page."""
    return _csv(store, who, table, chosen.period, lambda: _lead_view(store, settings, chosen).sections)


@router.get("/aggregates")
def aggregates_page(chosen: Chosen, store: Cases, who: AggregateReader) -> HTMLResponse:
    """The data scientist's page."""
    found = aggregates(store, chosen.period, datetime.now(UTC))
    return render_page(
        "aggregates.html",
        who=who,
        here="/aggregates",
        sections=aggregate_sections(found),
        withheld=found.withheld,
        as_of=clock_words(found.as_of),
        chosen=chosen,
    )


@router.get("/aggregates/{table}.csv")
def aggregates_csv(table: str, chosen: Chosen, store: Cases, who: AggregateReader) -> Response:
    """One table of the data scientist's page, with the same cells withheld."""
    return _csv(
        store,
        who,
        table,
        chosen.period,
        lambda: aggregate_sections(aggregates(store, chosen.period, datetime.now(UTC))),
    )


def _lead_view(store: Store, settings: Settings, chosen: PeriodFilter) -> NumbersView:
    found = lead_numbers(
        store,
        chosen.period,
        datetime.now(UTC),
        quick_seconds=settings.quick_decision_seconds,
        tolerated=settings.quick_decision_share,
    )
    return numbers_view(found)


def _csv(store: Store, who: SignedIn, name: str, period: Period, sections: Callable[[], Sequence[Section]]) -> Response:
    table = _table(sections(), name)
    days = f"{period.first}-{period.last}"
    with store.writing() as session:
        record(
            session,
            store.tenant,
            "numbers_exported",
            at=datetime.now(UTC),
            who=who,
            details={"table": table.slug, "first": period.first.isoformat(), "last": period.last.isoformat()},
        )
    return Response(
        table.csv(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="greenlane-{table.slug}-{days}.csv"'},
    )


def _table(sections: Sequence[Section], name: str) -> NumberTable:
    for section in sections:
        if section.slug == name:
            return section.table
    raise UnknownTableError("table: no table has this name")
