"""Proof that the trail was not changed: every entry's hash is computed again, and followed from the first to the last.

What the chain alone cannot show is that its newest entries are gone, or that everything after some entry was written anew.
An :class:`Anchor` kept elsewhere shows both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import String, select, type_coerce
from sqlalchemy.engine import Row

from serving.errors import AnchorError
from serving.store import Store
from serving.tables import TrailRow
from serving.trail import FIRST_HASH, HASHED, content_hash, stamp

BATCH = 2_000
"""Entries held in memory at a time."""

_AT = HASHED.index("at")
_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_COLUMNS = [
    # As the database holds it: a moment somebody changed into something else must not end the proof.
    type_coerce(TrailRow.at, String).label("at") if name == "at" else getattr(TrailRow, name)
    for name in (*HASHED, "hash")
]

Fault = Literal["content", "order", "missing", "anchor"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry's number and hash, written down where whoever can change the database cannot change it."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


START = Anchor(0, FIRST_HASH)
"""Before the first entry."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One place where the chain does not hold: the entry's number and what is wrong there."""

    number: int
    fault: Fault
    problem: str

    def __str__(self) -> str:
        return f"entry {self.number}: {self.problem}"


@dataclass(frozen=True, slots=True)
class ChainState:
    """What a verification found. ``head`` is the last entry it read; ``complete``: there was none after it.

    ``first`` is the first place that does not hold, ``broken`` how many there are.
    """

    start: Anchor
    checked: int
    head: Anchor
    complete: bool
    broken: int
    first: Broken | None

    @property
    def valid(self) -> bool:
        """Whether everything that was read holds."""
        return self.first is None


def parse_anchor(text: str) -> Anchor:
    """``NUMBER:HASH`` as ``greenlane audit anchor`` prints it. Raises AnchorError."""
    found = _ANCHOR.fullmatch(text.strip())
    if found is None:
        raise AnchorError("the anchor must be NUMBER:HASH as `greenlane audit anchor` prints it")
    return Anchor(int(found[1]), found[2])


def head_of(store: Store) -> Anchor:
    """The newest entry; START where there is none. It is not verified. Raises StoreUnavailableError."""
    query = select(TrailRow.number, TrailRow.hash).order_by(TrailRow.number.desc()).limit(1)
    with store.reading() as session:
        last = session.execute(query).one_or_none()
    return Anchor(last.number, last.hash) if last is not None else START


def verify(store: Store, *, anchor: Anchor = START, start: Anchor = START, limit: int | None = None) -> ChainState:
    """Read the chain after ``start`` (at most ``limit`` entries) and say where it does not hold.

    ``start`` must be there still, with its hash. ``anchor``: an entry that must be there with this hash; it is looked for
    where the reading comes by it. Memory does not grow with the trail. Entries that are added meanwhile are read too.
    Raises StoreUnavailableError.
    """
    places = _Places()
    previous, checked, complete = start, 0, True
    met = anchor.number <= start.number
    if start != START and not _is_there(store, start):
        places.add([Broken(start.number, "anchor", "was changed since the trail was verified up to it")])
    for row in _rows(store, after=start.number if start != START else None):
        if limit is not None and checked == limit:
            complete = False
            break
        places.add(_faults(row, previous))
        if row.number == anchor.number:
            met = True
            if row.hash != anchor.hash:
                places.add(
                    [Broken(row.number, "anchor", "its hash is not the anchor's; it, or one before, was changed")]
                )
        previous = Anchor(row.number, str(row.hash))
        checked += 1
    if complete and not met:
        places.add([Broken(anchor.number, "anchor", "is gone, and the anchor names it")])
    return ChainState(start, checked, previous, complete, places.count, places.first)


def _is_there(store: Store, anchor: Anchor) -> bool:
    with store.reading() as session:
        return session.scalar(select(TrailRow.hash).where(TrailRow.number == anchor.number)) == anchor.hash


class _Places:
    """Counts what is broken and keeps the first, so that memory does not grow."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Broken | None = None

    def add(self, found: list[Broken]) -> None:
        self.count += len(found)
        self.first = self.first or (found[0] if found else None)


def _faults(row: Row[Any], previous: Anchor) -> list[Broken]:
    found = []
    if row.number != previous.number + 1:
        found.append(_gap(row.number, previous.number))
    elif row.previous_hash != previous.hash:
        before = f"entry {previous.number}" if previous.number else "the beginning of the trail"
        found.append(Broken(row.number, "order", f"does not follow {before}; one of the two was changed"))
    if _hash(row) != row.hash:
        found.append(Broken(row.number, "content", "its hash does not match its content"))
    return found


def _gap(number: int, previous: int) -> Broken:
    if number <= previous:
        return Broken(number, "order", "stands before the beginning of the trail")
    first, last = previous + 1, number - 1
    if first == last:
        return Broken(first, "missing", "is missing")
    return Broken(first, "missing", f"is missing, and so is every entry up to {last}")


def _hash(row: Row[Any]) -> str | None:
    """The hash of the row's content, None where the content cannot have come from us."""
    fields = list(row[: len(HASHED)])
    try:
        fields[_AT] = stamp(_moment(row.at))
        return content_hash(fields)
    except (TypeError, ValueError, OverflowError):
        return None


def _moment(stored: object) -> datetime:
    moment = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    if not isinstance(moment, datetime):
        raise TypeError("not a moment")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _rows(store: Store, *, after: int | None) -> Iterator[Row[Any]]:
    while True:
        query = select(*_COLUMNS).order_by(TrailRow.number).limit(BATCH)
        if after is not None:
            query = query.where(TrailRow.number > after)
        with store.reading() as session:
            rows = session.execute(query).all()
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1].number
