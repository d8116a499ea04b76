"""Preparing, training, evaluating and promoting: what reaches the server, and what is refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.types import FeatureVector
from features.vector import SCHEMA
from models.bundle import Bundle, BundleVersions, load_bundle, load_champion, promote_bundle, save_bundle
from models.types import ModelReference
from training import __main__ as command_line
from training.dataset import Dataset, load, prepare
from training.errors import DatasetError, TrainingError
from training.evaluate import evaluate, expected_calibration_error
from training.promote import failed_gates
from training.synthetic.generator import generate
from training.train import Trained, train

ROOT = Path(__file__).parents[1]
NAMES = [spec.name for spec in SCHEMA.features]
ON = date(2026, 11, 20)


def dataset(n: int = 3000, seed: int = 0, *, error_in_eligible: float = 0.001, **changes: Any) -> Dataset:
    """A table such as prepare writes: most cases with every criterion met are approved, most others are not."""
    random = np.random.default_rng(seed)
    features = np.column_stack([random.poisson(3, n).astype(float) for _ in NAMES])
    met = random.random(n) < 0.6
    features[:, NAMES.index("criteria_met_fraction")] = np.where(met, 1.0, random.random(n) * 0.9)
    features[:, NAMES.index("policy_met")] = met
    features[:, NAMES.index("guards")] = np.where(met, 0, random.poisson(1, n))
    labels = np.where(met, random.random(n) >= error_in_eligible, random.random(n) < 0.25).astype(int)
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "features": features,
        "labels": labels,
        "families": np.where(random.random(n) < 0.5, "advanced_imaging", "sleep_dme"),
        "splits": random.choice(["train", "calibration", "certification", "test"], n, p=[0.3, 0.15, 0.4, 0.15]),
        "eligible": met,
        "external_ids": np.array([f"case-{i}" for i in range(n)]),
        "scenarios": np.array(["story"] * n),
        "versions": {"lexicon": "l", "policies": "p", "pipeline": "1"},
        "hash": "d" * 64,
    }
    return Dataset(**(fields | changes))


def fit(cases: Dataset, target: float = 0.02) -> Trained:
    return train(cases, seed=0, target=target, confidence=0.95, on=ON)


def bundles(directory: Path, trained: Trained, cases: Dataset) -> tuple[Bundle, Bundle]:
    saved = []
    for name, estimator, certificates in (
        ("candidate", trained.estimator, trained.certificates),
        ("baseline", trained.baseline, trained.baseline_certificates),
    ):
        path = save_bundle(
            directory / name,
            estimator=estimator,
            schema=cases.schema,
            reference=ModelReference("greenlane-approval", "1", "challenger"),
            reference_values=trained.reference_values,
            certificates=certificates,
            versions=BundleVersions("l", "p", "1"),
            trained_at=datetime(2026, 11, 20, tzinfo=UTC),
        )
        saved.append(load_bundle(path))
    return saved[0], saved[1]


@pytest.fixture(scope="module")
def cases() -> Dataset:
    return dataset()


@pytest.fixture(scope="module")
def trained(cases: Dataset) -> Trained:
    return fit(cases)


@pytest.fixture(scope="module")
def risky() -> tuple[Dataset, Trained]:
    """Cases in which one eligible case in five was not approved, and what was trained on them."""
    cases = dataset(1600, error_in_eligible=0.2)
    return cases, fit(cases)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("candidate")


@pytest.fixture(scope="module")
def pair(home: Path, trained: Trained, cases: Dataset) -> tuple[Bundle, Bundle]:
    return bundles(home, trained, cases)


def written(directory: Path, n: int = 40, seed: int = 3) -> Path:
    path = directory / "cases.jsonl"
    path.write_text("".join(case.to_json() + "\n" for case in generate(n, seed)), encoding="utf-8")
    return path


def test_prepare_reads_requests_as_the_service_does(tmp_path: Path) -> None:
    from features.reading import read
    from features.request import parse_request

    path = written(tmp_path)
    seen: list[tuple[int, int]] = []
    table = prepare(path, tmp_path / "features.parquet", processes=1, progress=lambda *step: seen.append(step))
    assert seen[-1] == (40, 40)
    first = json.loads(path.read_text().splitlines()[0])
    reading = read(parse_request(first["request"]))
    assert table.features[0].tolist() == list(reading.vector.values)
    assert table.schema == SCHEMA
    assert table.labels[0] == first["label"]
    assert set(table.families) == {"advanced_imaging", "sleep_dme"}
    assert load(tmp_path / "features.parquet").hash == table.hash


def test_an_eligible_case_has_every_criterion_met_and_no_guard(tmp_path: Path) -> None:
    table = prepare(written(tmp_path, 80), tmp_path / "features.parquet", processes=1)
    assert 0 < table.eligible.sum() < len(table)
    eligible = table.where(table.eligible)
    assert (eligible.features[:, NAMES.index("guards")] == 0).all()
    assert (eligible.features[:, NAMES.index("policy_met")] == 1).all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda case: "{", "is not a case"),
        (lambda case: json.dumps({**case, "label": 2}), "label must be 0 or 1"),
        (lambda case: json.dumps({key: value for key, value in case.items() if key != "label"}), "is not a case"),
        (lambda case: json.dumps({**case, "request": {**case["request"], "surprise": 1}}), "surprise"),
    ],
)
def test_a_broken_case_is_named_by_file_and_line(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], str], message: str
) -> None:
    path = written(tmp_path, 5)
    lines = path.read_text().splitlines()
    lines[3] = spoil(json.loads(lines[3]))
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match=rf"cases\.jsonl:4: .*{message}"):
        prepare(path, tmp_path / "features.parquet", processes=1)
    assert not (tmp_path / "features.parquet").exists()


def test_a_member_in_two_splits_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, 5)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["request"]["member"] = lines[0]["request"]["member"]
    lines[1]["split"] = "test" if lines[0]["split"] != "test" else "train"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(DatasetError, match="split by member"):
        prepare(path, tmp_path / "features.parquet", processes=1)


@given(st.integers(0, 40), st.integers(0, len(NAMES) - 1), st.floats(0, 20))
@settings(max_examples=40, deadline=None)
def test_the_trained_model_moves_only_in_the_known_direction(
    trained: Trained, cases: Dataset, row: int, column: int, more: float
) -> None:
    direction = SCHEMA.features[column].direction
    before = cases.features[row].copy()
    after = before.copy()
    after[column] += more
    low, high = trained.estimator.predict_proba(np.vstack([before, after]))[:, 1]
    assert direction * (high - low) >= 0


def test_training_is_reproducible(risky: tuple[Dataset, Trained]) -> None:
    cases, trained = risky
    again = fit(cases)
    assert again.certificates == trained.certificates
    assert np.array_equal(
        again.estimator.predict_proba(cases.features), trained.estimator.predict_proba(cases.features)
    )


def test_each_family_has_a_certificate_of_its_own(trained: Trained) -> None:
    assert [shown.family for shown in trained.certificates] == [None, "advanced_imaging", "sleep_dme"]
    assert all(shown.threshold is not None for shown in trained.certificates)


def test_a_family_with_too_few_cases_is_not_certified() -> None:
    cases = dataset(2400, seed=1)
    few = np.where(np.arange(len(cases)) % 40 == 0, "sleep_dme", "advanced_imaging")
    shown = {certificate.family: certificate for certificate in fit(replace(cases, families=few)).certificates}
    assert shown["advanced_imaging"].threshold is not None
    assert shown["sleep_dme"].threshold is None
    assert "are needed" in shown["sleep_dme"].reason


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_is_one_clear_line(label: int) -> None:
    cases = dataset(600)
    with pytest.raises(DatasetError, match="at least 20 of each") as refused:
        fit(replace(cases, labels=np.full(len(cases), label)))
    assert "\n" not in str(refused.value)


def test_a_missing_split_is_one_clear_line() -> None:
    cases = dataset(600)
    with pytest.raises(DatasetError, match="no case in the certification split"):
        fit(replace(cases, splits=np.where(cases.splits == "certification", "train", cases.splits)))


def test_evaluation_counts_what_would_be_fast_tracked(pair: tuple[Bundle, Bundle], cases: Dataset) -> None:
    report = evaluate(*pair, cases)
    lane = report.fast_lane["all"]
    assert lane.cases == report.test_cases == int(np.sum(cases.splits == "test"))
    assert (
        lane.fast_tracked == report.confusion["fast_tracked_approved"] + report.confusion["fast_tracked_needs_person"]
    )
    assert sum(report.confusion.values()) == lane.cases
    assert lane.fast_tracked <= lane.eligible
    assert lane.share_of_approvable is not None
    assert lane.share_of_approvable > 0.5
    assert lane.cases == sum(lanes.cases for name, lanes in report.fast_lane.items() if name != "all")
    json.dumps(report.to_json())


def test_evaluation_refuses_a_table_of_another_schema(pair: tuple[Bundle, Bundle], cases: Dataset) -> None:
    with pytest.raises(DatasetError, match="another feature schema"):
        evaluate(*pair, replace(cases, schema=replace(SCHEMA, hash="other")))


def test_calibration_error_is_zero_for_honest_and_large_for_boastful_scores() -> None:
    labels = np.array([1, 0] * 500)
    assert expected_calibration_error(np.full(1000, 0.5), labels) == 0
    assert expected_calibration_error(np.full(1000, 0.95), labels) == pytest.approx(0.45)


def test_a_sound_candidate_passes_the_gates(pair: tuple[Bundle, Bundle], cases: Dataset) -> None:
    assert failed_gates(pair[0], evaluate(*pair, cases).to_json()) == []


def test_gates_name_an_error_the_guarantee_does_not_explain(pair: tuple[Bundle, Bundle], cases: Dataset) -> None:
    report = evaluate(*pair, cases).to_json()
    report["fast_lane"]["sleep_dme"] |= {"wrong": 12, "fast_tracked": 100}
    assert any("12 of 100" in reason for reason in failed_gates(pair[0], report))


def test_gates_refuse_a_model_nothing_was_certified_for(tmp_path: Path, risky: tuple[Dataset, Trained]) -> None:
    cases, trained = risky
    pair = bundles(tmp_path, trained, cases)
    assert any("no service family is certified" in r for r in failed_gates(pair[0], evaluate(*pair, cases).to_json()))


def test_gates_refuse_a_model_of_another_schema(tmp_path: Path, trained: Trained, cases: Dataset) -> None:
    other = replace(cases, schema=replace(SCHEMA, hash="other"))
    candidate, _ = bundles(tmp_path, trained, other)
    assert any("another feature schema" in r for r in failed_gates(candidate, evaluate_stub()))


def evaluate_stub() -> dict[str, Any]:
    return {"fast_lane": {}}


def test_a_promoted_bundle_is_the_champion_the_server_loads(
    home: Path, pair: tuple[Bundle, Bundle], tmp_path: Path
) -> None:
    promote_bundle(home / "candidate", tmp_path)
    champion = load_champion(tmp_path)
    assert champion is not None
    assert champion.reference.alias == "champion"
    assert champion.certificates == pair[0].certificates
    vector = FeatureVector(SCHEMA, tuple(pair[0].reference_values))
    assert champion.score(vector) == pair[0].score(vector)


def test_where_the_registry_fails_the_champion_in_service_stays(home: Path, pair: object, tmp_path: Path) -> None:
    def lost() -> None:
        raise TrainingError("the registry is gone")

    with pytest.raises(TrainingError, match="registry is gone"):
        promote_bundle(home / "candidate", tmp_path, before_service=lost)
    assert load_champion(tmp_path) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare"], "run generate first"),
        (["train"], "run prepare first"),
        (["evaluate"], "run train first"),
        (["promote"], "run train first"),
    ],
)
def test_a_step_out_of_order_is_one_line_and_exit_code_2(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    assert command_line.run() == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert "\n" not in said


def test_a_refused_promotion_is_one_line_and_exit_code_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    risky: tuple[Dataset, Trained],
) -> None:
    from training.candidate import save_candidate, save_evaluation
    from training.tracking import Registered

    cases, trained = risky
    save_candidate(tmp_path, trained, cases, Registered("run", "1", "sqlite:///nowhere.db"))
    candidate, baseline = load_bundle(tmp_path / "candidate"), load_bundle(tmp_path / "baseline")
    save_evaluation(tmp_path, candidate, evaluate(candidate, baseline, cases))
    monkeypatch.setattr(sys, "argv", ["training", "promote", "--out", str(tmp_path), "--models", str(tmp_path / "m")])
    assert command_line.run() == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("training: not promoted: no service family is certified")
    assert "\n" not in said
    assert not (tmp_path / "m").exists()


def test_only_the_tracking_file_imports_mlflow() -> None:
    found = [
        path.relative_to(ROOT)
        for room in ("features", "models", "training", "serving")
        for path in (ROOT / room).rglob("*.py")
        if any(line.strip().startswith(("import mlflow", "from mlflow")) for line in path.read_text().splitlines())
    ]
    assert found == [Path("training/tracking.py")]


def test_every_entry_point_of_mlproject_is_a_command() -> None:
    import yaml

    project = yaml.safe_load((ROOT / "MLproject").read_text())
    commands = {info.callback.__name__ for info in command_line.app.registered_commands if info.callback}
    assert set(project["entry_points"]) <= commands
    assert set(project["entry_points"]) >= {"generate", "prepare", "train", "evaluate", "promote", "drift", "main"}
    for name, entry in project["entry_points"].items():
        assert entry["command"].startswith(f"python -m training {name}")
        assert all(f"--{option} {{{option}}}" in entry["command"] for option in entry["parameters"])


@pytest.mark.slow
def test_mlflow_run_leaves_a_champion_in_registry_and_model_directory(tmp_path: Path) -> None:
    import os

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": store,
        "GREENLANE_MODEL_DIR": str(tmp_path / "models"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "main", "--env-manager=local", "-P",
         f"out={tmp_path / 'training'}"],
        check=True, env=environment, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=store, registry_uri=store)
    champion = client.get_model_version_by_alias("greenlane-approval", "champion")
    served = load_champion(tmp_path / "models")
    assert served is not None
    assert served.reference == ModelReference("greenlane-approval", str(champion.version), "champion")
    assert any(shown.threshold is not None for shown in served.certificates)
    artifacts = {artifact.path for artifact in client.list_artifacts(champion.run_id)}
    assert {"certificates.json", "evaluation.json", "promotion.json"} <= artifacts
