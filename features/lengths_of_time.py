"""How long a fact lasted and when it was, beside the spans a policy asks for."""

from __future__ import annotations

from datetime import date, timedelta

from features.durations import to_days
from features.policy import Span
from features.types import Fact

SLACK_DAYS = 2.0
"""A "two-month" course counted in weeks, or a day lost between first and last visit, is no reason to ask."""


def length_in_days(fact: Fact) -> float | None:
    """How long something lasted: by its dates, else as the notes say; None where neither tells."""
    if fact.began and fact.ended and fact.ended > fact.began:
        return float((fact.ended - fact.began).days)
    if isinstance(fact.value, float | int) and fact.unit in ("d", "wk", "mo", "a", "h"):
        return to_days(float(fact.value), fact.unit)
    return None


def latest(span: Span) -> float:
    """Days within which something must lie. A month or a week is not meant to the day; a number of days is."""
    return to_days(span.value, span.unit) + (0.0 if span.unit == "d" else SLACK_DAYS)


def onset(fact: Fact, document_day: date | None) -> date | None:
    """When something began or happened: its date, else as long before its document as the note says it has lasted."""
    stated = fact.began or fact.date
    if stated is not None or document_day is None:
        return stated
    days = length_in_days(fact)
    return document_day - timedelta(days=round(days)) if days is not None else None


def spelled(days: float) -> str:
    """A number of days in words: "10 days", "6 weeks", "1.5 years"."""
    if days >= 365:
        return f"{days / 365.25:.1f} years".replace(".0 years", " years")
    if days >= 14:
        return f"{round(days / 7, 1):g} weeks"
    return f"{days:g} days"
