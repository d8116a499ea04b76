"""The candidate: what training leaves behind for evaluation and promotion, as files in the training directory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from models.bundle import MODEL_NAME, Bundle, BundleVersions, load_bundle, save_bundle
from models.types import ModelReference
from training.dataset import Dataset
from training.drift import reference_of, write_reference
from training.errors import DatasetError
from training.evaluate import Evaluation
from training.tracking import Registered, registered_to_json
from training.train import Trained, scores

_LIBRARIES = ("numpy", "scikit-learn", "skops", "mapie", "mlflow")


def library_versions() -> dict[str, str]:
    """The installed versions of the libraries a trained model depends on."""
    return {name: version(name) for name in _LIBRARIES}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model waiting for promotion, its logistic baseline, and where it stands in the registry."""

    bundle: Bundle
    baseline: Bundle
    registered: Registered


@contextmanager
def pending_candidate(directory: Path, trained: Trained, dataset: Dataset, version: str) -> Iterator[Path]:
    """The bundle of a candidate not yet kept: to be registered, then kept with :func:`keep_candidate`.

    Where anything fails before that, the candidate already in ``directory`` stays as it was.
    """
    pending = directory / "pending"
    shutil.rmtree(pending, ignore_errors=True)
    try:
        for name, estimator, certificates in (
            ("candidate", trained.estimator, trained.certificates),
            ("baseline", trained.baseline, trained.baseline_certificates),
        ):
            save_bundle(
                pending / name,
                estimator=estimator,
                schema=dataset.schema,
                reference=ModelReference(
                    MODEL_NAME if name == "candidate" else f"{MODEL_NAME}-baseline", version, "challenger"
                ),
                reference_values=trained.reference_values,
                certificates=certificates,
                versions=BundleVersions(
                    lexicon=dataset.versions["lexicon"],
                    policies=dataset.versions["policies"],
                    pipeline=dataset.versions["pipeline"],
                    libraries=library_versions(),
                ),
                trained_at=datetime.now(UTC),
            )
        write_reference(pending / "candidate", reference_of(dataset, scores(trained.estimator, dataset)))
        yield pending / "candidate"
    finally:
        shutil.rmtree(pending, ignore_errors=True)


def keep_candidate(directory: Path, registered: Registered) -> None:
    """Put the pending candidate in the place of the earlier one; forget any earlier evaluation."""
    (directory / "evaluation.json").unlink(missing_ok=True)
    for name in ("candidate", "baseline"):
        shutil.rmtree(directory / name, ignore_errors=True)
        (directory / "pending" / name).replace(directory / name)
    (directory / "registered.json").write_text(registered_to_json(registered) + "\n")


def load_candidate(directory: Path) -> Candidate:
    """The candidate in ``directory``. Raises DatasetError where nothing was trained yet."""
    try:
        stated = json.loads((directory / "registered.json").read_text())
        registered = Registered(stated["run_id"], stated["version"], stated["tracking_uri"])
    except FileNotFoundError as error:
        raise DatasetError(f"{directory}: holds no candidate; run train first") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{directory / 'registered.json'}: is broken; run train again") from error
    return Candidate(load_bundle(directory / "candidate"), load_bundle(directory / "baseline"), registered)


def save_evaluation(directory: Path, bundle: Bundle, evaluation: Evaluation) -> Mapping[str, Any]:
    """Write the evaluation with the model it is about; returns it as plain JSON values."""
    report = {"model": asdict(bundle.reference), "sha256": bundle.sha256, **evaluation.to_json()}
    (directory / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def load_evaluation(directory: Path, bundle: Bundle) -> dict[str, Any]:
    """The evaluation of exactly this bundle. Raises DatasetError where there is none."""
    try:
        report: dict[str, Any] = json.loads((directory / "evaluation.json").read_text())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{directory}: the candidate was not evaluated; run evaluate first") from error
    if not isinstance(report, dict) or report.get("sha256") != bundle.sha256:
        raise DatasetError(f"{directory / 'evaluation.json'}: is about another model; run evaluate again")
    return report
