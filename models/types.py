"""What triage answers: score, route, reasons. Frozen, without I/O. There is no route, label or flag that denies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from features.types import CriterionResult, Fact, PolicyReference


class Route(StrEnum):
    """Where a request goes. There is no third value."""

    FAST_TRACK = "fast_track"
    NURSE_REVIEW = "nurse_review"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request took its route: a machine code and one sentence without note text."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much a feature moved the score, in log-odds, against the training set's typical value of that feature."""

    feature: str
    value: float
    effect: float


@dataclass(frozen=True, slots=True)
class Score:
    """Calibrated probability that a nurse would approve as requested and ask for nothing more, with its parts."""

    probability: float
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """What to ask the provider for, on day 0."""

    criterion_id: str
    ask: str


@dataclass(frozen=True, slots=True)
class ModelReference:
    """Which model scored: its registered name, version and alias."""

    name: str
    version: str
    alias: str


@dataclass(frozen=True, slots=True)
class TriageResult:
    """The answer to one request. ``authorization_id`` is None until the service stores it.

    ``approval_score`` and ``threshold`` are None where no model is loaded: then everything goes to nurse review.
    """

    external_id: str
    route: Route
    reasons: tuple[Reason, ...]
    due_at: datetime
    policy: PolicyReference | None
    criteria: tuple[CriterionResult, ...]
    facts: tuple[Fact, ...]
    approval_score: float | None
    threshold: float | None
    contributions: tuple[Contribution, ...]
    missing: tuple[Missing, ...]
    model: ModelReference | None
    pipeline_version: str
    authorization_id: str | None = None
