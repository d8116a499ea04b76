"""The envelope key: it wraps the data keys that seal what notes say, and never touches the database.

A file holds it here. Whatever else can wrap and unwrap 32 bytes (a key management service) does as an :class:`EnvelopeKeys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from serving.errors import SettingsError, StoreUnavailableError
from serving.settings import Settings

VARIABLE = "GREENLANE_ENVELOPE_KEY_FILE"
KEY_BYTES = 32
"""256 bits, as AES-256-GCM takes them."""
_NONCE_LENGTH = 12


class EnvelopeKeys(Protocol):
    """Wraps and unwraps data keys of 32 bytes. ``name`` is bound to what is wrapped."""

    @property
    def newest(self) -> str:
        """The fingerprint of the key that wraps from now on."""

    def wrap(self, data_key: bytes, name: str) -> bytes:
        """The data key, wrapped by the newest key."""

    def unwrap(self, wrapped: bytes, name: str, *, wrapped_by: str) -> bytes:
        """The data key that the key of this fingerprint wrapped. Raises StoreUnavailableError."""


@dataclass(frozen=True, slots=True)
class _Key:
    fingerprint: str
    cipher: AESGCM


class EnvelopeKeyFile:
    """A file of base64 keys, one a line, newest first; lines that begin with # say something to people.

    It is read again where a key is asked for that it did not hold, so that a running service follows a rotation.
    """

    def __init__(self, path: Path) -> None:
        """Raises SettingsError where the file cannot be used, or others than its owner may read it."""
        self._path = path
        self._keys = _keys_in(path)

    @property
    def newest(self) -> str:
        return self._keys[0].fingerprint

    def wrap(self, data_key: bytes, name: str) -> bytes:
        nonce = os.urandom(_NONCE_LENGTH)
        return nonce + self._keys[0].cipher.encrypt(nonce, data_key, name.encode())

    def unwrap(self, wrapped: bytes, name: str, *, wrapped_by: str) -> bytes:
        if not any(key.fingerprint == wrapped_by for key in self._keys):
            self._keys = _keys_in(self._path)
        for key in self._keys:
            if key.fingerprint == wrapped_by:
                try:
                    return key.cipher.decrypt(wrapped[:_NONCE_LENGTH], wrapped[_NONCE_LENGTH:], name.encode())
                except (InvalidTag, ValueError):
                    raise StoreUnavailableError(f"data key {name} was changed in the database") from None
        raise StoreUnavailableError(f"{VARIABLE}: the file does not hold the key {wrapped_by} that this database needs")


def envelope_of(settings: Settings) -> EnvelopeKeys | None:
    """The envelope key that the settings name, None where they name none. Raises SettingsError."""
    return EnvelopeKeyFile(settings.envelope_key_file) if settings.envelope_key_file is not None else None


def fingerprint_of(key: bytes) -> str:
    """Sixteen hexadecimal digits that tell keys apart and give nothing away."""
    return hashlib.sha256(b"greenlane envelope key:" + key).hexdigest()[:16]


def _keys_in(path: Path) -> tuple[_Key, ...]:
    try:
        mode = path.stat().st_mode
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{VARIABLE}: the file cannot be read") from None
    if stat.S_IMODE(mode) & 0o077:
        raise SettingsError(f"{VARIABLE}: others than its owner may read the file; chmod 600 it")
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            found.append(_key(text, number))
    if not found:
        raise SettingsError(f"{VARIABLE}: the file holds no key")
    return tuple(found)


def _key(text: str, number: int) -> _Key:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{VARIABLE}: line {number} is no base64 key of {KEY_BYTES} bytes")
    return _Key(fingerprint_of(key), AESGCM(key))
