"""Where API keys are kept, of all tenants: for the command line, and for the check of a call before its tenant is known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from serving.api_keys import ApiKey, Scope, new_secret, written
from serving.errors import KeyChangeRefusedError, UnknownKeyError, UnknownTenantError
from serving.key_tables import ApiKeyRow, TenantRow
from serving.secret_hasher import secret_hasher
from serving.store import Store
from serving.trail import record
from serving.ulid import UlidSource, is_ulid

LONGEST_NAME = 100
LARGEST_LIMIT = 2**31 - 1
"""Of requests a minute and of bytes: what the database's column takes."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with what its client sends. ``token`` is shown once and kept nowhere."""

    key: ApiKey
    token: str


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A key with the argon2id hashes of its secrets; ``tenant_active`` whether its tenant may get in."""

    key: ApiKey
    tenant_active: bool
    secret_hash: str
    earlier_secret_hash: str | None

    def valid_hashes(self, now: datetime) -> tuple[str, ...]:
        """Hashes of the secrets that are valid at ``now``: the newest, and the one before while the two overlap."""
        until = self.key.earlier_until
        if self.earlier_secret_hash is None or until is None or now >= until:
            return (self.secret_hash,)
        return (self.secret_hash, self.earlier_secret_hash)


class KeyStore:
    """API keys of all tenants. Safe to share between threads. Every change is in the trail of the key's tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_id = UlidSource()
        self._hasher = secret_hasher()

    def add(
        self,
        name: str,
        tenant: str,
        scopes: Collection[Scope],
        *,
        requests_per_minute: int | None = None,
        body_limit: int | None = None,
        expires_at: datetime | None = None,
        created_by: str,
        now: datetime,
    ) -> NewKey:
        """Let an intake system call from now on. Raises UnknownTenantError, or KeyChangeRefusedError naming the field."""
        for field, limit, least in (("requests_per_minute", requests_per_minute, 0), ("body_limit", body_limit, 1024)):
            if limit is not None and not least <= limit <= LARGEST_LIMIT:
                raise KeyChangeRefusedError(f"{field}: must be from {least} to {LARGEST_LIMIT}")
        if not scopes:
            raise KeyChangeRefusedError(f"scope: a key needs at least one of {', '.join(Scope)}")
        secret = new_secret()
        row = ApiKeyRow(
            key_id=self._next_id(),
            tenant=tenant,
            name=_name(name),
            secret_hash=self._hasher.hash(secret),
            scopes=" ".join(sorted(scopes)),
            requests_per_minute=requests_per_minute,
            body_limit=body_limit,
            created_at=now,
            created_by=created_by[:200],
            expires_at=expires_at,
        )
        with self._store.writing() as session:
            if session.get(TenantRow, tenant) is None:
                raise UnknownTenantError("tenant: there is none of this id; greenlane tenants list prints them")
            session.add(row)
            session.flush()
            record(session, tenant, "key_added", at=now, details={"key_id": row.key_id, "scopes": sorted(set(scopes))})
            return NewKey(_key(row), written(row.key_id, secret))

    def rotate(self, key_id: str, *, overlap: timedelta, now: datetime) -> NewKey:
        """Give a key a new secret at once; the one before stays valid for ``overlap``.

        Raises UnknownKeyError, or KeyChangeRefusedError for a key that cannot be used any more, and where the secret
        before the present one is still valid: a third would end it early. Without an overlap only the new one is valid.
        """
        secret = new_secret()
        hashed = self._hasher.hash(secret)
        with self._store.writing() as session:
            row = _row(session, key_id)
            refused = _key(row).refusal(now)
            if refused is not None:
                raise KeyChangeRefusedError(f"key_id: {refused}; add a new one")
            if overlap and row.earlier_until is not None and now < row.earlier_until:
                raise KeyChangeRefusedError(
                    f"key_id: the secret before is valid until {row.earlier_until:%Y-%m-%d %H:%M} UTC; "
                    "rotate after that, or without an overlap, which ends both"
                )
            row.earlier_secret_hash = row.secret_hash if overlap else None
            row.earlier_until = now + overlap if overlap else None
            row.secret_hash = hashed
            details = {"key_id": key_id, "overlap_seconds": int(overlap.total_seconds())}
            record(session, row.tenant, "key_rotated", at=now, details=details)
            return NewKey(_key(row), written(key_id, secret))

    def revoke(self, key_id: str, *, now: datetime) -> ApiKey:
        """End a key at once; one that was revoked stays so. Raises UnknownKeyError."""
        with self._store.writing() as session:
            row = _row(session, key_id)
            if row.revoked_at is None:
                row.revoked_at = now
                record(session, row.tenant, "key_revoked", at=now, details={"key_id": key_id})
            return _key(row)

    def every(self, tenant: str | None = None) -> tuple[ApiKey, ...]:
        """Every key that ever was, of one tenant or of all, oldest first."""
        query = select(ApiKeyRow).order_by(ApiKeyRow.tenant, ApiKeyRow.key_id)
        if tenant is not None:
            query = query.where(ApiKeyRow.tenant == tenant)
        with self._store.reading() as session:
            return tuple(_key(row) for row in session.scalars(query))

    def kept(self, key_id: str) -> KeptKey | None:
        """The key of this id with its hashes, as the database holds it now; None where there is none."""
        query = (
            select(ApiKeyRow, TenantRow.active)
            .join(TenantRow, TenantRow.tenant == ApiKeyRow.tenant)
            .where(ApiKeyRow.key_id == key_id)
        )
        with self._store.reading() as session:
            found = session.execute(query).one_or_none()
            if found is None:
                return None
            row, active = found
            return KeptKey(_key(row), bool(active), row.secret_hash, row.earlier_secret_hash)

    def used(self, key_id: str, *, now: datetime) -> None:
        """Remember when a key was last used."""
        with self._store.writing() as session:
            row = session.get(ApiKeyRow, key_id)
            if row is not None and (row.last_used_at is None or row.last_used_at < now):
                row.last_used_at = now


def _row(session: Session, key_id: str) -> ApiKeyRow:
    row = session.get(ApiKeyRow, key_id, with_for_update=True) if is_ulid(key_id) else None
    if row is None:
        raise UnknownKeyError("key_id: there is no such key; greenlane keys list prints them")
    return row


def _name(text: str) -> str:
    name = " ".join("".join(character for character in text if character.isprintable()).split())
    if not name or len(name) > LONGEST_NAME:
        raise KeyChangeRefusedError(f"name: must be 1 to {LONGEST_NAME} characters")
    return name


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        tenant=row.tenant,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        created_at=row.created_at,
        created_by=row.created_by,
        requests_per_minute=row.requests_per_minute,
        body_limit=row.body_limit,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        earlier_until=row.earlier_until,
        last_used_at=row.last_used_at,
    )
