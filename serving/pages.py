"""The nurse's pages, rendered on the server; they work without JavaScript."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from serving.case_view import case_view
from serving.deps import Reader, Room
from serving.erased_case import erased_case
from serving.errors import AuthorizationErasedError, UnknownAuthorizationError
from serving.intake_view import intake_view
from serving.last_looks import looked
from serving.people import SignedIn
from serving.rendering import home_of, render_page
from serving.request_id import current_request_id
from serving.service import AuthorizationService, Case
from serving.sights import case_opened
from serving.single_keys import single_keys
from serving.store import Store
from serving.ulid import is_ulid
from serving.work_view import work_view

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/cases/{authorization_id}")
def case(
    request: Request,
    authorization_id: str,
    room: Room,
    who: Reader,
    show: str | None = None,
    done: str | None = None,
) -> HTMLResponse:
    """One case: the documents with their evidence, the policy's criteria beside them, and the work on it.

    ``show`` is the number of a document to show by itself; anything else shows them all, one below the other. ``done``
    names what was just done, here or on the case before.
    """
    alone = int(show) if show is not None and re.fullmatch("[1-9][0-9]{0,3}", show) else None
    try:
        found = known_case(authorization_id, room.service)
    except AuthorizationErasedError:
        return _erased_page(room.store, who, authorization_id)
    now = datetime.now(UTC)
    opened = case_opened(room.store, who, authorization_id, found.latest)
    looked(room.store, who, authorization_id, now)
    return render_page(
        "case.html",
        who=who,
        here="/",
        view=case_view(found, alone=alone),
        intake=intake_view(room.store, authorization_id),
        work=work_view(room.actions, found, who, now=now, done=done),
        keys_on=single_keys(request, who),
        opened=opened,
    )


def _erased_page(store: Store, who: SignedIn, authorization_id: str) -> HTMLResponse:
    view = erased_case(store, who, authorization_id)
    if view is None:
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    return render_page("erased.html", who=who, here="/", status_code=AuthorizationErasedError.status, view=view)


def error_page(request: Request, status: int) -> HTMLResponse:
    """An error for a browser: what kind, and the way back."""
    who: SignedIn | None = getattr(request.state, "who", None)
    return render_page(
        "problem.html",
        who=who,
        status_code=status,
        phrase=HTTPStatus(status).phrase,
        request_id=current_request_id(),
        home=home_of(who.person.role) if who is not None else "/",
    )


def known_case(authorization_id: str, service: AuthorizationService, *, earlier: bool = False) -> Case:
    """The case of an id that came in an address. ``earlier``: while newer documents are read, as it was read before.

    Raises UnknownAuthorizationError, AuthorizationErasedError, and BeingReadError where there is no result.
    """
    if not is_ulid(authorization_id):
        raise UnknownAuthorizationError("authorization_id: no authorization has this id")
    return service.case(authorization_id, earlier=earlier)
