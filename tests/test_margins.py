"""How near a policy's limits the facts lie that meet it: by kind of limit, along the branch that holds best."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from building import context, days_before, fact
from hypothesis import given
from hypothesis import strategies as st
from test_criteria import judge, leaf_yaml, policy, therapy

from features.criteria import evaluate
from features.margins import FAR, Margins, margins
from features.types import Fact, Status


def index(value: float, **changes: Any) -> Fact:
    return fact("apnea_hypopnea_index", "measurement", value=value, unit="{events}/h", **changes)


def of(criteria: str, facts: list[Fact]) -> Margins:
    numbered = [replace(made, fact_id=f"f{n}") for n, made in enumerate(facts, 1)]
    asked = policy(criteria)
    return margins(asked, evaluate(asked, numbered, context()), numbered, context())


def of_leaf(facts: list[Fact], concept: str, **evidence: str) -> Margins:
    return of(leaf_yaml(concept, **evidence), facts)


def limit(op: str, value: float, unit: str = "'{events}/h'") -> str:
    return f"[{{op: '{op}', value: {value}, unit: {unit}}}]"


@pytest.mark.parametrize(("value", "margin"), [(15.0, 0.0), (18.0, 0.2), (30.0, 1.0), (90.0, 1.0)])
def test_a_values_margin_is_its_distance_relative_to_the_limit(value: float, margin: float) -> None:
    found = of_leaf([index(value)], "apnea_hypopnea_index", compared=limit(">=", 15))
    assert found == pytest.approx(FAR._replace(value=margin, weakest=margin))
    assert found.closest == pytest.approx(margin)


def test_where_the_limit_itself_does_not_count_the_first_whole_number_is_at_it() -> None:
    assert of_leaf([index(11)], "apnea_hypopnea_index", compared=limit(">", 10)).value == 0.0
    assert of_leaf([index(10.5)], "apnea_hypopnea_index", compared=limit(">", 10)).value == pytest.approx(0.05)


def test_a_scale_that_begins_at_normal_is_measured_from_there() -> None:
    warm = fact("body_temperature", "measurement", value=38.96, unit="Cel")
    found = of_leaf([warm], "body_temperature", compared=limit(">=", 38.3, "Cel"))
    assert found.value == pytest.approx(0.66 / 1.3)


def test_what_is_prescribed_or_graded_is_not_close_at_its_limit() -> None:
    visits = fact("nursing_visits", "measurement", value=5.0, unit="1/wk")
    grade = fact("muscle_strength", "measurement", value=3.0, unit="{grade}")
    assert of_leaf([visits], "nursing_visits", compared=limit(">=", 5, "1/wk")).closest == 1.0
    assert of_leaf([grade], "muscle_strength", compared=limit("<=", 3, "'{grade}'")).closest == 1.0
    often = replace(visits, value=6.0)
    assert of_leaf([often], "nursing_visits", compared=limit("<", 7, "1/wk")).value == 0.0


def test_a_change_is_measured_between_its_two_values() -> None:
    first = index(30, context="earlier", date=days_before(60))
    last = index(18, date=days_before(5))
    found = of_leaf([first, last], "apnea_hypopnea_index", change="{op: '<=', value: -10, unit: '{events}/h'}")
    assert found.change == pytest.approx(0.2)
    assert found.value == 1.0


@pytest.mark.parametrize(("weeks", "margin"), [(6.0, 0.0), (8.0, 1 / 3), (20.0, 1.0)])
def test_a_length_has_a_margin(weeks: float, margin: float) -> None:
    found = of_leaf([therapy(value=weeks)], "physical_therapy", lasting="{value: 6, unit: wk}")
    assert found.length == pytest.approx(margin)


def test_what_had_to_lie_back_and_what_had_to_be_recent_are_two_kinds() -> None:
    then = fact("fever", date=days_before(28))
    assert of_leaf([then], "fever", beyond="{value: 3, unit: wk}").length == pytest.approx(1 / 3)
    assert of_leaf([then], "fever", within="{value: 35, unit: d}").recency == pytest.approx(0.2)
    assert of_leaf([then], "fever", onset_within="{value: 40, unit: d}").recency == pytest.approx(0.3)


def test_within_a_day_or_two_no_margin_can_be_told() -> None:
    assert of_leaf([fact("fever", date=days_before(1))], "fever", within="{value: 1, unit: d}").recency == 1.0


def test_a_range_from_the_limit_its_concept_names_leaves_open_which() -> None:
    def bed(text: str) -> float:
        return of_leaf([fact("head_above_30_degrees", "finding", text=text)], "head_above_30_degrees").value

    assert bed("head of bed at 30-45") == bed("HOB 30 to 45 degrees") == 0.0
    assert bed("head of bed at 45") == bed("HOB 40-60") == 1.0


def test_of_several_facts_the_one_furthest_from_its_limit_counts() -> None:
    day = days_before(12)
    found = of_leaf([index(15, date=day), index(24, date=day)], "apnea_hypopnea_index", compared=limit(">=", 15))
    assert found.value == pytest.approx(0.6)


def branches(kind: str) -> str:
    one = leaf_yaml("apnea_hypopnea_index", compared=limit(">=", 15))
    other = leaf_yaml("physical_therapy", lasting="{value: 6, unit: wk}")
    return f"{{id: whole, statement: The whole is shown, {kind}: [{one}, {other}]}}"


def test_all_is_as_near_as_its_nearest_part_and_any_as_far_as_its_furthest_branch() -> None:
    facts = [index(15), therapy(value=9.0)]
    assert of(branches("all"), facts) == pytest.approx(Margins(0.0, 1.0, 0.5, 1.0, 0.0))
    assert of(branches("any"), facts) == pytest.approx(Margins(1.0, 1.0, 0.5, 1.0, 0.0))


def test_what_is_not_met_has_no_margin() -> None:
    facts = [index(14), therapy(value=9.0)]
    assert judge([index(14)], concept="apnea_hypopnea_index", compared=limit(">=", 15)).status is Status.NOT_MET
    assert of(branches("any"), facts) == pytest.approx(FAR._replace(length=0.5, weakest=0.5))
    assert of(branches("all"), []) == FAR


@given(st.floats(15, 200), st.floats(0, 100))
def test_a_value_further_from_its_limit_never_has_a_smaller_margin(value: float, more: float) -> None:
    def margin(one: float) -> float:
        return of_leaf([index(one)], "apnea_hypopnea_index", compared=limit(">=", 15.5)).value

    if value >= 15.5:
        assert 0.0 <= margin(value) <= margin(value + more) <= 1.0
