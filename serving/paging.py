"""Cursors of the keyset-paged list: due time and id, opaque to callers, without names or scores."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from serving.errors import InvalidParameterError
from serving.stored_case import ListedCase, ListPosition
from serving.ulid import is_ulid


def cursor_after(case: ListedCase) -> str:
    """The cursor of the page that follows ``case``."""
    return cursor_at(ListPosition(case.due_at, case.authorization_id))


def cursor_at(position: ListPosition) -> str:
    """The cursor that names this place in the list."""
    plain = f"{position.due_at.astimezone(UTC).isoformat()} {position.authorization_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def position_of(cursor: str | None) -> ListPosition | None:
    """Where the page starts; None for the first. Raises InvalidParameterError for a cursor that is not ours."""
    if cursor is None:
        return None
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, _, authorization_id = plain.partition(" ")
        due_at = datetime.fromisoformat(moment)
        # The first and the last hours of the calendar are outside it in another time zone.
        due_at.astimezone(UTC)
    except (binascii.Error, ValueError, OverflowError):
        raise InvalidParameterError("cursor", "is not a cursor of this list; start without one") from None
    if due_at.tzinfo is None or not is_ulid(authorization_id):
        raise InvalidParameterError("cursor", "is not a cursor of this list; start without one")
    return ListPosition(due_at, authorization_id)
