"""The cookies of a browser, and whether they may travel over http. Over https their names say that no other host set them."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import Response

from serving.settings import Settings, is_loopback

COOKIE = "greenlane_sign_in"
"""Holds a browser's sign-in token."""
FORM_COOKIE = "greenlane_form"
"""Holds what the sign-in form must bring back, so that no other page can sign a browser in as somebody else."""
ORGANIZATION_COOKIE = "greenlane_organization"
"""Holds the organization that was last signed in to from this browser, where there are several."""
OIDC_COOKIE = "greenlane_oidc"
"""Holds one attempt to sign in through the identity provider."""


def is_secure(request: Request) -> bool:
    """Whether browsers reach this application by https, as far as it is told (GREENLANE_PUBLIC_URL) or can see.

    Only what listens on this machine alone, and is asked by http, counts as not.
    """
    settings: Settings = request.app.state.settings
    if settings.public_url is not None:
        return urlsplit(settings.public_url).scheme == "https"
    return request.url.scheme == "https" or not is_loopback(settings.host)


def read_cookie(request: Request, cookie: str) -> str:
    """The cookie's value, empty where there is none."""
    return request.cookies.get(_name(request, cookie), "")


def set_cookie(request: Request, answer: Response, cookie: str, value: str, *, seconds: int | None = None) -> None:
    """Give the browser a cookie, until it closes or for ``seconds``.

    Only the identity provider's way back is opened by another site, so only its cookie may come with such a call.
    """
    answer.set_cookie(
        _name(request, cookie),
        value,
        max_age=seconds,
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="lax" if cookie == OIDC_COOKIE else "strict",
    )


def drop_cookie(request: Request, answer: Response, cookie: str) -> None:
    """Take a cookie back."""
    set_cookie(request, answer, cookie, "", seconds=0)


def _name(request: Request, cookie: str) -> str:
    # Browsers take a __Host- cookie only by https from this very host, and no subdomain can set one.
    return f"__Host-{cookie}" if is_secure(request) else cookie
