"""Where a browser may be sent on to after signing in: to a page of ours, and nowhere else."""

from __future__ import annotations

from urllib.parse import urlsplit

_LONGEST = 2000


def local_path(wished: str) -> str:
    """The wished path with its query where it is one of ours, else ``/``."""
    if not wished.isprintable() or "\\" in wished or len(wished) > _LONGEST:
        return "/"
    try:
        parts = urlsplit(wished)
    except ValueError:
        # "//[" begins an IPv6 address that never ends.
        return "/"
    if parts.scheme or parts.netloc or not wished.startswith("/") or wished.startswith("//"):
        return "/"
    return "/" if parts.path.startswith(("/sign-in", "/sign-out", "/v1/")) else wished
