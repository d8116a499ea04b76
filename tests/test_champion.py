"""The model in service changes without a restart; what cannot be used never takes the place of what can."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from running_server import RunningServer
from serving_cases import NOTE, request_body

from features.types import FeatureSchema
from features.vector import SCHEMA
from models.bundle import POINTER_FILE, BundleVersions, promote_bundle, save_bundle, set_champion
from models.estimator import build_estimator, calibrate
from models.types import ModelReference, ThresholdCertificate
from serving.champion import NO_MODEL, RETRY_SECONDS, Champion


@pytest.fixture(scope="module")
def estimator() -> Any:
    random = np.random.default_rng(0)
    features = random.random((400, len(SCHEMA.features)))
    labels = (features[:, 0] > random.random(400)).astype(np.int64)
    return calibrate(build_estimator(SCHEMA, 0).fit(features, labels), features, labels)


def save(directory: Path, estimator: Any, version: str, schema: FeatureSchema = SCHEMA) -> Path:
    certificate = ThresholdCertificate("advanced_imaging", 0.01, 0.95, "test", 600, 1, 0.9, "2026-11-20", "0" * 64)
    return save_bundle(
        directory / f"candidate-{version}",
        estimator=estimator,
        schema=schema,
        reference=ModelReference("greenlane-approval", version, "challenger"),
        reference_values=[0.5] * len(schema.features),
        certificates=(certificate,),
        versions=BundleVersions("l", "p", "1"),
        trained_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def promote(estimator: Any, tmp_path: Path, home: Path) -> Any:
    """Promotes a version; returns the directory in service."""
    return lambda version, schema=SCHEMA: promote_bundle(save(tmp_path, estimator, version, schema), home)


def version_of(champion: Champion) -> str | None:
    bundle = champion.current()
    return bundle.reference.version if bundle else None


def test_the_champion_is_none_until_one_is_promoted_and_then_the_last_one(home: Path, promote: Any) -> None:
    champion = Champion(home)
    assert version_of(champion) is None
    assert champion.state() == NO_MODEL
    for version in ("1", "2"):
        promote(version)
        assert version_of(champion) == version
        assert champion.state() == "ok"


def truncate(directory: Path) -> None:
    path = directory / "model.skops"
    path.write_bytes(path.read_bytes()[:-50])


def edit_threshold(directory: Path) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["certificates"][0]["threshold"] = 0.1
    (directory / "manifest.json").write_text(json.dumps(manifest))


def remove(directory: Path) -> None:
    shutil.rmtree(directory)


@pytest.mark.parametrize("damage", [truncate, edit_threshold, remove])
def test_a_champion_that_cannot_be_used_leaves_the_one_before_in_service(
    home: Path, promote: Any, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    promote("1")
    now = [0.0]
    champion = Champion(home, clock=lambda: now[0])
    pointer = (home / POINTER_FILE).read_bytes()
    second = promote("2")
    kept = shutil.copytree(second, home.parent / "kept")
    damage(second)
    assert version_of(champion) == "1"
    assert "version 1 stays in service" in champion.state()
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    shutil.rmtree(second, ignore_errors=True)
    shutil.copytree(kept, second)
    assert version_of(champion) == "1"
    now[0] = RETRY_SECONDS + 1
    assert version_of(champion) == "2"
    assert champion.state() == "ok"
    (home / POINTER_FILE).write_bytes(pointer)
    assert version_of(champion) == "1"


def test_a_champion_of_another_feature_schema_is_not_used(home: Path, promote: Any) -> None:
    promote("1", replace(SCHEMA, hash="other"))
    champion = Champion(home)
    assert champion.current() is None
    assert "every request goes to a nurse" in champion.state()


def test_while_the_champion_changes_every_request_sees_one_whole_model(home: Path, promote: Any) -> None:
    directories = [promote("1"), promote("2")]
    champion = Champion(home)
    seen: set[tuple[str, str]] = set()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            bundle = champion.current()
            assert bundle is not None
            seen.add((bundle.reference.version, bundle.certificates[0].data_hash))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    # Each set at least six times, and until the askers, which a busy machine may keep waiting, have seen both.
    until = time.monotonic() + 60
    for number in itertools.count():
        set_champion(directories[number % 2])
        if number >= 12 and (len(seen) >= 2 or time.monotonic() > until):
            break
    stop.set()
    for thread in threads:
        thread.join()
    assert {version for version, _ in seen} == {"1", "2"}
    assert champion.state() == "ok"


def point_to(bundle: Path) -> None:
    """Point to a bundle without the checks of promotion, as a hand at the file system would."""
    digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    pointer = bundle.parent / POINTER_FILE
    pointer.with_suffix(".new").write_text(json.dumps({"directory": bundle.name, "manifest_sha256": digest}))
    pointer.with_suffix(".new").replace(pointer)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path)
    server.start()
    yield server
    server.close()


@pytest.mark.slow
def test_a_running_service_notices_a_new_champion_and_survives_a_broken_one(
    server: RunningServer, promote: Any, home: Path
) -> None:
    def model_of(name: str) -> Any:
        answer = httpx.post(f"{server.url}/v1/triage", json=request_body(name, NOTE), timeout=60)
        assert answer.status_code == 200
        return answer.json()["model"]

    assert model_of("PA-0") is None
    assert httpx.get(f"{server.url}/readyz").json()["checks"]["model"] == NO_MODEL
    promote("1")
    assert model_of("PA-1") == {"name": "greenlane-approval", "version": "1", "alias": "champion"}
    assert httpx.get(f"{server.url}/readyz").json()["status"] == "ready"
    second = promote("2")
    assert model_of("PA-2")["version"] == "2"
    broken = Path(shutil.copytree(second, second.with_name("broken")))
    truncate(broken)
    point_to(broken)
    assert model_of("PA-2b")["version"] == "2"
    readiness = httpx.get(f"{server.url}/readyz")
    assert readiness.status_code == 200
    assert readiness.json()["status"] == "degraded"
    assert "version 2 stays in service" in readiness.json()["checks"]["model"]
    promote("3")
    assert model_of("PA-3")["version"] == "3"
    assert httpx.get(f"{server.url}/readyz").json()["checks"]["model"] == "ok"
