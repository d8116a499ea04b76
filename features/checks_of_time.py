"""What a criterion asks of how long something lasted, when it was and what came before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date

from features.durations import to_days
from features.evaluation_context import Context, FactsByConcept
from features.finding import AGAINST, INCOMPLETE, Check, Objection, against, incomplete
from features.lengths_of_time import SLACK_DAYS, latest, length_in_days, onset, spelled
from features.policy import Evidence, Length, Span
from features.types import Course, Fact

_DayOf = Callable[[Fact, Context], date | None]


def checks_of_time(evidence: Evidence) -> Iterator[Check]:
    """The checks this evidence needs, in the order in which they are reported."""
    if evidence.lasting is not None:
        yield _long_enough(evidence.lasting)
    if evidence.dated:
        yield _dated
    if evidence.in_force:
        yield _in_force
    if evidence.onset_within is not None:
        yield _begun_within(evidence.onset_within)
    if evidence.newest:
        yield _of_the_newest_day(evidence.document_types)
    if evidence.within is not None or evidence.beyond is not None:
        # Of a value that moved, its present one is asked later how old it is.
        yield _of_an_age(evidence.within if evidence.change is None else None, evidence.beyond)
    day_of = _day_it_stands_for if evidence.before else _day_written
    if evidence.before:
        yield _before(evidence.before)
    if evidence.not_before_end_of:
        yield _not_before_end_of(evidence.not_before_end_of, day_of)
    if evidence.not_before:
        yield _not_before(evidence.not_before, day_of)


def _long_enough(lasting: Length) -> Check:
    needed, summed = to_days(lasting.value, lasting.unit), lasting.counted == "summed"

    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        days = length_in_days(fact)
        if days is None:
            return incomplete(fact, context, "is documented without how long.")
        if not summed and days + SLACK_DAYS < needed:
            name = context.name(fact.concept).lower()
            return Objection(AGAINST, f"{spelled(days)} of {name} documented, {spelled(needed)} needed.")
        return None

    return check


def _dated(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    if fact.date or fact.began or fact.ended or context.documents[fact.document_id].type == "therapy_note":
        return None
    return incomplete(fact, context, "is documented without a date.")


def _in_force(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    if fact.ended is None:
        return incomplete(fact, context, "is documented without its end.")
    if fact.ended < (context.last_day or context.day):
        return against(fact, context, f"ended on {fact.ended.isoformat()}, before the last day asked for.")
    return None


def _begun_within(span: Span) -> Check:
    most = latest(span)

    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        begun = onset(fact, context.documents[fact.document_id].date)
        if begun is None:
            return incomplete(fact, context, "is documented without a date.")
        if (context.day - begun).days > most:
            return against(fact, context, f"is from {begun.isoformat()}, too long before the request.")
        return None

    return check


def _of_the_newest_day(types: Sequence[str]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        newest, said = context.newest_day(types), context.when(fact)
        arrival = fact.context == "arrival"
        if not arrival and newest is not None and said is not None and said >= newest:
            return None
        when = "of the arrival" if arrival else f"from {said.isoformat() if said else 'a day not told'}"
        return incomplete(fact, context, f"is {when}, not of the newest day.")

    return check


def _of_an_age(within: Span | None, beyond: Span | None) -> Check:
    most = latest(within) if within is not None else float("inf")
    least = to_days(beyond.value, beyond.unit) - SLACK_DAYS if beyond is not None else -float("inf")

    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        when = context.when(fact)
        if when is None:
            return incomplete(fact, context, "is in a document without a date.")
        age = (context.day - when).days
        if age > most:
            return against(fact, context, f"is from {when.isoformat()}, too long before the request.")
        if age < least:
            return against(fact, context, f"is from {when.isoformat()}, too close to the request.")
        return None

    return check


def _before(tests: tuple[str, ...]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        when, written = _day_it_stands_for(fact, context), _day_written(fact, context)
        days = [context.when(f) for concept in tests for f in facts.get(concept, ()) if _happened(f)]
        known = [day for day in days if day is not None]
        if not known or when is None:
            why = f"{context.subject(fact.concept)}: the dates that show the order of events are missing."
            return Objection(INCOMPLETE, why)
        if when > max(known):
            return against(fact, context, f"is documented on {when.isoformat()}, after the test.")
        if not any(when < day or (when == day and written != day) for day in known):
            why = f"{context.subject(fact.concept)}: no document shows it before the test."
            return Objection(INCOMPLETE, why)
        return None

    return check


def _not_before_end_of(treatments: tuple[str, ...], day_of: _DayOf) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        ends = [
            f.ended
            for concept in treatments
            for f in facts.get(concept, ())
            if f.ended and _happened(f) and f.course is not Course.PLANNED
        ]
        when = day_of(fact, context)
        if when is None or (ends and when < max(ends)):
            return incomplete(fact, context, "is documented before the treatment ended.")
        return None

    return check


def _not_before(events: tuple[str, ...], day_of: _DayOf) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        days = [
            day
            for concept in events
            for f in facts.get(concept, ())
            if (day := f.date or f.began) and _happened(f) and not f.assertion.negated
        ]
        when = day_of(fact, context)
        if when is None or (days and when < max(days)):
            return incomplete(fact, context, f"is documented before the latest {context.name(events[0])}.")
        return None

    return check


def _day_written(fact: Fact, context: Context) -> date | None:
    return context.documents[fact.document_id].date


def _day_it_stands_for(fact: Fact, context: Context) -> date | None:
    """A letter that says on which day the patient was evaluated stands for that day."""
    written = context.documents[fact.document_id].date
    return fact.date if fact.category == "record" and fact.date and written and fact.date < written else written


def _happened(fact: Fact) -> bool:
    return fact.assertion.is_patients_own and fact.context != "limit"
