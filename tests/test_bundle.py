"""The bundle on disk: what was saved is what scores, and anything changed, foreign or broken is refused in one line."""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from features.types import FeatureSchema, FeatureSpec, FeatureVector
from models.bundle import (
    Bundle,
    BundleVersions,
    load_bundle,
    load_champion,
    save_bundle,
    set_champion,
)
from models.errors import BundleError, CalibrationError, ModelError, SchemaMismatchError
from models.estimator import CalibrationMethod, build_baseline, build_estimator, calibrate
from models.types import ModelReference, ThresholdCertificate

SCHEMA = FeatureSchema(
    name="test",
    version="1",
    features=(
        FeatureSpec("criteria_met_fraction", "share of criteria met", 1),
        FeatureSpec("conflicts", "criteria in conflict", -1),
        FeatureSpec("documents", "number of documents", 0),
        FeatureSpec("facts", "number of facts", 0),
    ),
    hash="a" * 64,
)


def cases(n: int, seed: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    features = np.column_stack(
        [random.random(n), random.poisson(0.4, n), random.integers(1, 5, n), random.integers(0, 30, n)]
    ).astype(float)
    odds = 5 * features[:, 0] - 2 * features[:, 1] - 1
    return features, (random.random(n) < 1 / (1 + np.exp(-odds))).astype(int)


def save(directory: Path, estimator: Any) -> Path:
    certificate = ThresholdCertificate(
        "advanced_imaging", 0.02, 0.95, "fixed-sequence", 300, 1, 0.91, "2026-11-20", "b" * 64
    )
    none = ThresholdCertificate("sleep_dme", 0.02, 0.95, "fixed-sequence", 40, 0, None, "2026-11-20", "b" * 64, "few")
    return save_bundle(
        directory,
        estimator=estimator,
        schema=SCHEMA,
        reference=ModelReference("greenlane-approval", "3", "champion"),
        reference_values=(0.8, 0.0, 2.0, 12.0),
        certificates=(certificate, none),
        versions=BundleVersions("lexicon", "policies", "0.1.0", {"scikit-learn": "1"}),
        trained_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


@pytest.fixture(scope="module")
def estimator() -> Any:
    return calibrate(build_estimator(SCHEMA, seed=0).fit(*cases(800, 1)), *cases(400, 2))


@pytest.fixture(scope="module")
def saved(estimator: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "v3", estimator)


@pytest.fixture(scope="module")
def bundle(saved: Path) -> Bundle:
    return load_bundle(saved)


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "models" / "v3"))


def vector(*values: float, schema: FeatureSchema = SCHEMA) -> FeatureVector:
    return FeatureVector(schema, values)


def test_a_loaded_bundle_scores_as_the_model_that_was_saved(bundle: Bundle, estimator: Any) -> None:
    features, _ = cases(50, 3)
    expected = estimator.predict_proba(features)[:, 1]
    scored = [bundle.score(vector(*row)).probability for row in features.tolist()]
    assert scored == pytest.approx(expected.tolist(), abs=0)
    assert bundle.reference == ModelReference("greenlane-approval", "3", "champion")
    assert bundle.trained_at == datetime(2026, 11, 20, tzinfo=UTC)


def test_a_threshold_exists_only_where_the_guarantee_covers_the_family(bundle: Bundle) -> None:
    assert bundle.threshold_for("advanced_imaging") == 0.91
    assert bundle.threshold_for("sleep_dme") is None
    assert bundle.threshold_for("surgery") is None
    certificate = bundle.certificate_for("sleep_dme")
    assert certificate is not None
    assert certificate.reason == "few"


def test_contributions_name_features_off_their_reference_largest_first(bundle: Bundle) -> None:
    score = bundle.score(vector(0.1, 2.0, 2.0, 12.0))
    assert {contribution.feature for contribution in score.contributions} == {"criteria_met_fraction", "conflicts"}
    effects = [abs(contribution.effect) for contribution in score.contributions]
    assert effects == sorted(effects, reverse=True)
    assert all(contribution.effect <= 0 for contribution in score.contributions)
    assert bundle.score(vector(0.8, 0.0, 2.0, 12.0)).contributions == ()


@given(
    st.tuples(st.floats(0, 1), st.integers(0, 5), st.integers(0, 9), st.integers(0, 60)),
    st.floats(0, 1),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_more_met_never_lowers_and_more_conflict_never_raises_the_score(
    bundle: Bundle, start: tuple[float, int, int, int], more: float, conflicts: int
) -> None:
    met, conflict, documents, facts = start
    before = bundle.score(vector(met, conflict, documents, facts)).probability
    assert bundle.score(vector(min(1.0, met + more), conflict, documents, facts)).probability >= before
    assert bundle.score(vector(met, conflict + conflicts, documents, facts)).probability <= before


def test_a_vector_of_another_schema_is_refused(bundle: Bundle) -> None:
    other = FeatureSchema("test", "2", SCHEMA.features, "c" * 64)
    with pytest.raises(SchemaMismatchError, match="train a new model"):
        bundle.score(vector(0.1, 0, 0, 0, schema=other))
    with pytest.raises(SchemaMismatchError, match="3 features"):
        bundle.score(vector(0.1, 0, 0))


def truncate(directory: Path) -> None:
    path = directory / "model.skops"
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_byte(directory: Path) -> None:
    path = directory / "model.skops"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def truncate_with_matching_checksum(directory: Path) -> None:
    truncate(directory)
    matching_checksum(directory)


def matching_checksum(directory: Path) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["sha256"] = hashlib.sha256((directory / "model.skops").read_bytes()).hexdigest()
    (directory / "manifest.json").write_text(json.dumps(manifest))


def newer_protocol(directory: Path) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps({**manifest, "protocol": 99}))


