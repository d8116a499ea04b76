"""Facts held against a coverage policy: four values, the facts behind each, and one plain sentence.

``not_documented`` is not ``not_met``: the first has no evidence that decides, the second has evidence against.
``conflicting`` wins over everything: documents that contradict each other are for a human.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from features.contradiction import opposed
from features.evaluation_context import Context, FactsByConcept, by_concept, context_of, named
from features.facts_together import occurrences, together
from features.finding import INCOMPLETE, SUPPORTS, Finding
from features.lengths_of_time import length_in_days
from features.policy import CoveragePolicy
from features.policy_tree import Exclusion, Node, tree_of
from features.requirement import Requirement, findings, objection, supporting_sentence
from features.types import Course, CriterionResult, Fact, Guard, Status

__all__ = ["Context", "combine_statuses", "context_of", "evaluate", "human_review", "length_in_days"]

_MOST_NAMED = 3
"""Concepts named where nothing about any of them was found."""
_MET, _NOT_MET = Status.MET, Status.NOT_MET
_NOT_DOCUMENTED, _CONFLICTING = Status.NOT_DOCUMENTED, Status.CONFLICTING
_FLIPPED = {_MET: _NOT_MET, _NOT_MET: _MET}


class _Decided(NamedTuple):
    """What a node comes to, and what its children do.

    ``progress`` is how far the branch is: 2 where it is met, else the share of its parts that are met; what the notes at
    least speak of counts half, so that the branch shown as missing is the one the clinic had in mind.
    """

    node: Node
    status: Status
    evidence: tuple[str, ...]
    explanation: str
    decided_by: str
    progress: float
    below: tuple[_Decided, ...] = ()


class _Unspoken(NamedTuple):
    """What a branch comes to where the notes speak of nothing in it, and its results where it is asked for or not."""

    decided: _Decided
    needed: tuple[CriterionResult, ...]
    unneeded: tuple[CriterionResult, ...]


class _Names:
    """The names of concepts as a key: compared as the object they are, not name by name."""

    __slots__ = ("of",)

    def __init__(self, of: Mapping[str, str]) -> None:
        self.of = of

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Names) and self.of is other.of


@dataclass(frozen=True, slots=True)
class _Case:
    """One request before one policy. ``spoken`` has the bits of the leaves the notes speak of."""

    facts: FactsByConcept
    context: Context
    spoken: int
    unspoken: Mapping[int, _Unspoken]


def evaluate(policy: CoveragePolicy, facts: Sequence[Fact], context: Context) -> tuple[CriterionResult, ...]:
    """The result of every node of the policy's tree, parents before children."""
    tree = tree_of(policy)
    grouped = by_concept(facts)
    spoken = 0
    for concept in grouped:
        spoken |= tree.leaves_of.get(concept, 0)
    unspoken = _unspoken(policy, _Names(context.names))
    decided = _decide(tree.root, _Case(grouped, context, spoken, unspoken))
    results: list[CriterionResult] = []
    _collect(decided, unspoken, results, needed=True)
    return tuple(results)


def human_review(policy: CoveragePolicy, facts: Sequence[Fact], context: Context) -> tuple[Guard, ...]:
    """A guard for every exclusion of the policy that a fact shows. Uncertain or planned counts: any doubt is a human's."""
    grouped = by_concept(facts)
    guards = []
    tree = tree_of(policy)
    for number in sorted({number for concept in grouped for number in tree.exclusions_of.get(concept, ())}):
        shown = _shown(tree.exclusions[number], grouped, context)
        if shown:
            evidence = tuple(fact.fact_id for fact in shown)
            guards.append(Guard("human_must_look", tree.exclusions[number].message, evidence))
    return tuple(guards)


def combine_statuses(policy: CoveragePolicy, leaves: Mapping[str, Status]) -> Status:
    """What the policy's tree comes to when its leaves have these statuses; a leaf not named is not documented."""
    return _combined(tree_of(policy).root, leaves)


def _combined(node: Node, leaves: Mapping[str, Status]) -> Status:
    if not node.children:
        return leaves.get(node.criterion_id, _NOT_DOCUMENTED)
    return _combine(node, [_combined(child, leaves) for child in node.children])


