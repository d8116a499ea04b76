"""Sealing what was stored plain before a key was set, and the way back. In small transactions; interrupted, it goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    Table,
    Text,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from serving.all_tables import all_tables
from serving.sealed_types import SEALED, SealedBytes, SealedText
from serving.store import Store

ROWS_AT_ONCE = 100
"""Rows rewritten in one transaction; somebody who triages meanwhile waits for one of them at most."""


@dataclass(frozen=True, slots=True)
class SealedCount:
    """How many values of a column (``table.column``) are sealed and how many are plain."""

    place: str
    sealed: int
    plain: int


def sealed_columns() -> dict[Table, tuple[Column[Any], ...]]:
    """Every column that can be sealed, by its table."""
    found = {
        table: tuple(column for column in table.columns if isinstance(column.type, SealedBytes | SealedText))
        for table in all_tables().sorted_tables
    }
    return {table: columns for table, columns in found.items() if columns}


def counts(store: Store) -> Iterator[SealedCount]:
    """How every such column stands, over all tenants."""
    with store.reading() as session:
        for table, columns in sealed_columns().items():
            sums = [func.sum(case((_is_sealed(column), 1), else_=0)) for column in columns]
            there = [func.count(column) for column in columns]
            row = session.execute(select(*sums, *there).select_from(table)).one()
            for column, sealed, all_ in zip(columns, row[: len(columns)], row[len(columns) :], strict=True):
                yield SealedCount(f"{table.name}.{column.name}", int(sealed or 0), all_ - int(sealed or 0))


def rewrite(store: Store, *, seal: bool) -> Iterator[int]:
    """Write every value that is not as wanted once more, which seals it or, where the store's keys are retired, opens it.

    Yields how many rows each transaction rewrote. Raises StoreUnavailableError; what was rewritten until then stays.
    """
    for table, columns in sealed_columns().items():
        key = tuple(table.primary_key.columns)
        wanting = or_(
            *(and_(column.is_not(None), ~_is_sealed(column) if seal else _is_sealed(column)) for column in columns)
        )
        after: tuple[Any, ...] | None = None
        while True:
            with store.writing() as session:
                after, rows = _rewrite_some(session, table, columns, key, wanting, after)
            if after is None:
                break
            yield rows


def _rewrite_some(
    session: Session,
    table: Table,
    columns: tuple[Column[Any], ...],
    key: tuple[Column[Any], ...],
    wanting: ColumnElement[bool],
    after: tuple[Any, ...] | None,
) -> tuple[tuple[Any, ...] | None, int]:
    query = select(*key, *columns).where(wanting).order_by(*key).limit(ROWS_AT_ONCE).with_for_update()
    if after is not None:
        query = query.where(tuple_(*key) > tuple_(*(literal(value) for value in after)))
    rows = session.execute(query).all()
    for row in rows:
        here = and_(*(column == value for column, value in zip(key, row, strict=False)))
        values = dict(zip((column.name for column in columns), row[len(key) :], strict=True))
        session.execute(update(table).where(here).values(values))
    return (tuple(rows[-1][: len(key)]) if rows else None), len(rows)


def _is_sealed(column: Column[Any]) -> ColumnElement[bool]:
    # As the database holds it: the column's own type would open the value.
    if isinstance(column.type, SealedBytes):
        stored = type_coerce(column, LargeBinary())
        return func.substr(stored, 1, len(SEALED), type_=LargeBinary()) == literal(SEALED.encode(), LargeBinary())
    head: ColumnElement[str] = func.substr(type_coerce(column, Text()), 1, len(SEALED), type_=Text())
    return head == SEALED
