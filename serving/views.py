"""What every page tells of a case: when it is due, and why it takes its route.

A case that was drawn for the blind audit must look like any other (law 13). So every case whose reasons are only about
the model's caution or the audit shows the same neutral sentence and no score, whichever of them it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from models.types import Reason, Route

Level = Literal["calm", "soon", "late"]

NEUTRAL_SENTENCE = "A nurse reviews this request."
UNTOLD_CODES = frozenset({"selected_for_review", "score_below_threshold", "no_guarantee", "fast_track_off"})
"""Reasons a page never tells apart, nor ahead of the note: naming one of them would name the others."""

SOON = timedelta(hours=24)
"""What counts as near for numbers, and for a clock of which nobody says when it turns amber."""

ROUTE_WORDS = {Route.FAST_TRACK: "Fast track", Route.NURSE_REVIEW: "Nurse review"}
NOT_TRIAGED = "Being read"


@dataclass(frozen=True, slots=True)
class DueClock:
    """When a decision is due: in words, exactly, and how near."""

    words: str
    exact: str
    level: Level


def due_clock(due_at: datetime, now: datetime, *, soon: bool | None = None) -> DueClock:
    """Hours up to three days, then days; minutes in the last hour; "overdue by" afterwards.

    ``soon``: whether the rule's clock is amber; None: within a day.
    """
    left = due_at - now
    late = left < timedelta(0)
    span = _span(abs(left))
    words = f"overdue by {span}" if late else f"due in {span}"
    near = left < SOON if soon is None else soon
    level: Level = "late" if late else "soon" if near else "calm"
    return DueClock(words, due_at.strftime("%Y-%m-%d %H:%M UTC"), level)


def _span(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    if hours < 1:
        return f"{int(hours * 60)} min"
    return f"{int(hours)} h" if hours < 72 else f"{int(hours // 24)} d"


def told_reasons(reasons: Sequence[Reason]) -> tuple[str, ...]:
    """The reasons in plain words, without those about the model's caution or the audit; never empty."""
    told = tuple(reason.message for reason in reasons if reason.code not in UNTOLD_CODES)
    return told or (NEUTRAL_SENTENCE,)
