"""What /readyz can say of plan settings and turnaround rules."""

from __future__ import annotations

from pathlib import Path

from serving.reading import Reader
from serving.settings import Settings


def test_turnaround_rules_that_cannot_be_used_are_named_among_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("rules: [}", encoding="utf-8")
    seen = Reader.load(Settings(model_dir=tmp_path, turnaround=tmp_path)).readiness()
    assert seen["turnaround"].startswith("the turnaround rules cannot be used")
    assert "turnaround" not in Reader.load(Settings(model_dir=tmp_path)).readiness()
