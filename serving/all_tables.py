"""Every table of the store. Whoever needs them all asks here, so that none is forgotten because nobody imported it."""

from __future__ import annotations

from sqlalchemy import MetaData

from serving import batch_tables, clock_tables, job_tables, keeping_tables, key_tables, outbox_tables, tables

PARTS = (tables, key_tables, job_tables, outbox_tables, batch_tables, keeping_tables, clock_tables)
"""The modules that describe them; a new one belongs in here."""


def all_tables() -> MetaData:
    """The whole schema, as the newest migration leaves it."""
    return tables.Base.metadata
