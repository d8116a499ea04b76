"""How far from the limits the facts lie that meet a policy: reviewers disagree where it is close.

Each margin is relative to its limit: a BMI of 36 where 35 is asked has a margin of 1/35, eight weeks where six are asked
one of a third, an examination 45 days old where 60 are allowed one of a quarter. Of several facts that show a criterion,
the one furthest from its limits counts, because one is enough; of several branches that would do, the one furthest from
its own. The kinds of limit are kept apart, because a tenth is much for a BMI and little for a length of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from features.durations import to_days
from features.evaluation_context import Context
from features.lengths_of_time import latest, length_in_days, onset
from features.policy import Comparison, CoveragePolicy, Evidence
from features.policy_tree import Node, tree_of
from features.types import CriterionResult, Fact, Status

_NORMAL = {"body_temperature": 37.0, "blood_ph": 7.4, "spo2": 100.0, "spo2_arrival": 100.0}
"""Where a measurement's scale begins for a reviewer, if not at zero: there a limit is as far as it lies from normal."""
_PRESCRIBED = frozenset({"1/wk", "mg"})
_RANGE = re.compile(r"(?<![\d/.-])(\d{1,3})\s?(?:-|to)\s?\d{1,3}(?![\d/-])")
_SHORT_DAYS = 3.0
"""A limit of so few days is kept or not: a margin in whole days says nothing."""


class Margins(NamedTuple):
    """The smallest margin of each kind, from 0 (at the limit, or counted beyond it) to 1 (no limit is nearer than that).

    ``value``: of measured values. ``change``: of how far a value moved. ``length``: of how long something lasted or had to
    lie back. ``recency``: of how long ago it may have been. ``weakest``: of any kind and any criterion that is met, also
    where another branch would have done.
    """

    value: float = 1.0
    change: float = 1.0
    length: float = 1.0
    recency: float = 1.0
    weakest: float = 1.0

    @property
    def closest(self) -> float:
        """The smallest of the four kinds."""
        return min(self[:-1])


FAR = Margins()
"""No limit is near: nothing that met the policy was held against one."""


def margins(
    policy: CoveragePolicy, criteria: Sequence[CriterionResult], facts: Sequence[Fact], context: Context
) -> Margins:
    """How far from its limits a policy is met, by kind of limit. Criteria that are not met are left out."""
    by_id = {fact.fact_id: fact for fact in facts}
    tree = tree_of(policy)
    of_leaves: dict[str, Margins] = {}
    for result in criteria:
        evidence = tree.evidence_of.get(result.criterion_id)
        if evidence is not None and result.status is Status.MET:
            shown = [by_id[fact_id] for fact_id in result.evidence if fact_id in by_id]
            of_leaves[result.criterion_id] = _of_leaf(shown, evidence, context)
    met = {result.criterion_id for result in criteria if result.status is Status.MET}
    weakest = min((leaf.closest for leaf in of_leaves.values()), default=1.0)
    return _of_node(tree.root, met, of_leaves)._replace(weakest=weakest)


def _of_node(node: Node, met: set[str], of_leaves: Mapping[str, Margins]) -> Margins:
    if not node.children:
        return of_leaves.get(node.criterion_id, FAR)
    below = [_of_node(child, met, of_leaves) for child in node.children if child.criterion_id in met]
    if len(below) > node.at_least:
        below = sorted(below, key=_closest, reverse=True)[: node.at_least]
    return _smallest(below)


def _of_leaf(shown: Sequence[Fact], evidence: Evidence, context: Context) -> Margins:
    if not shown:
        return FAR
    furthest = max((_of_fact(fact, evidence, context) for fact in shown), key=_closest)
    if evidence.change is not None and len(shown) > 1:
        # The first two facts of such a leaf are the values between which the change was measured.
        return furthest._replace(change=_of_change(shown[0], shown[1], evidence.change))
    return furthest


def _closest(of: Margins) -> float:
    return of.closest


def _smallest(several: Sequence[Margins]) -> Margins:
    if len(several) < 2:
        return several[0] if several else FAR
    return Margins(*map(min, *several))


def _of_fact(fact: Fact, evidence: Evidence, context: Context) -> Margins:
    return Margins(
        value=min((_of_value(fact, limit) for limit in evidence.compared), default=_of_range(fact)),
        length=min(_lengths(fact, evidence, context), default=1.0),
        recency=min(_ages(fact, evidence, context), default=1.0),
    )


def _of_value(fact: Fact, limit: Comparison) -> float:
    if not isinstance(fact.value, float | int) or _is_chosen(limit):
        return 1.0
    return _relative(_beyond(float(fact.value), limit), limit.value - _NORMAL.get(fact.concept, 0.0))


def _of_range(fact: Fact) -> float:
    """0 where a concept that names its limit (above 30 degrees) is given as a range from there: it leaves open which."""
    stated = _RANGE.search(fact.text)
    return 0.0 if stated is not None and stated[1] in fact.concept.split("_") else 1.0


def _is_chosen(limit: Comparison) -> bool:
    """Whether the limit itself is a usual answer: a grade, or a dose or frequency, which are prescribed and not measured."""
    return limit.unit == "{grade}" or (limit.unit in _PRESCRIBED and limit.op in ("<=", ">="))


def _of_change(first: Fact, last: Fact, limit: Comparison) -> float:
    if not (isinstance(first.value, float | int) and isinstance(last.value, float | int)):
        return 1.0
    return _relative(_beyond(float(last.value) - float(first.value), limit), limit.value)


def _beyond(value: float, limit: Comparison) -> float:
    """How far a value lies from its limit. Where the limit itself does not count, 11 is the first whole number over 10."""
    whole = limit.op in ("<", ">") and value.is_integer() and float(limit.value).is_integer()
    return abs(value - limit.value) - (1.0 if whole else 0.0)


def _lengths(fact: Fact, evidence: Evidence, context: Context) -> Iterator[float]:
    if evidence.lasting is not None and (days := length_in_days(fact)) is not None:
        needed = to_days(evidence.lasting.value, evidence.lasting.unit)
        yield _relative(days - needed, needed)
    if evidence.beyond is not None and (when := context.when(fact)) is not None:
        asked = to_days(evidence.beyond.value, evidence.beyond.unit)
        yield _relative((context.day - when).days - asked, asked)


def _ages(fact: Fact, evidence: Evidence, context: Context) -> Iterator[float]:
    if evidence.within is not None and (allowed := latest(evidence.within)) > _SHORT_DAYS:
        when = context.when(fact)
        if when is not None:
            yield _relative(allowed - (context.day - when).days, allowed)
    if evidence.onset_within is not None:
        begun = onset(fact, context.documents[fact.document_id].date)
        if begun is not None:
            allowed = latest(evidence.onset_within)
            yield _relative(allowed - (context.day - begun).days, allowed)


def _relative(distance: float, limit: float) -> float:
    return min(1.0, max(0.0, distance / abs(limit))) if limit else 1.0
