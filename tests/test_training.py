"""Preparing, training, evaluating and promoting: what reaches the server, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
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
from training.errors import DatasetError, PromotionRefusedError, TrainingError
from training.evaluate import evaluate, expected_calibration_error
from training.promote import gates, promote, rollback, two_approvers
from training.synthetic.generator import generate
from training.train import Trained, train

ROOT = Path(__file__).parents[1]
NAMES = [spec.name for spec in SCHEMA.features]
ON = date(2026, 11, 20)


def dataset(n: int = 3000, seed: int = 0, *, error_in_eligible: float = 0.001, **changes: Any) -> Dataset:
    """A table such as prepare writes: most cases with every criterion met are approved, most others are not."""
    random = np.random.default_rng(seed)
    varied = ("criteria_not_documented", "documents", "treatments_done")
    features = np.column_stack([random.poisson(3, n).astype(float) if name in varied else np.ones(n) for name in NAMES])
    met = random.random(n) < 0.6
    features[:, NAMES.index("criteria_met_fraction")] = np.where(met, 1.0, random.random(n) * 0.9)
    features[:, NAMES.index("policy_met")] = met
    features[:, NAMES.index("guards")] = np.where(met, 0, random.poisson(1, n))
    unread = np.where(features[:, NAMES.index("criteria_not_documented")] < 3, 0.6, 0.02)
    labels = np.where(met, random.random(n) >= error_in_eligible, random.random(n) < unread).astype(int)
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "features": features,
        "labels": labels,
        "families": np.where(random.random(n) < 0.5, "advanced_imaging", "sleep_dme"),
        "splits": random.choice(["train", "calibration", "certification", "test"], n, p=[0.3, 0.15, 0.4, 0.15]),
        "eligible": met,
        "external_ids": np.array([f"case-{i}" for i in range(n)]),
        "scenarios": np.array(["story"] * n),
        "groups": {
            "age_band": random.choice(["18 to 39", "40 to 64", "65 and over"], n),
            "sex": random.choice(["female", "male"], n),
            "line_of_business": random.choice(["commercial", "medicaid"], n),
        },
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
    return dataset(16000)


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
    from features.policy import load_policies
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
    services = {json.loads(line)["service"] for line in path.read_text().splitlines()}
    families = {policy.policy_id: policy.family for policy in load_policies().policies}
    assert set(table.families) == {families[service] for service in services}
    assert load(tmp_path / "features.parquet").hash == table.hash


def test_an_eligible_case_has_every_criterion_met_and_no_guard(tmp_path: Path) -> None:
    table = prepare(written(tmp_path, 80), tmp_path / "features.parquet", processes=1)
    assert 0 < table.eligible.sum() < len(table)
    eligible = table.where(table.eligible)
    assert (eligible.features[:, NAMES.index("guards")] == 0).all()
    assert (eligible.features[:, NAMES.index("policy_met")] == 1).all()


def test_a_request_that_asks_again_within_a_month_is_held_back_as_the_service_holds_it(tmp_path: Path) -> None:
    path = written(tmp_path, 3)
    cases = [json.loads(line) for line in path.read_text().splitlines()]
    again, later = (json.loads(json.dumps(cases[1])) for _ in range(2))
    again["request"]["external_id"], later["request"]["external_id"] = "again", "later"
    received = datetime.fromisoformat(later["request"]["received_at"])
    later["request"]["received_at"] = (received + timedelta(days=31)).isoformat()
    path.write_text("".join(json.dumps(case) + "\n" for case in [*cases, again, later]))
    table = prepare(path, tmp_path / "features.parquet", processes=1)
    held = dict(zip(table.external_ids.tolist(), ("near_duplicate" in found for found in table.reasons), strict=True))
    assert [name for name, near in held.items() if near] == ["again"]
    assert not table.eligible[table.external_ids == "again"].any()


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


def failed(*arguments: Any) -> dict[str, str]:
    """What was found by each gate that was not passed, by its name."""
    return {gate.name: gate.found for gate in gates(*arguments) if not gate.passed}


@pytest.fixture
def report(pair: tuple[Bundle, Bundle], cases: Dataset) -> dict[str, Any]:
    """The evaluation of a sound candidate, to be spoilt."""
    found: dict[str, Any] = json.loads(json.dumps(evaluate(*pair, cases).to_json()))
    return found


def test_a_sound_candidate_passes_every_gate(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    passed = gates(pair[0], report, cases)
    assert [gate for gate in passed if not gate.passed] == []
    assert [gate.name for gate in passed] == [
        *("feature schema", "guarantee", "calibration", "baseline: logistic regression", "baseline: criteria only"),
        *("subgroups", "champion"),
    ]


def test_gates_name_an_error_the_guarantee_does_not_explain(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    report["fast_lane"]["sleep_dme"] |= {"wrong": 12, "fast_tracked": 100}
    assert "12 of 100" in failed(pair[0], report, cases)["guarantee"]


def test_gates_name_a_calibration_error(pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]) -> None:
    report["expected_calibration_error"] = 0.021
    assert "0.021" in failed(pair[0], report, cases)["calibration"]


@pytest.mark.parametrize("baseline", ["logistic_regression", "criteria_only"])
def test_gates_name_a_baseline_that_is_better(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any], baseline: str
) -> None:
    report["briers"][baseline] = report["briers"]["model"] / 2
    name = baseline.replace("_", " ")
    assert name in failed(pair[0], report, cases)[f"baseline: {name}"]
    report["briers"][baseline] = report["briers"]["model"] * 2
    report["fast_lane"]["all"]["share_high"] = report["baselines"][baseline]["all"]["share_low"] - 0.01
    assert set(failed(pair[0], report, cases)) >= {f"baseline: {name}"}


def test_gates_name_the_subgroup_that_fares_worse(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    worse = next(group for group in report["subgroups"] if group["group"] == "female")
    worse |= {"fast_tracked": 900, "wrong": 40, "error_low": 0.03, "error_bound": 0.06}
    assert "sex female: 40 of 900" in failed(pair[0], report, cases)["subgroups"]


def test_a_group_too_small_for_its_bound_is_only_refused_for_errors_it_shows(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    small = next(group for group in report["subgroups"] if group["group"] == "female")
    small |= {"fast_tracked": 5, "wrong": 0, "error_low": 0.0, "error_bound": 0.45}
    assert failed(pair[0], report, cases) == {}
    small |= {"wrong": 4, "error_low": 0.34, "error_bound": 0.99}
    assert "4 of 5" in failed(pair[0], report, cases)["subgroups"]


def test_gates_ask_for_subgroups_that_are_known(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    assert "nothing is known" in failed(pair[0], report | {"subgroups": []}, cases)["subgroups"]


def test_a_candidate_is_not_worse_than_itself_and_worse_than_one_that_opens_the_lane(
    tmp_path: Path, trained: Trained, pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    assert failed(pair[0], report, cases, pair[0]) == {}
    closed = tuple(replace(shown, threshold=0.9999) for shown in trained.certificates)
    shut, _ = bundles(tmp_path, replace(trained, certificates=closed), cases)
    assert "approvable cases" in failed(shut, report, cases, pair[0])["champion"]


def test_a_champion_of_another_schema_stands_in_nobodys_way(
    pair: tuple[Bundle, Bundle], cases: Dataset, report: dict[str, Any]
) -> None:
    assert failed(pair[0], report, cases, replace(pair[0], schema_hash="other")) == {}


def test_gates_refuse_a_model_nothing_was_certified_for(tmp_path: Path, risky: tuple[Dataset, Trained]) -> None:
    cases, trained = risky
    pair = bundles(tmp_path, trained, cases)
    found = failed(pair[0], evaluate(*pair, cases).to_json(), cases)
    assert "no service family is certified" in found["guarantee"]


def test_gates_refuse_a_model_of_another_schema(tmp_path: Path, trained: Trained, cases: Dataset) -> None:
    other = replace(cases, schema=replace(SCHEMA, hash="other"))
    candidate, _ = bundles(tmp_path, trained, other)
    assert "another feature schema" in failed(candidate, {}, other)["feature schema"]


@pytest.mark.parametrize("names", [[], ["Ada"], ["Ada", "ada "], ["Ada", "  "], ["Ada  Lovelace", "ada lovelace"]])
def test_one_person_cannot_promote_alone(names: list[str], tmp_path: Path, cases: Dataset) -> None:
    with pytest.raises(PromotionRefusedError, match="two different people"):
        promote(tmp_path, cases, approved_by=names)
    assert not list(tmp_path.iterdir())


def test_two_people_can() -> None:
    assert two_approvers([" Ada  Lovelace", "Grace Hopper"]) == ["Ada Lovelace", "Grace Hopper"]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database with its tables and nothing in them: making one takes seconds, copying one does not."""
    from training.tracking import connect

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
        connect()
    return path


