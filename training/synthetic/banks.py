"""The phrase banks: what notes say, as data. ``seen`` and ``unseen`` never share a phrase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

BankName = Literal["seen", "unseen"]


@dataclass(frozen=True, slots=True)
class Style:
    """How one clinic lays out a note: section headings and order, what stands between, how much is abbreviated.

    ``wrap`` is the line width in characters, 0 for none; ``abbreviate`` the share of abbreviable words shortened.
    """

    name: str
    headings: Mapping[str, str]
    order: tuple[str, ...]
    join: str
    between: str
    abbreviate: float
    wrap: int = 0


@dataclass(frozen=True, slots=True)
class Bank:
    """One of the two banks of one service: phrases by key, styles, and the abbreviations styles may use."""

    name: BankName
    phrases: Mapping[str, tuple[str, ...]]
    styles: tuple[Style, ...]
    abbreviations: tuple[tuple[str, str], ...]


@cache
def load_bank(service: str, name: BankName) -> Bank:
    """The bank ``name`` for ``service`` (``lumbar``, ``knee`` or ``sleep``), everyday phrases included."""
    phrases = {
        key: tuple(variants[name]) for file in ("everyday", service) for key, variants in _read(f"{file}.yaml").items()
    }
    layout = _read("styles.yaml")
    styles = tuple(
        Style(
            name=style,
            headings=fields["headings"],
            order=tuple(fields["order"]),
            join=fields["join"],
            between=fields["between"],
            abbreviate=fields["abbreviate"],
            wrap=fields.get("wrap", 0),
        )
        for style, fields in layout[name].items()
    )
    # Longest first, so that "twice daily" is shortened before a word within it could be.
    abbreviations = sorted(layout["abbreviations"].items(), key=lambda pair: (-len(pair[0]), pair[0]))
    return Bank(name, phrases, styles, tuple(abbreviations))


def _read(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        resources.files("training.synthetic").joinpath(file).read_text(encoding="utf-8")
    )
    return content
