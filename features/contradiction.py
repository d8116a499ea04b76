"""Facts that say the opposite of one another: same concept, same side, same part of the body, not from before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from features.doses import DRUG_DOSE
from features.evaluation_context import Context
from features.finding import AGAINST, Finding, content
from features.lengths_of_time import length_in_days
from features.types import Course, Fact

_WITHOUT_SIDE = frozenset({"record", "plan"})
"""What the notes record or plan is no part of the body: a side that its document speaks of does not set two of it apart."""


def opposed(
    supporting: Sequence[Finding], against: Sequence[Finding], context: Context
) -> tuple[list[tuple[Finding, Finding]], list[Finding]]:
    """Each supporting finding with each that contradicts it, and those that nothing contradicts.

    Findings that say the same are compared once: a note may repeat itself a thousand times.
    """
    opposing = list({content(finding.fact): finding for finding in against}.values())
    known: dict[object, list[Finding]] = {}
    contradicted, clean = [], []
    for finding in supporting:
        said = content(finding.fact)
        if said not in known:
            known[said] = [other for other in opposing if _contradict(finding.fact, other, context)]
        contradicted += [(finding, other) for other in known[said]]
        if not known[said]:
            clean.append(finding)
    return contradicted, clean


def _contradict(one: Fact, other: Finding, context: Context) -> bool:
    two = other.fact
    if two.concept not in (one.concept, _drug(one)):
        return False
    sided = one.category not in _WITHOUT_SIDE
    if sided and one.laterality and two.laterality and one.laterality != two.laterality:
        return False
    if one.region and two.region and one.region != two.region:
        return False
    since, then = _since(one, context), context.when(two)
    later = since is None or then is None or then >= since
    if other.says is AGAINST and two.course not in (Course.NOT_ATTENDED, Course.DECLINED):
        # Two values of one measurement contradict each other on one day; a later one outdates the earlier.
        return later and one.category == two.category == "measurement" and two.value != one.value
    return later


def _since(fact: Fact, context: Context) -> date | None:
    """From when on a fact holds: a length of time without dates reaches back from the day it is told."""
    when, days = context.when(fact), length_in_days(fact)
    return fact.began or (when - timedelta(days=round(days)) if when is not None and days is not None else when)


def _drug(fact: Fact) -> str | None:
    """The drug a dose is of: that it is not taken contradicts its dose."""
    return fact.context if fact.concept == DRUG_DOSE else None
