"""The database of the settings, for one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from serving.tenants import DEFAULT_TENANT

if TYPE_CHECKING:
    from serving.store import Store

OfTenant = Annotated[str, typer.Option("--tenant", help="Whose: an id that `tenants list` prints.")]
"""The option of a command that works on what one tenant has."""


@contextmanager
def opened_store(tenant: str = DEFAULT_TENANT) -> Iterator[Store]:
    """The store as the tenant sees it, given back at the end.

    Raises SettingsError, StoreUnavailableError or UnknownTenantError.
    """
    from serving.envelope_keys import envelope_of
    from serving.settings import load_settings
    from serving.store import Store
    from serving.tenant_store import TenantStore

    settings = load_settings()
    store = Store.open(settings.database_url, envelope=envelope_of(settings))
    try:
        store.check()
        TenantStore(store).tenant(tenant)
        yield store.of_tenant(tenant)
    finally:
        store.close()
