"""Which sign-in names are one and the same."""

from __future__ import annotations

import unicodedata


def folded_name(name: str) -> str:
    """Names that look the same are the same: case and Unicode's compatible forms do not count."""
    return unicodedata.normalize("NFKC", name).strip().casefold()