def _shown(exclusion: Exclusion, facts: FactsByConcept, context: Context) -> list[Fact]:
    required, unless = exclusion.required, exclusion.unless
    spoken = [fact for concept in required.concepts for fact in facts.get(concept, ())]
    shown = [fact for fact in spoken if _may_show(fact, required, context, facts)]
    if not shown or occurrences(shown, context) < required.evidence.times:
        return []
    if unless is not None:
        settled = together(findings(unless, context, facts), unless.evidence, context)
        if any(finding.says is SUPPORTS for finding in settled):
            return []
    return shown


def _may_show(fact: Fact, required: Requirement, context: Context, facts: FactsByConcept) -> bool:
    flags = fact.assertion
    if flags.family or flags.negated or fact.context == "limit":
        return False
    if flags.hypothetical and fact.category not in ("plan", "record", "problem"):
        return False
    if flags.uncertain or flags.hypothetical:
        fact = replace(fact, assertion=replace(flags, uncertain=False, hypothetical=False))
    if fact.category == "treatment" and fact.course is None:
        fact = replace(fact, course=Course.STATED)
    return objection(fact, required, context, facts) is None


@lru_cache(maxsize=256)
def _unspoken(policy: CoveragePolicy, names: _Names) -> Mapping[int, _Unspoken]:
    """What each branch comes to without facts, by the place of its node.

    Notes speak of few of the things a policy asks for: the rest is worked out once.
    """
    known: dict[int, _Unspoken] = {}
    for node in reversed(list(tree_of(policy).root.walk())):
        below = tuple(known[child.place].decided for child in node.children)
        decided = _inner(node, below) if below else _without_facts(node, names.of)
        needed: list[CriterionResult] = []
        unneeded: list[CriterionResult] = []
        _collect(decided, known, needed, needed=True)
        _collect(decided, known, unneeded, needed=False)
        known[node.place] = _Unspoken(decided, tuple(needed), tuple(unneeded))
    return known


def _without_facts(node: Node, names: Mapping[str, str]) -> _Decided:
    if node.required is None:
        sentence = f"A nurse decides this: {node.human}"
    else:
        concepts = node.required.concepts
        listed = ", ".join(named(concept, names) for concept in concepts[:_MOST_NAMED])
        sentence = f"Nothing about {listed}{', ...' if len(concepts) > _MOST_NAMED else ''} was found."
    return _Decided(node, _NOT_DOCUMENTED, (), sentence, node.criterion_id, 0.0)


def _decide(node: Node, case: _Case) -> _Decided:
    if not node.leaves & case.spoken:
        return case.unspoken[node.place].decided
    if node.required is not None:
        return _leaf(node, node.required, case)
    return _inner(node, tuple([_decide(child, case) for child in node.children]))


def _leaf(node: Node, required: Requirement, case: _Case) -> _Decided:
    context = case.context
    found = findings(required, context, case.facts)
    if not found:
        return case.unspoken[node.place].decided
    if required.together:
        found = together(found, required.evidence, context)
    clean, against = [], []
    for finding in found:
        if finding.says is SUPPORTS:
            clean.append(finding)
        elif finding.says is not INCOMPLETE:
            against.append(finding)
    if clean and against and (rule := required.evidence.contradiction) != "none":
        contradicted, clean = opposed(clean, against, context)
        if contradicted and (rule == "any" or not clean):
            both = [finding for pair in contradicted for finding in pair]
            sentence = f"The documents contradict each other about {context.name(both[0].fact.concept)}."
            return _shown_by(node, _CONFLICTING, both, sentence, 1.5)
    if clean:
        sentence = clean[0].why or supporting_sentence(clean[0].fact, required, context)
        return _shown_by(node, _MET, clean, sentence, 2.0)
    if against:
        return _shown_by(node, _NOT_MET, against, against[0].why, 0.5)
    return _shown_by(node, _NOT_DOCUMENTED, found, found[0].why, 0.5)


