"""What is wrong with coverage policies although their files can be read: names nobody reads, units that do not fit,
branches that can never decide, versions with a gap between them. For the analyst who wrote them, one line each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from features.doses import DRUG_DOSE, dose_units
from features.durations import to_days
from features.lexicon import Lexicon
from features.measurements import MeasurementLexicon
from features.policy import Comparison, CoveragePolicy, Criterion, Evidence, unknown_concepts
from features.sections import load_sections

_LENGTH_UNITS = frozenset({"h", "d", "wk", "mo", "a"})
_SHORTEST_QUESTION = 15
_NO_SECTION = "unlabelled"


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One thing to correct: which policy and version, where in it, what, in one line."""

    policy_id: str
    version: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.policy_id} {self.version}: {self.place}: {self.message}"


def lint(
    policies: Sequence[CoveragePolicy], lexicon: Lexicon, measurements: MeasurementLexicon
) -> tuple[PolicyProblem, ...]:
    """Every problem of these policies, in their order; none where all can be used as they stand."""
    known = _Known(lexicon, measurements)
    found = [
        PolicyProblem(policy.policy_id, policy.version, place, message)
        for policy in policies
        for place, message in _problems(policy, known)
    ]
    return (*found, *_between_versions(policies), *_shared_codes(policies))


class _Known:
    """What a policy may name: concepts, units, contexts, sections, regions."""

    def __init__(self, lexicon: Lexicon, measurements: MeasurementLexicon) -> None:
        self.lexicon = lexicon
        self.measured = measurements.concepts
        self.units = measurements.units
        self.contexts = measurements.contexts
        self.sections = frozenset(load_sections().names) | {_NO_SECTION}
        self.regions = frozenset(c.region for c in lexicon.concepts.values() if c.region)

    def category(self, concept: str) -> str | None:
        if concept in self.lexicon.concepts:
            return self.lexicon.concepts[concept].category
        return "measurement" if concept in self.measured or concept == DRUG_DOSE else None

    def has_context(self, evidence: Evidence, context: str) -> bool:
        if DRUG_DOSE in evidence.concepts:
            return self.category(context) == "treatment"
        return context in self.contexts


def _problems(policy: CoveragePolicy, known: _Known) -> Iterator[tuple[str, str]]:
    for unknown in unknown_concepts(policy, known.lexicon, known.measured):
        place, _, concept = unknown.partition(": ")
        yield place, f"{concept}: no such concept or measurement; see the files of the lexicon"
    if policy.effective.until is not None and policy.effective.until < policy.effective.since:
        yield "effective", "ends before it begins"
    if policy.age.min > policy.age.max:
        yield "age", "the least age is more than the most"
    for region in policy.regions:
        if region not in known.regions:
            yield "regions", f"{region}: no concept belongs to that part of the body"
    for place, evidence in policy.leaves():
        for message in _evidence_problems(evidence, known):
            yield place, message
    for node in policy.criteria.walk():
        if node.is_leaf and len(node.ask or "") < _SHORTEST_QUESTION:
            yield node.id, "ask: the question to the provider is missing"
        for message in _node_problems(node):
            yield node.id, message


def _evidence_problems(evidence: Evidence, known: _Known) -> Iterator[str]:
    categories = {known.category(concept) for concept in evidence.concepts} - {None}
    if evidence.compared and _empty(evidence.compared):
        yield "compared: no value can satisfy all of these limits; the branch can not be reached"
    moves = evidence.change is not None and "measurement" in categories
    for limit in (*evidence.compared, *([evidence.change] if evidence.change and moves else [])):
        fitting = [c for c in evidence.concepts if _takes(c, limit.unit, known)]
        if not fitting and categories:
            yield f"compared: {limit.unit} is not a unit of {', '.join(evidence.concepts)}"
    if evidence.change is not None and not moves:
        yield "change: only a measurement has values that move"
    for context in evidence.contexts:
        if not known.has_context(evidence, context):
            yield f"contexts: {context}: no measurement is read in that context"
    if (
        evidence.positive
        and categories
        and not any(known.lexicon.concepts[c].needs_result for c in evidence.concepts if c in known.lexicon.concepts)
    ):
        yield "positive: none of these concepts is an examination sign with a result"
    if evidence.courses and categories and "treatment" not in categories:
        yield "courses: none of these concepts is a treatment"
    for concept in evidence.not_before_end_of:
        if known.category(concept) not in ("treatment", None):
            yield f"not_before_end_of: {concept} is not a treatment"
    if evidence.within and evidence.beyond and _days(evidence.within) < _days(evidence.beyond):
        yield "within is shorter than beyond; the branch can not be reached"
    for section in evidence.sections:
        if section not in known.sections:
            yield f"sections: {section}: no such section; see sections.yaml"
    for region in evidence.regions:
        if region not in known.regions:
            yield f"regions: {region}: no concept belongs to that part of the body"


