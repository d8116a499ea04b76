"""A file that holds notes: for its owner's eyes only, and under its name only when it is complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from serving.errors import ExportError


@contextmanager
def private_file(path: Path) -> Iterator[IO[str]]:
    """Open ``path`` for writing; what was there stays until the end. Raises ExportError where it cannot be written."""
    with private_bytes(path) as file:
        text = TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()
        text.detach()


@contextmanager
def private_bytes(path: Path) -> Iterator[IO[bytes]]:
    """As :func:`private_file`, for bytes."""
    pending = path.with_name(f".{path.name}.pending")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pending.unlink(missing_ok=True)
        descriptor = os.open(pending, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        pending.replace(path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        pending.unlink(missing_ok=True)
