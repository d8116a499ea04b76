"""What every chart holds whatever it is about, and how clinics lay it out, as data: ``everyday.yaml``, ``styles.yaml``.

Both have two banks, ``seen`` and ``unseen``, that share nothing; the test split alone is written from the second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from training.synthetic.service import BankName, Kind


@dataclass(frozen=True, slots=True)
class Style:
    """How one clinic lays out a document: which sections come first, their headings, what stands between.

    ``line`` goes before each sentence; ``wrap`` is the line width in characters, 0 for none; ``abbreviate`` and
    ``typos`` multiply how often words are shortened and mistyped; ``unticked`` adds empty boxes nobody ticked.
    """

    name: str
    kinds: tuple[Kind, ...]
    headings: Mapping[str, str]
    order: tuple[str, ...]
    join: str
    between: str
    line: str
    abbreviate: float
    typos: float
    wrap: int
    capitals: bool
    unticked: bool
    header: tuple[str, ...]
    footer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Everyday:
    """One bank of everyday phrases and styles, with the abbreviations every clinic uses."""

    name: BankName
    phrases: Mapping[str, tuple[str, ...]]
    styles: Mapping[Kind, tuple[Style, ...]]
    abbreviations: tuple[tuple[re.Pattern[str], str], ...]


@cache
def load_everyday(name: BankName) -> Everyday:
    """The bank ``name``."""
    layout = _read("styles.yaml")
    common = layout["headings"]
    styles = [_style(style, fields, common) for style, fields in layout[name].items()]
    # Longest first, so that "twice daily" is shortened before a word within it could be.
    abbreviations = sorted(layout["abbreviations"].items(), key=lambda pair: (-len(pair[0]), pair[0]))
    kinds: tuple[Kind, ...] = ("note", "report", "therapy", "form", "letter")
    return Everyday(
        name,
        {key: tuple(variants[name]) for key, variants in _read("everyday.yaml").items()},
        {kind: tuple(style for style in styles if kind in style.kinds) for kind in kinds},
        tuple((re.compile(rf"\b{re.escape(long)}\b"), short) for long, short in abbreviations),
    )


@cache
def clutter(name: BankName, key: str, skip: tuple[str, ...]) -> tuple[str, ...]:
    """The everyday phrases of ``key`` that hold none of the words ``skip``, whatever their case."""
    return tuple(
        phrase
        for phrase in load_everyday(name).phrases[key]
        if not any(word.lower() in phrase.lower() for word in skip)
    )


def _style(name: str, fields: Mapping[str, Any], common: Mapping[str, str]) -> Style:
    known = {
        "kinds", "headings", "order", "join", "between", "line", "abbreviate", "typos", "wrap", "capitals", "unticked",
        "header", "footer",
    }  # fmt: skip
    if set(fields) - known:
        raise KeyError(f"styles.yaml: {name}: unknown key {sorted(set(fields) - known)[0]}")
    return Style(
        name=name,
        kinds=tuple(fields["kinds"]),
        headings={**common, **fields["headings"]},
        order=tuple(fields["order"]),
        join=fields["join"],
        between=fields["between"],
        line=fields.get("line", ""),
        abbreviate=fields.get("abbreviate", 0.0),
        typos=fields.get("typos", 1.0),
        wrap=fields.get("wrap", 0),
        capitals=fields.get("capitals", False),
        unticked=fields.get("unticked", False),
        header=tuple(fields.get("header", ())),
        footer=tuple(fields.get("footer", ())),
    )


def _read(file: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(
        (resources.files("training.synthetic") / file).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader
    )
    return content
