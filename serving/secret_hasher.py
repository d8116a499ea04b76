"""How passwords and the secrets of keys are hashed: argon2id at the cost RFC 9106 gives for 64 MiB of memory."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.profiles import RFC_9106_LOW_MEMORY

COST = RFC_9106_LOW_MEMORY


def secret_hasher() -> PasswordHasher:
    """What hashes a secret and verifies one; a hash says itself at which cost it was made."""
    return PasswordHasher.from_parameters(COST)
