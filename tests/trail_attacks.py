"""What somebody who owns the database can do to the trail, for tests that it is found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from databases import on_sqlite, stored_rows, writing
from sqlalchemy import text

from serving.trail import HASHED, Entry

Row = dict[str, Any]
COLUMNS = (*HASHED, "hash")


def trail_rows(url: str) -> list[Row]:
    """The trail as it is stored, oldest first; times as text without a zone, in UTC."""
    found = stored_rows(url, f"SELECT {', '.join(COLUMNS)} FROM trail ORDER BY number")  # noqa: S608  (our own names)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    return [{**row, "at": _plain(row["at"])} for row in rows]


def replace_trail(url: str, rows: list[Row]) -> None:
    """Write these rows instead, past the triggers, as anybody can who owns the tables or may write to the file."""
    with writing(url) as connection:
        if on_sqlite():
            for trigger in ("trail_refuses_update", "trail_refuses_delete", "trail_refuses_replacing"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS {trigger}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL TimeZone = 'UTC'"))
        connection.execute(text("DELETE FROM trail"))
        marks = ", ".join(f":{name}" for name in COLUMNS)
        if rows:
            connection.execute(text(f"INSERT INTO trail ({', '.join(COLUMNS)}) VALUES ({marks})"), rows)  # noqa: S608  (our own names)


def _plain(moment: str | datetime) -> str:
    return moment if isinstance(moment, str) else str(moment.astimezone(UTC).replace(tzinfo=None))


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
