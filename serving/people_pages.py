"""The administrator's page: who may sign in, as what, and a new password where one is lost."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData
from starlette.responses import Response

from serving.deps import Administrator, Form, People
from serving.errors import PersonRefusedError
from serving.people import Person, SignedIn
from serving.people_store import PeopleStore, generated_password
from serving.rendering import ROLE_WORDS, render_page
from serving.roles import Role

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/people")
def people_page(who: Administrator, people: People) -> HTMLResponse:
    """Everybody, with their role and team."""
    return _page(who, people)


@router.post("/people")
def add_person(who: Administrator, people: People, form: Form) -> Response:
    """Add somebody with a generated password, which this answer alone shows."""
    password = generated_password()
    try:
        added = people.add(
            _field(form, "sign_in_name"),
            _field(form, "display_name"),
            _role(form),
            password=password,
            team=_field(form, "team"),
            by=who,
            now=datetime.now(UTC),
        )
    except PersonRefusedError as error:
        return _page(who, people, problem=str(error), typed=form)
    return _page(who, people, shown_for=added, password=password)


@router.get("/people/{person_id}")
def person_page(person_id: str, who: Administrator, people: People) -> HTMLResponse:
    """One person, to change."""
    return _person_page(who, people.person(person_id))


@router.post("/people/{person_id}")
def change_person(person_id: str, who: Administrator, people: People, form: Form) -> Response:
    """Change name, role and team, or whether they may sign in at all."""
    active = {"yes": True, "no": False}.get(_field(form, "active"))
    now = datetime.now(UTC)
    try:
        if active is not None:
            people.change(person_id, active=active, by=who, now=now)
        else:
            before = people.person(person_id)
            people.change(
                person_id,
                display_name=_field(form, "display_name"),
                role=None if before.by_oidc else _role(form),
                team=_field(form, "team"),
                by=who,
                now=now,
            )
    except PersonRefusedError as error:
        return _person_page(who, people.person(person_id), problem=str(error))
    return RedirectResponse("/people", 303)


@router.post("/people/{person_id}/password")
def reset_password(person_id: str, who: Administrator, people: People, form: Form) -> Response:
    """Give somebody a generated password, which this answer alone shows; they are signed out everywhere."""
    del form
    password = generated_password()
    try:
        person = people.change(person_id, password=password, by=who, now=datetime.now(UTC))
    except PersonRefusedError as error:
        return _person_page(who, people.person(person_id), problem=str(error))
    return _page(who, people, shown_for=person, password=password)


def _page(
    who: SignedIn,
    people: PeopleStore,
    *,
    problem: str = "",
    typed: FormData | None = None,
    shown_for: Person | None = None,
    password: str = "",
) -> HTMLResponse:
    everybody = people.everybody()
    return render_page(
        "people.html",
        who=who,
        here="/people",
        status_code=PersonRefusedError.status if problem else 200,
        people=everybody,
        role_words=ROLE_WORDS,
        teams=sorted({person.team for person in everybody if person.team}),
        problem=problem,
        typed={name: _field(typed, name) for name in ("sign_in_name", "display_name", "role", "team")},
        shown_for=shown_for,
        password=password,
    )


def _person_page(who: SignedIn, person: Person, *, problem: str = "") -> HTMLResponse:
    status = PersonRefusedError.status if problem else 200
    return render_page(
        "person.html",
        who=who,
        here="/people",
        status_code=status,
        person=person,
        role_words=ROLE_WORDS,
        problem=problem,
    )


def _role(form: FormData) -> Role:
    role = _field(form, "role")
    if role not in frozenset(Role):
        raise PersonRefusedError("role: choose one of the list")
    return Role(role)


def _field(form: FormData | None, name: str) -> str:
    value = form.get(name) if form is not None else None
    return value if isinstance(value, str) else ""
