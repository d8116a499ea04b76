"""What the linter says of policies that can be read and yet are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from features.lexicon import load_lexicon
from features.measurements import measurement_lexicon
from features.policy import load_policies, parse_policy, policy_schema
from features.policy_lint import lint

GOOD = """
policy_id: test-policy
version: "2026.1"
title: A policy for a test
family: imaging
effective: {from: 2026-01-01, to: 2026-12-31}
sources: [{id: none, kind: test}]
codes: [{system: CPT, code: "11111"}]
diagnoses: [M54]
criteria:
  id: root
  statement: Everything is documented
  any:
    - {id: heavy, statement: The patient is heavy, basis: common, ask: Please send height and weight.,
       evidence: {concepts: [bmi], compared: [{op: ">=", value: 35, unit: kg/m2}]}}
    - {id: sleepy, statement: The patient is sleepy, basis: common, ask: Please describe the sleepiness.,
       evidence: {concepts: [insomnia], within: {value: 6, unit: mo}}}
"""


def problems(*contents: str) -> list[str]:
    policies = [parse_policy(content, "test.yaml") for content in contents]
    return [str(problem) for problem in lint(policies, load_lexicon(), measurement_lexicon())]


def test_a_sound_policy_has_nothing_to_correct() -> None:
    assert problems(GOOD) == []


def test_the_packaged_policies_have_nothing_to_correct() -> None:
    assert lint(load_policies().policies, load_lexicon(), measurement_lexicon()) == ()


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("[insomnia]", "[sleepy_feeling]", "sleepy", "no such concept"),
        ("unit: kg/m2", "unit: '%'", "heavy", "not a unit of bmi"),
        ("[bmi]", "[insomnia]", "heavy", "not a unit of insomnia"),
        (
            '{op: ">=", value: 35, unit: kg/m2}',
            '{op: ">=", value: 40, unit: kg/m2}, {op: "<", value: 35, unit: kg/m2}',
            "heavy",
            "can not be reached",
        ),
        (
            "within: {value: 6, unit: mo}",
            "within: {value: 6, unit: mo}, beyond: {value: 1, unit: a}",
            "sleepy",
            "reached",
        ),
        ("within: {value: 6, unit: mo}", "positive: true", "sleepy", "examination sign"),
        ("within: {value: 6, unit: mo}", "courses: [completed]", "sleepy", "treatment"),
        ("within: {value: 6, unit: mo}", "not_before_end_of: [snoring]", "sleepy", "snoring is not a treatment"),
        ("within: {value: 6, unit: mo}", "sections: [kitchen]", "sleepy", "no such section"),
        ("within: {value: 6, unit: mo}", "regions: [moon]", "sleepy", "part of the body"),
        ("within: {value: 6, unit: mo}", "contexts: [moonlight]", "sleepy", "context"),
        ("within: {value: 6, unit: mo}", 'change: {op: "<=", value: -5, unit: "%"}', "sleepy", "values that move"),
        ("Please describe the sleepiness.", "Please.", "sleepy", "question to the provider is missing"),
        ("diagnoses: [M54]", "diagnoses: [M54]\nage: {min: 20, max: 10}", "age", "least age"),
        ("diagnoses: [M54]", "diagnoses: [M54]\nregions: [moon]", "regions", "part of the body"),
        ("diagnoses: [M54]", "diagnoses: [M54]\ncondition: [moonstruck]", "condition", "no such concept"),
        ("to: 2026-12-31", "to: 2025-12-31", "effective", "ends before it begins"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, place: str, words: str) -> None:
    assert old in GOOD
    (found,) = problems(GOOD.replace(old, new))
    assert found.startswith(f"test-policy 2026.1: {place}: ")
    assert words in found


def test_a_branch_that_another_one_swallows_can_never_decide() -> None:
    data = yaml.safe_load(GOOD)
    leaf = dict(data["criteria"]["any"][0], id="again")
    data["criteria"]["any"].append(leaf)
    assert "again asks for the same as heavy" in problems(yaml.safe_dump(data))[0]
    data["criteria"]["any"][-1] = {"id": "both", "statement": "Both at once are there", "all": [leaf]}
    assert "both holds all that heavy asks for" in problems(yaml.safe_dump(data))[0]


def test_what_is_asked_for_and_excluded_at_once_can_not_be_reached() -> None:
    data = yaml.safe_load(GOOD)
    heavy = data["criteria"].pop("any")[0]
    data["criteria"]["all"] = [
        heavy,
        {"id": "light", "statement": "The patient is light", "not": dict(heavy, id="heavy-too")},
    ]
    assert "exclude each other" in problems(yaml.safe_dump(data))[0]


def later(start: str) -> str:
    return GOOD.replace('"2026.1"', '"2027.1"').replace("from: 2026-01-01, to: 2026-12-31", f"from: {start}")


def test_versions_follow_each_other_without_gap_or_overlap() -> None:
    assert problems(GOOD, later("2027-01-01")) == []
    assert "nothing is in force between 2026-12-31" in problems(GOOD, later("2027-01-03"))[0]
    assert "overlaps version 2026.1" in problems(GOOD, later("2026-12-31"))[0]
    assert "two files have the same version" in problems(GOOD, later("2027-01-01").replace("2027.1", "2026.1"))[0]


def test_one_code_in_two_policies_needs_diagnoses_that_tell_them_apart() -> None:
    other = GOOD.replace("test-policy", "other-policy")
    assert "CPT 11111 is covered by test-policy too" in problems(GOOD, other)[0]
    assert problems(GOOD, other.replace("[M54]", "[K50]")) == []
    assert len(problems(GOOD, other.replace("[M54]", "[M54.1]"))) == 1


def test_the_published_schema_is_the_one_the_policies_are_read_with() -> None:
    published = Path(__file__).parents[1] / "docs" / "policy.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == policy_schema()


def test_a_dose_is_of_a_drug_and_in_a_unit_of_doses() -> None:
    dose = "concepts: [drug_dose], contexts: [methotrexate], compared: [{op: '>=', value: 15, unit: mg}]"
    good = GOOD.replace('concepts: [bmi], compared: [{op: ">=", value: 35, unit: kg/m2}]', dose)
    assert problems(good) == []
    assert any("no measurement is read" in problem for problem in problems(good.replace("[methotrexate]", "[fever]")))
    assert any("not a unit of drug_dose" in problem for problem in problems(good.replace("unit: mg", "unit: kg/m2")))
