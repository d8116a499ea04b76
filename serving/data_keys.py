"""The data keys of a database: made, wrapped and unwrapped here, kept in the table ``data_keys``."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from serving.database import database_errors, is_migrated
from serving.envelope_keys import KEY_BYTES, VARIABLE, EnvelopeKeys
from serving.errors import StoreUnavailableError
from serving.keeping_tables import DataKeyRow
from serving.sealed_types import DataKey
from serving.ulid import UlidSource

NO_KEY = f"what notes say is sealed in this database; name the file with its key in {VARIABLE}"


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A data key as the table has it, still wrapped."""

    key_id: str
    wrapped: bytes
    wrapped_by: str
    created_at: datetime
    retired_at: datetime | None


class DataKeys:
    """The keys of one engine, unwrapped once and kept in memory. Safe to share between threads.

    ``envelope`` None: nothing new is sealed, and nothing sealed can be read.
    """

    def __init__(self, engine: Engine, envelope: EnvelopeKeys | None) -> None:
        self._engine = engine
        self._envelope = envelope
        self._seals = envelope is not None
        self._known: dict[str, DataKey] = {}
        self._current: DataKey | None = None
        self._loading = threading.Lock()

    def prepare(self) -> None:
        """Unwrap every key in use; make the first where there is none and new values are to be sealed.

        Where the database cannot be reached or has another schema nothing happens: readiness tells of both. Raises
        StoreUnavailableError where keys are there that cannot be unwrapped.
        """
        try:
            with self._engine.connect() as connection:
                if not is_migrated(connection):
                    return
        except OperationalError:
            return
        with self._loading:
            self._load()

    def current(self) -> DataKey | None:
        """The key for new values, None where they are written plain. Raises StoreUnavailableError."""
        if not self._seals:
            return None
        if self._current is None:
            with self._loading:
                self._load()
        return self._current

    def named(self, key_id: str) -> DataKey:
        """The key of this id, looked up where another process made it. Raises StoreUnavailableError."""
        found = self._known.get(key_id)
        if found is not None:
            return found
        with database_errors(), Session(self._engine) as session:
            row = session.get(DataKeyRow, key_id)
            kept = _kept(row) if row is not None else None
        if kept is None:
            raise StoreUnavailableError("a sealed value names a data key that this database does not have")
        return self._unwrapped(kept)

    def add(self, *, now: datetime) -> str:
        """Make a new data key for everything sealed from now on; returns its id. Raises StoreUnavailableError."""
        envelope = self._envelope
        if envelope is None:
            raise StoreUnavailableError(NO_KEY)
        key_id, key = UlidSource()(), os.urandom(KEY_BYTES)
        row = DataKeyRow(key_id=key_id, wrapped=envelope.wrap(key, key_id), wrapped_by=envelope.newest, created_at=now)
        with self._writing() as session:
            session.add(row)
        self._known[key_id] = self._current = DataKey(key_id, AESGCM(key))
        return key_id

    def rewrap(self) -> int:
        """Wrap every data key anew by the newest envelope key; returns how many were wrapped by another.

        No sealed value is rewritten. Raises StoreUnavailableError.
        """
        envelope = self._envelope
        if envelope is None:
            raise StoreUnavailableError(NO_KEY)
        with self._writing() as session:
            rows = session.scalars(
                select(DataKeyRow).where(DataKeyRow.wrapped_by != envelope.newest).with_for_update()
            ).all()
            for row in rows:
                key = envelope.unwrap(row.wrapped, row.key_id, wrapped_by=row.wrapped_by)
                row.wrapped, row.wrapped_by = envelope.wrap(key, row.key_id), envelope.newest
            return len(rows)

    def retire(self, *, now: datetime) -> None:
        """From now on no key of today seals anything new, and what these keys are asked to write is written plain."""
        self._seals, self._current = False, None
        with self._writing() as session:
            session.execute(update(DataKeyRow).where(DataKeyRow.retired_at.is_(None)).values(retired_at=now))

    def kept(self) -> tuple[KeptKey, ...]:
        """Every data key, oldest first, retired ones among them."""
        with database_errors(), Session(self._engine) as session:
            return tuple(_kept(row) for row in session.scalars(select(DataKeyRow).order_by(DataKeyRow.key_id)))

    def _load(self) -> None:
        in_use = [key for key in self.kept() if key.retired_at is None]
        if in_use and self._envelope is None:
            raise StoreUnavailableError(NO_KEY)
        unwrapped = [self._unwrapped(key) for key in in_use]
        if unwrapped:
            self._current = unwrapped[-1]
        elif self._seals:
            self.add(now=datetime.now(UTC))

    def _unwrapped(self, kept: KeptKey) -> DataKey:
        if self._envelope is None:
            raise StoreUnavailableError(NO_KEY)
        key = self._envelope.unwrap(kept.wrapped, kept.key_id, wrapped_by=kept.wrapped_by)
        found = self._known[kept.key_id] = DataKey(kept.key_id, AESGCM(key))
        return found

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        engine = self._engine.execution_options(writes=True)
        with database_errors(), Session(engine) as session, session.begin():
            yield session


def _kept(row: DataKeyRow) -> KeptKey:
    return KeptKey(row.key_id, row.wrapped, row.wrapped_by, row.created_at, row.retired_at)
