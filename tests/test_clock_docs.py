"""docs/clocks.md says what the rules say, and its examples work."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import get_args

import pytest
from building import request
from databases import database_in
from typer.testing import CliRunner

from features.lines_of_business import LINES_OF_BUSINESS
from features.plan_settings import PlanPlace, load_plan_places
from features.types import Coverage
from models.clocks import earliest_due
from models.turnaround_rules import ExtensionReason, TimeAllowed, TurnaroundRule, load_turnaround_rules, problems_of
from serving.cli import app

TEXT = (Path(__file__).parents[1] / "docs" / "clocks.md").read_text("utf-8")
PLANS, OWN = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def section(heading: str) -> str:
    return TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("row", "rule_id", "drug"),
    [
        ("not settled (`default`)", "default", False),
        ("Medicare Advantage", "medicare-advantage", False),
        ("Medicare Advantage, a drug", "medicare-advantage", True),
        ("Medicaid", "medicaid", False),
        ("Medicaid, a drug", "medicaid", True),
        ("CHIP", "chip", False),
        ("commercial, self-funded, marketplace", "erisa", False),
    ],
)
def test_the_table_of_times_is_what_the_rules_say(row: str, rule_id: str, drug: bool) -> None:
    line = next(line for line in section("The times").splitlines() if line.startswith(f"| {row} |"))
    expedited, standard = line.split("|")[2:4]
    rule = load_turnaround_rules().get(rule_id)
    assert rule is not None
    for urgency, cell in (("expedited", expedited), ("standard", standard)):
        allowed = rule.time_for(urgency, "prospective", drug=drug)  # type: ignore[arg-type]  # the two urgencies
        assert allowed is not None
        assert cell.strip().startswith(str(allowed.within))


def test_the_table_of_extensions_names_every_federal_rule_with_its_days() -> None:
    table = section("What moves a due time")
    for rule in load_turnaround_rules().rules:
        if rule.state is None:
            row = next(line for line in table.splitlines() if line.startswith(f"| `{rule.id}` |"))
            days = {each.extension.up_to_days for each in rule.times if each.extension}
            assert row.split("|")[2].strip().startswith(f"{days.pop()} days" if days else "none")
            assert (
                row.split("|")[4].strip().startswith("once extended" if any(t.pause for t in rule.times) else "never")
            )


def test_every_state_that_has_a_rule_is_named() -> None:
    for rule in load_turnaround_rules().rules:
        if rule.state is not None:
            assert rule.id.replace("-", " ").title() in section("The times")


def test_every_key_of_a_rule_is_explained() -> None:
    table = section("Add a rule")
    named = {field.name for kind in (TurnaroundRule, TimeAllowed) for field in fields(kind)}
    named |= {"at_most_days", "only_once_extended", "up_to_days", *get_args(ExtensionReason)}
    assert {name for name in named if f"`{name}`" not in table} == set()
    assert {line for line in LINES_OF_BUSINESS if f"`{line}`" not in TEXT} == set()


def test_the_plan_settings_shown_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(PLANS, encoding="utf-8")
    places = load_plan_places(path)
    assert places.of("PPO-1") == PlanPlace("commercial", "TX", "America/Chicago")
    assert places.of("ASO-7") == PlanPlace("self_funded", None, "America/New_York")


def test_the_rule_shown_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text(OWN, encoding="utf-8")
    assert problems_of(tmp_path) == []
    added = load_turnaround_rules(tmp_path).get("example-contract")
    assert added is not None
    assert added.in_force(date(2026, 1, 1))
    monkeypatch.setenv("GREENLANE_TURNAROUND", str(tmp_path))
    monday = datetime(2026, 6, 1, 15, tzinfo=UTC)
    found = earliest_due(
        request(coverage=Coverage("HMO", "medicaid"), received_at=monday), place=PlanPlace("medicaid", "OH")
    )
    assert (found.rule, found.due_at) == ("example-contract", datetime(2026, 6, 5, 15, tzinfo=UTC))


def test_the_commands_shown_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_DATABASE_URL", database_in(tmp_path))
    commands = re.findall(r"^greenlane (clocks [^#\n]+)", TEXT, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        assert CliRunner().invoke(app, command.split()).exit_code == 0
