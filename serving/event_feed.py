"""The events of a tenant in order, for whoever asks instead of being called."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.errors import InvalidParameterError
from serving.events import EventKind
from serving.outbox import Outbox
from serving.outbox_tables import EventRow
from serving.store import Store

_CURSOR_PREFIX = "e"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """A released event. ``content`` are its fields, its id among them; ``cursor`` names the place right after it."""

    cursor: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events in order. ``next_cursor`` stands after the last event looked at, whether it was of a kind asked for or not."""

    events: tuple[FeedEvent, ...]
    next_cursor: str | None


class EventFeed:
    """The released events of one tenant. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outbox = Outbox(store)

    def after(self, cursor: str | None, *, kinds: Sequence[EventKind], limit: int) -> FeedPage:
        """The events after ``cursor`` (None: from the first), oldest first; empty ``kinds``: of every kind.

        What is due is released first, so that asking works where no webhooks are sent. Raises InvalidParameterError.
        """
        number = number_of(cursor)
        self._outbox.release(now=datetime.now(UTC))
        with self._store.reading() as session:
            # Before the events: what is numbered up to it can be seen by now, and nothing is ever numbered below it.
            newest = self._newest(session)
            rows = self._rows(session, number, newest, kinds, limit)
        events = tuple(
            FeedEvent(cursor_of(row.event_number), {"event_id": row.event_id, **json.loads(row.content)})
            for row in rows
        )
        if len(rows) == limit:
            return FeedPage(events, events[-1].cursor)
        return FeedPage(events, cursor_of(newest) if newest > number else cursor)

    def _newest(self, session: Session) -> int:
        mine = EventRow.tenant == self._store.tenant
        # Not the greatest by func.max: SQLite would look for it through the events of every tenant.
        numbers = select(EventRow.event_number).where(mine).order_by(EventRow.event_number.desc())
        return session.scalar(numbers.limit(1)) or 0

    def _rows(
        self, session: Session, after: int, newest: int, kinds: Sequence[EventKind], limit: int
    ) -> Sequence[EventRow]:
        query = (
            select(EventRow)
            .where(
                EventRow.tenant == self._store.tenant, EventRow.event_number > after, EventRow.event_number <= newest
            )
            .order_by(EventRow.event_number)
            .limit(limit)
        )
        if not kinds:
            return session.scalars(query).all()
        # Kind by kind, each in the order of its index: together, every event of another kind would be read as well.
        found = [row for kind in set(kinds) for row in session.scalars(query.where(EventRow.kind == kind.value))]
        return sorted(found, key=lambda row: row.event_number)[:limit]


def cursor_of(number: int) -> str:
    """The cursor of the place right after the event of this number. Opaque to callers."""
    return base64.urlsafe_b64encode(f"{_CURSOR_PREFIX}{number}".encode()).decode().rstrip("=")


def number_of(cursor: str | None) -> int:
    """The number of the event that the cursor stands after; 0 for None. Raises InvalidParameterError."""
    if cursor is None:
        return 0
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    digits = plain.removeprefix(_CURSOR_PREFIX)
    if not plain.startswith(_CURSOR_PREFIX) or not digits.isdecimal() or len(digits) > 18:
        raise InvalidParameterError("after", "is not a cursor of the events; start without one")
    return int(digits)
