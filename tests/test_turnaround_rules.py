"""Turnaround rules as data: the packaged ones can be used, say what they rest on, and a mistake in one's own is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.types import Service
from models.errors import TurnaroundError
from models.turnaround_rules import Limit, load_turnaround_rules, problems_of

RULE = """
rules:
  - id: ohio
    version: "1"
    title: A rule for a test
    lines_of_business: [commercial]
    state: OH
    times:
      - {urgency: expedited, within: 48 hours, source: A law}
      - {urgency: standard, within: 10 calendar days, source: A law}
"""


def own(tmp_path: Path, content: str) -> Path:
    (tmp_path / "own.yaml").write_text(content, encoding="utf-8")
    return tmp_path


def test_the_packaged_rules_have_nothing_to_correct() -> None:
    assert problems_of() == []


def test_every_packaged_rule_says_where_to_read_it() -> None:
    for rule in load_turnaround_rules().rules:
        assert rule.link.startswith("https://"), rule.id
        assert all(each.source for each in rule.times), rule.id


def test_no_rule_of_a_state_stops_its_clock_or_gives_more_time() -> None:
    for rule in load_turnaround_rules().rules:
        if rule.state is not None:
            assert all(each.extension is None and each.pause is None for each in rule.times), rule.id


def test_a_plan_adds_a_rule_of_its_own(tmp_path: Path) -> None:
    rules = load_turnaround_rules(own(tmp_path, RULE))
    added = rules.get("ohio")
    assert added is not None
    assert added.times[1].within == Limit(10, "calendar day")
    assert rules.hash != load_turnaround_rules().hash
    assert rules.get("erisa") == load_turnaround_rules().get("erisa")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    import os

    first = load_turnaround_rules(own(tmp_path, RULE))
    path = tmp_path / "own.yaml"
    path.write_text(RULE.replace("48 hours", "24 hours"), encoding="utf-8")
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    second = load_turnaround_rules(tmp_path)
    assert (first.rules[-1].times[0].within.count, second.rules[-1].times[0].within.count) == (48, 24)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            RULE.replace("48 hours", "two days"),
            r"own\.yaml: ohio: times\.1\.within: must be a number of hours, calendar",
        ),
        (RULE.replace("48 hours", "0 hours"), r"ohio: times\.1\.within: must be a number of hours"),
        (RULE.replace("source: A law}", "sauce: A law}"), r"ohio: times\.1\.source: "),
        (RULE.replace("state: OH", "state: Ohio"), r"ohio: state: string should match pattern"),
        (RULE.replace("[commercial]", "[medicate]"), r"ohio: lines_of_business\.1: input should be 'commercial'"),
        (RULE.replace("[commercial]", "[]"), "ohio: lines_of_business: names none"),
        (RULE.replace("id: ohio", "id: erisa"), "erisa: there is another rule of this id"),
        (RULE.replace("state: OH", "holidays: moon"), "ohio: holidays: there is no calendar moon"),
        (
            RULE.replace("    state: OH\n", "").replace("urgency: standard, ", "urgency: expedited, "),
            r"ohio: times\.2: no r",
        ),
        (
            RULE.replace("    state: OH\n", "").replace("urgency: standard", "review_types: [retrospective]"),
            "ohio: times: a federal rule needs a time for every request; none fits standard prospective",
        ),
        (
            RULE.replace("state: OH", "in_force_from: 2026-02-01\n    in_force_until: 2026-01-01"),
            "ohio: in_force_until: ends before it begins",
        ),
        (RULE + "colour: red\n", "colour: unexpected keyword"),
        ("- rules", r"own\.yaml: must be a mapping with rules"),
        ("rules: {", r"own\.yaml: not valid YAML near line"),
        (
            "holidays: {own: {observed: true, source: A law, days: [{name: A day, month: 2, day: 30}]}}",
            "holidays: own: A day: needs a month with a day every year",
        ),
        (
            "holidays: {own: {observed: true, source: A law, days: [{name: A day, month: 2, weekday: monday, week: 5}]}}",
            "holidays: own: A day: needs a month",
        ),
        ("alarms: {share_left: 2, at_most_hours: 1}", r"own\.yaml: alarms\.share_left: input should be less than"),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(TurnaroundError, match=words) as raised:
        load_turnaround_rules(own(tmp_path, content))
    assert "\n" not in str(raised.value)
    assert str(raised.value) in problems_of(tmp_path)


def test_every_broken_file_is_named_at_once(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("rules: {", encoding="utf-8")
    assert [line.split(":")[0] for line in problems_of(tmp_path)] == ["a.yaml", "b.yaml"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TurnaroundError, match="nowhere: there is no such folder"):
        load_turnaround_rules(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("service", "drug"),
    [
        (Service("NDC", "00074-0243-02"), True),
        (Service("HCPCS", "J0585"), True),
        (Service("HCPCS", "j0585"), True),
        (Service("HCPCS", "Q5131"), True),
        (Service("HCPCS", "Q5001"), False),
        (Service("HCPCS", "E0601"), False),
        (Service("CPT", "72148"), False),
    ],
)
def test_a_drug_is_known_by_its_code(service: Service, drug: bool) -> None:
    assert load_turnaround_rules().is_drug(service) is drug
