"""Where tenants are kept. The command line adds them; nothing of a tenant is ever removed here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from serving.errors import TenantRefusedError, UnknownTenantError
from serving.key_tables import TenantRow
from serving.store import Store
from serving.tenants import DEFAULT_TENANT, Tenant, is_tenant_id
from serving.trail import record

LONGEST_NAME = 100


class TenantStore:
    """All tenants of a database. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, tenant: str, display_name: str, *, now: datetime) -> Tenant:
        """Let an organization share the service from now on. Raises TenantRefusedError."""
        if not is_tenant_id(tenant):
            raise TenantRefusedError("tenant: must be small letters, digits and hyphens, at most 64")
        row = TenantRow(tenant=tenant, display_name=_name(display_name), created_at=now, active=True)
        with self._store.writing() as session:
            if session.get(TenantRow, tenant) is not None:
                raise TenantRefusedError("tenant: there is one of this id already")
            session.add(row)
            session.flush()
            record(session, tenant, "tenant_added", at=now)
            return _tenant(row)

    def change(
        self, tenant: str, *, display_name: str | None = None, active: bool | None = None, now: datetime
    ) -> Tenant:
        """Change what is given. Raises UnknownTenantError, or TenantRefusedError: the default one stays active."""
        with self._store.writing() as session:
            row = session.get(TenantRow, tenant)
            if row is None:
                raise UnknownTenantError("tenant: there is none of this id")
            if active is False and tenant == DEFAULT_TENANT:
                raise TenantRefusedError("tenant: the default tenant stays active")
            row.display_name = row.display_name if display_name is None else _name(display_name)
            row.active = row.active if active is None else active
            session.flush()
            record(session, tenant, "tenant_changed", at=now, details={"active": row.active})
            return _tenant(row)

    def everyone(self) -> tuple[Tenant, ...]:
        """Every tenant, by id."""
        with self._store.reading() as session:
            return tuple(_tenant(row) for row in session.scalars(select(TenantRow).order_by(TenantRow.tenant)))

    def active(self) -> tuple[Tenant, ...]:
        """Those that may get in, by id."""
        return tuple(tenant for tenant in self.everyone() if tenant.active)

    def tenant(self, tenant: str) -> Tenant:
        """The tenant of this id. Raises UnknownTenantError."""
        with self._store.reading() as session:
            row = session.get(TenantRow, tenant)
            if row is None:
                raise UnknownTenantError("tenant: there is none of this id; greenlane tenants list prints them")
            return _tenant(row)

    def is_active(self, tenant: str) -> bool:
        """Whether people and intake systems of this tenant may get in."""
        try:
            return self.tenant(tenant).active
        except UnknownTenantError:
            return False


def _name(text: str) -> str:
    name = " ".join("".join(character for character in text if character.isprintable()).split())
    if not name or len(name) > LONGEST_NAME:
        raise TenantRefusedError(f"display_name: must be 1 to {LONGEST_NAME} characters")
    return name


def _tenant(row: TenantRow) -> Tenant:
    return Tenant(row.tenant, row.display_name, row.created_at, row.active)
