"""Training: the estimator on its split, its calibration on another, its certificates on a third."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.estimator import CalibrationMethod, Hyperparameters, build_baseline, build_estimator, calibrate
from models.types import ThresholdCertificate
from training.dataset import Dataset
from training.errors import DatasetError
from training.one_thread import one_thread
from training.risk import certify, pilot_of
from training.tuning import Trial, search

# Fewer than this many of either class and a split says nothing about it.
_FEWEST_PER_CLASS = 20

# Fewer calibration cases than this and an isotonic map follows their noise.
_ENOUGH_FOR_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Trained:
    """A calibrated model, its logistic baseline, and what was shown about fast-tracking with each.

    ``settings`` are the estimator's, ``trials`` the search that chose them, best first (empty without a search).
    ``reference_values`` are the training medians, in the schema's order; ``certificates`` hold the overall one (family
    None) first, then one a family.
    """

    estimator: Any
    baseline: Any
    reference_values: tuple[float, ...]
    settings: Hyperparameters
    trials: tuple[Trial, ...]
    certificates: tuple[ThresholdCertificate, ...]
    baseline_certificates: tuple[ThresholdCertificate, ...]


@one_thread()
def train(
    dataset: Dataset,
    *,
    seed: int,
    target: float,
    confidence: float,
    on: date,
    method: CalibrationMethod | None = None,
    trials: int = 0,
) -> Trained:
    """Tune and fit, calibrate and certify, each on its own split. ``on`` is the date the certificates bear.

    ``trials`` bounds the search for the estimator's settings; 0 takes those that ship. ``method`` is ``blended`` where there
    are a thousand calibration cases or more, else ``sigmoid``, unless it is given.

    Raises DatasetError where a split is missing or has too few of one class to learn from.
    """
    parts = {name: dataset.split(name) for name in ("train", "calibration", "certification")}
    for name in ("train", "calibration"):
        _require_both_classes(parts[name], name)
    learning, calibration = parts["train"], parts["calibration"]
    if method is None:
        method = "blended" if len(calibration) >= _ENOUGH_FOR_STEPS else "sigmoid"
    tried = search(learning, calibration, seed=seed, trials=trials, method=method) if trials else ()
    settings = tried[0].settings if tried else Hyperparameters()
    estimator = build_estimator(dataset.schema, seed, settings).fit(
        learning.features, learning.labels, sample_weight=learning.weights
    )
    calibrated = calibrate(estimator, calibration.features, calibration.labels, method, weights=calibration.weights)
    baseline = build_baseline(seed).fit(
        learning.features, learning.labels, logisticregression__sample_weight=learning.weights
    )
    calibrated_baseline = calibrate(
        baseline, calibration.features, calibration.labels, method, weights=calibration.weights
    )

    def certified(model: Any) -> tuple[ThresholdCertificate, ...]:
        return certificates(model, calibration, parts["certification"], target=target, confidence=confidence, on=on)

    return Trained(
        estimator=calibrated,
        baseline=calibrated_baseline,
        reference_values=tuple(np.nanmedian(learning.features, axis=0).tolist()),
        settings=settings,
        trials=tried,
        certificates=certified(calibrated),
        baseline_certificates=certified(calibrated_baseline),
    )


def certificates(
    estimator: Any, calibration: Dataset, certification: Dataset, *, target: float, confidence: float, on: date
) -> tuple[ThresholdCertificate, ...]:
    """The overall certificate, then one for each service family of the certification cases, by name.

    The overall one is information for people; routing asks the family's, because an average over families may hide one
    in which far more goes wrong.
    """
    families: Sequence[str] = sorted(set(certification.families.tolist()) - {""})
    placing = calibration.where(calibration.eligible).evenly_weighted()
    # The exact test knows no weights: cases that stand for many requests and cases that stand for one become alike.
    showing = certification.where(certification.eligible).evenly_weighted()
    pilot = pilot_of(scores(estimator, placing), placing.labels)

    def one(family: str | None) -> ThresholdCertificate:
        place = placing if family is None else placing.where(placing.families == family)
        show = showing if family is None else showing.where(showing.families == family)
        return certify(
            scores(estimator, place),
            scores(estimator, show),
            show.labels,
            family=family,
            target=target,
            confidence=confidence,
            on=on,
            data_hash=show.hash,
            pilot=pilot,
        )

    return (one(None), *(one(family) for family in families))


def scores(estimator: Any, cases: Dataset) -> NDArray[np.float64]:
    """The calibrated probability of approval of each case; empty for no cases."""
    if not len(cases):
        return np.array([], dtype=np.float64)
    return np.asarray(estimator.predict_proba(cases.features)[:, 1], dtype=np.float64)


def _require_both_classes(part: Dataset, name: str) -> None:
    approved = int(part.labels.sum())
    others = len(part) - approved
    if min(approved, others) < _FEWEST_PER_CLASS:
        raise DatasetError(
            f"the {name} split has {approved} approved cases and {others} others; at least {_FEWEST_PER_CLASS} of each "
            "are needed"
        )
