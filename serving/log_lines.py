"""How a line of the log looks: as text, or as JSON for whoever collects logs. Neither can hold what a note says.

Our own messages are written to hold none. What a library says is left out, and so are exceptions with their messages: they
may quote a row, an address or the text that was being read.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serving.request_id import current_request_id

FIELDS = ("method", "route", "status", "ms", "authorization_id")
"""What a record may carry beside its message, by ``extra``; nothing else of it is written."""

_SPOKEN_FOR = ("greenlane", "uvicorn")
"""Loggers whose messages are known to hold nothing of a request."""


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What is written of a record, in the order it is written."""
    spoken_for = record.name.split(".", 1)[0] in _SPOKEN_FOR
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": getattr(record, "event", None) or record.getMessage() if spoken_for else _place(record),
    }
    if record.exc_info and record.exc_info[0] is not None:
        found["error"] = record.exc_info[0].__name__
    request_id = current_request_id()
    if request_id:
        found["request_id"] = request_id
    found.update({field: getattr(record, field) for field in FIELDS if hasattr(record, field)})
    return found


def _place(record: logging.LogRecord) -> str:
    return f"a library said something at {Path(record.pathname).name}:{record.lineno}"


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; the keys are those of :func:`fields_of`."""
        return json.dumps(fields_of(record))


class TextLines(logging.Formatter):
    """One line of text for people: time, level, logger, message, and the request's id."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        fields = fields_of(record)
        said = fields["event"] if not hasattr(record, "event") else record.getMessage()
        rest = [f"{name}={fields[name]}" for name in ("error", "request_id") if name in fields]
        # A message with a line break must not look like two.
        said = said.replace("\r", " ").replace("\n", " ")
        return " ".join([fields["time"], record.levelname, record.name, said, *rest])
