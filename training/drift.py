"""Watching a model in service: are its requests still like those it was trained on, and does its bound still hold?

Two questions of different weight. That features or scores moved (population stability index, missing documents, codes
never seen) is a reason to look and to retrain. That the blind audit shows more wrong fast tracks than were certified, or
cases that are not exchangeable with the certified ones, is a reason to stop a service family at once: the guarantee is
given for exchangeable cases only.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, chi2  # type: ignore[import-untyped]  # ships no types

from models.bundle import MANIFEST_FILE, POINTER_FILE, Bundle, ThresholdCertificate, load_champion, model_directory
from models.decisions import DecisionSource, Outcome
from training.config import FALSE_ALARM
from training.dataset import Dataset, LabelledCase, ReadCase, read_cases
from training.errors import DatasetError
from training.history import checked_rows

Numbers = NDArray[np.float64]
Level = Literal["steady", "watch", "moved"]
Standing = Literal["supported", "open", "stop", "not certified"]

REFERENCE_FILE = "drift_reference.json"
PROTOCOL = 1

# The convention for the population stability index: below 0.1 nothing happened, above 0.25 the population is another.
WATCH_FROM, MOVED_FROM = 0.1, 0.25
_BINS = 10
_FEW_VALUES = 12
_NOISE_QUANTILE = 0.99
_MOST_REFERENCE_CASES = 500
# Below this many audited cases the exchangeability test is not asked.
_FEWEST_AUDITED = 30
_MOST_NAMED_CODES = 10


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one number moved. ``noise`` is the index that chance alone stays below 99 times in 100."""

    name: str
    psi: float
    noise: float
    level: Level


@dataclass(frozen=True, slots=True)
class Share:
    """A share then and now, in 0 to 1."""

    name: str
    reference: float
    served: float
    level: Level


@dataclass(frozen=True, slots=True)
class FamilyWatch:
    """What the blind audit says about one service family.

    ``audited`` decided cases of it, ``errors`` of them not approved; ``error`` is the rate among fast tracks that they
    show, each weighted by one over its probability, between ``lower`` and ``upper`` (one-sided Clopper-Pearson bounds at
    the certificate's confidence, for weights on the effective number of cases). ``exchangeable`` None: too few cases.
    ``retracted`` counts fast tracks that were taken back. ``why`` says why it stands as it does.
    """

    family: str
    requests: int
    fast_tracked: int
    retracted: int
    audited: int
    errors: int
    error: float | None
    lower: float
    upper: float
    target: float
    confidence: float
    exchangeable: bool | None
    standing: Standing
    why: str


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Everything a run of ``drift`` found."""

    model: str
    checked_at: str
    first_day: str
    last_day: str
    requests: int
    score: Shift
    features: tuple[Shift, ...]
    shares: tuple[Share, ...]
    unseen_codes: tuple[str, ...]
    families: tuple[FamilyWatch, ...]

    @property
    def to_stop(self) -> tuple[str, ...]:
        """The families whose certificate is no longer supported."""
        return tuple(watch.family for watch in self.families if watch.standing == "stop")

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {**asdict(self), "to_stop": list(self.to_stop)}


@dataclass(frozen=True, slots=True)
class Served:
    """The requests of a window as the service got them; every array has one entry a request.

    ``approved`` is -1 where nobody decided; ``weights`` are one over the audit's probability for audited cases, else 1.
    """

    features: Numbers
    families: NDArray[np.str_]
    services: NDArray[np.str_]
    diagnoses: Sequence[tuple[str, ...]]
    missing: NDArray[np.bool_]
    sources: NDArray[np.str_]
    approved: NDArray[np.int64]
    weights: Numbers
    retracted: NDArray[np.bool_]
    models: NDArray[np.str_]
    received: Sequence[datetime] = field(repr=False)

    def __len__(self) -> int:
        return len(self.families)


def reference_of(dataset: Dataset, scores: Numbers) -> dict[str, Any]:
    """What later requests are compared with, as plain JSON values: distributions, shares and codes, no request.

    ``scores`` are the model's for every case of ``dataset``. Distributions and shares are those of calibration and
    certification: the model knows its training cases too well, and generated ones fail more often than requests do. Codes are
    those of all splits but test.
    """
    known = dataset.splits != "test"
    held_out = np.isin(dataset.splits, ("calibration", "certification"))
    certification = dataset.splits == "certification"
    weights = dataset.weights
    families = {}
    for family in sorted(set(dataset.families[certification].tolist()) - {""}):
        cases = certification & dataset.eligible & (dataset.families == family)
        even = dataset.where(cases).evenly_weighted().external_ids
        shown = np.flatnonzero(cases & np.isin(dataset.external_ids, even))[:_MOST_REFERENCE_CASES]
        families[family] = {
            "scores": [round(float(score), 6) for score in scores[shown]],
            "approved": dataset.labels[shown].tolist(),
        }
    return {
        "protocol": PROTOCOL,
        "schema_hash": dataset.schema.hash,
        "data_hash": dataset.hash,
        "features": {
            spec.name: _distribution(dataset.features[held_out, position], weights[held_out])
            for position, spec in enumerate(dataset.schema.features)
        },
        "score": _distribution(scores[held_out], weights[held_out]),
        "missing": float(np.average(dataset.missing[held_out], weights=weights[held_out])),
        "uncovered": float(np.average(dataset.families[held_out] == "", weights=weights[held_out])),
        "services": sorted(set(dataset.services[known].tolist())),
        "diagnoses": sorted({_category(code) for codes in dataset.diagnoses[known].tolist() for code in codes.split()}),
        "families": families,
    }


def write_reference(bundle: Path, reference: Mapping[str, Any]) -> None:
    """Keep the reference beside the bundle it belongs to, with that model's checksum."""
    sha256 = json.loads((bundle / MANIFEST_FILE).read_text())["sha256"]
    (bundle / REFERENCE_FILE).write_text(json.dumps({**reference, "model_sha256": sha256}) + "\n")


