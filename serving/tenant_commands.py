"""``greenlane tenants``: the organizations that share this service and see nothing of each other."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from serving.opened_store import opened_store

if TYPE_CHECKING:
    from serving.tenants import Tenant

tenants_app = typer.Typer(
    help="Organizations that share this service and see nothing of each other.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class _State(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"


_Id = Annotated[str, typer.Argument(help="Small letters, digits and hyphens; people type it when they sign in.")]


@tenants_app.command("add")
def add(tenant: _Id, display: Annotated[str, typer.Option("--display", help="Name, such as 'Acme Health'.")]) -> None:
    """Add an organization. People and keys for it: `people add --tenant`, `keys add --tenant`."""
    from serving.tenant_store import TenantStore

    with opened_store() as store:
        added = TenantStore(store).add(tenant, display, now=datetime.now(UTC))
    typer.echo("\t".join(_columns(added)))


@tenants_app.command("list")
def list_tenants() -> None:
    """Print every tenant: id, active or inactive, name, tab-separated."""
    from serving.tenant_store import TenantStore

    with opened_store() as store:
        for tenant in TenantStore(store).everyone():
            typer.echo("\t".join(_columns(tenant)))


@tenants_app.command("change")
def change(
    tenant: _Id,
    display: Annotated[str | None, typer.Option("--display", help="Another name.")] = None,
    state: Annotated[_State | None, typer.Option("--state", help="Whether its people and keys get in.")] = None,
) -> None:
    """Change the name, or whether people and intake systems of it get in. Nothing of an inactive one is lost."""
    from serving.tenant_store import TenantStore

    active = None if state is None else state is _State.ACTIVE
    with opened_store() as store:
        changed = TenantStore(store).change(tenant, display_name=display, active=active, now=datetime.now(UTC))
    typer.echo("\t".join(_columns(changed)))


def _columns(tenant: Tenant) -> tuple[str, ...]:
    return tenant.tenant, (_State.ACTIVE if tenant.active else _State.INACTIVE).value, tenant.display_name
