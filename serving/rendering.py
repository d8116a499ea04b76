"""Pages from templates: what every page shows of who is signed in, and where they may go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.people import WARNED_BEFORE, SignedIn
from serving.roles import Permission, Role, may

ROLE_WORDS: dict[Role, str] = {
    Role.NURSE: "Nurse",
    Role.LEAD: "Lead",
    Role.MEDICAL_DIRECTOR: "Medical director",
    Role.DATA_SCIENTIST: "Data scientist",
    Role.AUDITOR: "Auditor",
    Role.ADMINISTRATOR: "Administrator",
}
PLACES: tuple[tuple[str, str, Permission], ...] = (
    ("Worklist", "/", Permission.READ_CASES),
    ("Numbers", "/numbers", Permission.READ_REPORTS),
    ("Trail", "/trail", Permission.READ_TRAIL),
    ("Aggregates", "/aggregates", Permission.READ_AGGREGATES),
    ("People", "/people", Permission.KEEP_PEOPLE),
    ("Queue", "/jobs", Permission.KEEP_QUEUE),
    ("Webhooks", "/webhooks", Permission.KEEP_PEOPLE),
)
"""Where the header leads: words, path, and what a role must hold to go there."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a page says about who is signed in. ``ends_at`` is UTC, ``seconds_left`` are until then."""

    display_name: str
    role: str
    form_token: str
    places: tuple[tuple[str, str], ...]
    home: str
    ends_at: datetime
    seconds_left: int
    warned_before: int


def home_of(role: Role) -> str:
    """The path a person of this role starts at."""
    return next(path for _, path, permission in PLACES if may(role, permission))


def header_of(who: SignedIn) -> Header:
    """The header of a page for this person."""
    return Header(
        display_name=who.person.display_name,
        role=ROLE_WORDS[who.person.role],
        form_token=who.form_token,
        places=tuple((words, path) for words, path, permission in PLACES if who.person.may(permission)),
        home=home_of(who.person.role),
        ends_at=who.ends_at,
        seconds_left=max(0, int((who.ends_at - datetime.now(UTC)).total_seconds())),
        warned_before=int(WARNED_BEFORE.total_seconds()),
    )


def render_page(
    template: str, *, who: SignedIn | None = None, here: str = "", status_code: int = 200, **context: object
) -> HTMLResponse:
    """The page for who is signed in (None: nobody). ``here`` is the path in PLACES that it belongs to."""
    header = header_of(who) if who is not None else None
    form_token = who.form_token if who is not None else ""
    everywhere = {"header": header, "here": here, "form_token": form_token}
    return HTMLResponse(templates().get_template(template).render({**everywhere, **context}), status_code=status_code)


@cache
def templates() -> Environment:
    """Jinja as every page uses it: everything is escaped, and a name that is not given is an error."""
    return Environment(
        loader=PackageLoader("serving"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
