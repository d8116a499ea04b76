"""Coverage policies as lines of text, for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from features.errors import PolicyError
from features.lexicon import load_lexicon
from features.measurements import measurement_lexicon
from features.policy import CoveragePolicy, Criterion, load_policies, unknown_concepts
from serving.errors import UnknownPolicyError


def policy_lines() -> Iterator[str]:
    """Id, version, service codes and title, tab-separated. Raises PolicyError for a broken policy."""
    for policy in load_policies().policies:
        yield f"{policy.policy_id}\t{policy.version}\t{_codes(policy)}\t{policy.title}"


def policy_text(policy_id: str) -> Iterator[str]:
    """One policy with its tree of criteria. Raises UnknownPolicyError or PolicyError."""
    policy = load_policies().get(policy_id)
    if policy is None:
        raise UnknownPolicyError(f"{policy_id}: there is no such policy; `greenlane policies list` names them")
    yield f"{policy.policy_id} {policy.version}: {policy.title}"
    yield f"services: {_codes(policy)}"
    yield f"family: {policy.family}"
    yield f"in force: {policy.effective.since} to {policy.effective.until or 'further notice'}"
    yield "sources: " + "; ".join(" ".join(filter(None, (s.id, s.link))) for s in policy.sources)
    yield "criteria:"
    yield from _node_lines(policy.criteria, depth=1)
    if policy.human_review:
        yield "always to a nurse:"
        for item in policy.human_review:
            yield f"  - {item.statement} [{item.id}]"


def lint_lines(directory: Path | None) -> Iterator[str]:
    """One line that says how many policies can be used. Raises PolicyError naming the first that cannot."""
    if directory is not None and not directory.is_dir():
        raise UnknownPolicyError(f"{directory}: there is no such directory")
    policies = load_policies(directory).policies
    if not policies:
        raise UnknownPolicyError(f"{directory}: holds no *.yaml policy")
    known = measurement_lexicon().concepts
    for policy in policies:
        unknown = unknown_concepts(policy, load_lexicon(), known)
        if unknown:
            raise PolicyError(f"{policy.policy_id} {policy.version}: {unknown[0]}: no such concept or measurement")
    yield f"{len(policies)} policies, all usable"


def _codes(policy: CoveragePolicy) -> str:
    return ", ".join(f"{code.system} {code.code}" for code in policy.codes)


def _node_lines(node: Criterion, depth: int) -> Iterator[str]:
    kind = ""
    if node.all_of:
        kind = " (all of)"
    elif node.any_of:
        kind = " (any of)"
    elif node.of:
        kind = f" (at least {node.at_least} of)"
    elif node.none_of:
        kind = " (not)"
    yield f"{'  ' * depth}- {node.statement}{kind} [{node.id}]"
    for child in node.children:
        yield from _node_lines(child, depth + 1)
