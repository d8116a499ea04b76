"""The policy documentation: its worked example is a policy that works, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from building import document, request

from features.lexicon import load_lexicon
from features.measurements import measurement_lexicon
from features.plan_settings import load_plan_settings
from features.policy import Evidence, PolicySet, load_policies, parse_policy
from features.policy_lint import lint
from features.reading import read
from features.types import Status

TEXT = (Path(__file__).parents[1] / "docs" / "policies.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
EXAMPLE = parse_policy(BLOCKS[0], "trapeze-bar.yaml")


def test_the_worked_example_has_nothing_to_correct() -> None:
    assert lint([EXAMPLE], load_lexicon(), measurement_lexicon()) == ()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("She is bedbound since the stroke and must be turned every two hours.", Status.MET),
        ("He is confined to the bed. COPD, sleeps with the head of the bed elevated at 45 degrees.", Status.MET),
        ("She is not bedbound; she walks with a cane. Turned every two hours at night.", Status.NOT_MET),
        ("She is bedbound since the stroke.", Status.NOT_DOCUMENTED),
    ],
)
def test_the_worked_example_judges_as_it_says(text: str, status: Status) -> None:
    asked = request(document(text), code="E0910", system="HCPCS", diagnosis="I69.351")
    assert read(asked, PolicySet((EXAMPLE,), "example")).criteria[0].status is status


def test_the_plan_settings_shown_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "plans.yaml"
    path.write_text(BLOCKS[1], encoding="utf-8")
    settings = load_plan_settings(path, load_policies())
    assert set(settings.plans) == set(yaml.safe_load(BLOCKS[1])["plans"])


def test_every_key_of_evidence_is_explained() -> None:
    table = TEXT[TEXT.index("What a leaf's `evidence` can ask") : TEXT.index("**Four values.**")]
    assert {name for name in Evidence.model_fields if f"`{name}`" not in table} == set()
