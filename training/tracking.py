"""Runs, metrics, artifacts and the model registry: the one file of ours that imports MLflow (``request_model.py`` is
MLflow's own to execute).

Where runs go: MLFLOW_TRACKING_URI where it is set (``mlflow run`` sets it for what it starts), else a SQLite file below
``.greenlane``. Models are logged as skops, so nobody has to load a pickle to use one.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import features
import models
from models.bundle import MODEL_NAME, TRUSTED_TYPES
from training.config import ARTIFACT_DIRECTORY, EXPERIMENT, TRACKING_DATABASE
from training.errors import TrainingError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from training.dataset import Dataset
    from training.train import Trained

_OURS = f"sqlite:///{TRACKING_DATABASE.as_posix()}"

# What a model needs to be loaded again; pinned to what is installed when it is logged. The first three are enough for the
# classifier, which takes features; the rest is for reading requests.
_CLASSIFIER = ("scikit-learn", "skops", "numpy")
_REQUIREMENTS = (*_CLASSIFIER, "pandas", "spacy", "medspacy", "loguru", "pydantic", "pyyaml", "threadpoolctl")

# Invented, as every note in this repository: what a request looks like to the registered model.
_EXAMPLE = {
    "external_id": "EXAMPLE-1",
    "received_at": "2026-11-20T15:04:05Z",
    "member": {"birth_date": "1968-04-12", "sex": "male"},
    "service": {"system": "CPT", "code": "72148"},
    "diagnoses": [{"system": "ICD-10-CM", "code": "M54.16"}],
    "documents": [
        {
            "document_id": "d1",
            "type": "progress_note",
            "date": "2026-11-10",
            "text": "Low back and left leg pain for three months. Completed 8 weeks of physical therapy without relief.",
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a trained model stands in the registry."""

    run_id: str
    version: str
    tracking_uri: str


def connect() -> MlflowClient:
    """A client of the tracking store, MLflow's chatter silenced. Raises TrainingError where it cannot be used."""
    _silence()
    import mlflow

    if not os.environ.get("MLFLOW_TRACKING_URI"):
        TRACKING_DATABASE.parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(_OURS)
    try:
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    except Exception as error:  # a database, a server or a path may fail in its own way; the run stops with one line
        raise TrainingError(
            f"the MLflow store at {_shown(mlflow.get_tracking_uri())} cannot be used ({type(error).__name__})"
        ) from error
    return client


def next_version() -> str:
    """The number the registry will give to the next version of the model."""
    client = connect()
    known = [int(found.version) for found in client.search_model_versions(f"name = '{MODEL_NAME}'")]
    return str(max(known, default=0) + 1)


def log_training(
    trained: Trained,
    dataset: Dataset,
    parameters: Mapping[str, Any],
    table: Path,
    bundle: Path,
    version: str,
) -> Registered:
    """Log parameters, search, certificates and models, register, and give the new version the alias ``challenger``.

    Two models are logged: ``classifier``, which takes features, and ``model``, which takes whole requests and is the
    registered one; it holds ``bundle``. Raises TrainingError where the registry's number is not the ``version`` that the
    bundle bears.
    """
    client = connect()
    import mlflow
    import mlflow.pyfunc
    import mlflow.sklearn
    import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
    from mlflow.models import infer_signature

    names = [spec.name for spec in dataset.schema.features]
    example = pd.DataFrame(dataset.features[:5], columns=names)
    if not os.environ.get("MLFLOW_RUN_ID"):
        mlflow.set_experiment(experiment_id=_experiment(client))
    with mlflow.start_run() as run, warnings.catch_warnings():
        # Said for every model: that a column of whole numbers may one day hold a missing value, that a predict function
        # could have type hints.
        warnings.simplefilter("ignore")
        settings = {f"estimator_{name}": value for name, value in asdict(trained.settings).items()}
        mlflow.log_params({name: str(value) for name, value in {**parameters, **settings}.items()})
        mlflow.set_tags({"feature_schema": dataset.schema.hash, "data_hash": dataset.hash, **dataset.versions})
        mlflow.log_metrics(_certificate_metrics(trained))
        for step, trial in enumerate(trained.trials):
            mlflow.log_metric("tuning_log_loss", trial.log_loss, step=step)
        mlflow.log_dict({"best_first": [trial.to_json() for trial in trained.trials]}, "tuning.json")
        mlflow.log_dict(_certificates(trained), "certificates.json")
        mlflow.log_dict({"file": table.name, "sha256": dataset.hash, "cases": len(dataset)}, "data.json")
        mlflow.sklearn.log_model(
            trained.estimator,
            name="classifier",
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            signature=infer_signature(example, trained.estimator.predict_proba(example.to_numpy())),
            input_example=example,
            pip_requirements=_pinned(_CLASSIFIER),
            pyfunc_predict_fn="predict_proba",
        )
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).with_name("request_model.py")),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(Path(room.__file__ or "").parent) for room in (features, models)],
            signature=_request_signature(),
            input_example=pd.DataFrame({"request": [json.dumps(_EXAMPLE)]}),
            pip_requirements=_pinned(_REQUIREMENTS),
        )
    given = _register(client, logged.model_uri, run.info.run_id, logged.model_id)
    if given != version:
        raise TrainingError(
            f"the registry gave version {given}, not {version}: another training ran beside; train again"
        )
    client.set_registered_model_alias(MODEL_NAME, "challenger", version)
    return Registered(run.info.run_id, version, mlflow.get_tracking_uri())


