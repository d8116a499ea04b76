"""Report, card and registered model: complete, self-contained, and without notes unless they were asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_training import bundles, dataset, empty_store, fit, kept_candidate, registry

from features.vector import SCHEMA
from models.bundle import Bundle
from training.dataset import Dataset
from training.errors import DatasetError, TrainingError
from training.evaluate import Evaluation, evaluate
from training.feature_table import feature_table
from training.model_card import ATTRIBUTES, build_card, stated_facts
from training.report import Report, build_report, wrong_examples

pytestmark = pytest.mark.slow

__all__ = ["empty_store", "registry"]

ROOT = Path(__file__).parents[1]
NOTE = "An invented note about the left knee."


@pytest.fixture(scope="module")
def cases() -> Dataset:
    """Of the eligible cases one in a hundred was not approved, so that the report has errors to show."""
    return dataset(6000, error_in_eligible=0.01)


@pytest.fixture(scope="module")
def pair(cases: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    return bundles(tmp_path_factory.mktemp("pair"), fit(cases, target=0.03), cases)


@pytest.fixture(scope="module")
def evaluation(cases: Dataset, pair: tuple[Bundle, Bundle]) -> Evaluation:
    return evaluate(*pair, cases)


@pytest.fixture(scope="module")
def report(cases: Dataset, pair: tuple[Bundle, Bundle], evaluation: Evaluation) -> Report:
    return build_report(*pair, cases, evaluation)


def test_the_page_needs_nothing_from_elsewhere(report: Report) -> None:
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*""", report.html) == []
    assert not re.search(r"<(script|link|img|iframe)\b|@import|url\((?!#)", report.html)
    assert report.html.count("<svg") == 7


def test_the_page_shows_what_a_reviewer_of_the_model_asks_for(report: Report, evaluation: Evaluation) -> None:
    for heading in (
        "The guarantee",
        "baselines",
        "Probabilities",
        "held requests back",
        "Groups of members",
        "Features",
    ):
        assert heading in report.html
    for spec in SCHEMA.features:
        assert spec.name.replace("_", " ") in report.html
    share = evaluation.fast_lane["all"].share_of_approvable
    assert share is not None
    assert f"{share:.1%}" in report.html


def test_every_picture_and_table_is_a_file_too(report: Report, tmp_path: Path) -> None:
    written = {path.name for path in report.write(tmp_path)}
    assert written == {
        *("report.html", "certificates.csv", "fast_lane.csv", "reasons.csv", "subgroups.csv", "feature_effects.csv"),
        *("fast-lane-by-family.png", "risk-coverage.png", "reliability.png", "ranking.png", "reasons.png"),
        *("subgroups.png", "feature-effects.png"),
    }
    assert all((tmp_path / "report" / name).stat().st_size > 20 for name in written - {"report.html"})
    groups = (tmp_path / "report" / "subgroups.csv").read_text().splitlines()
    assert len(groups) == 1 + 1 + 3 + 2 + 2


def test_the_same_run_gives_the_same_page(
    report: Report, cases: Dataset, pair: tuple[Bundle, Bundle], evaluation: Evaluation
) -> None:
    assert build_report(*pair, cases, evaluation).html == report.html


def test_subgroups_add_up_to_everybody(evaluation: Evaluation) -> None:
    everybody = evaluation.subgroups[0]
    for attribute in ("age_band", "sex", "line_of_business"):
        rows = [row for row in evaluation.subgroups if row.attribute == attribute]
        for count in ("cases", "approvable", "fast_tracked", "wrong"):
            assert sum(getattr(row, count) for row in rows) == getattr(everybody, count)


def test_where_nothing_is_known_of_the_members_no_group_is_made_up(cases: Dataset, pair: tuple[Bundle, Bundle]) -> None:
    unknown = replace(cases, groups={})
    found = evaluate(*pair, unknown)
    assert found.subgroups == ()
    assert "no group was compared" in build_report(*pair, unknown, found).html