@pytest.fixture
def registry(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty MLflow store of this test's own."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    shutil.copy(empty_store, tmp_path / "another.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kept_candidate(directory: Path, cases: Dataset, trained: Trained) -> str:
    """Register and evaluate a candidate in ``directory``; returns its version."""
    from training.candidate import keep_candidate, load_candidate, pending_candidate, save_evaluation
    from training.tracking import log_training, next_version

    directory.mkdir(exist_ok=True)
    version = next_version()
    with pending_candidate(directory, trained, cases, version) as bundle:
        keep_candidate(directory, log_training(trained, cases, {"seed": 0}, Path("features.parquet"), bundle, version))
    candidate = load_candidate(directory)
    save_evaluation(directory, candidate.bundle, evaluate(candidate.bundle, candidate.baseline, cases))
    return version


@pytest.mark.slow
def test_promotion_and_rollback_move_alias_and_pointer_and_say_who_decided(
    registry: Path, cases: Dataset, trained: Trained
) -> None:
    import mlflow

    models, out = registry / "models", registry / "out"
    client = mlflow.MlflowClient()
    served = []
    for _ in range(2):
        version = kept_candidate(out, cases, trained)
        promoted = promote(out, cases, approved_by=["Ada", "Grace"], models=models)
        assert promoted.reference == ModelReference("greenlane-approval", version, "champion")
        assert str(client.get_model_version_by_alias("greenlane-approval", "champion").version) == version
        served.append(version)
    registered = client.get_model_version("greenlane-approval", served[1])
    assert registered.tags["approved_by"] == "Ada; Grace"
    decision = mlflow.artifacts.load_dict(f"runs:/{registered.run_id}/promotion.json")
    assert decision["approved_by"] == ["Ada", "Grace"]
    assert all(gate["passed"] for gate in decision["gates"])

    assert rollback(by="Ada", models=models).reference.version == served[0]
    champion = load_champion(models)
    assert champion is not None
    assert champion.reference.version == served[0]
    assert str(client.get_model_version_by_alias("greenlane-approval", "champion").version) == served[0]
    log = [json.loads(line) for line in (models / "promotions.jsonl").read_text().splitlines()]
    assert [(entry["action"], entry["version"], entry["approved_by"]) for entry in log] == [
        ("promote", served[0], ["Ada", "Grace"]),
        ("promote", served[1], ["Ada", "Grace"]),
        ("rollback", served[0], ["Ada"]),
    ]
    with pytest.raises(PromotionRefusedError, match="no champion before"):
        rollback(by="Ada", models=models)


def test_a_rollback_needs_a_name_and_something_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(PromotionRefusedError, match="--by NAME"):
        rollback(by=" ", models=tmp_path)
    with pytest.raises(PromotionRefusedError, match="no champion before"):
        rollback(by="Ada", models=tmp_path)


@pytest.mark.slow
def test_a_missing_registry_promotes_nothing_and_loses_nothing(
    registry: Path, cases: Dataset, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, out = registry / "models", registry / "out"
    version = kept_candidate(out, cases, trained)
    promote(out, cases, approved_by=["Ada", "Grace"], models=models)
    kept_candidate(out, cases, trained)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry / 'another.db'}")
    with pytest.raises(TrainingError, match="is not in the MLflow store") as refused:
        promote(out, cases, approved_by=["Ada", "Grace"], models=models)
    assert "\n" not in str(refused.value)
    champion = load_champion(models)
    assert champion is not None
    assert champion.reference.version == version


def test_a_store_that_cannot_be_used_is_one_line_and_leaves_the_earlier_candidate(
    registry: Path, cases: Dataset, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.tracking import next_version

    kept_candidate(registry / "out", cases, trained)
    (registry / "blocked").write_text("a file where a directory is wanted")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{registry / 'blocked' / 'mlflow.db'}")
    with pytest.raises(TrainingError, match="cannot be used") as refused:
        next_version()
    assert "\n" not in str(refused.value)
    assert load_bundle(registry / "out" / "candidate").certificates == trained.certificates


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
        (["promote", "--approved-by", "Ada", "--approved-by", "Grace"], "run prepare first"),
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
    registry: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    risky: tuple[Dataset, Trained],
) -> None:
    cases, trained = risky
    kept_candidate(registry / "out", cases, trained)
    monkeypatch.setattr("training.dataset.load", lambda table: cases)
    approvers = ["--approved-by", "Ada", "--approved-by", "Grace"]
    monkeypatch.setattr(sys, "argv", ["training", "promote", *approvers, "--out", "out", "--models", "models"])
    assert command_line.run() == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("training: not promoted: no service family is certified")
    assert "\n" not in said
    assert not (registry / "models").exists()


def test_only_the_tracking_file_imports_mlflow() -> None:
    found = [
        path.relative_to(ROOT)
        for room in ("features", "models", "training", "serving")
        for path in (ROOT / room).rglob("*.py")
        if any(line.strip().startswith(("import mlflow", "from mlflow")) for line in path.read_text().splitlines())
    ]
    # The second is MLflow's own to execute: the registered model as source.
    assert sorted(found) == [Path("training/request_model.py"), Path("training/tracking.py")]


def test_every_entry_point_of_mlproject_is_a_command() -> None:
    import yaml

    project = yaml.safe_load((ROOT / "MLproject").read_text())
    commands = {info.callback.__name__ for info in command_line.app.registered_commands if info.callback}
    assert set(project["entry_points"]) <= commands
    steps = {"generate", "prepare", "train", "evaluate", "promote", "rollback", "drift", "main"}
    assert set(project["entry_points"]) >= steps
    for name, entry in project["entry_points"].items():
        assert entry["command"].startswith(f"python -m training {name}")
        assert all(f"{{{option}}}" in entry["command"] for option in entry["parameters"])


@pytest.mark.slow
def test_mlflow_run_leaves_a_champion_in_registry_and_model_directory(tmp_path: Path) -> None:
    import os

    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    # MLflow leaves the experiment of earlier tests in the environment.
    environment = {name: value for name, value in os.environ.items() if "MLFLOW" not in name} | {
        "MLFLOW_TRACKING_URI": store,
        "GREENLANE_MODEL_DIR": str(tmp_path / "models"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    subprocess.run(
        [sys.executable, "-m", "mlflow", "run", str(ROOT), "-e", "main", "--env-manager=local", "-P",
         f"out={tmp_path / 'training'}", "-P", "target=0.05", "-P", "calibration_limit=0.05"],
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
    assert {"certificates.json", "promotion.json"} <= artifacts
    report = {artifact.path for artifact in client.list_artifacts(champion.run_id, "report")}
    assert {"report/evaluation.json", "report/report.html", "report/model_card.md"} <= report
