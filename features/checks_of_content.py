"""What a criterion asks of how something is stated, how a treatment went and which value was measured."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator

from features.evaluation_context import Context, FactsByConcept
from features.finding import AGAINST, DENIES, INCOMPLETE, Check, Objection, against, incomplete
from features.policy import Comparison, Evidence
from features.types import Course, Fact

_TOOK_PLACE = frozenset({Course.COMPLETED, Course.ONGOING, Course.FAILED, Course.NOT_TOLERATED, Course.STATED})
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def checks_of_presence(evidence: Evidence) -> Iterator[Check]:
    """The checks that keep out what was so in the past, in the order in which they are reported."""
    if not (evidence.historical or evidence.earlier or evidence.change):
        yield _present_value
    if not (evidence.historical or evidence.change):
        yield _present


def checks_of_content(evidence: Evidence) -> Iterator[Check]:
    """The other checks this evidence needs, in the order in which they are reported."""
    if evidence.earlier:
        yield _past
    if evidence.positive:
        yield _positive
    yield _carried_out(frozenset(evidence.courses) or _TOOK_PLACE)
    if evidence.contexts:
        yield _measured_as(evidence.contexts)
    yield from map(_within_limit, evidence.compared)


def not_affirmed(fact: Fact, context: Context) -> Objection | None:
    """What speaks against any fact whatever is asked of it: it is denied, suspected, planned or conditional."""
    flags = fact.assertion
    if flags.negated and flags.historical:
        return Objection(INCOMPLETE, f"The notes say there was no {context.name(fact.concept)} in the past.")
    if flags.negated and fact.value == "negative":
        return Objection(DENIES, f"{context.subject(fact.concept)} is negative.")
    if flags.negated:
        return Objection(DENIES, f"The notes say there is no {context.name(fact.concept)}.")
    if flags.hypothetical or fact.course is Course.PLANNED:
        return against(fact, context, "is only planned or conditional.")
    if flags.uncertain:
        return incomplete(fact, context, "is only suspected.")
    return None


def holds(value: float, limit: Comparison) -> bool:
    """Whether a value in the limit's unit lies within it."""
    return _HOLDS[limit.op](value, limit.value)


def _present_value(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    if fact.context == "earlier":
        return incomplete(fact, context, "is documented as an earlier value, not as the present one.")
    return None


def _present(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    if fact.assertion.historical:
        return incomplete(fact, context, "is documented as past, not as present.")
    return None


def _past(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    when, written = fact.ended or fact.date, context.documents[fact.document_id].date
    if fact.assertion.historical or (when is not None and written is not None and when < written):
        return None
    return incomplete(fact, context, "is not said to lie in the past.")


def _positive(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    return None if fact.value == "positive" else incomplete(fact, context, "is named without a positive result.")


def _carried_out(courses: frozenset[Course]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        if fact.category != "treatment" or fact.course in courses:
            return None
        if fact.course is None:
            return incomplete(fact, context, "is mentioned, but not that it took place.")
        return Objection(AGAINST, f"{context.subject(fact.concept)}: {fact.course.value.replace('_', ' ')}.")

    return check


def _measured_as(contexts: tuple[str, ...]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        if fact.category == "measurement" and fact.context not in contexts:
            wanted = " or ".join(word.replace("_", " ") for word in contexts)
            return incomplete(fact, context, f"is documented, but not as {wanted}.")
        return None

    return check


def _within_limit(limit: Comparison) -> Check:
    compare, bound, unit = _HOLDS[limit.op], limit.value, limit.unit

    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        if not isinstance(fact.value, float | int) or fact.unit != unit:
            return incomplete(fact, context, f"has no value in {unit}.")
        if not compare(float(fact.value), bound):
            return against(fact, context, f"is {fact.value:g}; {limit.op} {bound:g} is needed.")
        return None

    return check
