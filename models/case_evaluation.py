"""How triage does on written cases that say where they should go. One number matters first: unsafe fast tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from features.types import AuthorizationRequest
from models.types import Route, TriageResult


@dataclass(frozen=True, slots=True)
class ExpectedCase:
    """A request with the route it should take; ``why`` and ``trap`` are for people and never reach triage."""

    request: AuthorizationRequest
    expected: Route
    why: str = ""
    trap: str = ""


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What triage answered to one expected case."""

    case: ExpectedCase
    result: TriageResult

    @property
    def unsafe(self) -> bool:
        """A nurse was expected, and it was fast-tracked."""
        return self.case.expected is Route.NURSE_REVIEW and self.result.route is Route.FAST_TRACK

    @property
    def missed(self) -> bool:
        """A fast track was expected, and a nurse got it."""
        return self.case.expected is Route.FAST_TRACK and self.result.route is Route.NURSE_REVIEW


@dataclass(frozen=True, slots=True)
class CaseReport:
    """All outcomes."""

    outcomes: tuple[CaseOutcome, ...]

    @property
    def unsafe(self) -> tuple[CaseOutcome, ...]:
        """Outcomes that were fast-tracked though a nurse was expected. Must be empty."""
        return tuple(outcome for outcome in self.outcomes if outcome.unsafe)

    @property
    def missed(self) -> tuple[CaseOutcome, ...]:
        """Outcomes that could have been fast-tracked and were not."""
        return tuple(outcome for outcome in self.outcomes if outcome.missed)

    def count(self, expected: Route, got: Route) -> int:
        """How many cases expected one route and took the other."""
        return sum(o.case.expected is expected and o.result.route is got for o in self.outcomes)

    @property
    def fast_track_share(self) -> float | None:
        """Of the cases expected in the fast lane, the share that got there; None where there are none."""
        expected = self.count(Route.FAST_TRACK, Route.FAST_TRACK) + self.count(Route.FAST_TRACK, Route.NURSE_REVIEW)
        return self.count(Route.FAST_TRACK, Route.FAST_TRACK) / expected if expected else None


def evaluate_cases(cases: Iterable[ExpectedCase], triage: Callable[[AuthorizationRequest], TriageResult]) -> CaseReport:
    """Triage every case and compare."""
    return CaseReport(tuple(CaseOutcome(case, triage(case.request)) for case in cases))
