"""Watching: what moves is seen, what stands still is not, and a family whose bound does not hold is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from history_files import row, stamp, written
from scipy.stats import beta
from test_training import NAMES, bundles, dataset, fit

from models.bundle import Bundle, promote_bundle
from training import __main__ as command_line
from training.dataset import Dataset
from training.drift import (
    REFERENCE_FILE,
    FamilyWatch,
    Served,
    Share,
    carry_reference,
    compare,
    error_bounds,
    exchangeable,
    reference_of,
    stability_index,
    write_reference,
)
from training.drift_output import report_page
from training.errors import DatasetError
from training.train import scores

BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
IMAGING, SLEEP = "advanced_imaging", "sleep_dme"


@pytest.fixture(scope="module")
def cases() -> Dataset:
    made = dataset(4000)
    return replace(
        made, services=np.full(len(made), "CPT:72148"), diagnoses=np.full(len(made), "M54.16"), missing=~made.eligible
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("candidate")


@pytest.fixture(scope="module")
def model(home: Path, cases: Dataset) -> tuple[Bundle, dict[str, Any]]:
    """A trained bundle and its reference, as training writes them."""
    trained = fit(cases)
    bundle, _ = bundles(home, trained, cases)
    reference = json.loads(json.dumps(reference_of(cases, scores(trained.estimator, cases))))
    write_reference(home / "candidate", reference)
    return bundle, reference


def served(cases: Dataset, **changes: Any) -> Served:
    """A window in which every eligible request went down the fast lane, one in ten of them to the audit."""
    n = len(cases)
    audited = cases.eligible & (np.arange(n) % 10 == 0)
    source = np.where(audited, "blind_audit", np.where(cases.eligible, "fast_track", "nurse"))
    fields: dict[str, Any] = {
        "features": cases.features,
        "families": cases.families,
        "services": np.full(n, "CPT:72148"),
        "diagnoses": [("M54.50",)] * n,
        "missing": ~cases.eligible,
        "sources": source,
        "approved": np.where(source == "fast_track", 1, cases.labels),
        "weights": np.where(audited, 10.0, 1.0),
        "retracted": np.zeros(n, dtype=bool),
        "models": np.full(n, ""),
        "received": [BEGIN + timedelta(hours=number) for number in range(n)],
    }
    return Served(**(fields | changes))


@pytest.fixture(scope="module")
def alike() -> Dataset:
    """Requests as those trained on, that no model has seen."""
    return dataset(3000, seed=77)


def watches(report: Any) -> dict[str, FamilyWatch]:
    return {watch.family: watch for watch in report.families}


def shares(report: Any) -> dict[str, Share]:
    return {share.name: share for share in report.shares}


def test_an_unchanged_stream_is_left_alone(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    report = compare(*model, served(alike))
    assert report.to_stop == ()
    assert report.score.level == "steady"
    assert {shift.level for shift in report.features} == {"steady"}
    assert {share.level for share in report.shares} == {"steady"}
    assert report.unseen_codes == ()
    assert {watch.exchangeable for watch in report.families} == {True}
    assert (report.first_day, report.requests) == ("2024-03-01", 3000)
    json.dumps(report.to_json())


def test_a_feature_that_moved_is_named_first(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    features = alike.features.copy()
    features[:, NAMES.index("documents")] += 3
    report = compare(*model, served(alike, features=features))
    assert (report.features[0].name, report.features[0].level) == ("documents", "moved")
    assert all(shift.level == "steady" for shift in report.features[1:])


def test_a_small_window_is_not_called_moved_by_chance(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    few = alike.where(np.arange(len(alike)) < 40)
    report = compare(*model, served(few))
    assert {shift.level for shift in report.features} == {"steady"}


def test_values_beyond_everything_seen_move_even_a_constant_feature() -> None:
    cases = dataset(600)
    cases.features[:, 0] = 1.0
    reference = reference_of(cases, cases.features[:, 1])["features"][NAMES[0]]
    psi, noise = stability_index(reference, np.full(200, 1.0))
    assert psi < noise
    psi, noise = stability_index(reference, np.full(200, 2.0))
    assert psi > 1 > noise


def test_missing_documents_and_unseen_codes_are_counted(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    n = len(alike)
    services = np.where(np.arange(n) % 5 == 0, "CPT:73721", "CPT:72148")
    diagnoses = [("M54.50", "G47.33") if number % 4 == 0 else ("M54.50",) for number in range(n)]
    report = compare(*model, served(alike, services=services, diagnoses=diagnoses, missing=np.ones(n, dtype=bool)))
    found = shares(report)
    assert found["requests for a service never trained on"].served == pytest.approx(0.2)
    assert found["requests with a kind of diagnosis never trained on"].served == pytest.approx(0.25)
    assert found["requests with a criterion not documented"].level == "moved"
    assert report.unseen_codes == ("G47", "CPT:73721")


def test_a_family_in_which_the_audit_finds_too_many_is_to_be_stopped(
    model: tuple[Bundle, dict[str, Any]], alike: Dataset
) -> None:
    window = served(alike)
    wrong = np.flatnonzero((window.sources == "blind_audit") & (alike.families == SLEEP))[:9]
    approved = window.approved.copy()
    approved[wrong] = 0
    report = compare(*model, replace(window, approved=approved))
    assert report.to_stop == (SLEEP,)
    sleep = watches(report)[SLEEP]
    assert sleep.errors >= 9
    assert sleep.lower > sleep.target
    assert "with 95% confidence more than" in sleep.why
    assert f"greenlane fast-track off --family {SLEEP}" in report_page(report)


def test_few_audited_cases_leave_the_certificate_standing(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    report = compare(*model, served(alike.where(np.arange(len(alike)) < 60)))
    for watch in report.families:
        assert watch.standing == "open"
        assert watch.upper > watch.target
        assert watch.exchangeable is None


def test_what_an_earlier_model_let_through_says_nothing_about_this_one(
    model: tuple[Bundle, dict[str, Any]], alike: Dataset
) -> None:
    window = served(alike)
    spoilt = replace(
        window, approved=np.zeros(len(alike), dtype=int), models=np.full(len(alike), "greenlane-approval/0")
    )
    report = compare(*model, spoilt)
    assert report.to_stop == ()
    assert {watch.audited for watch in report.families} == {0}
    ours = f"{model[0].reference.name}/{model[0].reference.version}"
    assert compare(*model, replace(spoilt, models=np.full(len(alike), ours))).to_stop == (IMAGING, SLEEP)


def test_many_retracted_fast_tracks_stop_a_family_without_any_audit(
    model: tuple[Bundle, dict[str, Any]], alike: Dataset
) -> None:
    window = served(alike, approved=np.full(len(alike), -1))
    retracted = (window.sources == "fast_track") & (alike.families == IMAGING) & (np.arange(len(alike)) % 9 == 0)
    report = compare(*model, replace(window, retracted=retracted))
    assert report.to_stop == (IMAGING,)
    assert "were taken back" in watches(report)[IMAGING].why


def test_a_family_without_a_certificate_needs_no_stop(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    bundle, reference = model
    without = tuple(replace(shown, threshold=None, reason="too few cases") for shown in bundle.certificates)
    report = compare(
        replace(bundle, certificates=without), reference, served(alike, approved=np.zeros(len(alike), dtype=int))
    )
    assert report.to_stop == ()
    assert {watch.standing for watch in report.families} == {"not certified"}


def certified_cases(seed: int, n: int = 400) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {"scores": random.beta(60, 1.5, n).tolist(), "approved": (random.random(n) > 0.005).astype(int).tolist()}


def test_cases_like_the_certified_ones_are_hardly_ever_called_different() -> None:
    alarms = 0
    for seed in range(60):
        random = np.random.default_rng(1000 + seed)
        alarms += not exchangeable(
            certified_cases(seed), 0.8, np.maximum(random.beta(60, 1.5, 80), 0.8), np.ones(80, dtype=int), 0.05
        )
    assert alarms <= 60 * 0.05 + 3


def test_scores_of_another_kind_are_called_different() -> None:
    random = np.random.default_rng(3)
    assert not exchangeable(certified_cases(1), 0.8, random.beta(60, 1.5, 80) - 0.03, np.ones(80, dtype=int), 0.005)


def test_bounds_are_clopper_pearson_where_every_case_weighs_the_same() -> None:
    errors = np.arange(200) < 3
    rate, lower, upper = error_bounds(errors, np.full(200, 20.0), 0.95)
    assert rate == pytest.approx(0.015)
    assert upper == pytest.approx(beta.ppf(0.95, 4, 197))
    assert lower == pytest.approx(beta.ppf(0.05, 3, 198))
    assert error_bounds(np.zeros(299, dtype=bool), np.ones(299), 0.95)[2] == pytest.approx(0.00997, abs=1e-4)
    assert error_bounds(np.zeros(0, dtype=bool), np.zeros(0), 0.95) == (0.0, 0.0, 1.0)


def test_a_share_that_changed_under_way_is_weighed_and_bounded() -> None:
    """Twice as many wrong while one in twenty was drawn as while one in five was: unweighted, the bound is too low."""
    random = np.random.default_rng(11)
    truth, covered, covered_without = (0.04 + 0.005) / 2, 0, 0
    for _ in range(400):
        drawn = np.concatenate([random.random(4000) < 0.05, random.random(4000) < 0.2])
        wrong = np.concatenate([random.random(4000) < 0.04, random.random(4000) < 0.005])[drawn]
        weights = np.concatenate([np.full(4000, 20.0), np.full(4000, 5.0)])[drawn]
        covered += error_bounds(wrong, weights, 0.95)[2] >= truth
        covered_without += error_bounds(wrong, np.ones(len(wrong)), 0.95)[2] >= truth
    assert covered >= 400 * 0.95 - 3 * np.sqrt(400 * 0.05 * 0.95)
    assert covered_without < 400 * 0.9


def history(path: Path, *, wrong: Callable[[int], bool], n: int = 60) -> Path:
    """Lumbar MRI requests of the last two months, all drawn for the audit."""
    made = []
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=70)
    for number in range(n):
        received = first + timedelta(days=number)
        each = row(number, approved=not wrong(number), source="blind_audit", audit_probability=0.1)
        each["request"]["received_at"] = stamp(received)
        each["request"]["documents"][0]["date"] = received.date().isoformat()
        made.append({**each, "decided_at": stamp(received + timedelta(days=1))})
    return written(path, made)


@pytest.fixture
def in_service(home: Path, model: tuple[Bundle, dict[str, Any]], tmp_path: Path) -> Path:
    """A model directory with the bundle as its champion."""
    models = tmp_path / "models"
    carry_reference(home / "candidate", promote_bundle(home / "candidate", models))
    return models


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["training", "drift", "--processes", "1", *map(str, arguments)])
    try:
        return command_line.run()
    except SystemExit as ended:
        return int(ended.code or 0)


def test_the_command_ends_with_1_and_names_the_family_and_the_command_to_run(
    in_service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = history(tmp_path / "decisions.jsonl", wrong=lambda number: number % 5 == 0)
    assert run(monkeypatch, "--history", file, "--models", in_service, "--out", tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "advanced_imaging is no longer supported by its certificate" in said
    assert "greenlane fast-track off --family advanced_imaging --why" in said
    report = json.loads((tmp_path / "out" / "drift.json").read_text())
    assert report["to_stop"] == ["advanced_imaging"]
    assert report["requests"] == 60
    assert "<h1>Drift of greenlane-approval/1</h1>" in (tmp_path / "out" / "drift.html").read_text()


def test_the_command_ends_with_0_where_the_audit_finds_nothing(
    in_service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = history(tmp_path / "decisions.jsonl", wrong=lambda number: False, n=20)
    assert run(monkeypatch, "--history", file, "--models", in_service, "--out", tmp_path) == 0
    assert "no longer supported" not in capsys.readouterr().out


def test_the_window_leaves_out_what_was_received_outside_it(
    in_service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = history(tmp_path / "decisions.jsonl", wrong=lambda number: False)
    since = (datetime.now(UTC) - timedelta(days=40)).date()
    until = since + timedelta(days=10)
    options = ("--since", since, "--until", until)
    assert run(monkeypatch, "--history", file, "--models", in_service, "--out", tmp_path, *options) == 0
    assert json.loads((tmp_path / "drift.json").read_text())["requests"] == 10


def test_what_is_missing_is_one_line_and_exit_code_2(
    in_service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = history(tmp_path / "decisions.jsonl", wrong=lambda number: False, n=5)
    nowhere = tmp_path / "nowhere"

    def said(*arguments: object) -> str:
        assert run(monkeypatch, *arguments, "--out", tmp_path / "out") == 2
        lines = [line for line in capsys.readouterr().err.splitlines() if line]
        assert len(lines) == 1
        return lines[0]

    assert "no model is in service" in said("--history", file, "--models", nowhere)
    assert "none.jsonl: is not there" in said("--history", nowhere / "none.jsonl", "--models", in_service)
    assert "in this window" in said(
        "--history", file, "--models", in_service, "--since", "2024-01-01", "--until", "2024-01-02"
    )
    reference = next(in_service.rglob(REFERENCE_FILE))
    reference.write_text(json.dumps({**json.loads(reference.read_text()), "model_sha256": "other"}))
    assert "belongs to another model" in said("--history", file, "--models", in_service)
    reference.unlink()
    assert "train and promote a model again" in said("--history", file, "--models", in_service)
    assert not (tmp_path / "out").exists()


def test_another_feature_schema_is_refused(model: tuple[Bundle, dict[str, Any]], alike: Dataset) -> None:
    with pytest.raises(DatasetError, match="another feature schema"):
        compare(replace(model[0], schema_hash="other"), model[1], served(alike))


def test_the_reference_holds_no_request(model: tuple[Bundle, dict[str, Any]], cases: Dataset) -> None:
    text = json.dumps(model[1])
    assert not [name for name in cases.external_ids.tolist()[:200] if name in text]
