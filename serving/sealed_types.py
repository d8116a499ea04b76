"""Columns that hold what notes say: sealed with AES-256-GCM on their way into the database where a key is set.

A sealed value says so at its beginning, so that plain ones of before stay readable. A plain value that begins like a
sealed one gets a mark of its own. The keys are those of the engine: SQLAlchemy hands a column type the engine's dialect
and nothing else of it, so that is where :func:`seal_with` puts them; engines on the same URL share no dialect.
"""

from __future__ import annotations

import binascii
import os
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Dialect, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from serving.errors import StoreUnavailableError

SEALED = "greenlane:sealed:1:"
"""How a sealed value begins. Then come the data key's id, a colon, the nonce and the ciphertext (base64 in text)."""
PLAIN = "greenlane:plain:"
"""What stands before a plain value that begins as one of the two marks does."""

KEY_ID_LENGTH = 26
_NONCE_LENGTH = 12
_ATTRIBUTE = "greenlane_data_keys"
_HEADER_LENGTH = len(SEALED) + KEY_ID_LENGTH + 1


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key that seals values, ready for use."""

    key_id: str
    cipher: AESGCM


class KeyRing(Protocol):
    """Where the data keys of an engine come from."""

    def current(self) -> DataKey | None:
        """The key for new values, None where they are written plain. Raises StoreUnavailableError."""

    def named(self, key_id: str) -> DataKey:
        """The key a value was sealed with. Raises StoreUnavailableError."""


def seal_with(dialect: Dialect, keys: KeyRing) -> None:
    """From now on the sealed columns of this dialect's engine use these keys."""
    vars(dialect)[_ATTRIBUTE] = keys


def keys_of(dialect: Dialect) -> KeyRing | None:
    """The keys of the dialect's engine, None where it has none."""
    found: KeyRing | None = vars(dialect).get(_ATTRIBUTE)
    return found


def sealed(value: bytes, place: str, keys: KeyRing | None) -> bytes:
    """What is stored for a value of the column ``place``, which the seal binds."""
    key = keys.current() if keys is not None else None
    if key is None:
        marked = value.startswith((SEALED.encode(), PLAIN.encode()))
        return PLAIN.encode() + value if marked else value
    nonce = os.urandom(_NONCE_LENGTH)
    header = f"{SEALED}{key.key_id}:".encode()
    return header + nonce + key.cipher.encrypt(nonce, value, _bound(header, place))


def opened(stored: bytes, place: str, keys: KeyRing | None) -> bytes:
    """The value that was stored in the column ``place``.

    Raises StoreUnavailableError where its key is not there, or where it is not what was sealed.
    """
    if stored.startswith(PLAIN.encode()):
        return stored[len(PLAIN) :]
    if not stored.startswith(SEALED.encode()):
        return stored
    header, rest = stored[:_HEADER_LENGTH], stored[_HEADER_LENGTH:]
    if keys is None:
        raise StoreUnavailableError("what notes say is sealed in this database, and no key is set")
    key = keys.named(header[len(SEALED) : -1].decode("ascii", "replace"))
    try:
        return key.cipher.decrypt(rest[:_NONCE_LENGTH], rest[_NONCE_LENGTH:], _bound(header, place))
    except (InvalidTag, ValueError):
        raise StoreUnavailableError(f"{place}: a sealed value was changed, or belongs to another column") from None


def _bound(header: bytes, place: str) -> bytes:
    return header + place.encode()


class SealedBytes(TypeDecorator[bytes]):
    """Bytes, sealed where a key is set. ``place`` is ``table.column``. Such a column can be neither compared nor sorted."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: bytes | None, dialect: Dialect) -> Any:
        return None if value is None else sealed(value, self.place, keys_of(dialect))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> bytes | None:
        return None if value is None else opened(value, self.place, keys_of(dialect))


class SealedText(TypeDecorator[str]):
    """Text, sealed where a key is set. ``place`` is ``table.column``. Such a column can be neither compared nor sorted."""

    impl = Text
    cache_ok = True

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        stored = sealed(value.encode("utf-8", "surrogatepass"), self.place, keys_of(dialect))
        if not stored.startswith(SEALED.encode()):
            return stored.decode("utf-8", "surrogatepass")
        return stored[:_HEADER_LENGTH].decode() + binascii.b2a_base64(stored[_HEADER_LENGTH:], newline=False).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or not value.startswith((SEALED, PLAIN)):
            return value
        stored = value.encode("utf-8", "surrogatepass")
        if value.startswith(SEALED):
            try:
                stored = stored[:_HEADER_LENGTH] + binascii.a2b_base64(stored[_HEADER_LENGTH:], strict_mode=True)
            except binascii.Error:
                raise StoreUnavailableError(f"{self.place}: a sealed value was changed") from None
        return opened(stored, self.place, keys_of(dialect)).decode("utf-8", "surrogatepass")
