"""Where a process of the service logs to: standard error, one line each."""

from __future__ import annotations

import logging
from typing import Literal

from serving.log_lines import JsonLines, TextLines

LogFormat = Literal["text", "json"]


def log_to_stderr(lines: LogFormat = "text") -> None:
    """Write what the service logs to standard error, from INFO on, and of libraries that something went wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if lines == "json" else TextLines())
    ours = logging.getLogger("greenlane")
    ours.setLevel(logging.INFO)
    ours.addHandler(handler)
    ours.propagate = False
    # Without a handler of its own Python would write a library's warning as it is.
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(capture=True)
