"""Pages from templates."""

from __future__ import annotations

from functools import cache

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from serving.people import SignedIn


def render_page(
    template: str, *, who: SignedIn | None = None, here: str = "", status_code: int = 200, **context: object
) -> HTMLResponse:
    """The page for who is signed in (None: nobody). ``here`` is the path of the place it belongs to."""
    everywhere = {"here": here, "form_token": who.form_token if who is not None else ""}
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
