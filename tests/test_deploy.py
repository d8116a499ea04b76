"""The files of docs/deploy name only what there is: settings, commands, paths."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from serving.cli import app
from serving.settings import Settings, load_settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "docs" / "deploy"
FILES = sorted(file for file in DEPLOY.iterdir() if file.suffix != ".lock")
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]  # a group


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_setting_named_is_one_of_ours(file: Path) -> None:
    known = {field.title for field in Settings.model_fields.values()}
    named = set(re.findall(r"GREENLANE_[A-Z_]+", file.read_text())) - {"GREENLANE_NAME"}
    assert {name.removesuffix("_FILE") if name not in known else name for name in named} <= known


@pytest.mark.parametrize("unit", sorted(DEPLOY.glob("*.service")), ids=lambda unit: unit.name)
def test_every_unit_runs_a_command_of_ours_under_limits(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    run = [shlex.split(line.split("=", 1)[1].lstrip("-")) for line in lines if line.startswith("ExecStart")]
    assert run
    assert {arguments[1] for arguments in run} <= COMMANDS
    for limit in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "LimitCORE=0", "UMask=0077"):
        assert limit in lines
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        complaints = [line for line in done.stderr.splitlines() if unit.name in line and "not executable" not in line]
        assert complaints == []


def test_what_is_stopped_has_the_time_that_the_settings_give_it() -> None:
    stop = Settings().stop_seconds
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].values()
    drains = [float(one.get("environment", {}).get("GREENLANE_DRAIN_SECONDS", 0)) for one in services]
    unit = (DEPLOY / "greenlane.service").read_text()
    needed = max(drains) + 2 * stop + 40
    assert float(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) >= needed
    grace = re.findall(r"stop_grace_period: (\d+)s", (DEPLOY / "compose.yaml").read_text())
    assert float(grace[0]) >= needed


def test_no_unit_names_a_file_that_nothing_installs() -> None:
    assert not any("Documentation=file:" in unit.read_text() for unit in DEPLOY.glob("*.service"))


def test_every_container_of_the_compose_file_runs_a_command_of_ours() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if "command" in service}
    assert {"serve", "work", "migrate"} == set(ours)
    assert {service["command"][0] for service in ours.values()} <= COMMANDS
    for service in ours.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve().is_file()


def test_everything_the_container_copies_is_there_and_nothing_else_is_given_to_its_build() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    assert copied
    for name in (name for names in copied for name in names):
        assert (ROOT / name).exists()
    rules = [line for line in (ROOT / ".containerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {name for names in copied for name in names}
    assert next(line for line in reversed(lines) if line.startswith("USER")) == "USER greenlane"


def test_the_secrets_of_the_compose_file_are_not_kept_with_the_code() -> None:
    secrets = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["secrets"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for secret in secrets.values():
        assert f"{(DEPLOY / secret['file']).parent.relative_to(ROOT)}/" in ignored


def test_a_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "database_url"
    file.write_text("sqlite:///elsewhere.db\n")
    assert load_settings({"GREENLANE_DATABASE_URL_FILE": str(file)}).database_url == "sqlite:///elsewhere.db"
