"""The document's table of actions against what the service records."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from serving.sights import Sight
from serving.work import ActionKind

ROOT = Path(__file__).parents[1]


def recorded(file: Path) -> Iterator[str]:
    """The actions that calls of ``record`` and ``_record`` in a file name, as text or by a constant of the module."""
    for call in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not isinstance(call, ast.Call):
            continue
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for given in call.args if called in ("record", "_record") else ():
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield given.value
            elif isinstance(given, ast.Name) and given.id.isupper():
                yield str(getattr(importlib.import_module(f"serving.{file.stem}"), given.id))


def test_the_document_has_every_action_that_is_recorded_and_no_other() -> None:
    table = (ROOT / "docs" / "trail.md").read_text("utf-8").split("| action | when |")[1].split("\n\n")[0]
    told = [name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    actions = {action for file in (ROOT / "serving").glob("*.py") for action in recorded(file)}
    assert {"hold_placed", "searched", "webhook_added"} <= actions
    assert sorted(told) == sorted(actions | set(Sight) | set(ActionKind))
