"""The auditor's pages: the trail, a case's story, whether the chain holds, and the export. Reading a case's is recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from serving.deps import Cases, Form, People, Service, allowed
from serving.dwell import dwell
from serving.errors import AuthorizationErasedError, InvalidParameterError, UnknownAuthorizationError
from serving.people import Person, SignedIn
from serving.people_store import PeopleStore
from serving.rendering import render_page
from serving.roles import Permission
from serving.store import Store
from serving.trail import record
from serving.trail_chain import head_of
from serving.trail_checks import last_check, verify_next
from serving.trail_export import csv_lines
from serving.trail_reading import (
    TrailFilter,
    actions_used,
    around_visits,
    case_with_external_id,
    every,
    external_ids,
    newest,
    oldest,
)
from serving.trail_view import (
    CaseTrailView,
    TrailView,
    action_choices,
    chain_view,
    choices,
    entry_line,
    filter_fields,
    href,
    statements_of,
    visit_line,
)
from serving.ulid import is_ulid

LINES_PER_PAGE = 100
_LAST_NUMBER = 2**63 - 1

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Auditor = Annotated[SignedIn, Depends(allowed(Permission.READ_TRAIL))]


def _asked(case: str = "", person: str = "", action: str = "", day: str = "") -> TrailFilter:
    """The filter of an address. Raises InvalidParameterError."""
    for field, value in (("case", case), ("person", person)):
        if value and not is_ulid(value):
            raise InvalidParameterError(field, "is not an id of ours")
    if len(action) > 48:
        raise InvalidParameterError("action", "is no kind of entry")
    try:
        wanted_day = date.fromisoformat(day) if day else None
    except ValueError:
        raise InvalidParameterError("day", "must be a date as 2026-11-20") from None
    if wanted_day is not None and not 1900 < wanted_day.year < 9000:
        raise InvalidParameterError("day", "is too far from now")
    return TrailFilter(case or None, person or None, action or None, wanted_day)


@router.get("/trail")
def trail(
    who: Auditor,
    store: Cases,
    people: People,
    wanted: Annotated[TrailFilter, Depends(_asked)],
    before: int | None = None,
) -> HTMLResponse:
    """The trail, newest first."""
    return _trail_page(who, store, people, wanted, before)


@router.post("/trail/search")
def search(who: Auditor, store: Cases, people: People, form: Form) -> Response:
    """To the trail of the case with the intake system's id, which is posted so that no address holds it."""
    found = case_with_external_id(store, str(form.get("external_id", "")).strip())
    if found is None:
        return _trail_page(who, store, people, TrailFilter(), None, not_found=True)
    return RedirectResponse(f"/trail/cases/{found}", status_code=303)


@router.get("/trail/cases/{authorization_id}")
def case_trail(
    authorization_id: str, who: Auditor, store: Cases, people: People, service: Service, after: int | None = None
) -> HTMLResponse:
    """A case's story: who looked at it for how long, and everything that was done."""
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    try:
        statements = statements_of(store.history(authorization_id))
    except AuthorizationErasedError:
        # What was done on it stays to be read; the criteria's sentences went with the results.
        statements = {}
    external_id = external_ids(store, {authorization_id})
    known = _by_id(people)
    found = oldest(store, TrailFilter(authorization_id), after=_within(after), limit=LINES_PER_PAGE + 1)
    shown = found[:LINES_PER_PAGE]
    path = f"/trail/cases/{authorization_id}"
    visits = dwell(around_visits(store, authorization_id))
    view = CaseTrailView(
        authorization_id=authorization_id,
        external_id=external_id[authorization_id],
        visits=tuple(visit_line(visit, known) for visit in visits if visit.authorization_id == authorization_id),
        lines=tuple(entry_line(entry, known, external_id, statements) for entry in shown),
        next_href=href(path, {}, after=shown[-1].number) if len(found) > LINES_PER_PAGE else None,
        is_first=after is None,
    )
    with store.writing() as session:
        now = datetime.now(UTC)
        record(session, store.tenant, "trail_opened", at=now, who=who, authorization_id=authorization_id)
    return render_page("trail_case.html", who=who, here="/trail", view=view)


@router.post("/trail/verify")
def verification(who: Auditor, store: Cases, _form: Form) -> RedirectResponse:
    """Verify the trail, or the next piece of a long one."""
    verify_next(store, who, now=datetime.now(UTC))
    return RedirectResponse("/trail", status_code=303)


@router.post("/trail/export")
def export(who: Auditor, store: Cases, people: People, form: Form) -> StreamingResponse:
    """The filtered entries as CSV, oldest first."""
    wanted = _asked(**{name: str(form.get(name, "")) for name in ("case", "person", "action", "day")})
    asked = {name: value for name, value in filter_fields(wanted).items() if name != "case"}
    now = datetime.now(UTC)
    with store.writing() as session:
        record(
            session,
            store.tenant,
            "trail_exported",
            at=now,
            who=who,
            authorization_id=wanted.authorization_id,
            details=asked,
        )
    return StreamingResponse(
        csv_lines(every(store, wanted), _by_id(people)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="trail-{now:%Y%m%dT%H%M%SZ}.csv"'},
    )


def _trail_page(
    who: SignedIn,
    store: Store,
    people: PeopleStore,
    wanted: TrailFilter,
    before: int | None,
    *,
    not_found: bool = False,
) -> HTMLResponse:
    known = _by_id(people)
    found = newest(store, wanted, before=_within(before), limit=LINES_PER_PAGE + 1)
    shown = found[:LINES_PER_PAGE]
    cases = external_ids(store, {entry.authorization_id for entry in shown if entry.authorization_id})
    fields = filter_fields(wanted)
    view = TrailView(
        lines=tuple(entry_line(entry, known, cases, {}) for entry in shown),
        chain=chain_view(last_check(store), head_of(store)),
        people=choices([(person.person_id, person.display_name) for person in known.values()], wanted.person_id),
        actions=action_choices(actions_used(store), wanted.action),
        day=fields.get("day", ""),
        chosen=fields,
        next_href=href("/trail", fields, before=shown[-1].number) if len(found) > LINES_PER_PAGE else None,
        is_first=before is None,
        not_found=not_found,
    )
    return render_page("trail.html", who=who, here="/trail", view=view)


def _within(number: int | None) -> int | None:
    """A number that came in an address, such that every database takes it."""
    return None if number is None else max(0, min(number, _LAST_NUMBER))


def _by_id(people: PeopleStore) -> dict[str, Person]:
    return {person.person_id: person for person in people.everybody()}
