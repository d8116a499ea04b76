"""The worklist in the browser: the list, its search, its saved views, and claim, release and assign.

Every one works without JavaScript. Identifiers are searched by a posted form, so no address holds one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from serving.claims import standing
from serving.deps import Cases, Counts, Form, Reader, Worker, allowed
from serving.errors import CaseChangedError, InvalidParameterError, UnknownAuthorizationError
from serving.paging import position_of
from serving.people import SignedIn
from serving.rendering import render_page
from serving.roles import Permission
from serving.saved_views import SavedView, delete_view, open_first, save_view, saved_views
from serving.single_keys import single_keys, switch_single_keys
from serving.store import Store
from serving.trail import record
from serving.ulid import is_ulid
from serving.work import Work
from serving.worklist import (
    CASES_PER_PAGE,
    assign,
    changed_cases,
    changes,
    claim,
    claim_next,
    colleagues,
    release,
    search,
    viewer_of,
    worklist_page,
)
from serving.worklist_counts import PageCounts
from serving.worklist_filter import LIVE, Filter, Holder, filter_of, parsed, query_of
from serving.worklist_view import QuickCounts, changed_view, found_view, worklist_view

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

NOTICES = {
    "none-left": "Nobody waits for you here: every case that fits is with somebody.",
    "assigned": "Assigned.",
    "some-changed": "Some cases were not assigned: they changed since you opened this page. The list shows how they stand.",
}

_LONGEST_SEARCH = 200

Lead = Annotated[SignedIn, Depends(allowed(Permission.ASSIGN))]


@router.get("/")
def worklist(request: Request, who: Reader, store: Cases, counts: Counts) -> HTMLResponse:
    """Cases by due time, soonest first; without a query those of the view that opens first."""
    now = datetime.now(UTC)
    person_id = who.person.person_id
    everybody = colleagues(store)
    viewer = viewer_of(who, everybody)
    views = saved_views(store, person_id)
    chosen = _chosen(request, views)
    changed = changed_cases(store, person_id, now)
    found = worklist_page(
        store,
        viewer,
        chosen,
        changed=changed,
        after=position_of(request.query_params.get("after")),
        before=position_of(request.query_params.get("before")),
    )
    numbers = counts.for_page(viewer, changed)
    shown_changed = {case.authorization_id for case in found.cases} & changed
    view = worklist_view(
        found,
        chosen,
        who=who,
        everybody=everybody,
        changes=changes(store, person_id, shown_changed),
        facets=numbers.facets(chosen),
        changed=numbers.facets(replace(chosen, changed=True)).total,
        quick=_quick_counts(numbers),
        saved=[(saved, numbers.facets(saved.chosen).total) for saved in views],
        keys_on=single_keys(request, who),
        notice=NOTICES.get(request.query_params.get("notice", ""), ""),
        now=now,
    )
    return render_page("worklist.html", who=who, here="/", view=view)


@router.post("/search")
def find(request: Request, who: Reader, form: Form, store: Cases) -> Response:
    """The case of this external id, or the list of those that fit what was typed."""
    now = datetime.now(UTC)
    wanted = _text(form, "q").strip()
    if len(wanted) > _LONGEST_SEARCH:
        raise InvalidParameterError("q", f"has at most {_LONGEST_SEARCH} characters")
    found = search(store, wanted)
    with store.writing() as session:
        record(session, store.tenant, "searched", at=now, who=who, details={"found": len(found.cases)})
    if len(found.cases) == 1:
        return _to(f"/cases/{found.cases[0].authorization_id}")
    ids = {case.authorization_id for case in found.cases}
    view = found_view(
        found,
        who=who,
        everybody=colleagues(store),
        changes=changes(store, who.person.person_id, ids),
        keys_on=single_keys(request, who),
        now=now,
    )
    return render_page("worklist_found.html", who=who, here="/", view=view)


@router.post("/claim-next")
def next_case(who: Worker, form: Form, store: Cases) -> Response:
    """Claim the soonest due case that fits the filter and that nobody has, and open it."""
    now = datetime.now(UTC)
    chosen = _posted_filter(form)
    changed = changed_cases(store, who.person.person_id, now) if chosen.changed else ()
    authorization_id = claim_next(store, who, viewer_of(who, colleagues(store)), chosen, now, changed=changed)
    if authorization_id is None:
        return _to(f"/?{query_of(chosen)}&notice=none-left")
    return _to(f"/cases/{authorization_id}")


@router.post("/cases/{authorization_id}/claim")
def claim_case(authorization_id: str, who: Worker, form: Form, store: Cases) -> Response:
    """Claim a case and open it."""
    try:
        claim(store, who, _known(authorization_id), _turn(_text(form, "turn")), datetime.now(UTC))
    except CaseChangedError:
        return _case_changed(store, who, authorization_id, form)
    return _to(f"/cases/{authorization_id}")


@router.post("/cases/{authorization_id}/release")
def release_case(authorization_id: str, who: Worker, form: Form, store: Cases) -> Response:
    """Give a case back, and go back to the list."""
    try:
        release(store, who, _known(authorization_id), _turn(_text(form, "turn")), datetime.now(UTC))
    except CaseChangedError:
        return _case_changed(store, who, authorization_id, form)
    return _to(f"/?{query_of(_posted_filter(form))}")


@router.post("/cases/{authorization_id}/assign")
def assign_case(authorization_id: str, who: Lead, form: Form, store: Cases) -> Response:
    """Give a case to somebody, and open it."""
    turn = _turn(_text(form, "turn"))
    try:
        assign(store, who, _known(authorization_id), _text(form, "person"), turn, datetime.now(UTC))
    except CaseChangedError:
        return _case_changed(store, who, authorization_id, form)
    return _to(f"/cases/{authorization_id}")


@router.post("/assign")
def assign_cases(who: Lead, form: Form, store: Cases) -> Response:
    """Give the ticked cases to somebody; those that changed meanwhile stay as they are."""
    person_id = _text(form, "person")
    ticked = [value for value in form.getlist("case") if isinstance(value, str)]
    notice = "assigned" if ticked else ""
    for value in ticked[:CASES_PER_PAGE]:
        authorization_id, _, turn = value.partition(" ")
        try:
            assign(store, who, _known(authorization_id), person_id, _turn(turn), datetime.now(UTC))
        except CaseChangedError:
            notice = "some-changed"
    return _to(f"/?{query_of(_posted_filter(form))}" + (f"&notice={notice}" if notice else ""))


@router.post("/views")
def keep_view(who: Reader, form: Form, store: Cases) -> Response:
    """Save the filter under a name."""
    chosen = _posted_filter(form)
    is_default = bool(_text(form, "default"))
    save_view(store, who.person.person_id, _text(form, "name"), chosen, is_default=is_default, now=datetime.now(UTC))
    return _to(f"/?{query_of(chosen)}")


@router.post("/views/delete")
def forget_view(who: Reader, form: Form, store: Cases) -> Response:
    """Delete a saved view."""
    delete_view(store, who.person.person_id, _text(form, "name"))
    return _to(f"/?{query_of(_posted_filter(form))}")


@router.post("/views/first")
def choose_first_view(who: Reader, form: Form, store: Cases) -> Response:
    """Choose the view that the worklist opens with; an empty name is what needs a person."""
    open_first(store, who.person.person_id, _text(form, "name") or None)
    return _to(f"/?{query_of(_posted_filter(form))}")


@router.post("/keys")
def choose_keys(request: Request, who: Reader, form: Form) -> Response:
    """Switch single keys on or off in this browser."""
    answer = _to(f"/?{query_of(_posted_filter(form))}")
    switch_single_keys(request, answer, who, on=_text(form, "keys") == "on")
    return answer


def _chosen(request: Request, views: tuple[SavedView, ...]) -> Filter:
    fields = [(name, value) for name, value in request.query_params.multi_items() if name != "notice"]
    if not fields:
        return next((view.chosen for view in views if view.is_default), Filter())
    return filter_of(fields)


def _quick_counts(numbers: PageCounts) -> QuickCounts:
    needed = numbers.facets(Filter())
    live = numbers.facets(Filter(works=LIVE))
    return QuickCounts(
        needed=needed.total,
        at_least=needed.at_least,
        mine=live.holders[Holder.MINE],
        team=live.holders[Holder.TEAM],
        nobody=needed.holders[Holder.NOBODY],
        second_look=needed.second_look,
        changed=numbers.facets(Filter(works=tuple(Work), changed=True)).total,
    )


def _case_changed(store: Store, who: SignedIn, authorization_id: str, form: FormData) -> HTMLResponse:
    stands = standing(store, authorization_id)
    view = changed_view(stands, who, query_of(_posted_filter(form)), datetime.now(UTC))
    return render_page("worklist_changed.html", who=who, here="/", status_code=HTTPStatus.CONFLICT, view=view)


def _posted_filter(form: FormData) -> Filter:
    query = _text(form, "filter")
    return parsed(query) if query else Filter()


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _turn(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidParameterError("turn", "is the number the page was given")
    return int(text)


def _known(authorization_id: str) -> str:
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    return authorization_id


def _to(address: str) -> RedirectResponse:
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
