"""The model bundle on disk: what is needed to score, and what was promised about it.

A bundle is a directory of two files. ``model.skops`` holds the calibrated classifier; loading it runs no code, because
only types on ``TRUSTED_TYPES`` and skops' own defaults are built. ``manifest.json`` holds everything else: name and
version, feature schema, reference values, certificates, versions, and the SHA-256 of ``model.skops``.

``champion.json`` beside the bundles points to the one in service and holds the SHA-256 of its manifest, so a threshold
edited by hand is noticed. It is replaced atomically: a reader sees the old bundle or the new one, never half of one.
``promotions.jsonl`` keeps who put which bundle into service; a rollback reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from features.types import FeatureSchema, FeatureVector
from models.errors import BundleError, ModelError, SchemaMismatchError
from models.explain import ProbabilityEstimator, SingleThreaded, explained_score
from models.types import ModelReference, Score, ThresholdCertificate

PROTOCOL = 1
MODEL_NAME = "greenlane-approval"
MODEL_FILE = "model.skops"
MANIFEST_FILE = "manifest.json"
POINTER_FILE = "champion.json"
PROMOTIONS_FILE = "promotions.jsonl"
DEFAULT_MODEL_DIRECTORY = Path(".greenlane") / "models"

# Audited: plain holders of numbers, none of which runs code when built. TreePredictor holds raw node indices that
# scikit-learn does not bound-check, which is why a bundle is only read when its checksum is the one in its manifest.
TRUSTED_TYPES = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)


@dataclass(frozen=True, slots=True)
class BundleVersions:
    """Whatever can change an answer: hashes of lexicon and policies, the pipeline's version, the libraries'."""

    lexicon: str
    policies: str
    pipeline: str
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded model with its feature names, reference values and certificates. Scores; never decides a route."""

    reference: ModelReference
    schema_hash: str
    feature_names: tuple[str, ...]
    reference_values: tuple[float, ...]
    certificates: tuple[ThresholdCertificate, ...]
    versions: BundleVersions
    trained_at: datetime
    sha256: str
    estimator: ProbabilityEstimator = field(repr=False, compare=False)

    def threshold_for(self, family: str) -> float | None:
        """The lowest score that may be fast-tracked in ``family``; None where the guarantee does not cover it."""
        for certificate in self.certificates:
            if certificate.family == family:
                return certificate.threshold
        return None

    def certificate_for(self, family: str | None) -> ThresholdCertificate | None:
        """The certificate of ``family``, or the overall one for None; None where there is none."""
        return next((certificate for certificate in self.certificates if certificate.family == family), None)

    def score(self, vector: FeatureVector) -> Score:
        """The calibrated probability of approval and each feature's contribution.

        Raises SchemaMismatchError where ``vector`` was built by another feature schema than the model was trained on.
        """
        if vector.schema.hash != self.schema_hash:
            raise SchemaMismatchError(
                f"model {self.reference.name} {self.reference.version} was trained on feature schema "
                f"{self.schema_hash[:12]}, the request was read with {vector.schema.hash[:12]}; train a new model"
            )
        if len(vector.values) != len(self.feature_names):
            raise SchemaMismatchError(
                f"the request has {len(vector.values)} features, the model wants {len(self.feature_names)}"
            )
        return explained_score(self.estimator, self.feature_names, vector.values, self.reference_values)


def save_bundle(
    directory: Path,
    *,
    estimator: Any,
    schema: FeatureSchema,
    reference: ModelReference,
    reference_values: Sequence[float],
    certificates: Sequence[ThresholdCertificate],
    versions: BundleVersions,
    trained_at: datetime,
) -> Path:
    """Write a bundle as ``directory``, which appears whole or not at all; an earlier one of that name is replaced.

    Raises BundleError where the estimator holds a type that is not trusted, so that what was saved can be loaded.
    """
    import skops.io  # type: ignore[import-untyped]  # ships no types

    if len(reference_values) != len(schema.features):
        raise BundleError(f"{len(reference_values)} reference values for {len(schema.features)} features")
    content = skops.io.dumps(estimator)
    _refuse_untrusted(content, "the model to be saved")
    manifest = {
        "protocol": PROTOCOL,
        "model": asdict(reference),
        "schema": {
            "name": schema.name,
            "version": schema.version,
            "hash": schema.hash,
            "features": [asdict(spec) for spec in schema.features],
        },
        "reference_values": [float(value) for value in reference_values],
        "certificates": [{"scope": certificate.scope, **asdict(certificate)} for certificate in certificates],
        "versions": asdict(versions),
        "trained_at": trained_at.isoformat(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return _place(directory, content, manifest)


def _place(directory: Path, model: bytes, manifest: Mapping[str, Any]) -> Path:
    directory.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(prefix=".bundle-", dir=directory.parent))
    try:
        _write_durably(written / MODEL_FILE, model)
        _write_durably(written / MANIFEST_FILE, _manifest_bytes(manifest))
        # mkdtemp is private to one user; a server running as another one has to read the bundle.
        written.chmod(0o755)
        if directory.exists():
            shutil.rmtree(directory)
        written.replace(directory)
    except BaseException:
        shutil.rmtree(written, ignore_errors=True)
        raise
    return directory


def _manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2) + "\n").encode()


