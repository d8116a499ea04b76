"""How long people looked at a case, from the trail alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.people import IDLE_LIMIT
from serving.sights import Sight
from serving.trail import Entry


@dataclass(frozen=True, slots=True)
class Visit:
    """One opening of a case. ``seconds`` None: nothing tells when the person left it.

    ``measured``: the browser counted the seconds in which the page was in front; otherwise they are the time until the
    same sign-in's next entry elsewhere, no pause counted for longer than a sign-in may idle.
    """

    number: int
    authorization_id: str
    person_id: str
    sign_in_id: str
    opened_at: datetime
    seconds: int | None
    measured: bool


def dwell(entries: Iterable[Entry]) -> tuple[Visit, ...]:
    """Every visit among the entries, in the order of the trail.

    ``entries`` are all entries of the sign-ins concerned, in any order: what a person did elsewhere tells when they
    left a case whose page could not say so.
    """
    by_sign_in: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.sign_in_id is not None:
            by_sign_in.setdefault(entry.sign_in_id, []).append(entry)
    visits = [visit for of_one in by_sign_in.values() for visit in _visits(of_one)]
    return tuple(sorted(visits, key=lambda visit: visit.number))


def _visits(entries: list[Entry]) -> Iterator[Visit]:
    counted: dict[int, int] = {}
    for entry in entries:
        if entry.action == Sight.CASE_LEFT:
            opened, seconds = entry.facts.get("opened"), entry.facts.get("seconds")
            if isinstance(opened, int) and isinstance(seconds, int):
                # A page that comes back from the browser's memory leaves twice.
                counted[opened] = counted.get(opened, 0) + seconds
    for place, entry in enumerate(entries):
        if entry.action != Sight.CASE_OPENED or entry.authorization_id is None:
            continue
        seconds = counted.get(entry.number)
        yield Visit(
            entry.number,
            entry.authorization_id,
            entry.person_id or "",
            entry.sign_in_id or "",
            entry.at,
            seconds if seconds is not None else _until_elsewhere(entry, entries[place + 1 :]),
            seconds is not None,
        )


def _until_elsewhere(opened: Entry, later: list[Entry]) -> int | None:
    """Seconds until the sign-in's first entry that is not about this opening of the case, or to the last there is."""
    spent, at = timedelta(0), opened.at
    followed = False
    for entry in later:
        if entry.action == Sight.CASE_LEFT and entry.facts.get("opened") != opened.number:
            # A late word about another page.
            continue
        spent += max(timedelta(0), min(entry.at - at, IDLE_LIMIT))
        at = entry.at
        followed = True
        if entry.authorization_id != opened.authorization_id or entry.action == Sight.CASE_OPENED:
            break
    return round(spent.total_seconds()) if followed else None