def carry_reference(candidate: Path, promoted: Path) -> None:
    """Put the candidate's reference beside the promoted bundle. A candidate without one carries none."""
    kept = candidate / REFERENCE_FILE
    if kept.exists():
        pending = promoted / f".{REFERENCE_FILE}.pending"
        pending.write_bytes(kept.read_bytes())
        pending.replace(promoted / REFERENCE_FILE)


def champion_with_reference(models: Path | None = None) -> tuple[Bundle, dict[str, Any]]:
    """The model in service and what it was trained on. Raises DatasetError or BundleError where either is missing."""
    home = model_directory(models)
    bundle = load_champion(models)
    if bundle is None:
        raise DatasetError(f"{home}: no model is in service; promote one first")
    directory = home / json.loads((home / POINTER_FILE).read_text())["directory"]
    path = directory / REFERENCE_FILE
    try:
        reference: dict[str, Any] = json.loads(path.read_text())
        fits = reference["protocol"] == PROTOCOL and reference["model_sha256"] == bundle.sha256
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: is not there; train and promote a model again") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path}: is no drift reference; train and promote a model again") from error
    if not fits:
        raise DatasetError(f"{path}: belongs to another model; train and promote a model again")
    return bundle, reference


def read_served(
    path: Path, *, since: datetime | None = None, until: datetime | None = None, processes: int = 2
) -> Served:
    """The requests of an own-history file that were received in the window, decided or not, read as the service reads.

    Raises HistoryRefusedError where a row is unsound and DatasetError where the window is empty.
    """
    now = datetime.now(UTC)
    facts: list[tuple[datetime, str, int, float, bool, str]] = []

    def window() -> Any:
        for number, row in checked_rows(path, now=now):
            if (since and row.received_at < since) or (until and row.received_at >= until):
                continue
            outcome = row.outcome_by(now)
            decided = outcome is not None and outcome is not Outcome.WITHDRAWN
            audited = row.source is DecisionSource.BLIND_AUDIT
            taken_back = row.source is DecisionSource.FAST_TRACK and outcome is not Outcome.APPROVED_AS_REQUESTED
            approved = int(outcome is Outcome.APPROVED_AS_REQUESTED) if decided else -1
            weight = 1.0 / row.audit_probability if audited and row.audit_probability else 1.0
            source = row.source.value if row.source else ""
            facts.append((row.received_at, source, approved, weight, taken_back, row.model_version or ""))
            yield LabelledCase(f"{path}: row {number}", row.request, max(approved, 0), "test")

    read: list[ReadCase] = [each for _, part in read_cases(window(), processes) for each in part]
    if not read:
        raise DatasetError(f"{path}: no request was received in this window")
    order = sorted(range(len(read)), key=lambda index: facts[index][0])
    rows, known = [read[index] for index in order], [facts[index] for index in order]
    return Served(
        features=np.asarray([row.values for row in rows], dtype=np.float64),
        families=np.asarray([row.family for row in rows], dtype=np.str_),
        services=np.asarray([row.service for row in rows], dtype=np.str_),
        diagnoses=[row.diagnoses for row in rows],
        missing=np.asarray([row.missing for row in rows], dtype=np.bool_),
        sources=np.asarray([fact[1] for fact in known], dtype=np.str_),
        approved=np.asarray([fact[2] for fact in known], dtype=np.int64),
        weights=np.asarray([fact[3] for fact in known], dtype=np.float64),
        retracted=np.asarray([fact[4] for fact in known], dtype=np.bool_),
        models=np.asarray([fact[5] for fact in known], dtype=np.str_),
        received=[fact[0] for fact in known],
    )


