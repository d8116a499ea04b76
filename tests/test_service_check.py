"""The commands a writer of a service's file works with: lint, show, and what the reader makes of the notes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from features.policy import CoveragePolicy, load_policies
from training import __main__ as command_line
from training.__main__ import app
from training.service_check import BankCheck, check_service, report
from training.synthetic.lint import lint_files, problems
from training.synthetic.service import ServiceError, load_services, parse_service
from training.synthetic.showing import show
from training.synthetic.sketch import sketch


@pytest.fixture(scope="module")
def checks() -> list[BankCheck]:
    return list(check_service("cpap-osa", 40))


def test_every_told_state_is_compared_leaf_by_leaf_in_both_banks(checks: list[BankCheck]) -> None:
    assert [check.bank for check in checks] == ["seen", "unseen"]
    for check in checks:
        assert check.n == check.sound + check.unsound == 40
        assert check.passed <= check.sound
        for row in check.rows:
            assert row.n == row.agree + sum(misread.count for misread in row.misread.values())
        told = {row.about for row in check.rows}
        assert {"test=home", "order=signed"} <= told


def test_most_sound_stories_are_read_as_met_in_the_seen_phrases(checks: list[BankCheck]) -> None:
    seen = checks[0]
    assert seen.passed >= 0.8 * seen.sound
    assert sum(misread.count for misread in seen.slipped.values()) <= 0.15 * seen.unsound


def test_a_misreading_is_reported_with_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that says the opposite of its phrases is found, with the phrase quoted."""
    service = load_services()["cpap-osa"]
    taught = (
        service.elements["instruction"]
        .states["taught"]
        .model_copy(update={"seen": ("The device was not taught.",), "unseen": ("The device was not taught.",)})
    )
    element = service.elements["instruction"].model_copy(update={"states": {"taught": taught}})
    broken = service.model_copy(update={"elements": {**service.elements, "instruction": element}})
    monkeypatch.setattr("training.synthetic.generator.load_services", lambda: {"cpap-osa": broken})
    monkeypatch.setattr("training.service_check.load_services", lambda: {"cpap-osa": broken})
    lines = "\n".join(report(next(check_service("cpap-osa", 15))))
    assert "instruction=taught  instruction: met in" in lines
    assert "The device was not taught." in lines
    assert "HELD BACK" in lines


@pytest.mark.parametrize("policy", load_policies().policies, ids=lambda policy: policy.policy_id)
def test_the_sketch_of_every_policy_is_a_file_that_lacks_only_words(policy: CoveragePolicy) -> None:
    service = parse_service("\n".join(sketch(policy)), "sketch")
    words = ("writes nothing", "an empty phrase", "nothing_is_written", "among the policy's diagnoses", "under seen")
    left = [each for each in problems(service, policy) if not any(word in each for word in words)]
    assert not left, "\n".join(left)


def test_shown_cases_fulfil_the_conditions() -> None:
    lines = list(show("knee-mri", 2, ("conservative_care=planned",), 1, "train"))
    states = [line for line in lines if line.startswith("states: ")]
    assert len(states) == 2
    assert all("conservative_care=planned" in line for line in states)
    with pytest.raises(ServiceError, match="0 of"):
        list(show("knee-mri", 1, ("conservative_care=never_told",), 1, "train"))


def test_a_name_without_a_file_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ServiceError, match=r"^bariatric\.yaml: there is no such file in training/synthetic/services$"):
        lint_files(("knee-mri", "bariatric"))
    monkeypatch.setattr("sys.argv", ["training", "lint-services", "--service", "bariatric"])
    assert command_line.run() == 2
    assert capsys.readouterr().err == (
        "training: bariatric.yaml: there is no such file in training/synthetic/services\n"
    )


def test_the_commands_print_and_set_exit_codes(tmp_path: Path) -> None:
    runner = CliRunner()
    linted = runner.invoke(app, ["lint-services", "--service", "knee-mri"])
    assert linted.exit_code == 0
    assert linted.stdout.endswith("1 files, 0 problems\n")
    shown = runner.invoke(app, ["show-case", "--service", "knee-mri", "--unseen"])
    assert shown.exit_code == 0
    assert "meets policy" in shown.stdout
    generated = runner.invoke(
        app, ["generate", "--n", "20", "--out", str(tmp_path), "--processes", "1", "--service", "knee-mri"]
    )
    assert generated.exit_code == 0
    assert len((tmp_path / "cases.jsonl").read_text().splitlines()) == 20
