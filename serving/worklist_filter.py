"""Which cases a worklist shows, as a value and as the query of its address.

A filter holds kinds, never identifiers: those are searched by a posted form, because addresses end up in logs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode

from serving.errors import InvalidParameterError
from serving.work import Work

NEEDS_A_PERSON = (Work.OPEN, Work.REFERRED)
"""What a worklist shows unless told otherwise. Who waits for information, or is done, needs nobody now."""
LIVE = (Work.OPEN, Work.AWAITING_INFORMATION, Work.REFERRED)
"""Cases without an answer: those that can be claimed."""
URGENCIES = ("expedited", "standard")

_MOST_VALUES = 60
_LONGEST_VALUE = 200

_Text = TypeVar("_Text", bound=str)
_Kind = TypeVar("_Kind", bound=StrEnum)


class Holder(StrEnum):
    """Who has a case, as seen by the person who looks at the worklist."""

    MINE = "mine"
    TEAM = "team"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: their id, and the ids of everybody of their team, themselves among them."""

    person_id: str
    team: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Filter:
    """Cases that fit one value of every kind; an empty kind takes every case. ``""`` stands for "not given".

    ``families`` are of coverage policies, ``code`` is a service's, ``changed`` means since the viewer's last look.
    """

    works: tuple[Work, ...] = NEEDS_A_PERSON
    families: tuple[str, ...] = ()
    code: str = ""
    urgencies: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    holders: tuple[Holder, ...] = ()
    second_look: bool = False
    changed: bool = False


def filter_of(fields: Iterable[tuple[str, str]]) -> Filter:
    """The filter that a form's fields name; others are ignored. Raises InvalidParameterError, naming the field."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        if len(value) > _LONGEST_VALUE or "\0" in value:
            raise InvalidParameterError(_known(name), "is too long or holds a NUL character")
        values.setdefault(name, []).append(value)
    if any(len(given) > _MOST_VALUES for given in values.values()):
        raise InvalidParameterError("filter", f"takes at most {_MOST_VALUES} values of a kind")
    works = tuple(_one_of(Work, "status", value) for value in values.get("status", ()))
    urgencies = values.get("urgency", [])
    if set(urgencies) - set(URGENCIES):
        raise InvalidParameterError("urgency", "is expedited or standard")
    return Filter(
        works=tuple(work for work in Work if work in works) or NEEDS_A_PERSON,
        families=_distinct(values.get("service", ())),
        code="".join(values.get("code", ())[:1]).strip(),
        urgencies=_distinct(urgencies),
        lines=_distinct(values.get("line", ())),
        holders=_distinct(_one_of(Holder, "held", value) for value in values.get("held", ())),
        second_look=bool("".join(values.get("second_look", ()))),
        changed=bool("".join(values.get("changed", ()))),
    )


def parsed(query: str) -> Filter:
    """The filter that an address's query names. Raises InvalidParameterError."""
    try:
        return filter_of(parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_VALUES * 8))
    except ValueError:
        raise InvalidParameterError("filter", "has too many fields") from None


def query_of(chosen: Filter) -> str:
    """The query of an address that shows these cases; equal filters have equal queries."""
    fields = [("status", work.value) for work in chosen.works]
    fields += [("service", family) for family in chosen.families]
    fields += [("code", chosen.code)] if chosen.code else []
    fields += [("urgency", urgency) for urgency in chosen.urgencies]
    fields += [("line", line) for line in chosen.lines]
    fields += [("held", holder.value) for holder in chosen.holders]
    fields += [("second_look", "yes")] if chosen.second_look else []
    fields += [("changed", "yes")] if chosen.changed else []
    return urlencode(fields)


def _distinct(values: Iterable[_Text]) -> tuple[_Text, ...]:
    return tuple(sorted(set(values)))


def _one_of(kind: type[_Kind], field: str, value: str) -> _Kind:
    try:
        return kind(value)
    except ValueError:
        raise InvalidParameterError(field, f"is one of {', '.join(kind)}") from None


def _known(name: str) -> str:
    return name if name in ("status", "service", "code", "urgency", "line", "held") else "filter"