def _days(span: object) -> float:
    return to_days(getattr(span, "value", 0.0), getattr(span, "unit", "d"))


def _takes(concept: str, unit: str, known: _Known) -> bool:
    if concept == DRUG_DOSE:
        return unit in dose_units()
    if concept in known.units:
        return known.units[concept] == unit
    # A symptom or a treatment has a value only as how long it lasted.
    return known.category(concept) != "measurement" and unit in _LENGTH_UNITS


def _empty(limits: Sequence[Comparison]) -> bool:
    lowest = [limit for limit in limits if limit.op in (">", ">=")]
    highest = [limit for limit in limits if limit.op in ("<", "<=")]
    return any(
        low.unit == high.unit
        and (low.value > high.value or (low.value == high.value and (low.op, high.op) != (">=", "<=")))
        for low in lowest
        for high in highest
    )


def _node_problems(node: Criterion) -> Iterator[str]:
    children = node.children
    for one, other in itertools.combinations(children, 2):
        if one.evidence is not None and one.evidence == other.evidence:
            yield f"{other.id} asks for the same as {one.id}; it can never decide"
        if (
            node.all_of
            and other.none_of
            and other.none_of.evidence is not None
            and other.none_of.evidence == one.evidence
        ):
            yield f"{one.id} and {other.id} exclude each other; the branch can not be reached"
    if node.any_of:
        for child in children:
            if child.all_of and len(children) > 1:
                for sibling in children:
                    if sibling.evidence is not None and any(part.evidence == sibling.evidence for part in child.all_of):
                        yield f"{child.id} holds all that {sibling.id} asks for and more; it can never decide"
    if node.none_of is not None and node.none_of.human is not None:
        yield "not: a person's decision can not be turned round"


def _between_versions(policies: Sequence[CoveragePolicy]) -> Iterator[PolicyProblem]:
    by_id: dict[str, list[CoveragePolicy]] = {}
    for policy in policies:
        by_id.setdefault(policy.policy_id, []).append(policy)
    for versions in by_id.values():
        ordered = sorted(versions, key=lambda policy: policy.effective.since)
        for earlier, later in itertools.pairwise(ordered):
            if earlier.version == later.version:
                yield PolicyProblem(later.policy_id, later.version, "version", "two files have the same version")
            end = earlier.effective.until
            if end is None or end >= later.effective.since:
                message = f"overlaps version {earlier.version}, which is in force until {end or 'further notice'}"
                yield PolicyProblem(later.policy_id, later.version, "effective", message)
            elif later.effective.since - end > timedelta(days=1):
                message = f"nothing is in force between {end} (version {earlier.version}) and {later.effective.since}"
                yield PolicyProblem(later.policy_id, later.version, "effective", message)


def _shared_codes(policies: Sequence[CoveragePolicy]) -> Iterator[PolicyProblem]:
    for one, other in itertools.combinations(policies, 2):
        shared = {(c.system, c.code) for c in one.codes} & {(c.system, c.code) for c in other.codes}
        if one.policy_id == other.policy_id or not shared or not _at_once(one, other):
            continue
        if one.diagnoses and other.diagnoses and not _any_shared(one.diagnoses, other.diagnoses):
            continue
        codes = ", ".join(f"{system} {code}" for system, code in sorted(shared))
        message = f"{codes} is covered by {one.policy_id} too, and no diagnosis tells them apart"
        yield PolicyProblem(other.policy_id, other.version, "codes", message)


def _at_once(one: CoveragePolicy, other: CoveragePolicy) -> bool:
    return (one.effective.until is None or other.effective.since <= one.effective.until) and (
        other.effective.until is None or one.effective.since <= other.effective.until
    )


def _any_shared(one: Sequence[str], other: Sequence[str]) -> bool:
    return any(a.startswith(b) or b.startswith(a) for a in one for b in other)
