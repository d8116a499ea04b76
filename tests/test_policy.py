"""Coverage policies as data: what is read, what is refused in one line, and that none of it can refuse a request."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from building import request

from features.errors import PolicyError
from features.lexicon import load_lexicon
from features.measurements import measurement_lexicon
from features.policy import CoveragePolicy, Criterion, PolicySet, load_policies, parse_policy, unknown_concepts

GOOD = """
policy_id: test-policy
version: "2026.1"
title: A policy for a test
family: imaging
effective: {from: 2026-01-01, to: 2026-12-31}
sources: [{id: NCD 1, kind: test}]
codes: [{system: CPT, code: "72148"}]
criteria:
  id: whole
  statement: The whole is shown
  all:
    - id: part
      statement: A part of it is shown
      basis: common
      ask: Please send it.
      evidence: {concepts: [low_back_pain], lasting: {value: 6, unit: wk}}
human_review:
  - {id: look, statement: Somebody must look, evidence: {concepts: [cancer]}}
"""
BROKEN = {
    "no YAML": ("policy_id: test-policy", "policy_id: [", "near line"),
    "an unknown key": ("family: imaging", "family: imaging\nauto_deny: true", "auto_deny"),
    "a key that would refuse": ("human_review:", "exclusions:", "exclusions"),
    "an unknown key of evidence": ("lasting:", "during:", "evidence.during"),
    "an unknown unit of time": ("unit: wk", "unit: fortnight", "unit"),
    "a length of nothing": ("value: 6", "value: 0", "value"),
    "no concepts": ("[low_back_pain]", "[]", "concepts"),
    "no sources": ("[{id: NCD 1, kind: test}]", "[]", "sources"),
    "no codes": ('[{system: CPT, code: "72148"}]', "[]", "codes"),
    "a statement without content": ("statement: A part of it is shown", "statement: A part", "statement"),
    "a leaf without a question": ("      ask: Please send it.\n", "", "part"),
    "a leaf without a basis": ("      basis: common\n", "", "part"),
    "the same id twice": ("id: part", "id: whole", "whole"),
    "the id of a criterion for a review": ("id: look", "id: part", "part"),
    "an id in capitals": ("policy_id: test-policy", "policy_id: Test Policy", "policy_id"),
    "no date": ("{from: 2026-01-01, to: 2026-12-31}", "{from: soon}", "effective"),
    "at_least without of": ("  all:\n", "  at_least: 1\n  all:\n", "whole"),
    "more wanted than there are": ("  all:\n", "  at_least: 2\n  of:\n", "whole"),
    "two kinds of node": (
        "  all:\n",
        "  not: {id: x, statement: Something else, basis: common, ask: Do., evidence: {concepts: [fever]}}\n  all:\n",
        "whole",
    ),
    "an unknown way a treatment went": ("lasting: {value: 6, unit: wk}", "courses: [enjoyed]", "courses"),
}


def test_a_good_policy_is_read() -> None:
    policy = parse_policy(GOOD, "good.yaml")
    assert [node.id for node in policy.criteria.walk()] == ["whole", "part"]
    assert policy.reference.source == "NCD 1"
    assert policy.reference.family == "imaging"


@pytest.mark.parametrize(("old", "new", "place"), [pytest.param(*case, id=name) for name, case in BROKEN.items()])
def test_a_broken_policy_is_refused_in_one_line_naming_file_and_place(old: str, new: str, place: str) -> None:
    content = GOOD.replace(old, new)
    assert content != GOOD
    with pytest.raises(PolicyError) as refused:
        parse_policy(content, "broken.yaml")
    message = str(refused.value)
    assert message.startswith("broken.yaml: ")
    assert place in message
    assert "\n" not in message


@pytest.mark.parametrize("content", ["", "- 1", "just words", "42"])
def test_what_is_no_policy_at_all_is_refused(content: str) -> None:
    with pytest.raises(PolicyError, match=r"^x\.yaml: must be a mapping with policy_id"):
        parse_policy(content, "x.yaml")


def test_a_folder_with_a_broken_policy_is_refused_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe broken")
    with pytest.raises(PolicyError, match=r"^b\.yaml: "):
        load_policies(tmp_path)


def test_the_hash_changes_with_every_word(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
    first = load_policies(tmp_path)
    (tmp_path / "a.yaml").write_text(GOOD.replace("Somebody", "A nurse"), encoding="utf-8")
    second = load_policies(tmp_path)
    assert first.hash != second.hash
    assert second.get("test-policy") is not None
    assert second.get("another") is None


def versions() -> PolicySet:
    later = GOOD.replace("2026.1", "2027.1").replace("{from: 2026-01-01, to: 2026-12-31}", "{from: 2027-01-01}")
    return PolicySet((parse_policy(GOOD, "a.yaml"), parse_policy(later, "b.yaml")), "hash")


@pytest.mark.parametrize(
    ("day", "version"),
    [
        (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 1, 0, 0, tzinfo=UTC), "2026.1"),
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026.1"),
        (datetime(2027, 1, 1, 0, 0, tzinfo=UTC), "2027.1"),
        (datetime(2031, 6, 1, 0, 0, tzinfo=UTC), "2027.1"),
    ],
)
def test_the_version_in_force_on_the_day_of_receipt_covers(day: datetime, version: str | None) -> None:
    policy = versions().covering(request(received_at=day))
    assert (policy.version if policy else None) == version


def test_the_newest_version_is_the_one_shown() -> None:
    newest = versions().get("test-policy")
    assert newest is not None
    assert newest.version == "2027.1"


PACKAGED = load_policies().policies
each_policy = pytest.mark.parametrize("policy", PACKAGED, ids=lambda policy: policy.policy_id)


def test_the_three_services_are_covered() -> None:
    covered = {(code.system, code.code) for policy in PACKAGED for code in policy.codes}
    assert {("CPT", "72148"), ("CPT", "73721"), ("HCPCS", "E0601")} <= covered


@each_policy
def test_a_packaged_policy_names_only_what_can_be_read(policy: CoveragePolicy) -> None:
    measured = measurement_lexicon()
    assert unknown_concepts(policy, load_lexicon(), measured.concepts | set(measured.anchored)) == []


def test_an_unknown_concept_is_named_with_its_criterion() -> None:
    policy = parse_policy(GOOD.replace("low_back_pain", "happiness"), "x.yaml")
    assert unknown_concepts(policy, load_lexicon(), frozenset()) == ["part: happiness"]


@each_policy
def test_a_packaged_policy_is_in_force_today_and_before_its_first_day_is_not(policy: CoveragePolicy) -> None:
    assert policy.in_force(date(2026, 11, 20))
    assert not policy.in_force(date(2025, 12, 31))


@each_policy
def test_a_packaged_leaf_asks_politely_and_names_its_basis(policy: CoveragePolicy) -> None:
    for node in policy.criteria.walk():
        if node.evidence is not None:
            assert node.basis
            assert node.ask
            assert re.fullmatch(r"(Please|If) .+\.", node.ask)


@each_policy
def test_an_examination_sign_counts_only_with_its_result(policy: CoveragePolicy) -> None:
    lexicon = load_lexicon()
    for node in policy.criteria.walk():
        if node.evidence is None:
            continue
        for concept in node.evidence.concepts:
            if concept in lexicon.concepts and lexicon.concepts[concept].needs_result:
                assert node.evidence.positive, f"{node.id}: {concept}"


def test_no_key_of_a_policy_can_refuse() -> None:
    refusing = re.compile(r"den(y|ial)|reject|refus|exclude|not_covered|adverse|disapprov")
    keys = {name for part in _parts() for name in part.model_fields}
    keys |= {field.alias for part in _parts() for field in part.model_fields.values() if field.alias}
    assert {key for key in keys if refusing.search(key)} == set()
    folder = Path(__file__).parents[1] / "features" / "policies"
    for path in folder.glob("*.yaml"):
        assert {key for key in _keys(yaml.safe_load(path.read_bytes())) if refusing.search(key)} == set()


def _parts() -> list[Any]:
    from features import policy

    parts = [value for value in vars(policy).values() if isinstance(value, type) and hasattr(value, "model_fields")]
    assert CoveragePolicy in parts
    assert Criterion in parts
    return [part for part in parts if part.__module__ == policy.__name__]


def _keys(data: object) -> set[str]:
    if isinstance(data, dict):
        return {str(key) for key in data} | {key for value in data.values() for key in _keys(value)}
    if isinstance(data, list):
        return {key for value in data for key in _keys(value)}
    return set()
