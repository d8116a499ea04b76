"""Pages from templates: escaped, and a name that is not there is an error."""

from __future__ import annotations

from functools import cache

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined


def page(template: str, *, status_code: int = 200, **context: object) -> HTMLResponse:
    """The template, rendered."""
    return HTMLResponse(_templates().get_template(template).render(context), status_code=status_code)


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
