"""Where a process of the service logs to: standard error, one line each."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Write what the service logs to standard error, from INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    ours = logging.getLogger("greenlane")
    ours.setLevel(logging.INFO)
    ours.addHandler(handler)
    ours.propagate = False
