"""Filters of the worklist that a person gave a name, and the one that opens first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from serving.errors import InvalidParameterError
from serving.store import Store
from serving.tables import SavedViewRow
from serving.worklist_filter import Filter, parsed, query_of

MOST_VIEWS = 20
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class SavedView:
    """A filter with a name. ``is_default``: it is what the worklist opens with."""

    name: str
    chosen: Filter
    is_default: bool


def saved_views(store: Store, person_id: str) -> tuple[SavedView, ...]:
    """A person's views by name."""
    query = select(SavedViewRow).where(SavedViewRow.person_id == person_id).order_by(SavedViewRow.name)
    with store.reading() as session:
        return tuple(_view(row) for row in session.scalars(query))


def save_view(store: Store, person_id: str, name: str, chosen: Filter, *, is_default: bool, now: datetime) -> None:
    """Keep a filter under a name; one of the same name is replaced. Raises InvalidParameterError: name, too many."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise InvalidParameterError("name", f"has 1 to {LONGEST_NAME} characters")
    with store.writing() as session:
        names = set(session.scalars(select(SavedViewRow.name).where(SavedViewRow.person_id == person_id)))
        if name not in names and len(names) >= MOST_VIEWS:
            raise InvalidParameterError("name", f"there are {MOST_VIEWS} saved views; delete one first")
        if is_default:
            session.execute(update(SavedViewRow).where(SavedViewRow.person_id == person_id).values(is_default=False))
        session.merge(
            SavedViewRow(person_id=person_id, name=name, query=query_of(chosen), is_default=is_default, saved_at=now)
        )


def delete_view(store: Store, person_id: str, name: str) -> None:
    """Forget a view; one that is not there stays so."""
    with store.writing() as session:
        row = session.get(SavedViewRow, (person_id, name))
        if row is not None:
            session.delete(row)


def open_first(store: Store, person_id: str, name: str | None) -> None:
    """Let the worklist open with the view of this name; None or one that is not there: with what needs a person now."""
    with store.writing() as session:
        mine = update(SavedViewRow).where(SavedViewRow.person_id == person_id)
        session.execute(mine.values(is_default=False))
        if name is not None:
            session.execute(mine.where(SavedViewRow.name == name).values(is_default=True))


def _view(row: SavedViewRow) -> SavedView:
    try:
        chosen = parsed(row.query)
    except InvalidParameterError:
        # Kept by a version that knew other statuses.
        chosen = Filter()
    return SavedView(row.name, chosen, row.is_default)
