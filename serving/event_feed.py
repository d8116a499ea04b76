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


class EventFeed:
    """The released events of one tenant. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outbox = Outbox(store)

    def after(self, cursor: str | None, *, kinds: Sequence[EventKind], limit: int) -> tuple[FeedEvent, ...]:
        """The events after ``cursor`` (None: from the first), oldest first; empty ``kinds``: of every kind.

        What is due is released first, so that asking works where no webhooks are sent. Raises InvalidParameterError.
        """
        number = number_of(cursor)
        self._outbox.release(now=datetime.now(UTC))
        query = (
            select(EventRow)
            .where(EventRow.tenant == self._store.tenant, EventRow.event_number > number)
            .order_by(EventRow.event_number)
            .limit(limit)
        )
        if kinds:
            query = query.where(EventRow.kind.in_([kind.value for kind in kinds]))
        with self._store.reading() as session:
            return tuple(
                FeedEvent(cursor_of(row.event_number), {"event_id": row.event_id, **json.loads(row.content)})
                for row in session.scalars(query)
            )


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
