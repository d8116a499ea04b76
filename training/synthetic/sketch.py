"""The outline of a service's file, from its policy: what a writer starts from instead of an empty page."""

from __future__ import annotations

from collections.abc import Iterator

from features.policy import CoveragePolicy, Criterion, Evidence


def sketch(policy: CoveragePolicy) -> Iterator[str]:
    """The lines of a file with a pathway for each branch, an element for each leaf, an exclusion for each flag.

    Phrases are empty: ``lint`` names every place that still needs them. What the policy asks for stands in comments.
    """
    branches = policy.criteria.any_of or (policy.criteria,)
    yield f"policy_id: {policy.policy_id}"
    yield "share: 1"
    if policy.side_required:
        yield "other_side_asked: 4"
    yield "requests:"
    side = "{side} " if policy.side_required else ""
    for code in policy.codes:
        asked = f'system: {code.system}, code: "{code.code}", description: ["{side}{policy.title}"]'
        review = "" if "prospective" in policy.review_types else f", review_type: {policy.review_types[0]}"
        yield f'  - {{{asked}, place_of_service: ["22"]{review}}}'
    yield f"diagnoses:   # prefixes the policy lists: {', '.join(policy.diagnoses) or 'any'}"
    first = policy.diagnoses[0] if policy.diagnoses else "R69"
    yield f'  - {{code: {first}, description: ""}}'
    yield 'problem: {seen: [""], unseen: [""]}'
    yield "fields:"
    yield "  future: {days_ahead: [7, 30]}"
    yield "pathways:"
    for branch in branches:
        yield f"  {_name(branch.id)}:   # {branch.statement}"
        yield "    weight: 1"
        yield "    needs:"
        for line in _needs(branch):
            yield f"      - {line}"
    yield "elements:"
    for node in policy.criteria.walk():
        if node.is_leaf:
            yield from _element(node)
    yield "exclusions:" if policy.human_review else "exclusions: {}"
    for item in policy.human_review:
        yield f"  {_name(item.id)}:   # {item.statement} ({', '.join(item.evidence.concepts)})"
        yield f"    {{flag: {item.id}, weight: 1, where: visit.history, seen: [], unseen: []}}"
    yield "harmless: []"
    yield "documents:"
    yield "  visit: {type: progress_note}"
    yield "  order: {type: order, share: 0.3}"


def _name(identifier: str) -> str:
    return identifier.replace("-", "_")


def _needs(node: Criterion) -> list[str]:
    """What a branch needs, one entry for each part of its outer ``all``."""
    if node.all_of is not None:
        return [line for child in node.all_of for line in _needs(child)]
    return [_need(node)]


def _need(node: Criterion) -> str:
    if node.is_leaf:
        return _name(node.id)
    if node.none_of is not None:
        denied = _name(node.none_of.id)
        return f'"{denied}=not_met"'
    # An ``all`` below an ``any`` cannot be said in one entry: its first leaf stands for it, the writer completes it.
    options = [next(_name(each.id) for each in child.walk() if each.is_leaf) for child in node.children]
    if node.at_least is not None and node.at_least > 1:
        return f"{{at_least: {node.at_least}, of: [{', '.join(options)}]}}"
    return f"[{', '.join(options)}]"


def _element(node: Criterion) -> Iterator[str]:
    yield f"  {_name(node.id)}:"
    yield f"    # {node.statement}"
    if node.evidence is not None:
        yield f"    # {_asked(node.evidence)}"
    elif node.human is not None:
        yield f"    # only a person can tell: {node.human}"
    yield f"    shows: [{node.id}]"
    yield "    where: visit.hpi"
    yield "    states:"
    yield "      met: {status: met, weight: 6, seen: [], unseen: []}"
    if node.evidence is not None and (node.evidence.compared or node.evidence.lasting or node.evidence.within):
        yield "      just_met: {status: met, near: true, weight: 2, seen: [], unseen: []}"
        yield "      just_not: {status: not_met, near: true, weight: 3, seen: [], unseen: []}"
    yield "      not_met: {status: not_met, weight: 3, seen: [], unseen: []}"
    yield "      absent: {weight: 2}"


def _asked(evidence: Evidence) -> str:
    stated = evidence.model_dump(mode="json", exclude_defaults=True)
    return "; ".join(f"{key}: {_flat(value)}" for key, value in stated.items())


def _flat(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_flat(each) for each in value)
    if isinstance(value, dict):
        return " ".join(_flat(each) for each in value.values())
    return str(value)
