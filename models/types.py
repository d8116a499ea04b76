"""What triage answers: score, route, reasons. Frozen, without I/O. There is no route, label or flag that denies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from features.types import CriterionResult, Fact, PolicyReference, Urgency


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
class ThresholdCertificate:
    """What was shown about fast-tracking one service family (or, as ``family`` None, all of them together).

    With ``confidence``, at most ``target`` of the fast-tracked requests would not have been approved, on exchangeable
    cases. ``n`` counts the eligible certification cases at or above ``threshold``, ``errors`` those of them that were
    not approved. ``threshold`` None: nothing could be shown, so nothing of it is fast-tracked; ``n`` and ``errors``
    then count all eligible cases and ``reason`` says why. ``date`` is ISO 8601; ``data_hash`` is the SHA-256 of the
    certification cases.
    """

    family: str | None
    target: float
    confidence: float
    method: str
    n: int
    errors: int
    threshold: float | None
    date: str
    data_hash: str
    reason: str = ""

    @property
    def scope(self) -> Literal["overall", "family"]:
        """Whether this is about one service family or about all requests together."""
        return "overall" if self.family is None else "family"


@dataclass(frozen=True, slots=True)
class DueTime:
    """When a decision is due and what made it so.

    ``due_at``, ``started_at`` (receipt, or when the request became expedited) and ``soon_at`` (when the clock turns amber)
    are UTC. ``rule``, ``rule_version`` and ``source`` say which law set it, ``rules_hash`` which files were read, ``allowed``
    how long it gives. ``extended_by`` and ``paused_for`` are what events added; ``paused_since`` is set while the clock
    stands still. ``may_extend_days`` is what the rule still allows, 0 for nothing; ``may_pause`` whether awaiting
    information would stop this clock.
    """

    due_at: datetime
    started_at: datetime
    soon_at: datetime
    urgency: Urgency
    rule: str
    rule_version: str
    source: str
    allowed: str
    rules_hash: str
    time_zone: str
    extended_by: timedelta = timedelta(0)
    paused_for: timedelta = timedelta(0)
    paused_since: datetime | None = None
    may_extend_days: int = 0
    may_pause: bool = False


@dataclass(frozen=True, slots=True)
class TriageResult:
    """The answer to one request. ``authorization_id`` is None until the service stores it.

    ``approval_score`` and ``threshold`` are None where no model is loaded: then everything goes to nurse review.
    ``certificate`` is what the model's bundle says about the service family: None without a model, without a policy, or
    where no case of the family was there to show anything. ``due`` says which rule set ``due_at``; None in records that were
    written before there were rules.
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
    certificate: ThresholdCertificate | None = None
    due: DueTime | None = None
