"""Coverage policies as lines of text, for the command line."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from features.errors import PolicyError
from features.lexicon import load_lexicon
from features.measurements import measurement_lexicon
from features.policy import CoveragePolicy, Criterion, Evidence, Span, load_policies, parse_policy, policy_schema
from features.policy_lint import lint
from serving.errors import UnknownPolicyError


def policy_lines() -> Iterator[str]:
    """Id, version, service codes and title, tab-separated. Raises PolicyError for a broken policy."""
    for policy in load_policies().policies:
        yield f"{policy.policy_id}\t{policy.version}\t{_codes(policy)}\t{policy.title}"


def policy_text(policy_id: str) -> Iterator[str]:
    """Every version of one policy, the newest first, with its tree of criteria and where each comes from.

    Raises UnknownPolicyError or PolicyError.
    """
    versions = load_policies().versions(policy_id)
    if not versions:
        raise UnknownPolicyError(f"{policy_id}: there is no such policy; `greenlane policies list` names them")
    for number, policy in enumerate(reversed(versions)):
        if number:
            yield ""
        yield from _policy_lines(policy)


def _policy_lines(policy: CoveragePolicy) -> Iterator[str]:
    yield f"{policy.policy_id} {policy.version}: {policy.title}"
    yield f"services: {_codes(policy)}; review: {', '.join(policy.review_types)}; family: {policy.family}"
    yield f"in force: {policy.effective.since} to {policy.effective.until or 'further notice'}"
    if policy.diagnoses:
        yield from _wrapped(f"diagnoses: {', '.join(policy.diagnoses)}", "")
    yield f"age: {policy.age.min} to {policy.age.max}"
    yield "sources:"
    for source in policy.sources:
        yield from _wrapped(" ".join(filter(None, (f"- {source.id} ({source.kind})", source.link))), "  ")
    yield "criteria:"
    yield from _node_lines(policy.criteria, depth=1)
    if policy.human_review:
        yield "always to a nurse:"
        for item in policy.human_review:
            yield from _wrapped(f"- {item.statement} [{item.id}]", "  ")


def schema_text() -> str:
    """The JSON Schema of a policy file."""
    return json.dumps(policy_schema(), indent=2)


def lint_lines(directory: Path | None) -> tuple[list[str], bool]:
    """Every problem of the policies, one a line, or how many can be used; and whether there was a problem.

    A file that can not be read at all is one problem among the others.
    """
    policies, problems = _readable(directory)
    problems += [str(problem) for problem in lint(policies, load_lexicon(), measurement_lexicon())]
    if problems:
        return problems, True
    leaves = sum(1 for policy in policies for _ in policy.leaves())
    services = {(code.system, code.code) for policy in policies for code in policy.codes}
    return [f"{len(policies)} policies for {len(services)} service codes, {leaves} leaves: nothing to correct"], False


def _readable(directory: Path | None) -> tuple[list[CoveragePolicy], list[str]]:
    if directory is None:
        return list(load_policies().policies), []
    if not directory.is_dir():
        raise UnknownPolicyError(f"{directory}: there is no such directory")
    files = sorted(directory.glob("*.yaml"))
    if not files:
        raise UnknownPolicyError(f"{directory}: holds no *.yaml policy")
    policies, problems = [], []
    for file in files:
        try:
            policies.append(parse_policy(file.read_bytes(), file.name))
        except PolicyError as error:
            problems.append(str(error))
    return policies, problems


def test_lines(directory: Path | None, policy_ids: Sequence[str]) -> tuple[list[str], bool]:
    """What each policy's own cases came to, one line a policy and one a case that came out otherwise; and whether any did.

    The cases are read without a model: what is tested is that criteria and guards let through what should go through,
    and nothing else.
    """
    from models.policy_cases import run_cases

    policies = load_policies(directory)
    wanted = list(policy_ids) or list(dict.fromkeys(policy.policy_id for policy in policies.policies))
    lines: list[str] = []
    failed = False
    for policy_id in wanted:
        if policies.get(policy_id) is None:
            raise UnknownPolicyError(f"{policy_id}: there is no such policy; `greenlane policies list` names them")
        report = run_cases(policy_id, policies, directory)
        failed = failed or not report.passed
        lines.append(report.summary())
        lines += [f"  {line}" for line in report.otherwise]
    return lines, failed


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
    elif node.human:
        kind = " (a nurse decides)"
    indent = "  " * depth
    yield from _wrapped(f"- {node.statement}{kind} [{node.id}]", indent)
    if node.evidence is not None:
        yield from _wrapped(f"shown by: {_shown_by(node.evidence)}", f"{indent}    ")
    if node.basis is not None:
        yield from _wrapped(f"basis: {node.basis}{f', {node.source}' if node.source else ''}", f"{indent}    ")
    for child in node.children:
        yield from _node_lines(child, depth + 1)


def _shown_by(evidence: Evidence) -> str:
    parts = [" or ".join(concept.replace("_", " ") for concept in evidence.concepts)]
    parts += [f"{limit.op} {limit.value:g} {limit.unit}" for limit in evidence.compared]
    if evidence.change:
        parts.append(f"changed by {evidence.change.op} {evidence.change.value:g} {evidence.change.unit}")
    if evidence.lasting:
        parts.append(f"for at least {_span(evidence.lasting)}, {evidence.lasting.counted}")
    if evidence.within:
        parts.append(f"within {_span(evidence.within)}")
    if evidence.onset_within:
        parts.append(f"begun within {_span(evidence.onset_within)}")
    if evidence.beyond:
        parts.append(f"at least {_span(evidence.beyond)} before")
    if evidence.times > 1:
        parts.append(f"at least {evidence.times} times")
    for words, values in (
        ("in", evidence.document_types),
        ("under", evidence.sections),
        ("by", evidence.by),
        ("measured", evidence.contexts),
        ("of the", evidence.regions),
    ):
        if values:
            parts.append(f"{words} {' or '.join(value.replace('_', ' ') for value in values)}")
    if evidence.same_side:
        parts.append("on the requested side")
    return ", ".join(parts)


def _span(span: Span) -> str:
    unit = {"d": "day", "wk": "week", "mo": "month", "a": "year"}[span.unit]
    return f"{span.value:g} {unit}{'' if span.value == 1 else 's'}"


_WIDTH = 116


def _wrapped(line: str, indent: str) -> Iterator[str]:
    wrapper = textwrap.TextWrapper(
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from wrapper.wrap(line)
