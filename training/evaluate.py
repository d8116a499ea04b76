"""How good it is on cases in styles nothing was trained on: what would be fast-tracked, and how much of it wrongly.

Accuracy says nothing here, since most requests are approved anyway. What counts is the share of approvable requests
that the fast lane takes, and the error among those it takes, with its bound.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.types import ThresholdCertificate
from training.dataset import Dataset
from training.errors import DatasetError
from training.risk import error_bound
from training.train import scores

_BINS = 10


@dataclass(frozen=True, slots=True)
class FastLane:
    """What one way of deciding would do with some cases.

    ``eligible`` and ``fast_tracked`` count cases, ``wrong`` those fast-tracked that were not approved. ``error_bound``
    is Clopper-Pearson's upper bound on their share at the certificates' confidence; ``share_of_approvable`` is how many
    of the approved requests were fast-tracked (None for no approved request).
    """

    cases: int
    approvable: int
    eligible: int
    eligible_approvable: int
    fast_tracked: int
    wrong: int
    error: float | None
    error_bound: float
    share_of_approvable: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The report on the test split: the fast lane overall (key ``all``) and per family, calibration, baselines."""

    test_cases: int
    data_hash: str
    fast_lane: dict[str, FastLane]
    baselines: dict[str, dict[str, FastLane]]
    brier: float
    expected_calibration_error: float
    roc_auc: float
    confusion: dict[str, int]
    wrong_by_scenario: dict[str, int]
    certificates: tuple[ThresholdCertificate, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """The numbers worth a curve in the tracking server, by a flat name."""
        flat: dict[str, float] = {
            "test_brier": self.brier,
            "test_ece": self.expected_calibration_error,
            "test_roc_auc": self.roc_auc,
        }
        for name, lane in self.fast_lane.items():
            flat[f"test_{name}_error_bound"] = lane.error_bound
            flat[f"test_{name}_fast_tracked"] = lane.fast_tracked
            if lane.share_of_approvable is not None:
                flat[f"test_{name}_share_of_approvable"] = lane.share_of_approvable
            if lane.error is not None:
                flat[f"test_{name}_error"] = lane.error
        return flat


def evaluate(model: Bundle, baseline: Bundle, dataset: Dataset) -> Evaluation:
    """Evaluate on the test split, ``baseline`` at its own certified thresholds.

    Raises DatasetError where there is no test case or the table was read under another feature schema.
    """
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]  # ships no types

    if dataset.schema.hash != model.schema_hash:
        raise DatasetError(
            "the table was read under another feature schema than the model's; run prepare and train again"
        )
    test = dataset.split("test")
    certificates = model.certificates
    probability = scores(model.estimator, test)
    taken = fast_tracked(probability, test, certificates)
    confidence = certificates[0].confidence
    by_baseline = fast_tracked(scores(baseline.estimator, test), test, baseline.certificates)
    wrong = taken & (test.labels == 0)
    scenarios, counts = np.unique(test.scenarios[wrong], return_counts=True)
    return Evaluation(
        test_cases=len(test),
        data_hash=test.hash,
        fast_lane=_lanes(test, taken, confidence),
        baselines={
            "logistic_regression": _lanes(test, by_baseline, confidence),
            "criteria_only": _lanes(test, test.eligible, confidence),
        },
        brier=float(np.mean((probability - test.labels) ** 2)),
        expected_calibration_error=expected_calibration_error(probability, test.labels),
        roc_auc=float(roc_auc_score(test.labels, probability)) if 0 < test.labels.sum() < len(test) else float("nan"),
        confusion={
            "fast_tracked_approved": int(np.sum(taken & (test.labels == 1))),
            "fast_tracked_needs_person": int(np.sum(wrong)),
            "nurse_approved": int(np.sum(~taken & (test.labels == 1))),
            "nurse_needs_person": int(np.sum(~taken & (test.labels == 0))),
        },
        wrong_by_scenario={str(name): int(count) for name, count in zip(scenarios, counts, strict=True)},
        certificates=certificates,
    )


def fast_tracked(
    probability: NDArray[np.float64], cases: Dataset, certificates: tuple[ThresholdCertificate, ...]
) -> NDArray[np.bool_]:
    """Which cases would be fast-tracked: eligible, family certified, score at or above its threshold."""
    thresholds = {shown.family: shown.threshold for shown in certificates if shown.family is not None}
    needed = np.array(
        [np.inf if thresholds.get(family) is None else thresholds[family] for family in cases.families.tolist()],
        dtype=np.float64,
    )
    return np.asarray(cases.eligible & (probability >= needed), dtype=np.bool_)


def expected_calibration_error(probability: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean gap between stated probability and observed share of approvals over ten equal-width bins, by bin size."""
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = 0.0
    for number in range(_BINS):
        within = bins == number
        if within.any():
            gaps += float(within.mean()) * abs(float(probability[within].mean()) - float(labels[within].mean()))
    return gaps


def _lanes(test: Dataset, taken: NDArray[np.bool_], confidence: float) -> dict[str, FastLane]:
    lanes = {"all": _lane(test, taken, np.ones(len(test), dtype=np.bool_), confidence)}
    for family in sorted(set(test.families.tolist()) - {""}):
        lanes[family] = _lane(test, taken, test.families == family, confidence)
    return lanes


def _lane(test: Dataset, taken: NDArray[np.bool_], chosen: NDArray[np.bool_], confidence: float) -> FastLane:
    approved = test.labels == 1
    fast = int(np.sum(taken & chosen))
    wrong = int(np.sum(taken & chosen & ~approved))
    approvable = int(np.sum(approved & chosen))
    return FastLane(
        cases=int(chosen.sum()),
        approvable=approvable,
        eligible=int(np.sum(test.eligible & chosen)),
        eligible_approvable=int(np.sum(test.eligible & chosen & approved)),
        fast_tracked=fast,
        wrong=wrong,
        error=wrong / fast if fast else None,
        error_bound=error_bound(wrong, fast, confidence),
        share_of_approvable=(fast - wrong) / approvable if approvable else None,
    )
