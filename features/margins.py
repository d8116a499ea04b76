"""How far from a limit the facts lie that met the criteria: reviewers disagree where it is close.

Each margin is relative to its limit: a BMI of 36 where 35 is asked has a margin of 1/35, eight weeks where six are asked
one of a third, an examination 45 days old where 60 are allowed one of a quarter. Of several facts that show a criterion,
the one furthest from its limits counts, because one is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from features.criteria import Context, length_in_days
from features.durations import to_days
from features.policy import CoveragePolicy, Evidence
from features.types import CriterionResult, Fact, Status


@dataclass(frozen=True, slots=True)
class Margins:
    """The smallest margin among the needed criteria that are met, by what the limit is about; 1 where none is nearer.

    ``value``: measured values; ``length``: how long something lasted; ``time``: how long ago it was.
    """

    value: float = 1.0
    length: float = 1.0
    time: float = 1.0


NO_LIMITS = Margins()


def margins_of(
    policy: CoveragePolicy, criteria: Sequence[CriterionResult], facts: Sequence[Fact], context: Context
) -> Margins:
    """The margins of a request's met criteria."""
    by_id = {fact.fact_id: fact for fact in facts}
    leaves = {node.id: node.evidence for node in policy.criteria.walk()}
    smallest: dict[str, float] = {}
    for result in criteria:
        evidence = leaves.get(result.criterion_id)
        if evidence is None or result.status is not Status.MET or not result.needed:
            continue
        shown = [_of_one(by_id[fact_id], evidence, context) for fact_id in result.evidence if fact_id in by_id]
        if not shown:
            continue
        best = max(shown, key=lambda margins: min(margins.values(), default=1.0))
        for kind, margin in best.items():
            smallest[kind] = min(smallest.get(kind, 1.0), margin)
    return Margins(**smallest)


def _of_one(fact: Fact, evidence: Evidence, context: Context) -> Mapping[str, float]:
    """The margins of one fact within one criterion, each from 0 (at the limit, or counted beyond it) to 1."""
    found: dict[str, float] = {}
    if evidence.compared and isinstance(fact.value, float | int):
        found["value"] = min(
            _relative(abs(float(fact.value) - limit.value), abs(limit.value)) for limit in evidence.compared
        )
    days = length_in_days(fact)
    if evidence.lasting is not None and days is not None:
        needed = to_days(evidence.lasting.value, evidence.lasting.unit)
        found["length"] = _relative(days - needed, needed)
    when = context.when(fact)
    if when is not None:
        age = (context.day - when).days
        for limit, inside in ((evidence.within, 1.0), (evidence.beyond, -1.0)):
            if limit is not None:
                allowed = to_days(limit.value, limit.unit)
                found["time"] = min(found.get("time", 1.0), _relative(inside * (allowed - age), allowed))
    return found


def _relative(distance: float, limit: float) -> float:
    return min(1.0, max(0.0, distance / limit)) if limit else 1.0