def load_bundle(directory: Path) -> Bundle:
    """Read and audit a bundle.

    Raises BundleError, in one line, where a file is missing or truncated, was changed after it was written, is of
    another protocol, or holds a type outside ``TRUSTED_TYPES``.
    """
    return _load(directory, expected_manifest=None)


def promote_bundle(candidate: Path, home: Path, *, before_service: Callable[[], object] | None = None) -> Path:
    """Copy ``candidate`` into the model directory ``home`` under the alias ``champion`` and point to it.

    ``before_service`` is called when the copy is complete and was loaded, before the pointer moves; where it raises,
    the champion in service stays. Raises BundleError where the candidate is broken.
    """
    loaded = load_bundle(candidate)
    manifest = json.loads(_read(candidate / MANIFEST_FILE))
    manifest["model"]["alias"] = "champion"
    # Named after its content, so a directory a server may be reading is never written again.
    content = hashlib.sha256(_manifest_bytes(manifest)).hexdigest()
    target = home / f"{loaded.reference.name}-v{loaded.reference.version}-{content[:8]}"
    if not target.exists():
        _place(target, _read(candidate / MODEL_FILE), manifest)
    load_bundle(target)
    if before_service is not None:
        before_service()
    set_champion(target)
    return target


def set_champion(bundle: Path) -> Path:
    """Point ``champion.json``, beside the bundle, to it, atomically. Raises BundleError where it is broken."""
    load_bundle(bundle)
    manifest = (bundle / MANIFEST_FILE).read_bytes()
    content = {"directory": bundle.name, "manifest_sha256": hashlib.sha256(manifest).hexdigest()}
    pointer = bundle.parent / POINTER_FILE
    pending = bundle.parent / f".{POINTER_FILE}.{os.getpid()}"
    _write_durably(pending, (json.dumps(content, indent=2) + "\n").encode())
    pending.replace(pointer)
    return pointer


def record_promotion(home: Path, decision: Mapping[str, Any]) -> None:
    """Add a decision (with its bundle's ``directory``) to the model directory's log, one JSON object a line."""
    with (home / PROMOTIONS_FILE).open("a", encoding="utf-8") as log:
        log.write(json.dumps(decision) + "\n")
        log.flush()
        os.fsync(log.fileno())


def previous_champion(home: Path) -> Path | None:
    """The bundle that was in service before the present one, by the log of promotions; None where there was none.

    Where the present one was itself returned to, what came before it in the first place is meant. Raises BundleError
    where the log cannot be read.
    """
    log = home / PROMOTIONS_FILE
    in_order: list[str] = []
    try:
        for line in log.read_text(encoding="utf-8").splitlines():
            decision = json.loads(line)
            name = decision["directory"]
            if decision["action"] == "rollback" and name in in_order:
                del in_order[in_order.index(name) + 1 :]
            elif not in_order or in_order[-1] != name:
                in_order.append(name)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{log}: is not a log of promotions; point to a bundle by hand or promote again") from error
    before = [name for name in in_order if name != _pointed_to(home)]
    return home / Path(before[-1]).name if before else None


