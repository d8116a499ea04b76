"""The one place where a route is decided. A fast track needs every condition at once; whatever fails is named.

There is no path to any third route, and no input that could open one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from features.lexicon import first_small
from features.types import CriterionResult, Reading, Status
from models.types import Reason, Route


def route(
    reading: Reading,
    *,
    score: float | None,
    threshold: float | None,
    model_loaded: bool,
    fast_track_enabled: bool = True,
    further: Sequence[Reason] = (),
) -> tuple[Route, tuple[Reason, ...]]:
    """Route and reasons of a request.

    ``threshold`` is None where the model's guarantee does not cover the service family; ``further`` are reasons for a
    nurse that only the caller knows (a near duplicate). Every reason that holds the request back is returned.
    """
    held = (
        *_guard_reasons(reading),
        *_criteria_reasons(reading),
        *_evidence_reasons(reading),
        *_score_reasons(reading, score, threshold, model_loaded),
        *further,
    )
    if not fast_track_enabled:
        held = (*held, Reason("fast_track_off", "Fast-tracking is switched off."))
    policy = reading.policy
    if held or policy is None:
        return Route.NURSE_REVIEW, tuple(dict.fromkeys(held))
    return Route.FAST_TRACK, (
        Reason("all_criteria_met", f"Every criterion of {policy.policy_id} {policy.version} is documented as met."),
    )


def _guard_reasons(reading: Reading) -> Iterable[Reason]:
    for guard in reading.guards:
        yield Reason(guard.code, guard.message)
    if reading.policy is None and all(guard.code != "no_policy" for guard in reading.guards):
        yield Reason("no_policy", "No coverage policy covers this service on this date.")


def _criteria_reasons(reading: Reading) -> Iterable[Reason]:
    reasons = tuple(_leaf_reasons(reading.criteria))
    yield from reasons
    # The tree's own answer, whatever its leaves say: a "not" is unmet exactly when its leaf is met.
    met = bool(reading.criteria) and reading.criteria[0].status is Status.MET and _cites_evidence(reading.criteria)
    if reading.policy is not None and not met and not reasons:
        yield Reason("criteria_unmet", "The policy as a whole is not documented as met.")


def _cites_evidence(criteria: Sequence[CriterionResult]) -> bool:
    parents = {result.parent for result in criteria}
    return any(result.needed and result.evidence for result in criteria if result.criterion_id not in parents)


def _leaf_reasons(criteria: Sequence[CriterionResult]) -> Iterable[Reason]:
    parents = {result.parent for result in criteria}
    for result in criteria:
        if result.criterion_id in parents:
            continue
        if result.status is Status.CONFLICTING:
            yield Reason("criterion_conflicting", _finding(result))
        elif result.needed and result.status is Status.NOT_MET:
            yield Reason("criterion_not_met", _finding(result))
        elif result.needed and result.status is Status.NOT_DOCUMENTED:
            yield Reason("criterion_not_documented", _finding(result))


def _evidence_reasons(reading: Reading) -> Iterable[Reason]:
    """The last lock: whatever evaluation said, evidence of a met leaf must be this patient's own."""
    facts = {fact.fact_id: fact for fact in reading.facts}
    parents = {result.parent for result in reading.criteria}
    for result in reading.criteria:
        if result.status is not Status.MET or not result.needed or result.criterion_id in parents:
            continue
        own = [f in facts and facts[f].assertion.is_patients_own for f in result.evidence]
        if not own or not all(own):
            yield Reason("evidence_not_patients_own", f"{result.statement}: its evidence needs a person's look.")


def _score_reasons(
    reading: Reading, score: float | None, threshold: float | None, model_loaded: bool
) -> Iterable[Reason]:
    if not model_loaded or score is None:
        yield Reason("no_model", "No model is loaded, so no request is fast-tracked.")
    elif reading.policy is not None and threshold is None:
        yield Reason("no_guarantee", "The model's guarantee does not cover this kind of service.")
    elif threshold is not None and not score >= threshold:  # false for NaN too
        yield Reason("score_below_threshold", "The approval score is below the certified threshold.")


def _finding(result: CriterionResult) -> str:
    """What was found first, then what is needed: the first half must do for whoever reads no further."""
    statement = result.statement
    needed = first_small(statement)
    return f"{result.explanation} Needed: {needed}."