def test_errors_are_shown_with_their_notes_only_where_asked(
    cases: Dataset, pair: tuple[Bundle, Bundle], evaluation: Evaluation, report: Report, tmp_path: Path
) -> None:
    wrong = wrong_examples(pair[0], cases.split("test"))
    assert wrong
    assert "Notes are not shown." in report.html
    path = tmp_path / "cases.jsonl"
    documents = [{"type": "progress_note", "date": "2026-11-01", "text": NOTE + "<script>"}]
    lines = [json.dumps({"request": {"external_id": e.external_id, "documents": documents}}) for e in wrong]
    path.write_text("\n".join(lines))
    page = build_report(*pair, cases, evaluation, path).html
    assert NOTE in page
    assert "<script>" not in page
    path.write_text("{")
    with pytest.raises(DatasetError, match=r"cases\.jsonl: the notes of the errors cannot be read"):
        build_report(*pair, cases, evaluation, path)


def test_the_card_has_every_source_attribute_once_and_says_something_about_each(
    cases: Dataset, pair: tuple[Bundle, Bundle], evaluation: Evaluation
) -> None:
    card = build_card(pair[0], cases, evaluation)
    stated = re.findall(r"^\*\*(\d+)\. ([^*]+)\.\*\* (.+)$", card, re.MULTILINE)
    assert [int(number) for number, _, _ in stated] == list(range(1, ATTRIBUTES + 1))
    assert len({title for _, title, _ in stated}) == ATTRIBUTES
    assert all(len(text) > 15 for _, _, text in stated)
    assert not re.search(
        r"\b(TODO|TBD|FIXME|XXX|lorem|n/a)\b|\{\{|\}\}|\{%|<[a-z]+>|\[[^\]]*\]\(?\)|\.\.(?!\.)", card, re.I
    )
    assert all(name in card for name in ("advanced imaging", "sleep dme", pair[0].sha256, SCHEMA.hash))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("funding:", "founding:"), "says nothing about funding"),
        (lambda text: text + "\nsurprise: yes really\n", "unknown entries surprise"),
        (lambda text: "[", "is not YAML"),
    ],
)
def test_a_card_with_something_left_unsaid_is_refused(
    spoil: Callable[[str], str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "training" / "model_card.yaml").read_text("utf-8")
    monkeypatch.setattr(Path, "read_text", lambda self, **_: spoil(text))
    with pytest.raises(TrainingError, match=message):
        stated_facts()


def test_the_table_of_features_is_current() -> None:
    assert (ROOT / "docs" / "features.md").read_text("utf-8") == feature_table(SCHEMA)
    assert all(spec.source and spec.meaning for spec in SCHEMA.features)


def test_the_registered_model_takes_whole_requests(registry: Path, sample_bodies: list[dict[str, Any]]) -> None:
    """As `mlflow models serve` and `spark_udf` call it: through the registry's alias."""
    import mlflow
    import pandas as pd

    from features.request import parse_request
    from models.bundle import load_bundle
    from models.result import result_to_json
    from models.triage import triage

    cases = dataset(3000)
    kept_candidate(registry / "out", cases, fit(cases))
    model = mlflow.pyfunc.load_model("models:/greenlane-approval@challenger")
    asked = {
        name: value
        for name, value in sample_bodies[0].items()
        if name not in ("expected_route", "expected_why", "trap")
    }
    asked["received_at"] = "2026-11-20T15:04:05Z"
    texts = [json.dumps(asked), json.dumps({**asked, "surprise": 1}), "{"]
    answers = model.predict(pd.DataFrame({"request": texts}))
    assert answers["route"].tolist()[1:] == ["nurse_review", "nurse_review"]
    assert [bool(error) for error in answers["error"]] == [False, True, True]
    assert "surprise" in answers["error"][1]
    alone = triage(parse_request(asked), bundle=load_bundle(registry / "out" / "candidate"))
    assert json.loads(answers["result"][0]) == json.loads(json.dumps(result_to_json(alone)))
    information = mlflow.models.get_model_info("models:/greenlane-approval@challenger")
    assert [column.name for column in information.signature.inputs.inputs] == ["request"]
    assert information.saved_input_example_info is not None
    files = Path(mlflow.artifacts.download_artifacts("models:/greenlane-approval@challenger"))
    pinned = (files / "requirements.txt").read_text().split()
    assert all("==" in line for line in pinned)
    assert not list(files.rglob("*.pkl"))
    assert list(files.rglob("model.skops"))
