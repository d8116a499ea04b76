"""Turnaround rules as lines of text, for the command line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

from features.lines_of_business import LINES_OF_BUSINESS
from models.turnaround_rules import TimeAllowed, TurnaroundRule, load_turnaround_rules, problems_of
from serving.errors import UnknownRuleError

_WIDTH = 116


def rule_lines(own: Path | None) -> Iterator[str]:
    """Rule, whom it is for, kind of request, time and source, tab-separated: one line a time. Raises TurnaroundError."""
    for rule in load_turnaround_rules(own).rules:
        for each in rule.times:
            yield "\t".join((rule.id, _whom(rule), _kind(each), str(each.within), each.source))


def rule_text(rule_id: str, own: Path | None) -> Iterator[str]:
    """One rule in full. Raises UnknownRuleError or TurnaroundError."""
    rule = load_turnaround_rules(own).get(rule_id)
    if rule is None:
        raise UnknownRuleError(f"{rule_id}: there is no such turnaround rule; `greenlane clocks list` names them")
    yield f"{rule.id} {rule.version}: {rule.title}"
    yield f"for: {_whom(rule)}"
    yield f"in force: {rule.in_force_from or 'always'} to {rule.in_force_until or 'further notice'}"
    if any(each.within.unit == "business day" for each in rule.times):
        yield f"holidays: {rule.holidays}"
    if rule.link:
        yield f"read it at: {rule.link}"
    if rule.unsure:
        yield from textwrap.wrap(f"in doubt: {rule.unsure}", _WIDTH, subsequent_indent="  ")
    for each in rule.times:
        yield f"- {_kind(each)}: {each.within} ({each.source})"
        if each.extension is not None:
            reasons = ", ".join(reason.replace("_", " ") for reason in each.extension.reasons)
            yield f"    extension, once, up to {each.extension.up_to_days} days: {reasons} ({each.extension.source})"
        if each.pause is not None:
            when = ", once extended" if each.pause.only_once_extended else ""
            yield (
                f"    stands still while information is awaited{when}, up to {each.pause.at_most_days} days"
                f" ({each.pause.source})"
            )


def lint_lines(own: Path | None) -> tuple[list[str], bool]:
    """Every problem of the rules, one a line, or how many can be used; and whether there was a problem."""
    problems = problems_of(own)
    if problems:
        return problems, True
    rules = load_turnaround_rules(own).rules
    unsure = sum(rule.unsure is not None for rule in rules)
    return [f"{len(rules)} turnaround rules, {unsure} of them with a doubt noted: nothing to correct"], False


def _whom(rule: TurnaroundRule) -> str:
    lines = ", ".join(line.replace("_", " ") for line in LINES_OF_BUSINESS if line in rule.lines_of_business)
    return " ".join(filter(None, (rule.state, lines or "everyone else")))


def _kind(allowed: TimeAllowed) -> str:
    words = [allowed.urgency or "", *([] if len(allowed.review_types) == 3 else [" or ".join(allowed.review_types)])]
    if allowed.drugs is not None:
        words.append("drug" if allowed.drugs else "no drug")
    return " ".join(filter(None, words)) or "every request"
