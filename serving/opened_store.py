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
    from serving.settings import load_settings
    from serving.store import Store

    store = Store.open(load_settings().database_url)
    try:
        store.check()
        yield store
    finally:
        store.close()
