"""What only several facts together can show: lengths summed, something that happened often enough, a value that moved."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date

from features.checks_of_content import holds
from features.durations import to_days
from features.evaluation_context import Context
from features.finding import AGAINST, INCOMPLETE, SUPPORTS, Finding, Says
from features.lengths_of_time import SLACK_DAYS, latest, length_in_days, spelled
from features.policy import Comparison, Evidence
from features.types import Fact


def together(findings: list[Finding], evidence: Evidence, context: Context) -> list[Finding]:
    """The findings after what only several facts together can show; as they were where none supports the leaf."""
    supporting = [finding.fact for finding in findings if finding.says is SUPPORTS]
    if not supporting:
        return findings
    name = context.name(supporting[0].concept)
    if evidence.lasting is not None and evidence.lasting.counted == "summed":
        needed = to_days(evidence.lasting.value, evidence.lasting.unit)
        days = _summed(supporting)
        enough = days + SLACK_DAYS >= needed
        why = f"{spelled(days)} of {name} in all documented, {spelled(needed)} needed."
        findings = _said(findings, SUPPORTS if enough else AGAINST, why)
    if evidence.times > 1:
        count = occurrences(supporting, context)
        if count < evidence.times:
            why = f"{name[0].upper()}{name[1:]} is documented {count} of {evidence.times} times needed."
            findings = _said(findings, INCOMPLETE, why)
    if evidence.change is not None:
        findings = _changed(findings, evidence, evidence.change, context)
    return findings


def occurrences(facts: Sequence[Fact], context: Context) -> int:
    """How often something happened: on different days or with different values.

    A value without a date of its own that another document gives again is the same value, told twice.
    """
    days: dict[tuple[str, object], set[date | None]] = {}
    for fact in facts:
        day = fact.date if fact.category == "measurement" else context.when(fact)
        days.setdefault((fact.concept, fact.value), set()).add(day)
    return sum(len(known - {None}) or 1 for known in days.values())


def _said(findings: Sequence[Finding], says: Says, why: str) -> list[Finding]:
    return [f._replace(says=says, why=why) if f.says is SUPPORTS else f for f in findings]


def _summed(facts: Sequence[Fact]) -> float:
    """Days in all: stretches with dates by the calendar, each day once; where there are none, those without dates."""
    covered: set[int] = set()
    undated: dict[tuple[str, float], float] = {}
    for fact in facts:
        days = length_in_days(fact)
        if days is None:
            continue
        if fact.began and fact.ended and fact.ended > fact.began:
            covered.update(range(fact.began.toordinal(), fact.ended.toordinal()))
        else:
            undated[fact.concept, days] = days
    # A stretch without dates may be one of those with dates told again, so it counts only where there are none.
    return float(len(covered)) if covered else sum(undated.values())


def _changed(findings: Sequence[Finding], evidence: Evidence, limit: Comparison, context: Context) -> list[Finding]:
    """Whether a measurement moved as far as needed, from its first value to its present one, the same side throughout.

    ``within`` is asked of the present value only.
    """
    measured: dict[str, list[Finding]] = {}
    for finding in findings:
        a_number = isinstance(finding.fact.value, float | int) and finding.fact.unit == limit.unit
        if finding.says is SUPPORTS and a_number:
            measured.setdefault(finding.fact.concept, []).append(finding)
    series: dict[tuple[str, str | None, str | None], list[Finding]] = {}
    for concept, found in measured.items():
        # Where one side or one part of the body is named, values that name none are of it.
        sides = {finding.fact.laterality for finding in found} - {None}
        regions = {finding.fact.region for finding in found} - {None}
        for finding in found:
            side = finding.fact.laterality if len(sides) > 1 else None
            region = finding.fact.region if len(regions) > 1 else None
            series.setdefault((concept, side, region), []).append(finding)
    pairs = [pair for found in series.values() for pair in _pairs(found, context)]
    if not pairs:
        return _said(findings, INCOMPLETE, "Only one value is documented; an earlier and a later one are needed.")
    if evidence.within is not None:
        recent = [pair for pair in pairs if _age(pair[1].fact, context) <= latest(evidence.within)]
        if not recent:
            why = "The last value is from too long before the request."
            return _said(findings, AGAINST, why)
        pairs = recent
    first, last = max(pairs, key=lambda pair: (_far_enough(pair, limit), abs(_moved(pair))))
    name = context.name(first.fact.concept)
    values = f"{_number(first.fact):g} to {_number(last.fact):g}"
    why = f"{name[0].upper()}{name[1:]} went from {values}; a change of {limit.op} {limit.value:g} is needed."
    says = SUPPORTS if _far_enough((first, last), limit) else AGAINST
    # The other values of a series that moved far enough show it as well: one note may tell what another does.
    shown = [first, last]
    if says is SUPPORTS:
        shown += [one for one in measured[first.fact.concept] if one is not first and one is not last]
    return [finding._replace(says=says, why=why) for finding in shown]


def _far_enough(pair: tuple[Finding, Finding], limit: Comparison) -> bool:
    return holds(_moved(pair), limit)


def _moved(pair: tuple[Finding, Finding]) -> float:
    return _number(pair[1].fact) - _number(pair[0].fact)


def _age(fact: Fact, context: Context) -> float:
    when = context.when(fact)
    return float("inf") if when is None else (context.day - when).days


def _pairs(found: Sequence[Finding], context: Context) -> list[tuple[Finding, Finding]]:
    """A first and a present value of one series, at most one pair for each present value.

    The present values are those of the latest day that the note does not call earlier ones. Each is held against the
    earlier value that stands nearest in its own document, else against the values of the first day, where those are the
    same kind of value (at worst, at best): with several of them the one that moved least, for which muscle or which
    posture they are of is not known. Two values of one day, neither called earlier, show no change.
    """
    present = [finding for finding in found if not _earlier_value(finding.fact)]
    latest = max((context.when(finding.fact) or date.min for finding in present), default=None)
    present = [finding for finding in present if (context.when(finding.fact) or date.min) == latest]
    pairs = _beside(found, present)
    days = sorted({day for f in found if (day := context.when(f.fact)) is not None and latest and day < latest})
    if not days:
        return pairs
    for kind in {finding.fact.context for finding in present}:
        then = [f for f in found if context.when(f.fact) == days[0] and f.fact.context in (kind, "earlier")]
        now = [finding for finding in present if finding.fact.context == kind]
        if then and now:
            pairs.append(_closest(then, now))
    return pairs


def _beside(found: Sequence[Finding], present: Sequence[Finding]) -> list[tuple[Finding, Finding]]:
    """Each present value with the earlier one of its own document that stands nearest to it, the first of several."""
    by_document: dict[str, list[Finding]] = {}
    for finding in sorted(present, key=lambda one: one.fact.start):
        by_document.setdefault(finding.fact.document_id, []).append(finding)
    beside: dict[str, tuple[Finding, Finding]] = {}
    for finding in sorted(found, key=lambda one: one.fact.start):
        there = by_document.get(finding.fact.document_id, [])
        if there and _earlier_value(finding.fact):
            place = bisect_left(there, finding.fact.start, key=lambda one: one.fact.start)
            near = there[max(place - 1, 0) : place + 1]
            nearest = min(near, key=lambda one: abs(one.fact.start - finding.fact.start))
            beside.setdefault(nearest.fact.fact_id, (finding, nearest))
    return list(beside.values())


def _closest(then: Sequence[Finding], now: Sequence[Finding]) -> tuple[Finding, Finding]:
    """Of an earlier and a later day's values those two that differ least."""
    ordered = sorted(now, key=lambda one: _number(one.fact))
    pairs = []
    for finding in then:
        place = bisect_left(ordered, _number(finding.fact), key=lambda one: _number(one.fact))
        pairs += [(finding, other) for other in ordered[max(place - 1, 0) : place + 1]]
    return min(pairs, key=lambda pair: abs(_moved(pair)))


def _earlier_value(fact: Fact) -> bool:
    return fact.context == "earlier" or fact.assertion.historical


def _number(fact: Fact) -> float:
    return float(fact.value) if isinstance(fact.value, float | int) else 0.0
