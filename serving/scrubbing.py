"""Leaving no bytes behind: what a SQLite file and its write-ahead log still hold of what was overwritten or deleted."""

from __future__ import annotations

import sqlite3

from sqlalchemy import Engine


def scrub(engine: Engine) -> bool:
    """Write a SQLite file anew without its free pages and empty its log; nothing to do elsewhere.

    Returns False where somebody else was using the database for so long that it could not be done. The file's old blocks
    may still lie on the disk, and backups are as they were.
    """
    if engine.dialect.name != "sqlite":
        return True
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        try:
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            busy = cursor.fetchone()
        except sqlite3.OperationalError:
            return False
        return busy is None or not busy[0]
    finally:
        connection.close()


def what_is_left(engine: Engine, *, scrubbed: bool) -> str | None:
    """What the operator still has to do, in one line; None where nothing is known of."""
    if engine.dialect.name != "sqlite":
        return "the database's own files hold the old rows until VACUUM FULL, its archived log and backups longer"
    if not scrubbed:
        return "the database was in use: its files may hold the old bytes until greenlane encryption scrub succeeds"
    return None
