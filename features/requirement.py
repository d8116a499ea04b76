"""What one criterion's evidence requires, worked out once when its policy is read, and each fact held against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.checks_of_content import checks_of_content, checks_of_presence, not_affirmed
from features.checks_of_place import checks_of_place
from features.checks_of_time import checks_of_time
from features.durations import to_days
from features.evaluation_context import Context, FactsByConcept
from features.finding import SUPPORTS, Check, Finding, Objection, content
from features.lengths_of_time import length_in_days, spelled
from features.policy import Evidence
from features.types import Course, Fact

_PLANNED = Course.PLANNED
_FEW = 6
"""So many facts are judged sooner one by one than they are searched for ones that say the same."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One :class:`~features.policy.Evidence` with the checks it needs, and no others, in the order they are reported.

    ``place`` is asked of any fact, the others of what the notes affirm: of the past or an earlier value, or of the present.
    ``together`` says that only several facts together can show it. ``length`` and ``limits`` are what is needed, in words.
    """

    evidence: Evidence
    concepts: tuple[str, ...]
    place: tuple[Check, ...]
    of_the_past: tuple[Check, ...]
    of_the_present: tuple[Check, ...]
    together: bool
    length: str | None
    limits: str | None


def requirement_of(evidence: Evidence) -> Requirement:
    """What the evidence of a criterion or an exclusion requires."""
    summed = evidence.lasting is not None and evidence.lasting.counted == "summed"
    affirmed = (*checks_of_content(evidence), *checks_of_time(evidence))
    return Requirement(
        evidence,
        evidence.concepts,
        tuple(checks_of_place(evidence)),
        (*checks_of_presence(evidence), *affirmed),
        affirmed,
        summed or evidence.times > 1 or evidence.change is not None,
        spelled(to_days(evidence.lasting.value, evidence.lasting.unit)) if evidence.lasting is not None else None,
        " and ".join(f"{limit.op} {limit.value:g}" for limit in evidence.compared) or None,
    )


def objection(fact: Fact, required: Requirement, context: Context, facts: FactsByConcept) -> Objection | None:
    """The first thing that keeps one fact from showing what is required; None where it shows it."""
    for check in required.place:
        found = check(fact, context, facts)
        if found is not None:
            return found
    flags = fact.assertion
    if flags.negated or flags.uncertain or flags.hypothetical or fact.course is _PLANNED:
        return not_affirmed(fact, context)
    for check in required.of_the_past if flags.historical or fact.context == "earlier" else required.of_the_present:
        found = check(fact, context, facts)
        if found is not None:
            return found
    return None


def findings(required: Requirement, context: Context, facts: FactsByConcept) -> list[Finding]:
    """What each fact says. Facts that say the same are judged once: a note may repeat itself a thousand times."""
    spoken = [
        fact
        for concept in required.concepts
        if concept in facts
        for fact in facts[concept]
        if not fact.assertion.family and fact.context != "limit"
    ]
    if len(spoken) <= _FEW:
        return [_finding(fact, objection(fact, required, context, facts)) for fact in spoken]
    return _judged_once(spoken, required, context, facts)


def _judged_once(
    spoken: Sequence[Fact], required: Requirement, context: Context, facts: FactsByConcept
) -> list[Finding]:
    judged: dict[object, Objection | None] = {}
    found = []
    for fact in spoken:
        said = content(fact)
        if required.evidence.same_level:
            said = (said, context.levels_of(fact))
        if said not in judged:
            judged[said] = objection(fact, required, context, facts)
        found.append(_finding(fact, judged[said]))
    return found


def _finding(fact: Fact, why_not: Objection | None) -> Finding:
    return Finding(fact, SUPPORTS, "") if why_not is None else Finding(fact, why_not.says, why_not.why)


def supporting_sentence(fact: Fact, required: Requirement, context: Context) -> str:
    """How a fact shows what is required."""
    days = length_in_days(fact) if required.length is not None else None
    if days is not None:
        period = ""
        if fact.began and fact.ended:
            period = f" ({fact.began.isoformat()} to {fact.ended.isoformat()})"
        elif fact.began:
            period = f" (since {fact.began.isoformat()})"
        name = context.name(fact.concept).lower()
        return f"{spelled(days)} of {name} documented{period}, {required.length} needed."
    name = context.subject(fact.concept)
    if required.limits is not None and isinstance(fact.value, float | int):
        return f"{name} is {fact.value:g}; {required.limits} is needed."
    if fact.began and not fact.ended:
        return f"{name} is documented (since {fact.began.isoformat()})."
    when = context.when(fact)
    return f"{name} is documented{f' ({when.isoformat()})' if when else ''}."
