"""Rows that are complete when they are written, past the session's unit of work.

Finding out what of a session is new, and building a statement for it, takes SQLAlchemy longer than a database needs to insert
it. Such a row needs neither.
"""

from __future__ import annotations

import functools
from typing import Any, cast

from sqlalchemy import Insert, Table, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from serving.tables import Base


def write_once(session: Session, *rows: Base) -> None:
    """Insert rows, of one kind and with the same columns given, in the session's transaction.

    They stay outside the session: later changes of them are not stored. What they refer to must be written already, since
    nothing of the session is flushed. Raises IntegrityError.
    """
    if not rows:
        return
    columns = [_columns_of(row) for row in rows]
    # A list of one would take the way of many, which is longer.
    session.connection().execute(_insert_into(type(rows[0])), columns if len(columns) > 1 else columns[0])


def write_unless_there(session: Session, row: Base) -> bool:
    """:func:`write_once`, unless a row of the same key is there already; whether it was written."""
    statement = _insert_unless_there(type(row), session.get_bind().dialect.name)
    return session.connection().execute(statement, _columns_of(row)).rowcount == 1


@functools.cache
def _insert_into(kind: type[Base]) -> Insert:
    # Inline: nobody asks for the key that the database made.
    return insert(cast("Table", kind.__table__)).inline()


@functools.cache
def _insert_unless_there(kind: type[Base], dialect: str) -> Insert:
    into = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = into(cast("Table", kind.__table__)).on_conflict_do_nothing().inline()
    # Else SQLAlchemy closes the cursor of an insert before it can be asked.
    return statement.execution_options(preserve_rowcount=True)


def _columns_of(row: Base) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "_sa_instance_state"}
