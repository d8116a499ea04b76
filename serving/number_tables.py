"""A table of numbers: one value, shown on a page and written to CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Literal

Kind = Literal["words", "count", "hours", "minutes", "share", "score"]
Value = str | int | float | None

WITHHELD = "*"
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading and what its values are. Shares are 0 to 1, hours and minutes decimal."""

    name: str
    kind: Kind = "count"


@dataclass(frozen=True, slots=True)
class NumberTable:
    """Rows of values; the first column names the row. ``withheld``: None means a small cell, else that there is none."""

    slug: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    withheld: bool = False

    def shown(self) -> list[list[str]]:
        """The rows as a page shows them."""
        none = WITHHELD if self.withheld else NOTHING
        return [
            [_shown(value, column.kind, none) for value, column in zip(row, self.columns, strict=True)]
            for row in self.rows
        ]

    def csv(self) -> str:
        """The rows as CSV (RFC 4180) with a heading; numbers are plain, a withheld cell is ``*``, nothing is empty."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(
            [f"{column.name} ({column.kind})" if _has_unit(column) else column.name for column in self.columns]
        )
        for row in self.rows:
            writer.writerow([_written(value, self.withheld) for value in row])
        return out.getvalue()


def shown_share(share: float | None) -> str:
    """A share in per cent; small ones with a decimal, and never rounded to all or nothing."""
    if share is None:
        return NOTHING
    if 0 < share < 0.001:
        return "< 0.1 %"
    if 0.99 < share < 1:
        return f"{int(share * 1000) / 10:.1f} %"
    return f"{share:.1%}".replace("%", " %") if share < 0.1 and share > 0 else f"{share:.0%}".replace("%", " %")


def _has_unit(column: Column) -> bool:
    return column.kind in ("hours", "minutes", "share")


def _shown(value: Value, kind: Kind, none: str) -> str:
    if value is None:
        return none
    if isinstance(value, str):
        return value
    if kind == "share":
        return shown_share(value)
    if kind == "score":
        return f"{value:.2f}"
    return f"{value:.1f}" if kind in ("hours", "minutes") else f"{value:,}"


def _written(value: Value, withheld: bool) -> str | int | float:
    if value is None:
        return WITHHELD if withheld else ""
    if isinstance(value, float):
        return round(value, 4)
    # A spreadsheet would run a name that begins like a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
