"""The database of the settings, for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.store import Store


@contextmanager
def opened_store() -> Iterator[Store]:
    """The store, given back at the end. Raises SettingsError or StoreUnavailableError."""
    from serving.envelope_keys import envelope_of
    from serving.settings import load_settings
    from serving.store import Store

    settings = load_settings()
    store = Store.open(settings.database_url, envelope=envelope_of(settings))
    try:
        store.check()
        yield store
    finally:
        store.close()
