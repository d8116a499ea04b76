"""What somebody with the database file can do to the trail, for tests that it is found."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.trail import HASHED, Entry

Row = dict[str, Any]
COLUMNS = (*HASHED, "hash")


def trail_rows(database: Path) -> list[Row]:
    """The trail as it lies in the file, oldest first."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM trail ORDER BY number").fetchall()  # noqa: S608
    connection.close()
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def replace_trail(database: Path, rows: list[Row]) -> None:
    """Write these rows instead, past the triggers, as anybody can who may write to the file."""
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for trigger in ("trail_refuses_update", "trail_refuses_delete", "trail_refuses_replacing"):
            connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        connection.execute("DELETE FROM trail")
        marks = ", ".join("?" * len(COLUMNS))
        connection.executemany(
            f"INSERT INTO trail ({', '.join(COLUMNS)}) VALUES ({marks})",  # noqa: S608
            [[row[name] for name in COLUMNS] for row in rows],
        )
    connection.close()


def hash_of(row: Row) -> str:
    """The hash that fits the row's content."""
    at = datetime.fromisoformat(row["at"]).replace(tzinfo=UTC)
    return Entry(**{**{name: row[name] for name in HASHED}, "at": at}).hash


def chained(rows: list[Row], start: int) -> list[Row]:
    """The rows with previous hashes and hashes that fit, from the one at index ``start`` on."""
    done = rows[:start]
    for row in rows[start:]:
        following = {**row, "previous_hash": done[-1]["hash"] if done else "0" * 64}
        done.append({**following, "hash": hash_of(following)})
    return done
