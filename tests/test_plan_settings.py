"""What a plan asks of the policies: all of them, the national rules only, or all but a common custom."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import request

from features.errors import PolicyError
from features.plan_settings import PlanPlace, PlanSettings, load_plan_places, load_plan_settings
from features.policy import PolicySet, parse_policy
from models.triage import triage
from models.types import Route

POLICY = """
policy_id: test-policy
version: "2026.1"
title: A policy for a test
family: imaging
effective: {from: 2026-01-01}
sources: [{id: none, kind: test}]
codes: [{system: CPT, code: "1"}]
criteria:
  id: root
  statement: Everything is documented
  ask: &ask Please send the proof.
  all:
    - {id: rule, statement: A national rule asks it, basis: national, ask: *ask, evidence: {concepts: [stroke]}}
    - id: custom
      statement: Plans commonly ask it too
      any:
        - {id: custom-one, statement: One way to show it, basis: common, ask: *ask, evidence: {concepts: [snoring]}}
        - {id: custom-two, statement: Another way to show it, basis: common, ask: *ask, evidence: {concepts: [insomnia]}}
    - {id: advice, statement: A society advises it, basis: guideline, ask: *ask, evidence: {concepts: [fever]}}
human_review:
  - {id: doubt, statement: A nurse always looks at this, evidence: {concepts: [pregnancy]}}
"""
SET = PolicySet((parse_policy(POLICY, "test.yaml"),), "hash")


def settings(tmp_path: Path, content: str) -> PlanSettings:
    path = tmp_path / "plans.yaml"
    path.write_text(content, encoding="utf-8")
    return load_plan_settings(path, SET)


def ids(plans: PlanSettings, plan: str | None) -> set[str]:
    return {node.id for node in plans.applied(SET.policies[0], plan).criteria.walk()}


def test_every_plan_is_read_strictly_unless_it_says_otherwise() -> None:
    policy = SET.policies[0]
    assert load_plan_settings(None, SET).applied(policy, "PPO-1") is policy


def test_a_plan_may_ask_for_the_national_rules_only(tmp_path: Path) -> None:
    plans = settings(tmp_path, "plans: {PPO-1: {reading: national}}")
    assert ids(plans, "PPO-1") == {"root", "rule"}
    assert "custom-one" in ids(plans, "PPO-2")
    assert "custom-one" in ids(plans, None)
    applied = plans.applied(SET.policies[0], "PPO-1")
    assert applied.version == "2026.1+national"
    assert applied.human_review == SET.policies[0].human_review


def test_a_plan_may_leave_out_a_common_custom(tmp_path: Path) -> None:
    plans = settings(tmp_path, "default: {without: {test-policy: [custom]}}")
    assert ids(plans, "PPO-9") == {"root", "rule", "advice"}
    assert plans.applied(SET.policies[0], None).version.startswith("2026.1+strict.without.")


def test_a_policy_of_which_nothing_national_would_remain_is_read_in_full(tmp_path: Path) -> None:
    policy = parse_policy(POLICY.replace("basis: national", "basis: local"), "test.yaml")
    assert settings(tmp_path, "default: {reading: national}").applied(policy, None) is policy


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("plans: {P: {reading: loose}}", "P: reading must be strict or national"),
        ("plans: {P: {without: {other: [x]}}}", "other: there is no such policy"),
        ("plans: {P: {without: {test-policy: [x]}}}", "x: there is no such criterion"),
        ("plans: {P: {without: {test-policy: [root]}}}", "root: there is no such criterion"),
        ("plans: {P: {without: {test-policy: [rule]}}}", "rule: only common practice can be left out"),
        ("plans: {P: {without: {test-policy: [advice]}}}", "advice: only common practice can be left out"),
        ("plans: {P: {denied: true}}", "P: has reading and without"),
        ("plans: {P: {line_of_business: dental}}", "P: line_of_business must be one of commercial, self_funded"),
        ("plans: {P: {line_of_business: [medicaid]}}", "P: line_of_business must be one of"),
        ("plans: {P: {state: Texas}}", "P: state must be two capital letters"),
        ("default: {time_zone: Chicago}", "default: time_zone must be a name such as America/Chicago"),
        ("default: {time_zone: America}", "default: time_zone must be a name"),
        ("default: {time_zone: ../etc/passwd}", "default: time_zone must be a name"),
        ("plans: [P]", "plans must be a mapping"),
        ("policies: {}", "must be a mapping with default and plans"),
        ("plans: {", "not valid YAML near line"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        settings(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"plans\.yaml: the plan settings cannot be read"):
        load_plan_settings(tmp_path / "plans.yaml", SET)


def test_settings_that_can_not_be_read_send_every_request_to_a_nurse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plans.yaml").write_text("plans: {P: {reading: loose}}")
    monkeypatch.setenv("GREENLANE_PLANS", str(tmp_path / "plans.yaml"))
    result = triage(request())
    assert result.route is Route.NURSE_REVIEW
    assert [reason.code for reason in result.reasons] == ["system_error"]


def test_a_plan_has_the_place_of_default_where_it_says_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(
        "default: {time_zone: America/New_York, line_of_business: medicaid}\n"
        "plans: {PPO-1: {line_of_business: commercial, state: TX}, HMO-2: {reading: national}}"
    )
    places = load_plan_places(path)
    assert places.of("PPO-1") == PlanPlace("commercial", "TX", "America/New_York")
    assert places.of("HMO-2") == places.of(None) == PlanPlace("medicaid", None, "America/New_York")
    assert load_plan_places(None).of("PPO-1") == PlanPlace(None, None, "UTC")


def test_a_mistake_in_what_plans_ask_leaves_their_clocks_right(tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text("plans: {PPO-1: {reading: loose, line_of_business: commercial}}")
    assert load_plan_places(path).of("PPO-1").line_of_business == "commercial"


@pytest.mark.parametrize(
    "content", ["plans: {P: {state: Texas}}", "plans: {P: {colour: red}}", "plans: [P]", "plans: {"]
)
def test_a_place_that_is_wrong_is_named_where_clocks_read_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "plans.yaml").write_text(content)
    with pytest.raises(PolicyError, match=r"plans\.yaml: "):
        load_plan_places(tmp_path / "plans.yaml")