def log_evaluation(registered: Registered, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
    """Add the evaluation's metrics and files (below ``report``) to the run that trained the model."""
    client = connect()
    with _kept_in(registered):
        for name, value in metrics.items():
            client.log_metric(registered.run_id, name, value)
        for file in files:
            client.log_artifact(registered.run_id, str(file), "report")


def log_promotion(registered: Registered, decision: Mapping[str, Any]) -> None:
    """Keep the decision with the run and move the alias ``champion``. Raises TrainingError where the model is lost."""
    client = connect()
    with _kept_in(registered):
        client.log_dict(registered.run_id, dict(decision), "promotion.json")
        client.set_model_version_tag(MODEL_NAME, registered.version, "approved_by", "; ".join(decision["approved_by"]))
        client.set_model_version_tag(MODEL_NAME, registered.version, "promoted_at", decision["decided_at"])
        client.set_registered_model_alias(MODEL_NAME, "champion", registered.version)


def log_rollback(version: str, decision: Mapping[str, Any]) -> None:
    """Give ``version`` the alias ``champion`` again and keep the decision with its run.

    Raises TrainingError where the registry cannot be told.
    """
    client = connect()
    try:
        run_id = str(client.get_model_version(MODEL_NAME, version).run_id)
        client.set_registered_model_alias(MODEL_NAME, "champion", version)
        client.log_dict(run_id, dict(decision), f"rollback-{decision['decided_at'].replace(':', '-')}.json")
    except Exception as error:  # every store has its own errors
        raise TrainingError(
            f"version {version} is back in service, but the MLflow store could not be told ({type(error).__name__})"
        ) from error


@contextmanager
def _kept_in(registered: Registered) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # every store has its own errors; whichever it is, nothing was promoted
        raise TrainingError(
            f"version {registered.version} of {MODEL_NAME} is not in the MLflow store at "
            f"{_shown(registered.tracking_uri)} ({type(error).__name__}); train again"
        ) from error


def _pinned(names: Sequence[str]) -> list[str]:
    return [f"{name}=={installed(name)}" for name in names]


def _request_signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    text, number = DataType.string, DataType.double
    return ModelSignature(
        inputs=Schema([ColSpec(text, "request")]),
        outputs=Schema(
            [
                ColSpec(text, "external_id"),
                ColSpec(text, "route"),
                ColSpec(number, "approval_score", required=False),
                ColSpec(number, "threshold", required=False),
                ColSpec(text, "result"),
                ColSpec(text, "error"),
            ]
        ),
    )


def _experiment(client: MlflowClient) -> str:
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    # Any other store knows itself where artifacts belong.
    ours = client.tracking_uri == _OURS
    return client.create_experiment(EXPERIMENT, ARTIFACT_DIRECTORY.resolve().as_uri() if ours else None)


def _register(client: MlflowClient, source: str, run_id: str, model_id: str) -> str:
    """A new version of the registered model; done here because ``log_model`` prints what it registers."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return str(client.create_model_version(MODEL_NAME, source, run_id=run_id, model_id=model_id).version)


def _certificates(trained: Trained) -> dict[str, Any]:
    return {
        "model": [asdict(shown) for shown in trained.certificates],
        "logistic_regression": [asdict(shown) for shown in trained.baseline_certificates],
    }


def _certificate_metrics(trained: Trained) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for shown in trained.certificates:
        scope = shown.family or "all"
        metrics[f"certification_{scope}_cases"] = shown.n
        metrics[f"certification_{scope}_errors"] = shown.errors
        if shown.threshold is not None:
            metrics[f"certification_{scope}_threshold"] = shown.threshold
    return metrics


def _silence() -> None:
    """MLflow, its migrations and its Git look-ups report every step; what goes wrong is raised, not reported."""
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # By its own settings it tries a server that is not there seven times, for minutes, and then says the same.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow.utils.logging_utils import disable_logging

    disable_logging()  # type: ignore[no-untyped-call]  # MLflow leaves it without annotations
    for name in ("alembic", "git"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _shown(uri: str) -> str:
    """A tracking address without the user and password it may hold."""
    return uri.split("@")[-1]


def registered_to_json(registered: Registered) -> str:
    """The registration as a line of JSON, to be kept beside the candidate."""
    return json.dumps(
        {"run_id": registered.run_id, "version": registered.version, "tracking_uri": registered.tracking_uri}
    )
