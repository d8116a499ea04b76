"""Envelope keys for tests, and stores that seal."""

from __future__ import annotations

import base64
import os
from pathlib import Path


def key_line() -> str:
    """A new key as a file holds it."""
    return base64.b64encode(os.urandom(32)).decode()


def key_file(folder: Path, *lines: str, mode: int = 0o600) -> Path:
    """A file of keys; with one new key where none is given."""
    path = folder / "envelope.key"
    path.write_text("\n".join(lines or (key_line(),)) + "\n", "ascii")
    path.chmod(mode)
    return path