def _pointed_to(home: Path) -> str | None:
    try:
        return str(json.loads((home / POINTER_FILE).read_bytes())["directory"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load_champion(directory: Path | None = None) -> Bundle | None:
    """The bundle in service, or None where nothing was promoted yet.

    ``directory`` holds ``champion.json``; by default the environment's GREENLANE_MODEL_DIR, else ``.greenlane/models``
    below the current working directory. Raises BundleError where the pointer or its bundle is broken.
    """
    home = model_directory(directory)
    pointer = home / POINTER_FILE
    try:
        content = pointer.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{pointer}: cannot be read ({error.strerror}); promote a model again") from error
    try:
        stated = json.loads(content)
        name, expected = stated["directory"], stated["manifest_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{pointer}: is not a champion pointer; promote a model again") from error
    if not isinstance(name, str) or not isinstance(expected, str) or Path(name).name != name or name in ("", ".", ".."):
        raise BundleError(f"{pointer}: must name a bundle beside it; promote a model again")
    return _load(home / name, expected_manifest=expected)


def require_installed_schema(bundle: Bundle) -> None:
    """Raise SchemaMismatchError where ``bundle`` was trained on another feature schema than this version reads."""
    from features.vector import SCHEMA

    if bundle.schema_hash != SCHEMA.hash:
        raise SchemaMismatchError(
            f"model {bundle.reference.name} {bundle.reference.version} was trained on feature schema "
            f"{bundle.schema_hash[:12]}, this version reads {SCHEMA.hash[:12]}; train a new model"
        )


def model_directory(directory: Path | None = None) -> Path:
    """Where bundles live: ``directory``, else GREENLANE_MODEL_DIR, else ``.greenlane/models``."""
    if directory is not None:
        return directory
    configured = os.environ.get("GREENLANE_MODEL_DIR")
    return Path(configured) if configured else DEFAULT_MODEL_DIRECTORY


def _load(directory: Path, expected_manifest: str | None) -> Bundle:
    manifest_path, model_path = directory / MANIFEST_FILE, directory / MODEL_FILE
    written = _read(manifest_path)
    if expected_manifest is not None and hashlib.sha256(written).hexdigest() != expected_manifest:
        raise BundleError(f"{manifest_path}: was changed after promotion; promote the model again")
    try:
        manifest = json.loads(written)
        if manifest["protocol"] != PROTOCOL:
            raise BundleError(f"{manifest_path}: protocol {manifest['protocol']}, this version reads {PROTOCOL}")
        fields = _manifest_fields(manifest)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{manifest_path}: is not a bundle's manifest; promote the model again") from error
    content = _read(model_path)
    if hashlib.sha256(content).hexdigest() != fields["sha256"]:
        raise BundleError(f"{model_path}: checksum differs from the manifest's; the file is truncated or was changed")
    estimator = _audited_estimator(content, model_path)
    if getattr(estimator, "n_features_in_", None) != len(fields["feature_names"]):
        raise BundleError(f"{model_path}: wants another number of features than its manifest names")
    return Bundle(estimator=SingleThreaded(estimator), **fields)


def _manifest_fields(manifest: Mapping[str, Any]) -> dict[str, Any]:
    names = tuple(str(spec["name"]) for spec in manifest["schema"]["features"])
    values = tuple(float(value) for value in manifest["reference_values"])
    if len(names) != len(values):
        raise ValueError("one reference value a feature")
    certificates = tuple(
        ThresholdCertificate(**{key: value for key, value in stated.items() if key != "scope"})
        for stated in manifest["certificates"]
    )
    for certificate in certificates:
        if certificate.threshold is not None and not 0.0 <= certificate.threshold <= 1.0:
            raise ValueError("a threshold is a probability")
    return {
        "reference": ModelReference(**manifest["model"]),
        "schema_hash": str(manifest["schema"]["hash"]),
        "feature_names": names,
        "reference_values": values,
        "certificates": certificates,
        "versions": BundleVersions(**manifest["versions"]),
        "trained_at": datetime.fromisoformat(manifest["trained_at"]),
        "sha256": str(manifest["sha256"]),
    }


def _audited_estimator(content: bytes, path: Path) -> Any:
    import skops.io

    _refuse_untrusted(content, str(path))
    try:
        estimator = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except Exception as error:  # skops raises whatever its parts raise; none of it may pass for a model
        raise BundleError(f"{path}: cannot be read as a skops model ({type(error).__name__})") from error
    if type(estimator).__name__ != "CalibratedClassifierCV":
        raise BundleError(f"{path}: holds a {type(estimator).__name__}, not a calibrated classifier")
    return estimator


def _refuse_untrusted(content: bytes, what: str) -> None:
    import skops.io

    try:
        unknown = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
    except Exception as error:  # a hostile or broken archive fails in zipfile, json or skops, each in its own way
        raise BundleError(f"{what}: cannot be read as a skops model ({type(error).__name__})") from error
    if unknown:
        raise BundleError(f"{what}: holds types that are not trusted: {', '.join(unknown)}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); promote a model again") from error


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


__all__ = [
    "MODEL_NAME",
    "TRUSTED_TYPES",
    "Bundle",
    "BundleVersions",
    "ModelError",
    "ThresholdCertificate",
    "load_bundle",
    "load_champion",
    "model_directory",
    "previous_champion",
    "promote_bundle",
    "record_promotion",
    "require_installed_schema",
    "save_bundle",
    "set_champion",
]
