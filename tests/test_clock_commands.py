"""``greenlane clocks``: the rules with their sources, and one line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli import greenlane


def test_the_list_names_each_time_with_its_source() -> None:
    done = greenlane("clocks", "list")
    assert done.returncode == 0
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert {len(row) for row in rows} == {5}
    assert ["medicare-advantage", "medicare advantage", "expedited", "72 hours", "42 CFR 422.572(a)(1)"] in rows
    assert ["new-york", "NY commercial, marketplace", "concurrent", "1 business day"] in [row[:4] for row in rows]


def test_one_rule_is_shown_with_its_doubts_extensions_and_pauses() -> None:
    shown = greenlane("clocks", "show", "erisa").stdout
    assert "in doubt: " in shown
    assert "extension, once, up to 15 days: information needed, beyond control (29 CFR 2560.503-1(f)(2)(iii))" in shown
    assert "stands still while information is awaited, once extended, up to 45 days" in shown
    assert "holidays: common" in greenlane("clocks", "show", "new-york").stdout


def test_a_rule_that_is_not_there_is_one_line_and_exit_code_2() -> None:
    done = greenlane("clocks", "show", "utopia")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "greenlane: utopia: there is no such turnaround rule; `greenlane clocks list` names them\n"


def test_lint_counts_what_can_be_used_and_names_what_cannot(tmp_path: Path) -> None:
    done = greenlane("clocks", "lint")
    assert (done.returncode, done.stdout.endswith("nothing to correct\n")) == (0, True)
    (tmp_path / "own.yaml").write_text("rules: [{id: ohio}]", encoding="utf-8")
    done = greenlane("clocks", "lint", tmp_path)
    assert (done.returncode, done.stdout) == (1, "own.yaml: ohio: version: field required\n")


def test_own_rules_are_listed_and_a_broken_one_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_TURNAROUND", str(tmp_path))
    (tmp_path / "own.yaml").write_text(
        "rules: [{id: ohio, version: '1', title: Ours, lines_of_business: [medicaid], state: OH, "
        "times: [{within: 2 calendar days, source: contract}]}]",
        encoding="utf-8",
    )
    assert "ohio\tOH medicaid\tevery request\t2 calendar days\tcontract" in greenlane("clocks", "list").stdout
    (tmp_path / "own.yaml").write_text("rules: [}", encoding="utf-8")
    done = greenlane("clocks", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "greenlane: own.yaml: not valid YAML near line 1\n"