def _shown_by(node: Node, status: Status, shown: Sequence[Finding], sentence: str, progress: float) -> _Decided:
    evidence: tuple[str, ...] = (shown[0].fact.fact_id,)
    if len(shown) > 1:
        evidence = tuple(dict.fromkeys([finding.fact.fact_id for finding in shown]))
    return _Decided(node, status, evidence, sentence, node.criterion_id, progress)


def _inner(node: Node, below: tuple[_Decided, ...]) -> _Decided:
    statuses = [child.status for child in below]
    status = _combine(node, statuses)
    deciding = _deciding(node, status, statuses, below)
    first = deciding[0]
    evidence = first.evidence
    if len(deciding) > 1:
        evidence = tuple(dict.fromkeys([fact for child in deciding for fact in child.evidence]))
    sentence = _inner_sentence(node, status, statuses.count(_MET), first)
    return _Decided(node, status, evidence, sentence, first.decided_by, _progress(node, status, below), below)


def _combine(node: Node, statuses: Sequence[Status]) -> Status:
    if _CONFLICTING in statuses:
        return _CONFLICTING
    if node.negates:
        return _FLIPPED.get(statuses[0], statuses[0])
    met = statuses.count(_MET)
    if met >= node.at_least:
        return _MET
    possible = met + statuses.count(_NOT_DOCUMENTED)
    return _NOT_DOCUMENTED if possible >= node.at_least else _NOT_MET


def _deciding(node: Node, status: Status, statuses: Sequence[Status], below: Sequence[_Decided]) -> Sequence[_Decided]:
    """The children that decide a node; the first where none has the node's status."""
    if node.negates:
        return below
    if node.asks_all:
        return below if status is _MET else (below[statuses.index(status)],)
    return [child for child in below if child.status is status] or below[:1]


def _inner_sentence(node: Node, status: Status, met: int, first: _Decided) -> str:
    if status is _CONFLICTING:
        return f"The documents contradict each other: {first.node.within_sentence}."
    if node.negates:
        return first.explanation
    if node.asks_all:
        return f"{met} of {node.at_least} parts are met." if met < node.at_least else "Every part is met."
    if status is _MET:
        return f"Shown by: {first.node.within_sentence}."
    return f"{met} of {node.at_least} needed is met; {len(node.children)} ways to show it."


def _progress(node: Node, status: Status, below: Sequence[_Decided]) -> float:
    """A single criterion that could do alone (a red flag) and is not met counts nothing: most notes deny red flags."""
    if status is _MET:
        return 2.0
    if status is _CONFLICTING:
        return 1.5
    if node.asks_all:
        return sum([min(child.progress, 1.0) for child in below]) / len(below)
    parts = [child.progress if child.below or child.progress >= 1 else 0.0 for child in below]
    return min(max(parts), 1.0)


def _collect(
    decided: _Decided, unspoken: Mapping[int, _Unspoken], results: list[CriterionResult], *, needed: bool
) -> None:
    """Add the results of a branch, parents first."""
    results.append(_result(decided, needed))
    left_out = _left_out(decided) if needed else decided.below
    for child in decided.below:
        asked_for = child not in left_out
        known = unspoken[child.node.place]
        if known.decided is child:
            results += known.needed if asked_for else known.unneeded
        elif child.below:
            _collect(child, unspoken, results, needed=asked_for)
        else:
            results.append(_result(child, asked_for))


def _left_out(decided: _Decided) -> Sequence[_Decided]:
    """The children that another branch makes unnecessary, or that are further from being met than another."""
    node = decided.node
    if node.negates and decided.status is _MET:
        # That its leaf is shown not to be so is what was needed.
        return decided.below
    if node.asks_all or len(decided.below) <= node.at_least:
        return ()
    return sorted(decided.below, key=_still_to_show)[node.at_least :]


def _still_to_show(decided: _Decided) -> float:
    return -decided.progress


def _result(decided: _Decided, needed: bool) -> CriterionResult:
    node = decided.node
    # By position: the names of so many arguments take as long as all else that is done here.
    return CriterionResult(
        node.criterion_id,
        node.statement,
        decided.status,
        decided.evidence,
        node.parent,
        decided.explanation,
        decided.decided_by,
        needed,
        node.ask,
    )
