"""Verifying the trail from the workbench: a bounded piece at a time, and what was found is itself an entry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from serving.people import SignedIn
from serving.store import Store
from serving.tables import TrailRow
from serving.trail import Entry, entry_of, record
from serving.trail_chain import START, Anchor, ChainState, verify

ACTION = "trail_verified"
PIECE = 200_000
"""Entries verified by one press of the button: seconds, not minutes."""


@dataclass(frozen=True, slots=True)
class LastCheck:
    """What the latest verification from the workbench found, ``entry`` telling who ran it and when."""

    entry: Entry
    reached: Anchor
    complete: bool
    broken: int
    problem: str


def last_check(store: Store) -> LastCheck | None:
    """The latest verification; None where there was none."""
    query = (
        select(TrailRow)
        .where(TrailRow.tenant == store.tenant, TrailRow.action == ACTION)
        .order_by(TrailRow.number.desc())
        .limit(1)
    )
    with store.reading() as session:
        row = session.scalar(query)
        entry = entry_of(row) if row is not None else None
    if entry is None:
        return None
    facts = entry.facts
    to, broken = facts.get("to"), facts.get("broken")
    if not isinstance(to, int) or not isinstance(broken, int):
        # Somebody changed this very entry.
        return LastCheck(entry, START, True, 1, f"entry {entry.number}: tells nothing that can be read")
    reached = Anchor(to, str(facts.get("hash")))
    return LastCheck(entry, reached, bool(facts.get("complete")), broken, str(facts.get("problem", "")))


def verify_next(store: Store, who: SignedIn, *, now: datetime, piece: int = PIECE) -> ChainState:
    """Verify the next ``piece`` of entries and record what was found.

    It goes on where the check before stopped short of the newest entry; after a complete one, or one that found something,
    it begins anew, so that what was verified once is verified again.
    """
    before = last_check(store)
    start = before.reached if before is not None and not before.complete and not before.broken else START
    state = verify(store, start=start, limit=piece)
    details = {
        "from": state.start.number,
        "to": state.head.number,
        "hash": state.head.hash,
        "complete": state.complete,
        "broken": state.broken,
    }
    if state.first is not None:
        details |= {"first": state.first.number, "problem": str(state.first)}
    with store.writing() as session:
        record(session, store.tenant, ACTION, at=now, who=who, details=details)
    return state
