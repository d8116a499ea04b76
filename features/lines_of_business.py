"""Whose money pays, as far as law tells lines of business apart. Requests name it in many ways."""

from __future__ import annotations

from typing import Literal, get_args

LineOfBusiness = Literal["commercial", "self_funded", "marketplace", "medicare_advantage", "medicaid", "chip"]

LINES_OF_BUSINESS: tuple[LineOfBusiness, ...] = get_args(LineOfBusiness)

_OTHER_NAMES: dict[str, LineOfBusiness] = {
    "aso": "self_funded",
    "erisa": "self_funded",
    "exchange": "marketplace",
    "individual": "marketplace",
    "ma": "medicare_advantage",
    "mapd": "medicare_advantage",
    "medicare": "medicare_advantage",
    "qhp": "marketplace",
    "self_insured": "self_funded",
}


def line_of_business(named: str | None) -> LineOfBusiness | None:
    """The line of business a request means, whatever its spelling (``Medicare-Advantage``); None for one nobody knows."""
    if named is None:
        return None
    plain = "_".join(named.casefold().replace("-", " ").replace("_", " ").split())
    for line in LINES_OF_BUSINESS:
        if plain == line:
            return line
    return _OTHER_NAMES.get(plain)
