"""Facts held against a policy: four values, what each kind of evidence asks for, and the sentence that says why."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from building import VISIT, context, days_before, document, fact
from hypothesis import given
from hypothesis import strategies as st

from features.criteria import Context, combine_statuses, evaluate, human_review
from features.policy import CoveragePolicy, parse_policy
from features.types import Assertion, Course, CriterionResult, Cue, Fact, Status

MET, NOT_MET, SILENT, TORN = Status.MET, Status.NOT_MET, Status.NOT_DOCUMENTED, Status.CONFLICTING
HEAD = """
policy_id: test-policy
version: "1"
title: A policy for a test
family: imaging
effective: {from: 2026-01-01}
sources: [{id: none, kind: test}]
codes: [{system: CPT, code: "1"}]
"""
SIGNS = ("fever", "snoring", "insomnia", "stroke")


def leaf_yaml(concept: str, **evidence: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in evidence.items())
    return (
        f"{{id: {concept.replace('_', '-')}, statement: The patient has it documented, basis: common, ask: Please send it., "
        f"evidence: {{concepts: [{concept}]{more}}}}}"
    )


def policy(criteria: str, human: str = "[]") -> CoveragePolicy:
    return parse_policy(f"{HEAD}criteria: {criteria}\nhuman_review: {human}\n", "test.yaml")


def judge(facts: list[Fact], at: Context | None = None, concept: str = "fever", **evidence: str) -> CriterionResult:
    """The result of a single leaf about ``concept``."""
    numbered = [replace(made, fact_id=f"f{n}") for n, made in enumerate(facts, 1)]
    (result,) = evaluate(policy(leaf_yaml(concept, **evidence)), numbered, at or context())
    assert set(result.evidence) <= {made.fact_id for made in numbered}
    assert result.explanation.endswith(".")
    assert "\n" not in result.explanation
    return result


def status(facts: list[Fact], at: Context | None = None, concept: str = "fever", **evidence: str) -> Status:
    return judge(facts, at, concept, **evidence).status


def therapy(**changes: Any) -> Fact:
    values: dict[str, Any] = {"value": 8.0, "unit": "wk", "course": Course.COMPLETED}
    return fact("physical_therapy", "treatment", **{**values, **changes})


def sign_facts(wanted: dict[str, Status]) -> list[Fact]:
    """Facts that give each leaf of ``SIGNS`` the wanted status."""
    made: list[Fact] = []
    for concept, value in wanted.items():
        affirmed, denied = fact(concept), fact(concept, assertion=Assertion(negated=True))
        made += {MET: [affirmed], NOT_MET: [denied], SILENT: [], TORN: [affirmed, denied]}[value]
    return [replace(one, fact_id=f"f{n}") for n, one in enumerate(made, 1)]


def node_status(kind: str, wanted: list[Status]) -> Status:
    names = SIGNS[: len(wanted)]
    below = "[" + ", ".join(leaf_yaml(name) for name in names) + "]"
    tree = f"{{id: whole, statement: The whole is shown, {kind.replace('...', below)}}}"
    results = evaluate(policy(tree), sign_facts(dict(zip(names, wanted, strict=True))), context())
    assert [result.status for result in results[1:]] == wanted
    return results[0].status


@pytest.mark.parametrize(("one", "two"), list(itertools.product(Status, repeat=2)))
def test_all_takes_the_worst_of_four_values(one: Status, two: Status) -> None:
    worst = next(value for value in (TORN, NOT_MET, SILENT, MET) if value in (one, two))
    assert node_status("all: ...", [one, two]) is worst


@pytest.mark.parametrize(("one", "two"), list(itertools.product(Status, repeat=2)))
def test_any_takes_the_best_of_four_values_unless_two_documents_disagree(one: Status, two: Status) -> None:
    best = next(value for value in (TORN, MET, SILENT, NOT_MET) if value in (one, two))
    assert node_status("any: ...", [one, two]) is best


@pytest.mark.parametrize("wanted", list(itertools.product(Status, repeat=3)))
def test_at_least_two_of_three(wanted: tuple[Status, ...]) -> None:
    met, silent = wanted.count(MET), wanted.count(SILENT)
    expected = TORN if TORN in wanted else MET if met >= 2 else SILENT if met + silent >= 2 else NOT_MET
    assert node_status("at_least: 2, of: ...", list(wanted)) is expected


@pytest.mark.parametrize(
    ("below", "expected"), [(MET, NOT_MET), (NOT_MET, MET), (SILENT, SILENT), (TORN, TORN)], ids=str
)
def test_not_turns_evidence_around_and_nothing_else(below: Status, expected: Status) -> None:
    tree = f"{{id: whole, statement: The whole is shown, not: {leaf_yaml('fever')}}}"
    results = evaluate(policy(tree), sign_facts({"fever": below}), context())
    assert results[0].status is expected


def test_parents_stand_before_children_and_are_named_by_them() -> None:
    tree = f"{{id: whole, statement: The whole is shown, all: [{leaf_yaml('fever')}, {leaf_yaml('stroke')}]}}"
    results = evaluate(policy(tree), [fact("fever")], context())
    assert [(result.criterion_id, result.parent) for result in results] == [
        ("whole", None),
        ("fever", "whole"),
        ("stroke", "whole"),
    ]
    assert results[0].decided_by == "stroke"
    assert results[0].explanation == "1 of 2 parts are met."


def test_nothing_found_is_not_documented_and_says_so() -> None:
    result = judge([])
    assert result.status is SILENT
    assert result.evidence == ()
    assert result.explanation == "Nothing about fever was found."
    assert result.ask == "Please send it."


@pytest.mark.parametrize(
    ("assertion", "expected"),
    [
        (Assertion(), MET),
        (Assertion(negated=True), NOT_MET),
        (Assertion(uncertain=True), SILENT),
        (Assertion(hypothetical=True), NOT_MET),
        (Assertion(historical=True), SILENT),
        (Assertion(family=True), SILENT),
        (Assertion(negated=True, historical=True), SILENT),
        (Assertion(family=True, negated=True), SILENT),
    ],
)
def test_only_what_is_affirmed_about_the_patient_now_counts(assertion: Assertion, expected: Status) -> None:
    result = judge([fact("fever", assertion=assertion)])
    assert result.status is expected
    assert (result.evidence == ()) == assertion.family


def test_the_past_counts_where_the_policy_says_so() -> None:
    past = fact("fever", assertion=Assertion(historical=True))
    assert status([past]) is SILENT
    assert status([past], historical="true") is MET


def test_earlier_counts_only_what_lies_before_its_document() -> None:
    at = context({"d1": document("", day=VISIT)})
    asked: Any = {"historical": "true", "earlier": "true"}
    assert status([fact("fever")], at, **asked) is SILENT
    assert status([fact("fever", date=VISIT)], at, **asked) is SILENT
    assert status([fact("fever", date=date(2026, 3, 4))], at, **asked) is MET
    assert status([fact("fever", assertion=Assertion(historical=True))], at, **asked) is MET


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (5, "wk", NOT_MET),
        (6, "wk", MET),
        (41, "d", MET),
        (39, "d", NOT_MET),
        (1, "mo", NOT_MET),
        (2, "mo", MET),
        (1, "a", MET),
    ],
)
def test_lasting_asks_for_a_length(value: float, unit: str, expected: Status) -> None:
    made = judge([therapy(value=float(value), unit=unit)], concept="physical_therapy", lasting="{value: 6, unit: wk}")
    assert made.status is expected
    assert "6 weeks needed" in made.explanation


def test_a_length_between_two_dates_outweighs_a_stated_one() -> None:
    stated = therapy(value=8.0, unit="wk", began=date(2026, 9, 1), ended=date(2026, 9, 22))
    assert status([stated], concept="physical_therapy", lasting="{value: 6, unit: wk}") is NOT_MET


def test_no_length_is_not_documented() -> None:
    made = judge([therapy(value=None, unit=None)], concept="physical_therapy", lasting="{value: 6, unit: wk}")
    assert made.status is SILENT
    assert made.explanation == "Physical therapy is documented without how long."


def test_two_short_courses_do_not_add_up() -> None:
    short = [therapy(value=3.0), therapy(value=4.0)]
    assert status(short, concept="physical_therapy", lasting="{value: 6, unit: wk}") is NOT_MET


@pytest.mark.parametrize("course", Course)
def test_a_treatment_counts_only_when_it_took_place(course: Course) -> None:
    took_place = {Course.COMPLETED, Course.ONGOING, Course.FAILED, Course.NOT_TOLERATED, Course.STATED}
    expected = MET if course in took_place else NOT_MET
    assert status([therapy(course=course)], concept="physical_therapy") is expected


def test_a_treatment_that_is_only_named_is_not_documented() -> None:
    assert status([therapy(course=None)], concept="physical_therapy") is SILENT


def test_courses_narrow_what_counts() -> None:
    asked: Any = {"concept": "physical_therapy", "courses": "[failed]"}
    assert status([therapy(course=Course.FAILED)], **asked) is MET
    assert status([therapy(course=Course.COMPLETED)], **asked) is NOT_MET


@pytest.mark.parametrize(("days", "expected"), [(0, MET), (60, MET), (61, NOT_MET), (63, NOT_MET), (400, NOT_MET)])
def test_within_a_number_of_days_is_meant_to_the_day(days: int, expected: Status) -> None:
    assert status([fact("fever", date=days_before(days))], within="{value: 60, unit: d}") is expected


@pytest.mark.parametrize(("days", "expected"), [(0, MET), (56, MET), (58, MET), (59, NOT_MET), (400, NOT_MET)])
def test_within_a_number_of_weeks_is_not_meant_to_the_day(days: int, expected: Status) -> None:
    assert status([fact("fever", date=days_before(days))], within="{value: 8, unit: wk}") is expected


@pytest.mark.parametrize(("days", "expected"), [(10, NOT_MET), (57, NOT_MET), (58, MET), (400, MET)])
def test_beyond_asks_for_a_time_long_enough_ago(days: int, expected: Status) -> None:
    assert status([fact("fever", date=days_before(days))], beyond="{value: 60, unit: d}") is expected


def test_without_a_date_of_its_own_a_fact_is_as_old_as_its_document() -> None:
    old = context({"d1": document("", day=days_before(200))})
    undated = context({"d1": document("", day=None)})
    assert status([fact("fever")], old, within="{value: 60, unit: d}") is NOT_MET
    assert status([fact("fever")], undated, within="{value: 60, unit: d}") is SILENT


def test_the_end_of_a_treatment_is_its_day() -> None:
    ended = therapy(began=days_before(300), ended=days_before(30))
    assert status([ended], concept="physical_therapy", within="{value: 60, unit: d}") is MET
    long_ago = therapy(began=days_before(300), ended=days_before(250))
    assert status([long_ago], concept="physical_therapy", within="{value: 60, unit: d}") is NOT_MET


def test_dated_asks_the_document_itself_for_a_date() -> None:
    asked: Any = {"concept": "physical_therapy", "dated": "true"}
    assert status([therapy()], **asked) is SILENT
    assert status([therapy(ended=days_before(20))], **asked) is MET
    from_therapist = context({"d1": document("", kind="therapy_note")})
    assert status([therapy()], from_therapist, **asked) is MET


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [
        ("left", "left", MET),
        ("left", "right", SILENT),
        ("left", "bilateral", MET),
        ("left", None, MET),
        (None, "right", MET),
    ],
)
def test_same_side_leaves_the_other_side_out(asked: Any, found: Any, expected: Status) -> None:
    made = fact("fever", laterality=found)
    assert status([made], context(side=asked), same_side="true") is expected


def test_another_part_of_the_body_does_not_count() -> None:
    asked: Any = {"concept": "physical_therapy", "regions": "[lumbar]"}
    assert status([therapy(region="lumbar")], **asked) is MET
    assert status([therapy(region=None)], **asked) is MET
    result = judge([therapy(region="neck")], **asked)
    assert result.status is SILENT
    assert "another part of the body (neck)" in result.explanation


def test_a_course_of_the_same_length_elsewhere_tells_which_part_it_was_for() -> None:
    asked: Any = {"concept": "physical_therapy", "regions": "[lumbar]"}
    undated = therapy(value=7.0, unit="wk")
    hip = therapy(region="hip", began=days_before(90), ended=days_before(39))
    long_ago = therapy(region="hip", began=days_before(900), ended=days_before(700))
    assert status([undated, hip], **asked) is SILENT
    assert status([undated, long_ago], **asked) is MET


def test_a_course_without_a_part_takes_that_of_the_same_course_elsewhere() -> None:
    at = context({"d1": document(""), "d2": document("", "d2", "therapy_note")})
    vague = therapy(region=None, ended=days_before(30))
    neck = therapy(region="neck", ended=days_before(33), document_id="d2")
    assert status([vague, neck], at, concept="physical_therapy", regions="[lumbar]") is SILENT


def test_a_sign_needs_its_positive_result() -> None:
    asked: Any = {"concept": "lachman", "positive": "true"}
    assert status([fact("lachman", "exam_sign", value="positive")], **asked) is MET
    assert status([fact("lachman", "exam_sign")], **asked) is SILENT
    negative = fact("lachman", "exam_sign", value="negative", assertion=Assertion(negated=True))
    assert status([negative], **asked) is NOT_MET


def index(value: float, **changes: Any) -> Fact:
    return fact("ahi", "measurement", value=value, unit="{events}/h", **changes)


AT_LEAST_15 = '[{op: ">=", value: 15, unit: "{events}/h"}]'


@pytest.mark.parametrize(("value", "expected"), [(14.9, NOT_MET), (15, MET), (22.4, MET)])
def test_a_value_is_held_against_its_limit(value: float, expected: Status) -> None:
    assert status([index(value)], concept="ahi", compared=AT_LEAST_15) is expected


def test_a_value_must_lie_within_all_limits() -> None:
    between = '[{op: ">=", value: 5, unit: "{events}/h"}, {op: "<", value: 15, unit: "{events}/h"}]'
    assert [status([index(v)], concept="ahi", compared=between) for v in (4, 5, 14, 15)] == [NOT_MET, MET, MET, NOT_MET]


def test_a_value_in_another_unit_or_none_is_not_documented() -> None:
    assert status([replace(index(22), unit="%")], concept="ahi", compared=AT_LEAST_15) is SILENT
    assert status([replace(index(22), value=None)], concept="ahi", compared=AT_LEAST_15) is SILENT


def test_the_limit_of_a_rule_is_no_value_of_the_patient() -> None:
    result = judge([index(15, context="limit")], concept="ahi", compared=AT_LEAST_15)
    assert result.status is SILENT
    assert result.evidence == ()


def test_two_values_of_one_day_contradict_each_other_and_a_later_one_outdates() -> None:
    same_day = [index(22, date=VISIT), index(9, date=VISIT)]
    assert status(same_day, concept="ahi", compared=AT_LEAST_15) is TORN
    grown_worse = [index(9, date=days_before(300)), index(22, date=VISIT)]
    assert status(grown_worse, concept="ahi", compared=AT_LEAST_15) is MET
    grown_better = [index(22, date=days_before(300)), index(9, date=VISIT)]
    assert status(grown_better, concept="ahi", compared=AT_LEAST_15) is TORN


def test_what_is_recorded_has_no_side_that_sets_two_of_it_apart() -> None:
    done, never = {"laterality": "left"}, {"laterality": "right", "assertion": Assertion(negated=True)}
    assert (
        status(
            [fact("previous_pet", "record", **done), fact("previous_pet", "record", **never)], concept="previous_pet"
        )
        is TORN
    )
    assert status([fact("fever", **done), fact("fever", **never)]) is MET


def test_document_types_and_sections_say_where_a_fact_counts() -> None:
    at = context({"d1": document("", kind="imaging")})
    assert status([fact("fever")], at, document_types="[imaging]") is MET
    assert status([fact("fever")], at, document_types="[lab, letter]") is SILENT
    assert status([fact("fever", section="plan")], sections="[plan]") is MET
    assert status([fact("fever")], sections="[plan]") is SILENT


def test_before_asks_for_a_document_older_than_the_test() -> None:
    at = context({"d1": document("", day=days_before(40)), "d2": document("", "d2", "other", days_before(20))})
    test = fact("sleep_study_home", "test", document_id="d2", fact_id="f2")
    asked: Any = {"concept": "snoring", "before": "[sleep_study_home]"}

    def of(*facts: Fact, at: Context = at) -> Status:
        numbered = [replace(made, fact_id=f"f{n}") for n, made in enumerate(facts, 1)]
        return evaluate(policy(leaf_yaml("snoring", before=asked["before"])), numbered, at)[0].status

    assert of(fact("snoring"), test) is MET
    assert of(fact("snoring")) is SILENT
    assert of(replace(fact("snoring"), document_id="d2"), test) is SILENT
    turned = context({"d1": document("", day=days_before(5)), "d2": document("", "d2", "other", days_before(20))})
    assert of(fact("snoring"), test, at=turned) is NOT_MET
    planned = replace(test, assertion=Assertion(hypothetical=True))
    assert of(fact("snoring"), planned) is SILENT


def test_not_before_end_of_asks_for_a_visit_after_the_treatment() -> None:
    at = context({"d1": document("", day=days_before(10))})
    whole = policy(leaf_yaml("persistent_symptoms", not_before_end_of="[physical_therapy]"))

    def of(*facts: Fact) -> Status:
        numbered = [replace(made, fact_id=f"f{n}") for n, made in enumerate(facts, 1)]
        return evaluate(whole, numbered, at)[0].status

    symptom = fact("persistent_symptoms", "finding")
    assert of(symptom, therapy(ended=days_before(11))) is MET
    assert of(symptom, therapy(ended=days_before(9))) is SILENT
    assert of(symptom, therapy(ended=days_before(9), course=Course.PLANNED)) is MET


def test_not_before_leaves_out_what_was_found_before_the_latest_event() -> None:
    at = context({"d1": document("", day=days_before(40)), "d2": document("", "d2", day=days_before(5))})
    whole = policy(leaf_yaml("meniscal_tear", not_before="[knee_injury]"))

    def of(*facts: Fact) -> Status:
        numbered = [replace(made, fact_id=f"f{n}") for n, made in enumerate(facts, 1)]
        return evaluate(whole, numbered, at)[0].status

    torn = fact("meniscal_tear")
    injury = fact("knee_injury", document_id="d2", date=days_before(60))
    assert of(torn) is MET
    assert of(torn, injury) is MET
    assert of(torn, injury, replace(injury, date=days_before(20))) is SILENT
    assert of(torn, replace(injury, date=days_before(20), assertion=Assertion(family=True))) is MET


def test_a_leaf_may_count_at_an_age_of_the_member_only() -> None:
    asked: Any = {"concept": "headache", "member_age": "{min: 50}"}
    assert status([fact("headache")], replace(context(), age=63), **asked) is MET
    assert status([fact("headache")], replace(context(), age=49), **asked) is SILENT
    assert status([fact("headache")], context(), **asked) is SILENT


def test_affirmed_and_denied_is_conflicting_with_both_facts() -> None:
    result = judge([fact("fever"), fact("fever", assertion=Assertion(negated=True))])
    assert result.status is TORN
    assert set(result.evidence) == {"f1", "f2"}
    assert result.explanation == "The documents contradict each other about fever."


def test_a_denial_from_before_is_no_contradiction_but_a_later_one_is() -> None:
    denied = Assertion(negated=True)
    earlier = [fact("fever", date=VISIT), fact("fever", assertion=denied, date=days_before(300))]
    later = [fact("fever", date=days_before(300)), fact("fever", assertion=denied, date=VISIT)]
    assert status(earlier) is MET
    assert status(later) is TORN


def test_a_denial_of_the_other_side_is_no_contradiction() -> None:
    denied = fact("fever", assertion=Assertion(negated=True), laterality="right")
    assert status([fact("fever", laterality="left"), denied]) is MET
    assert status([fact("fever", laterality="right"), denied]) is TORN


def test_how_contradictions_of_one_of_several_are_taken() -> None:
    torn = [fact("fever"), fact("fever", assertion=Assertion(negated=True)), fact("stroke")]
    leaf = leaf_yaml("fever").replace("[fever]", "[fever, stroke]")
    numbered = [replace(made, fact_id=f"f{n}") for n, made in enumerate(torn, 1)]
    answers = {
        kind: evaluate(policy(leaf.replace("stroke]", f"stroke], contradiction: {kind}")), numbered, context())[0]
        for kind in ("any", "all", "none")
    }
    assert answers["any"].status is TORN
    assert answers["all"].status is MET
    assert answers["all"].evidence == ("f3",)
    assert answers["none"].status is MET


def test_completed_and_never_attended_is_conflicting() -> None:
    torn = [therapy(ended=days_before(30)), therapy(course=Course.NOT_ATTENDED, value=None, unit=None)]
    assert status(torn, concept="physical_therapy", lasting="{value: 6, unit: wk}") is TORN


def test_only_the_branch_nearest_to_met_is_needed() -> None:
    far = f"{{id: far, statement: Another way of it, all: [{leaf_yaml('snoring')}, {leaf_yaml('insomnia')}]}}"
    near = f"{{id: near, statement: One way of showing it, all: [{leaf_yaml('fever')}, {leaf_yaml('stroke')}]}}"
    tree = policy(f"{{id: whole, statement: The whole is shown, any: [{far}, {near}]}}")
    results = {r.criterion_id: r for r in evaluate(tree, [fact("fever")], context())}
    assert {name for name, result in results.items() if result.needed} == {"whole", "near", "fever", "stroke"}
    met = {r.criterion_id: r for r in evaluate(tree, [fact("fever"), fact("stroke", fact_id="f2")], context())}
    assert {name for name, result in met.items() if result.needed} == {"whole", "near", "fever", "stroke"}
    assert met["whole"].status is MET


def shown(facts: list[Fact], **evidence: str) -> list[str]:
    more = "".join(f", {key}: {value}" for key, value in evidence.items())
    human = f"[{{id: look, statement: Somebody must look at it, evidence: {{concepts: [fever]{more}}}}}]"
    guards = human_review(policy(leaf_yaml("stroke"), human), facts, context())
    assert all(guard.code == "human_must_look" for guard in guards)
    return [fact_id for guard in guards for fact_id in guard.evidence]


def test_a_human_looks_at_every_doubt_but_not_at_denials_and_relatives() -> None:
    assert shown([fact("fever")]) == ["f1"]
    assert shown([fact("fever", assertion=Assertion(uncertain=True))]) == ["f1"]
    assert shown([fact("fever", assertion=Assertion(hypothetical=True))]) == ["f1"]
    assert shown([fact("fever", assertion=Assertion(historical=True))], historical="true") == ["f1"]
    assert shown([fact("fever", assertion=Assertion(negated=True))]) == []
    assert shown([fact("fever", assertion=Assertion(family=True))]) == []
    assert shown([]) == []


def test_a_planned_drug_is_looked_at_where_plans_are_asked_for() -> None:
    planned = fact("fever", "treatment", course=Course.PLANNED, assertion=Assertion(hypothetical=True))
    assert shown([planned], courses="[ongoing, planned]") == ["f1"]
    assert shown([planned], courses="[ongoing]") == []
    named = fact("fever", "treatment")
    assert shown([named], courses="[ongoing]") == []


def test_a_problem_is_not_past_because_it_stands_in_a_list_of_past_illnesses() -> None:
    heading = Cue("historical", 0, 3, "section past_medical_history")
    told = Cue("historical", 0, 3, "history of")
    assert shown([fact("fever", assertion=Assertion(historical=True, cues=(heading,)))]) == ["f1"]
    assert shown([fact("fever", assertion=Assertion(historical=True, cues=(heading, told)))]) == []
    assert shown([fact("fever", "test", assertion=Assertion(historical=True, cues=(heading,)))]) == []


def test_what_settles_the_doubt_keeps_a_human_out_of_it() -> None:
    unless = "{concepts: [ahi], contexts: [four_percent]}"
    human = f"[{{id: look, statement: Somebody must look at it, evidence: {{concepts: [fever]}}, unless: {unless}}}]"
    tree = policy(leaf_yaml("stroke"), human)
    settled = fact("ahi", "measurement", value=20.0, unit="{events}/h", context="four_percent", fact_id="f2")
    assert len(human_review(tree, [fact("fever")], context())) == 1
    assert human_review(tree, [fact("fever"), settled], context()) == ()
    doubtful = replace(settled, assertion=Assertion(uncertain=True))
    assert len(human_review(tree, [fact("fever"), doubtful], context())) == 1


def test_a_record_speaks_for_the_day_it_names() -> None:
    test = fact("sleep_study_home", "test", date=days_before(40), fact_id="f2")
    visit = fact("sleep_evaluation", "record", date=days_before(80))
    assert status([visit, test], concept="sleep_evaluation", before="[sleep_study_home]") is MET
    assert status([replace(visit, date=None), test], concept="sleep_evaluation", before="[sleep_study_home]") is not MET
    symptom = fact("snoring", date=days_before(80))
    assert status([symptom, test], concept="snoring", before="[sleep_study_home]") is not MET


assertions = st.builds(Assertion, negated=st.booleans(), uncertain=st.booleans(), family=st.booleans())
signs = st.builds(
    fact,
    concept=st.sampled_from(SIGNS),
    assertion=assertions,
    date=st.sampled_from([None, VISIT, days_before(100), days_before(500)]),
    laterality=st.sampled_from([None, "left", "right"]),
)
TREE = policy(
    f"{{id: whole, statement: The whole is shown, any: [{leaf_yaml('fever', within='{value: 60, unit: d}')}, "
    f"{{id: both, statement: Both of them are shown, all: [{leaf_yaml('stroke')}, {leaf_yaml('insomnia')}]}}]}}"
)


@given(st.lists(signs, max_size=6), signs)
def test_one_fact_more_never_turns_met_into_not_documented(facts: list[Fact], more: Fact) -> None:
    def of(made: list[Fact]) -> list[CriterionResult]:
        numbered = [replace(one, fact_id=f"f{n}") for n, one in enumerate(made, 1)]
        return list(evaluate(TREE, numbered, context()))

    for before, after in zip(of(facts), of([*facts, more]), strict=True):
        if before.status is MET:
            assert after.status in (MET, TORN)
        if before.status is TORN:
            assert after.status is TORN
        if before.status is NOT_MET and before.decided_by == before.criterion_id:
            assert after.status is not SILENT


@given(st.lists(signs, max_size=6), st.randoms())
def test_the_order_of_facts_changes_no_status(facts: list[Fact], random: Any) -> None:
    numbered = [replace(one, fact_id=f"f{n}") for n, one in enumerate(facts, 1)]
    turned = random.sample(numbered, len(numbered))
    assert [(r.status, r.needed) for r in evaluate(TREE, numbered, context())] == [
        (r.status, r.needed) for r in evaluate(TREE, turned, context())
    ]


def weeks_of(began: int, ended: int, **changes: Any) -> Fact:
    return therapy(began=days_before(began), ended=days_before(ended), value=None, unit=None, **changes)


SUMMED = "{value: 6, unit: wk, counted: summed}"


def test_courses_that_are_too_short_alone_add_up_where_the_policy_sums() -> None:
    courses = [weeks_of(100, 75), weeks_of(60, 40)]
    assert status(courses, concept="physical_therapy", lasting="{value: 6, unit: wk}") is NOT_MET
    result = judge(courses, concept="physical_therapy", lasting=SUMMED)
    assert result.status is MET
    assert "in all documented" in result.explanation
    assert len(result.evidence) == 2


def test_a_day_in_two_courses_counts_once() -> None:
    assert status([weeks_of(60, 35), weeks_of(58, 33)], concept="physical_therapy", lasting=SUMMED) is NOT_MET


def test_something_needed_twice_is_not_shown_by_being_said_twice() -> None:
    twice = [fact("fever", date=days_before(20)), fact("fever", date=days_before(10))]
    assert status(twice, times="2") is MET
    again = [fact("fever", date=days_before(20), start=start, end=start + 5) for start in (0, 50)]
    result = judge(again, times="2")
    assert result.status is SILENT
    assert "1 of 2 times" in result.explanation


def score(value: float, ago: int, **changes: Any) -> Fact:
    return fact("oswestry", "measurement", value=value, unit="%", date=days_before(ago), **changes)


FALL = '{op: "<=", value: -10, unit: "%"}'


@pytest.mark.parametrize(
    ("first", "last", "expected"), [(52, 34, MET), (52, 42, MET), (52, 47, NOT_MET), (34, 52, NOT_MET)]
)
def test_a_change_is_measured_from_the_first_value_to_the_last(first: float, last: float, expected: Status) -> None:
    assert status([score(last, 10), score(first, 60)], concept="oswestry", change=FALL) is expected


def test_one_value_alone_shows_no_change() -> None:
    assert status([score(34, 10)], concept="oswestry", change=FALL) is SILENT


def test_a_change_is_of_one_side() -> None:
    values = [score(52, 60, laterality="left"), score(34, 10, laterality="right")]
    assert status(values, concept="oswestry", change=FALL) is SILENT


@pytest.mark.parametrize(
    ("requested", "text", "expected"),
    [
        (frozenset({22}), "L4-5: severe stenosis.", MET),
        (frozenset({22}), "L3-4: severe stenosis.", SILENT),
        (frozenset({22}), "There is severe stenosis.", SILENT),
        (frozenset(), "L4-5: severe stenosis.", SILENT),
    ],
)
def test_a_finding_counts_at_the_level_of_the_spine_that_is_asked_for(
    requested: frozenset[int], text: str, expected: Status
) -> None:
    at = replace(context({"d1": document(text, day=VISIT)}), levels=requested)
    start = text.index("stenosis")
    found = fact("fever", start=start, end=start + 8)
    assert status([found], at, same_level="[epidural_injection]") is expected


def test_the_planned_procedure_says_the_level_where_the_request_does_not() -> None:
    text = "L4-5: severe stenosis. Plan: epidural injection at L4-5. An epidural at L2-3 was done in May."
    at = context({"d1": document(text, day=VISIT)})
    found = fact("fever", start=15, end=23)
    planned = fact("epidural_injection", "treatment", start=29, end=47, course=Course.PLANNED)
    done = fact("epidural_injection", "treatment", start=60, end=68, course=Course.COMPLETED)
    assert status([found, planned], at, same_level="[epidural_injection]") is MET
    assert (
        status([found, done], context({"d1": document(text, day=VISIT)}), same_level="[epidural_injection]") is SILENT
    )


def test_a_value_called_earlier_is_the_first_of_its_day() -> None:
    values = [score(34, 10, start=0, end=4), score(52, 10, context="earlier", start=20, end=24)]
    assert status(values, concept="oswestry", change=FALL) is MET
    assert status([replace(value, value=40.0) for value in values], concept="oswestry", change=FALL) is NOT_MET


def test_two_values_of_one_day_are_no_change_where_none_is_called_earlier() -> None:
    values = [score(52, 10, start=0, end=4), score(34, 10, start=20, end=24)]
    assert status(values, concept="oswestry", change=FALL) is SILENT


def test_of_several_values_each_day_those_that_differ_least_are_compared() -> None:
    values = [score(v, ago, start=v, end=v + 2) for v, ago in ((52, 60), (44, 60), (40, 10), (30, 10))]
    assert status(values, concept="oswestry", change=FALL) is NOT_MET
    worst = [replace(score(52, 60), context="worst"), replace(score(30, 10), context="best")]
    assert status(worst, concept="oswestry", change=FALL) is SILENT


def test_an_earlier_value_shows_nothing_about_the_present() -> None:
    high = '[{op: ">=", value: 40, unit: "%"}]'
    values = [score(48, 10, context="earlier"), score(30, 10, start=20, end=24)]
    assert status(values, concept="oswestry", compared=high) is NOT_MET
    assert status(values[:1], concept="oswestry", compared=high) is SILENT
    assert status(values[:1], concept="oswestry", compared=high, historical="true") is MET


def test_how_recent_a_change_is_is_asked_of_its_last_value() -> None:
    month = "{value: 30, unit: d}"
    assert status([score(52, 200), score(34, 10)], concept="oswestry", change=FALL, within=month) is MET
    assert status([score(52, 200), score(34, 60)], concept="oswestry", change=FALL, within=month) is NOT_MET


def test_a_value_counts_only_as_it_was_to_be_measured() -> None:
    low = fact("spo2", "measurement", value=86.0, unit="%")
    limit = '[{op: "<=", value: 88, unit: "%"}]'
    air = status([replace(low, context="room_air")], concept="spo2", compared=limit, contexts="[room_air]")
    assert air is MET
    result = judge([replace(low, context="on_oxygen")], concept="spo2", compared=limit, contexts="[room_air]")
    assert result.status is SILENT
    assert "not as room air" in result.explanation


def test_what_somebody_else_documented_does_not_count_where_the_policy_says_who() -> None:
    signed = context(documents={"d1": document("Fever.\nJane Roe, MD")})
    assert status([fact("fever")], signed, by="[physician]") is MET
    result = judge([fact("fever")], signed, by="[therapist]")
    assert result.status is SILENT
    assert "the therapist" in result.explanation


def test_what_only_a_person_can_tell_is_never_met_by_itself() -> None:
    leaf = (
        "{id: judged, statement: A person has judged it, basis: common, ask: Please send it., "
        "human: the number is not sure}"
    )
    (result,) = evaluate(policy(leaf), [fact("fever")], context())
    assert result.status is SILENT
    assert result.explanation == "A nurse decides this: the number is not sure"


def test_a_denial_that_was_asked_for_leaves_nothing_open() -> None:
    tree = f"{{id: root, statement: There is no fever at all, not: {leaf_yaml('fever')}}}"
    denied = replace(fact("fever"), assertion=Assertion(negated=True))
    root, leaf = evaluate(policy(tree), [denied], context())
    assert root.status is MET
    assert not leaf.needed
    root, leaf = evaluate(policy(tree), [], context())
    assert root.status is SILENT
    assert leaf.needed


STATUSES = st.sampled_from(list(Status))


@given(st.lists(STATUSES, min_size=3, max_size=3), st.sampled_from(["all", "any"]))
def test_statuses_known_from_elsewhere_combine_as_evaluated_ones_do(statuses: list[Status], kind: str) -> None:
    tree = (
        f"{{id: root, statement: All of it or any of it, {kind}: [{', '.join(leaf_yaml(sign) for sign in SIGNS[:3])}]}}"
    )
    combined = combine_statuses(policy(tree), dict(zip(SIGNS[:3], statuses, strict=True)))
    assert combined is combine_statuses(policy(tree), dict(reversed(list(zip(SIGNS[:3], statuses, strict=True)))))
    if TORN in statuses:
        assert combined is TORN
    elif kind == "all":
        assert (combined is MET) == (set(statuses) == {MET})
    else:
        assert (combined is MET) == (MET in statuses)


def test_the_dose_of_a_drug_is_compared_for_that_drug_only() -> None:
    leaf = leaf_yaml("drug_dose", contexts="[methotrexate]", compared='[{op: ">=", value: 15, unit: mg}]')

    def dose(value: float, drug: str) -> Fact:
        return fact("drug_dose", "measurement", value=value, unit="mg", context=drug)

    def judged(made: Fact) -> Status:
        return evaluate(policy(leaf), [made], context())[0].status

    assert judged(dose(20, "methotrexate")) is MET
    assert judged(dose(7.5, "methotrexate")) is NOT_MET
    assert judged(dose(400, "conventional_dmard")) is SILENT


def test_a_drug_that_is_not_taken_contradicts_its_dose() -> None:
    leaf = leaf_yaml("insulin", contexts="[insulin]").replace("[insulin]", "[insulin, drug_dose]", 1)
    dose = fact("drug_dose", "measurement", value=20.0, unit="[iU]", context="insulin", fact_id="f1")
    denied = fact("insulin", "treatment", assertion=Assertion(negated=True), fact_id="f2")
    assert evaluate(policy(leaf), [dose], context())[0].status is MET
    assert evaluate(policy(leaf), [dose, denied], context())[0].status is Status.CONFLICTING


def test_a_value_told_again_in_another_document_is_the_same_value() -> None:
    documents = {"d1": document("", day=days_before(30)), "d2": document("", day=days_before(5))}
    at = context(documents)
    once = [index(20), index(20, document_id="d2")]
    assert status(once, at, concept="ahi", times="2") is SILENT
    assert status([*once, index(22)], at, concept="ahi", times="2") is MET
    assert (
        status([index(20, date=days_before(40)), index(20, date=days_before(30))], at, concept="ahi", times="2") is MET
    )


def test_on_the_newest_day_counts_only_what_that_day_says() -> None:
    days = context({"d1": document("", day=days_before(1)), "d2": document("", day=days_before(0))})
    yesterday, today = fact("fever", document_id="d1"), fact("fever", document_id="d2")
    assert status([yesterday], days, newest="true") is SILENT
    assert status([today], days, newest="true") is MET
    assert status([replace(today, date=days_before(1))], days, newest="true") is SILENT
    assert status([replace(today, context="arrival")], days, newest="true") is SILENT
    only = context({"d1": document("", day=days_before(1))})
    assert status([yesterday], only, newest="true") is MET


def test_what_settles_an_exclusion_must_have_moved_as_far_as_it_says() -> None:
    unless = '{concepts: [ahi], change: {op: "<=", value: -7, unit: "{events}/h"}}'
    item = f"[{{id: under-way, statement: Treatment is under way, evidence: {{concepts: [fever]}}, unless: {unless}}}]"
    asked = policy(leaf_yaml("snoring"), human=item)
    documents = {"d1": document("", day=days_before(90)), "d2": document("", day=days_before(5))}

    def shown(first: float, last: float) -> int:
        values = [index(first, fact_id="f2"), index(last, fact_id="f3", document_id="d2")]
        return len(human_review(asked, [fact("fever"), *values], context(documents)))

    assert shown(22, 9) == 0
    assert shown(22, 19) == 1


def test_a_certified_period_must_last_to_the_last_day_asked_for() -> None:
    certified = fact("certification_period", "record", began=days_before(60), ended=days_before(-20))
    at = replace(context({"d1": document("", day=VISIT)}), last_day=days_before(-10))
    late = replace(at, last_day=days_before(-30))
    assert status([certified], at, concept="certification_period", in_force="true") is MET
    assert status([certified], late, concept="certification_period", in_force="true") is NOT_MET
    assert status([replace(certified, ended=None)], at, concept="certification_period", in_force="true") is SILENT