def compare(
    bundle: Bundle, reference: Mapping[str, Any], served: Served, *, false_alarm: float = FALSE_ALARM
) -> DriftReport:
    """Hold a window of served requests against what the model in service was trained and certified on.

    Raises DatasetError where requests are read by another feature schema than the model was trained on.
    """
    from features.vector import SCHEMA

    if bundle.schema_hash != SCHEMA.hash:
        raise DatasetError("requests are read by another feature schema than the model in service was trained on")
    scores = np.asarray(bundle.estimator.predict_proba(served.features)[:, 1], dtype=np.float64)
    certified = [shown for shown in bundle.certificates if shown.family is not None]
    names = f"{bundle.reference.name}/{bundle.reference.version}"
    level = false_alarm / max(1, len(certified))
    return DriftReport(
        model=names,
        checked_at=datetime.now(UTC).isoformat(timespec="seconds"),
        first_day=f"{served.received[0]:%Y-%m-%d}",
        last_day=f"{served.received[-1]:%Y-%m-%d}",
        requests=len(served),
        score=_shift("score", reference["score"], scores),
        features=tuple(
            sorted(
                (
                    _shift(name, reference["features"][name], served.features[:, position])
                    for position, name in enumerate(bundle.feature_names)
                ),
                key=lambda shift: -shift.psi,
            )
        ),
        shares=_shares(reference, served),
        unseen_codes=_unseen(reference, served)[:_MOST_NAMED_CODES],
        families=tuple(_watch(shown, reference, served, scores, names, level) for shown in certified),
    )


def error_bounds(errors: NDArray[np.bool_], weights: Numbers, confidence: float) -> tuple[float, float, float]:
    """The weighted rate of ``errors`` with its one-sided lower and upper bounds.

    Clopper-Pearson on the effective number of cases, (sum of weights)^2 / sum of squares (Korn and Graubard, 1998); the
    exact bound itself where all weights are equal. (0, 0, 1) for no case.
    """
    if len(errors) == 0:
        return 0.0, 0.0, 1.0
    n = float(weights.sum() ** 2 / (weights**2).sum())
    rate = float(np.average(errors, weights=weights))
    wrong = rate * n
    upper = 1.0 if wrong >= n else float(beta.ppf(confidence, wrong + 1, n - wrong))
    lower = float(beta.ppf(1.0 - confidence, wrong, n - wrong + 1)) if wrong > 0 else 0.0
    return rate, lower, upper


def stability_index(reference: Mapping[str, Any], values: Numbers) -> tuple[float, float]:
    """The population stability index of ``values`` against a reference distribution, and what chance stays below.

    The index is the sum over bins of (now - then) ln(now / then), shares smoothed by half a case a bin. Without any
    change it is distributed as (1/n + 1/m) times chi-squared with one degree less than bins; its 99 % quantile is the
    second number.
    """
    edges, then = np.asarray(reference["edges"]), np.asarray(reference["shares"], dtype=np.float64)
    bins, n, m = len(then), float(reference["n"]), float(len(values))
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=bins)
    expected = (then * n + 0.5) / (n + 0.5 * bins)
    observed = (counts + 0.5) / (m + 0.5 * bins)
    psi = float(np.sum((observed - expected) * np.log(observed / expected)))
    occupied = max(int(np.sum((then > 0) | (counts > 0))), 2)
    return psi, float(chi2.ppf(_NOISE_QUANTILE, occupied - 1) * (1.0 / n + 1.0 / m))


