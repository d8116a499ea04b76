"""How far from a limit the facts lie that met the criteria: reviewers disagree where it is close.

Each margin is relative to its limit: a BMI of 36 where 35 is asked has a margin of 1/35, eight weeks where six are asked
one of a third, an examination 45 days old where 60 are allowed one of a quarter. Of several facts that show a criterion,
the one furthest from its limits counts, because one is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from features.durations import to_days
from features.evaluation_context import Context
from features.lengths_of_time import length_in_days
from features.policy import CoveragePolicy, Evidence
from features.policy_tree import tree_of
from features.types import CriterionResult, Fact, Status


def closest_margin(
    policy: CoveragePolicy, criteria: Sequence[CriterionResult], facts: Sequence[Fact], context: Context
) -> float:
    """The smallest margin among the needed criteria that are met, 0 to 1; 1 where no limit is nearer than that.

    Limits of measured values, of how long something lasted and of how long ago it was all count.
    """
    by_id = {fact.fact_id: fact for fact in facts}
    evidence_of = tree_of(policy).evidence_of
    smallest = 1.0
    for result in criteria:
        evidence = evidence_of.get(result.criterion_id)
        if evidence is None or result.status is not Status.MET or not result.needed:
            continue
        shown = [by_id[fact_id] for fact_id in result.evidence if fact_id in by_id]
        furthest = max((min(_margins(fact, evidence, context), default=1.0) for fact in shown), default=1.0)
        smallest = min(smallest, furthest)
    return smallest


def _margins(fact: Fact, evidence: Evidence, context: Context) -> Iterator[float]:
    """The margins of one fact within one criterion, each from 0 (at the limit, or counted beyond it) to 1."""
    if isinstance(fact.value, float | int):
        for limit in evidence.compared:
            yield _relative(abs(float(fact.value) - limit.value), abs(limit.value))
    days = length_in_days(fact)
    if evidence.lasting is not None and days is not None:
        needed = to_days(evidence.lasting.value, evidence.lasting.unit)
        yield _relative(days - needed, needed)
    when = context.when(fact)
    if when is None:
        return
    age = (context.day - when).days
    if evidence.within is not None:
        allowed = to_days(evidence.within.value, evidence.within.unit)
        yield _relative(allowed - age, allowed)
    if evidence.beyond is not None:
        asked = to_days(evidence.beyond.value, evidence.beyond.unit)
        yield _relative(age - asked, asked)


def _relative(distance: float, limit: float) -> float:
    return min(1.0, max(0.0, distance / limit)) if limit else 1.0