def threshold_out_of_range(directory: Path) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["certificates"][0]["threshold"] = -1
    (directory / "manifest.json").write_text(json.dumps(manifest))


def empty_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_text("{}")


def manifest_that_is_no_json(directory: Path) -> None:
    (directory / "manifest.json").write_text("{")


def no_model(directory: Path) -> None:
    (directory / "model.skops").unlink()


def another_estimator(directory: Path) -> None:
    skops.io.dump(LogisticRegression().fit([[0], [1]], [0, 1]), directory / "model.skops")
    matching_checksum(directory)


class Foreign:
    """A type no list trusts."""


def untrusted_type(directory: Path) -> None:
    skops.io.dump(Foreign(), directory / "model.skops")
    matching_checksum(directory)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "truncated or was changed"),
        (flip_a_byte, "truncated or was changed"),
        (truncate_with_matching_checksum, "cannot be read as a skops model"),
        (newer_protocol, "protocol 99"),
        (threshold_out_of_range, "not a bundle's manifest"),
        (empty_manifest, "not a bundle's manifest"),
        (manifest_that_is_no_json, "not a bundle's manifest"),
        (no_model, "cannot be read"),
        (another_estimator, "not a calibrated classifier"),
        (untrusted_type, "not trusted: .*Foreign"),
    ],
)
def test_a_damaged_bundle_is_refused_in_one_line(copy: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(copy)
    with pytest.raises(BundleError, match=message) as refused:
        load_bundle(copy)
    assert "\n" not in str(refused.value)


def test_an_untrusted_type_is_not_even_saved(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not trusted"):
        save(tmp_path / "v1", Foreign())
    assert not list(tmp_path.iterdir())


def test_no_champion_before_the_first_promotion(tmp_path: Path) -> None:
    assert load_champion(tmp_path) is None
    assert load_champion(tmp_path / "nowhere") is None


def test_the_champion_is_the_bundle_last_pointed_to(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_champion(copy)
    second = Path(shutil.copytree(copy, copy.with_name("v4")))
    set_champion(second)
    assert json.loads((copy.parent / "champion.json").read_text())["directory"] == "v4"
    monkeypatch.setenv("GREENLANE_MODEL_DIR", str(copy.parent))
    champion = load_champion()
    assert champion is not None
    assert champion.schema_hash == SCHEMA.hash
    assert sorted(path.name for path in copy.parent.iterdir()) == ["champion.json", "v3", "v4"]


def test_a_threshold_edited_by_hand_is_noticed(copy: Path) -> None:
    set_champion(copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["certificates"][0]["threshold"] = 0.5
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="changed after promotion"):
        load_champion(copy.parent)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"directory": "../v3", "manifest_sha256": "x"}', '{"directory": 3, "manifest_sha256": "x"}'],
)
def test_a_broken_pointer_is_an_error_not_an_absent_model(copy: Path, content: str) -> None:
    (copy.parent / "champion.json").write_text(content)
    with pytest.raises(BundleError, match=r"champion\.json"):
        load_champion(copy.parent)


def test_a_broken_bundle_never_becomes_champion(copy: Path) -> None:
    truncate(copy)
    with pytest.raises(BundleError):
        set_champion(copy)
    assert load_champion(copy.parent) is None


def test_one_class_cannot_be_calibrated(estimator: Any) -> None:
    features, labels = cases(100, 4)
    with pytest.raises(CalibrationError, match="one class"):
        calibrate(build_baseline(0).fit(features, labels), features, np.ones(100, dtype=np.int64))


def test_a_score_worse_than_chance_is_not_calibrated_into_its_opposite() -> None:
    features, labels = cases(600, 5)
    fitted = build_estimator(SCHEMA, seed=0).fit(features, labels)
    with pytest.raises(CalibrationError, match="reverses"):
        calibrate(fitted, features, 1 - labels)


@pytest.mark.parametrize("method", ["isotonic", "blended"])
def test_every_calibration_is_a_trusted_bundle_too(tmp_path: Path, method: CalibrationMethod) -> None:
    fitted = build_estimator(SCHEMA, seed=0).fit(*cases(400, 6))
    bundle = load_bundle(save(tmp_path / "v1", calibrate(fitted, *cases(400, 7), method)))
    assert 0.0 <= bundle.score(vector(1.0, 0, 1, 5)).probability <= 1.0


def test_requests_scored_side_by_side_score_as_they_do_alone(bundle: Bundle) -> None:
    features, _ = cases(40, 9)
    rows = [vector(*row) for row in features.tolist()]
    alone = [bundle.score(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(bundle.score, rows * 3)) == alone * 3


def test_one_request_is_scored_and_explained_within_its_budget(bundle: Bundle) -> None:
    features, _ = cases(60, 8)
    rows = [vector(*row) for row in features.tolist()]
    bundle.score(rows[0])
    taken = []
    for row in rows:
        began = time.perf_counter()
        bundle.score(row)
        taken.append(time.perf_counter() - began)
    # The budget is 2 ms on an idle machine; ten times that only fails where something is broken, not where it is busy.
    assert statistics.median(taken) < 0.02


def test_blended_calibration_follows_the_shape_and_keeps_the_differences() -> None:
    fitted = build_estimator(SCHEMA, seed=0).fit(*cases(400, 6))
    learnt, unseen = cases(2000, 7), cases(2000, 8)[0]
    raw = fitted.decision_function(unseen)
    steps, blended = (
        calibrate(fitted, *learnt, method).predict_proba(unseen)[:, 1] for method in ("isotonic", "blended")
    )
    assert np.abs(steps - blended).max() < 0.1
    inside = blended[np.argsort(raw)]
    assert (np.diff(inside) >= 0).all()
    assert len(np.unique(blended)) > 5 * len(np.unique(steps))
