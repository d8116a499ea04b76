"""What the auditor's pages show, as frozen values: templates only lay them out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from serving.dwell import Visit
from serving.people import Person
from serving.stored_case import StoredResult
from serving.trail import Entry
from serving.trail_chain import Anchor
from serving.trail_checks import LastCheck
from serving.trail_reading import TrailFilter
from serving.trail_words import NOBODY, action_words, duration, entry_words, role_words, versions_words


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One entry: when (UTC), who in which role, what they did, on which case, and the versions it names."""

    number: int
    at: str
    who: str
    role: str
    words: str
    authorization_id: str | None
    external_id: str
    versions: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a filter."""

    value: str
    words: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class ChainView:
    """Whether the chain holds, in words; ``state`` is ``holds``, ``broken``, ``unfinished`` or ``unknown``."""

    state: str
    words: str
    button: str


@dataclass(frozen=True, slots=True)
class TrailView:
    """The trail, newest first. ``chosen`` are the filter's fields, so that the export asks for the same entries."""

    lines: tuple[EntryLine, ...]
    chain: ChainView
    people: tuple[Choice, ...]
    actions: tuple[Choice, ...]
    day: str
    chosen: dict[str, str]
    next_href: str | None
    is_first: bool
    not_found: bool


@dataclass(frozen=True, slots=True)
class VisitLine:
    """Who looked at a case when, and for how long."""

    who: str
    opened_at: str
    looked: str
    how: str


@dataclass(frozen=True, slots=True)
class CaseTrailView:
    """A case's story, oldest entry first."""

    authorization_id: str
    external_id: str
    visits: tuple[VisitLine, ...]
    lines: tuple[EntryLine, ...]
    next_href: str | None
    is_first: bool


def entry_line(
    entry: Entry,
    people: Mapping[str, Person],
    external_ids: Mapping[str, str],
    statements: Mapping[str, str],
) -> EntryLine:
    """An entry as the pages show it."""
    return EntryLine(
        number=entry.number,
        at=moment(entry.at),
        who=name_of(entry.person_id, people),
        role=role_words(entry.role),
        words=entry_words(entry, statements) + _about(entry, people),
        authorization_id=entry.authorization_id,
        external_id=external_ids.get(entry.authorization_id or "", entry.authorization_id or ""),
        versions=versions_words(entry),
    )


def _about(entry: Entry, people: Mapping[str, Person]) -> str:
    """Whom the entry is about, where it names somebody: who was added, who was assigned."""
    named = (value for value in entry.facts.values() if isinstance(value, str) and value in people)
    return "".join(f" ({people[person_id].display_name})" for person_id in named)


def visit_line(visit: Visit, people: Mapping[str, Person]) -> VisitLine:
    """A visit as the pages show it."""
    if visit.seconds is None:
        return VisitLine(
            name_of(visit.person_id, people), moment(visit.opened_at), "not known", "nothing came after it"
        )
    how = "counted by the browser" if visit.measured else "until the next thing they did"
    return VisitLine(name_of(visit.person_id, people), moment(visit.opened_at), duration(visit.seconds), how)


def chain_view(check: LastCheck | None, head: Anchor) -> ChainView:
    """What the latest verification says about the trail as it is now."""
    if check is None:
        return ChainView("unknown", f"{_entries(head.number)}, not verified yet.", "Verify now")
    when, reached = moment(check.entry.at), check.reached.number
    if check.broken:
        places = "one place" if check.broken == 1 else f"{check.broken:,} places"
        return ChainView(
            "broken", f"The trail does not hold in {places}: {check.problem} (verified {when}).", "Verify again"
        )
    if not check.complete:
        words = f"Verified up to entry {reached:,} of {head.number:,} so far ({when})."
        return ChainView("unfinished", words, "Go on verifying")
    return ChainView("holds", f"The trail holds: verified up to entry {reached:,} ({when}).", "Verify again")


def _entries(count: int) -> str:
    return "One entry" if count == 1 else f"{count:,} entries"


def statements_of(history: Sequence[StoredResult]) -> dict[str, str]:
    """The policy's sentence of every criterion that a case's results name."""
    return {
        criterion["criterion_id"]: criterion["statement"]
        for result in history
        for criterion in json.loads(result.result)["criteria"]
    }


def filter_fields(wanted: TrailFilter) -> dict[str, str]:
    """The filter as the fields of a form or an address; only our own ids, never the intake system's."""
    fields = {
        "case": wanted.authorization_id,
        "person": wanted.person_id,
        "action": wanted.action,
        "day": wanted.day.isoformat() if wanted.day else None,
    }
    return {name: value for name, value in fields.items() if value}


def href(path: str, fields: Mapping[str, str], **more: int) -> str:
    """An address with these fields."""
    query = {**fields, **{name: str(value) for name, value in more.items()}}
    return f"{path}?{urlencode(query)}" if query else path


def choices(named: Sequence[tuple[str, str]], chosen: str | None) -> tuple[Choice, ...]:
    """(value, words) pairs as the choices of a filter."""
    return tuple(Choice(value, words, value == chosen) for value, words in named)


def action_choices(actions: Sequence[str], chosen: str | None) -> tuple[Choice, ...]:
    """Kinds of entries to choose from."""
    return choices([(action, action_words(action)) for action in actions], chosen)


def name_of(person_id: str | None, people: Mapping[str, Person]) -> str:
    """The display name of a person; their id where nobody has it any more."""
    if person_id is None:
        return NOBODY
    return people[person_id].display_name if person_id in people else person_id


def moment(at: datetime) -> str:
    """To the second, in UTC, as the pages say once."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