def exchangeable(reference: Mapping[str, Any], threshold: float, scores: Numbers, approved: Any, level: float) -> bool:
    """Whether audited cases, in the order they came, can be told from certified ones; False with probability at most
    ``level`` where they cannot.

    MAPIE's online martingale test on one minus the probability given to what a person decided: certification cases at or
    above the threshold first, in an order drawn by a fixed seed, then the audited ones. It may be looked at after every
    case without losing its level.
    """
    from mapie.classification import SplitConformalClassifier  # type: ignore[import-untyped]  # ships no types
    from mapie.exchangeability_testing import OnlineExchangeabilityTest  # type: ignore[import-untyped]  # nor here

    known = np.asarray(reference["scores"], dtype=np.float64)
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(known >= threshold))
    before, decided = known[chosen], np.asarray(reference["approved"], dtype=np.int64)[chosen]
    method = "jumper_martingale"
    test = OnlineExchangeabilityTest(
        method_names=method,
        method_params={
            method: {
                "mapie_estimator": SplitConformalClassifier(
                    estimator=_given_probability(), prefit=True, conformity_score="lac"
                ),
                "task": "classification",
                "random_state": 0,
                "burn_in": 1,
            }
        },
        test_level=level,
        warn=False,
    )
    with warnings.catch_warnings():
        # That nobody decided against approval is good news, not a lack of labels.
        warnings.filterwarnings("ignore", message="WARNING: your conformalization dataset has less labels")
        test.update(np.concatenate([before, scores])[:, np.newaxis], np.concatenate([decided, approved]))
    return bool(test.is_exchangeable[method])


