"""Whether a page's single keys (c, j, k, ...) are on: each person may switch them off (WCAG 2.2, 2.1.4).

The choice is a cookie of the browser, named after the person, so that it holds for who made it.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.people import SignedIn

_YEAR = 365 * 24 * 3600


def single_keys(request: Request, who: SignedIn) -> bool:
    """Whether the person has them on; they are unless switched off."""
    return request.cookies.get(_cookie(who)) != "off"


def switch_single_keys(request: Request, answer: Response, who: SignedIn, *, on: bool) -> None:
    """Remember the choice in this browser."""
    if on:
        answer.delete_cookie(_cookie(who), path="/")
        return
    answer.set_cookie(
        _cookie(who),
        "off",
        max_age=_YEAR,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def _cookie(who: SignedIn) -> str:
    return f"greenlane_keys_{who.person.person_id}"
