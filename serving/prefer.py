"""How a sender wants its answer: the header ``Prefer`` of RFC 7240, of which ``respond-async`` and ``wait`` are heeded."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_WAIT = 30.0
"""Seconds an answer is held back at most, whatever is preferred."""

_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,6})"?')


@dataclass(frozen=True, slots=True)
class Preference:
    """``respond_async``: do not wait for the result. ``wait``: so many seconds are worth waiting for it, None: not said."""

    respond_async: bool = False
    wait: float | None = None

    @property
    def applied(self) -> str:
        """The preferences that were heeded, for ``Preference-Applied``; empty where there were none."""
        waited = [f"wait={self.wait:.0f}"] if self.wait is not None else []
        return ", ".join([*(["respond-async"] if self.respond_async else []), *waited])


def preference_of(header: str | None) -> Preference:
    """What the header says; what cannot be understood is not there, as the RFC wants it."""
    parts = [part.split(";")[0].strip().lower() for part in (header or "").split(",")]
    waits = [float(found[1]) for part in parts if (found := _WAIT.fullmatch(part))]
    return Preference("respond-async" in parts, min(waits[0], LONGEST_WAIT) if waits else None)