def _given_probability() -> Any:
    """A fitted classifier whose one feature is the probability itself: the scores are there already."""
    from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]  # ships no types

    class GivenProbability(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
        classes_ = np.array([0, 1])
        n_features_in_ = 1

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict_proba(self, column: Any) -> Numbers:
            probability = np.asarray(column, dtype=np.float64)[:, 0]
            return np.column_stack([1.0 - probability, probability])

        def predict(self, column: Any) -> NDArray[np.int64]:
            return np.asarray(self.predict_proba(column)[:, 1] >= 0.5, dtype=np.int64)

    return GivenProbability()


def _watch(
    certificate: ThresholdCertificate,
    reference: Mapping[str, Any],
    served: Served,
    scores: Numbers,
    model: str,
    level: float,
) -> FamilyWatch:
    family = certificate.family or ""
    own = served.families == family
    # What an earlier model let through says nothing about this one.
    ours = own & np.isin(served.models, (model, ""))
    audited = ours & (served.sources == DecisionSource.BLIND_AUDIT.value) & (served.approved >= 0)
    fast = ours & (served.sources == DecisionSource.FAST_TRACK.value)
    errors = served.approved[audited] == 0
    rate, lower, upper = error_bounds(errors, served.weights[audited], certificate.confidence)
    retracted, tracked = int((fast & served.retracted).sum()), int(fast.sum())
    known = reference["families"].get(family)
    same: bool | None = None
    if certificate.threshold is not None and known and int(audited.sum()) >= _FEWEST_AUDITED:
        same = exchangeable(known, certificate.threshold, scores[audited], served.approved[audited], level)
    _, retracted_lower, _ = error_bounds(served.retracted[fast], np.ones(tracked), certificate.confidence)
    standing, why = _standing(
        certificate, int(audited.sum()), int(errors.sum()), lower, upper, same, retracted_lower, retracted, tracked
    )
    return FamilyWatch(
        family=family,
        requests=int(own.sum()),
        fast_tracked=tracked,
        retracted=retracted,
        audited=int(audited.sum()),
        errors=int(errors.sum()),
        error=rate if audited.any() else None,
        lower=lower,
        upper=upper,
        target=certificate.target,
        confidence=certificate.confidence,
        exchangeable=same,
        standing=standing,
        why=why,
    )


def _standing(
    certificate: ThresholdCertificate,
    audited: int,
    errors: int,
    lower: float,
    upper: float,
    same: bool | None,
    retracted_lower: float,
    retracted: int,
    tracked: int,
) -> tuple[Standing, str]:
    """A certificate falls when its opposite is shown, or what it rests on; few audited cases alone show neither."""
    target, confidence = certificate.target, certificate.confidence
    if certificate.threshold is None:
        return "not certified", certificate.reason or "nothing of it is fast-tracked"
    if lower > target:
        return "stop", (
            f"{errors} of {audited} audited would not have been approved: with {confidence:.0%} confidence more than "
            f"{lower:.2%} are wrong, {target:.1%} were certified"
        )
    if retracted_lower > target:
        return (
            "stop",
            f"{retracted} of {tracked} fast tracks were taken back, more than the certified {target:.1%} explain",
        )
    if same is False:
        return "stop", "audited cases are no longer like those it was certified on, and the guarantee is for such only"
    if upper <= target:
        return "supported", f"at most {upper:.1%} wrong by the audit alone"
    return "open", f"the audit alone shows at most {upper:.1%} so far; nothing speaks against the certificate"


def _distribution(values: Numbers, weights: Numbers) -> dict[str, Any]:
    """Shares by bin, with bins beside the smallest and the largest value that are empty now; ``n`` is the effective number
    of cases.
    """
    distinct = np.unique(values)
    if len(distinct) <= _FEW_VALUES:
        inner = (distinct[:-1] + distinct[1:]) / 2
        margin = 0.5 * float(np.min(np.diff(distinct))) if len(distinct) > 1 else 0.5
        outer = (distinct[0] - margin, distinct[-1] + margin)
    else:
        inner = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
        outer = (distinct[0] - 1e-9, distinct[-1] + 1e-9)
    edges = np.unique(np.concatenate([[outer[0]], inner, [outer[1]]]))
    shares = np.bincount(np.searchsorted(edges, values, side="right"), weights=weights, minlength=len(edges) + 1)
    return {
        "edges": [float(edge) for edge in edges],
        "shares": [round(float(share), 8) for share in shares / shares.sum()],
        "n": float(weights.sum() ** 2 / (weights**2).sum()),
    }


def _shift(name: str, reference: Mapping[str, Any], values: Numbers) -> Shift:
    psi, noise = stability_index(reference, values)
    level: Level = "steady"
    if psi > noise:
        level = "moved" if psi >= MOVED_FROM else "watch" if psi >= WATCH_FROM else "steady"
    return Shift(name, psi, noise, level)


def _shares(reference: Mapping[str, Any], served: Served) -> tuple[Share, ...]:
    services, diagnoses = set(reference["services"]), set(reference["diagnoses"])
    new_service = np.array([service not in services for service in served.services.tolist()])
    new_diagnosis = np.array([any(_category(code) not in diagnoses for code in codes) for codes in served.diagnoses])
    uncovered = served.families == ""
    return (
        _share("requests with a criterion not documented", float(reference["missing"]), served.missing),
        _share("requests for a service never trained on", 0.0, new_service & ~uncovered),
        _share("requests with a kind of diagnosis never trained on", 0.0, new_diagnosis & ~uncovered),
        _share("requests no policy covers", float(reference["uncovered"]), uncovered),
    )


def _share(name: str, before: float, now: NDArray[np.bool_]) -> Share:
    """Moved where it differs by ten points, to be watched by five, each beyond three standard errors."""
    share = float(np.mean(now))
    beyond = 3.0 * float(np.sqrt(max(before * (1 - before), share * (1 - share)) / len(now)))
    change = abs(share - before)
    level: Level = "steady"
    if change > beyond:
        level = "moved" if change >= 0.1 else "watch" if change >= 0.05 else "steady"
    return Share(name, before, share, level)


def _unseen(reference: Mapping[str, Any], served: Served) -> tuple[str, ...]:
    """Codes of covered requests that training never saw, the most frequent first."""
    services, diagnoses = set(reference["services"]), set(reference["diagnoses"])
    counts: dict[str, int] = {}
    for family, service, codes in zip(
        served.families.tolist(), served.services.tolist(), served.diagnoses, strict=True
    ):
        if not family:
            continue
        unseen = {service} - services | {_category(code) for code in codes} - diagnoses
        for code in unseen:
            counts[code] = counts.get(code, 0) + 1
    return tuple(sorted(counts, key=lambda code: (-counts[code], code)))


def _category(code: str) -> str:
    """The ICD-10-CM category of a diagnosis code: its first three characters."""
    return code[:3]
