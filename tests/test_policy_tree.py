"""A policy made ready once: its own tree for every policy, and answers that do not depend on how facts are grouped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from building import context, days_before, fact
from hypothesis import given
from hypothesis import strategies as st

from features.criteria import Context, evaluate, human_review
from features.lexicon import first_small
from features.plan_settings import PlanSetting, PlanSettings
from features.policy import CoveragePolicy, load_policies, parse_policy
from features.policy_tree import tree_of
from features.types import Assertion, CriterionResult, Fact, Status

POLICY = """
policy_id: test-policy
version: "1"
title: A policy for a test
family: imaging
effective: {from: 2026-01-01}
sources: [{id: none, kind: test}]
codes: [{system: CPT, code: "1"}]
criteria:
  id: whole
  statement: Everything is documented
  all:
    - {id: rule, statement: A national rule asks it, basis: national, ask: Please send it., evidence: {concepts: [stroke]}}
    - id: either
      statement: One of two is documented
      any:
        - {id: one, statement: One way to show it, basis: common, ask: Please send it., evidence: {concepts: [fever, cough]}}
        - {id: two, statement: Another way to show it, basis: common, ask: Please send it., evidence: {concepts: [rash]}}
human_review:
  - {id: doubt, statement: A nurse always looks at this, evidence: {concepts: [pregnancy, dialysis]}}
"""
NAMED = ("stroke", "fever", "cough", "rash", "pregnancy", "dialysis")
DENIED = Assertion(negated=True)


def policy(**changes: str) -> CoveragePolicy:
    text = POLICY
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse_policy(text, "test.yaml")


def numbered(*facts: Fact) -> list[Fact]:
    return [replace(made, fact_id=f"f{number}") for number, made in enumerate(facts, 1)]


def judged(
    facts: list[Fact], by: CoveragePolicy | None = None, at: Context | None = None
) -> dict[str, CriterionResult]:
    return {result.criterion_id: result for result in evaluate(by or policy(), facts, at or context())}


def test_a_policy_is_made_ready_once() -> None:
    assert tree_of(policy()) is tree_of(policy())


def test_policies_of_one_id_and_version_are_judged_each_by_its_own_criteria() -> None:
    facts = numbered(fact("stroke"))
    assert judged(facts, policy())["rule"].status is Status.MET
    assert judged(facts, policy(stroke="insomnia"))["rule"].status is Status.NOT_DOCUMENTED
    assert judged(facts, policy())["rule"].status is Status.MET


def test_a_plan_is_judged_by_what_it_asks_although_the_whole_policy_was_judged_before() -> None:
    facts = numbered(fact("stroke"))
    assert judged(facts, policy())["whole"].status is Status.NOT_DOCUMENTED
    national = PlanSettings(PlanSetting("national")).applied(policy(), None)
    assert list(judged(facts, national)) == ["whole", "rule"]
    assert judged(facts, national)["whole"].status is Status.MET
    without = PlanSettings(PlanSetting(without={"test-policy": frozenset({"either"})})).applied(policy(), None)
    assert list(judged(facts, without)) == ["whole", "rule"]
    assert (national.version, without.version) != (policy().version, national.version)


def test_a_copy_of_a_policy_is_judged_by_the_criteria_it_was_given() -> None:
    other = policy(stroke="insomnia")
    judged(numbered(fact("stroke")), policy())
    copy = policy().model_copy(update={"criteria": other.criteria})
    assert judged(numbered(fact("stroke")), copy)["rule"].status is Status.NOT_DOCUMENTED


def test_what_the_notes_do_not_speak_of_is_told_in_the_names_of_the_lexicon_at_hand() -> None:
    plain = judged([], at=context())
    told = judged([], at=replace(context(), names={"stroke": "apoplexy"}))
    assert plain["rule"].explanation == "Nothing about stroke was found."
    assert told["rule"].explanation == "Nothing about apoplexy was found."


def test_evidence_stands_in_the_order_of_the_leafs_concepts() -> None:
    facts = numbered(fact("cough"), fact("fever"), fact("cough", section="assessment"))
    assert judged(facts)["one"].evidence == ("f2", "f1", "f3")


@pytest.mark.parametrize("times", [1, 5, 6, 7, 40])
def test_a_fact_told_many_times_says_what_it_says_once(times: int) -> None:
    once = judged(numbered(fact("stroke", date=days_before(30))))["rule"]
    often = judged(numbered(*[fact("stroke", date=days_before(30))] * times))["rule"]
    assert (often.status, often.explanation) == (once.status, once.explanation)
    assert often.evidence == tuple(f"f{number}" for number in range(1, times + 1))


@given(
    st.lists(st.sampled_from([fact(name, assertion=flags) for name in NAMED for flags in (Assertion(), DENIED)])),
    st.lists(st.sampled_from(("snoring", "insomnia", "headache")), min_size=1),
)
def test_facts_no_criterion_asks_for_change_nothing(about: list[Fact], others: list[str]) -> None:
    facts = numbered(*about)
    more = [*facts, *(fact(name, fact_id=f"x{number}") for number, name in enumerate(others))]
    assert evaluate(policy(), more, context()) == evaluate(policy(), facts, context())
    assert human_review(policy(), more, context()) == human_review(policy(), facts, context())


@given(st.sets(st.sampled_from(NAMED)))
def test_a_branch_without_facts_reads_as_it_does_beside_others(spoken: set[str]) -> None:
    """What is worked out once for silent notes is what each leaf would say on its own."""
    results = judged(numbered(*map(fact, sorted(spoken))))
    for name, concepts in {"rule": {"stroke"}, "one": {"fever", "cough"}, "two": {"rash"}}.items():
        silent = not spoken & concepts
        assert (results[name].status is Status.NOT_DOCUMENTED) == silent
        assert results[name].explanation.startswith("Nothing about") == silent
    met = {name for name in ("one", "two") if results[name].status is Status.MET}
    left_out = {name for name in ("one", "two") if not results[name].needed}
    # One of two alternatives is needed: the first that is met, else the first.
    assert left_out == {"one" if met == {"two"} else "two"}


@pytest.mark.parametrize("known", load_policies().policies, ids=lambda known: known.policy_id)
def test_every_node_has_a_result_in_the_order_of_the_policy(known: CoveragePolicy) -> None:
    nodes = list(known.criteria.walk())
    parents = {child.id: node.id for node in nodes for child in node.children}
    results = evaluate(known, [], context())
    assert [(result.criterion_id, result.parent) for result in results] == [
        (node.id, parents.get(node.id)) for node in nodes
    ]


def test_an_abbreviation_keeps_its_capitals_inside_a_sentence() -> None:
    assert first_small("AHI or RDI is at least 15") == "AHI or RDI is at least 15"
    assert first_small("Physical therapy was tried") == "physical therapy was tried"
