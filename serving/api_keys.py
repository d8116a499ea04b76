"""API keys of intake systems: what one allows, and how it is written. Values only; serving/key_store.py keeps them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from serving.ulid import is_ulid

PREFIX = "glk"
"""Every key begins so, for those who look for secrets in the wrong places."""

_SECRET_BYTES = 32
_LONGEST_SECRET = 200


class Scope(StrEnum):
    """What a key allows."""

    SUBMIT = "submit"
    READ = "read"
    PREVIEW = "preview"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An intake system's key, without its secret. ``body_limit`` is in bytes; None: as the settings say.

    ``earlier_until``: so long the secret before the last rotation is valid too.
    """

    key_id: str
    tenant: str
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    requests_per_minute: int | None = None
    body_limit: int | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    earlier_until: datetime | None = None
    last_used_at: datetime | None = None

    def refusal(self, now: datetime) -> str | None:
        """Why the key cannot be used at ``now``; None where it can."""
        if self.revoked_at is not None:
            return "the key was revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "the key has expired"
        return None


def new_secret() -> str:
    """256 random bits, as text."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def written(key_id: str, secret: str) -> str:
    """The key as a client sends it."""
    return f"{PREFIX}_{key_id}_{secret}"


def parted(token: str) -> tuple[str, str] | None:
    """The id and the secret of a key that a client sent; None where it cannot be one."""
    prefix, _, rest = token.partition("_")
    key_id, _, secret = rest.partition("_")
    if prefix != PREFIX or not is_ulid(key_id) or not 0 < len(secret) <= _LONGEST_SECRET or not secret.isascii():
        return None
    return key_id, secret
