"""What a criterion asks of whose a fact is and where it stands: side, level, part of the body, document, author."""

from __future__ import annotations

from collections.abc import Iterator

from features.evaluation_context import Context, FactsByConcept
from features.finding import Check, Objection, incomplete
from features.lengths_of_time import length_in_days
from features.policy import AgeLimits, Evidence, Role
from features.types import Course, DocumentType, Fact

_PLANNING_SECTIONS = frozenset({"plan", "assessment_and_plan", "orders", "procedures"})
_SAME_END_DAYS = 21
_SAME_LENGTH_DAYS = 14


def checks_of_place(evidence: Evidence) -> Iterator[Check]:
    """The checks this evidence needs, in the order in which they are reported."""
    if evidence.member_age is not None:
        yield _of_age(evidence.member_age)
    if evidence.same_side:
        yield _on_the_side
    if evidence.same_level:
        yield _at_the_level(evidence.same_level)
    if evidence.regions:
        yield _in_the_region(frozenset(evidence.regions))
    if evidence.document_types:
        yield _in_document(frozenset(evidence.document_types))
    if evidence.sections:
        yield _in_section(frozenset(evidence.sections))
    if evidence.by:
        yield _written_by(evidence.by)


def _of_age(limits: AgeLimits) -> Check:
    low, high = limits.min, limits.max

    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        if context.age is None or not low <= context.age <= high:
            return incomplete(fact, context, "counts only at another age than the member's.")
        return None

    return check


def _on_the_side(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
    if context.side and fact.laterality not in (None, "bilateral", context.side):
        return incomplete(fact, context, f"is documented for the {fact.laterality} side only.")
    return None


def _at_the_level(procedures: tuple[str, ...]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        elsewhere = _other_level(fact, procedures, context, facts)
        if elsewhere is not None and not (fact.assertion.negated and context.levels_of(fact) is None):
            # "No listhesis", said of no level, is said of all.
            return incomplete(fact, context, f"is documented{elsewhere}.")
        return None

    return check


def _in_the_region(regions: frozenset[str]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        region = fact.region or _region_elsewhere(fact, facts)
        if region is not None and region not in regions:
            return incomplete(fact, context, f"is documented for another part of the body ({region}).")
        return None

    return check


def _in_document(types: frozenset[DocumentType]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        kind = context.documents[fact.document_id].type
        if kind not in types:
            return incomplete(fact, context, f"stands in a document where it does not count ({kind}).")
        return None

    return check


def _in_section(sections: frozenset[str]) -> Check:
    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        if fact.section not in sections:
            return incomplete(fact, context, f"stands in a section where it does not count ({fact.section}).")
        return None

    return check


def _written_by(roles: tuple[Role, ...]) -> Check:
    wanted = frozenset(roles)

    def check(fact: Fact, context: Context, facts: FactsByConcept) -> Objection | None:
        if wanted.isdisjoint(context.roles(context.documents[fact.document_id])):
            named = " or ".join(f"the {role.replace('_', ' ')}" for role in roles)
            return incomplete(fact, context, f"is not documented by {named}.")
        return None

    return check


def _other_level(fact: Fact, procedures: tuple[str, ...], context: Context, facts: FactsByConcept) -> str | None:
    """Why a fact is not at the level that is to be treated; None where it is."""
    plan = context.plans.get(procedures)
    if plan is None:
        planned = [f for concept in procedures for f in facts.get(concept, ()) if _is_planned(f, context)]
        levels = frozenset(space for f in planned for space in context.levels_of(f) or ())
        plan = (
            context.requested_levels() or levels,
            frozenset(f.laterality for f in planned if f.laterality is not None),
        )
        context.plans[procedures] = plan
    wanted, sides = plan
    if fact.laterality in ("left", "right") and sides and not sides & {fact.laterality, "bilateral"}:
        return f" for the {fact.laterality} side only"
    if not wanted:
        return ", but not which level of the spine is to be treated"
    own = context.levels_of(fact)
    if own is None:
        return " without the level of the spine"
    return None if own & wanted else " at another level of the spine"


def _is_planned(fact: Fact, context: Context) -> bool:
    """Whether a procedure is spoken of as one to come."""
    flags = fact.assertion
    if flags.negated or flags.historical or flags.family or fact.course in (Course.COMPLETED, Course.FAILED):
        return False
    if fact.date is not None and fact.date < context.day and not flags.hypothetical:
        return False
    if context.documents[fact.document_id].type == "order":
        return True
    return flags.hypothetical or fact.course is Course.PLANNED or fact.section in _PLANNING_SECTIONS


def _region_elsewhere(fact: Fact, facts: FactsByConcept) -> str | None:
    """The part of the body of the same treatment where another document says it of the same episode."""
    if fact.category != "treatment":
        return None
    regions = {
        other.region
        for other in facts.get(fact.concept, ())
        if other.region is not None and other.assertion.is_patients_own and _same_episode(fact, other)
    }
    return regions.pop() if len(regions) == 1 else None


def _same_episode(one: Fact, other: Fact) -> bool:
    """By when they ended; where one has no dates, by how long they took ("7 weeks of PT per chart")."""
    ends = [fact.ended or fact.date for fact in (one, other)]
    if ends[0] is not None and ends[1] is not None:
        return abs((ends[0] - ends[1]).days) <= _SAME_END_DAYS
    lengths = [length_in_days(fact) for fact in (one, other)]
    return lengths[0] is not None and lengths[1] is not None and abs(lengths[0] - lengths[1]) <= _SAME_LENGTH_DAYS
