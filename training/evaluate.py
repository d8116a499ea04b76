"""How good it is on cases in styles nothing was trained on: what would be fast-tracked, and how much of it wrongly.

Accuracy says nothing here, since most requests are approved anyway. What counts is the share of approvable requests
that the fast lane takes, and the error among those it takes, with its bound. Each baseline is held to the same bound: it
fast-tracks only where its own certificate allows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import Bundle
from models.estimator import Labels
from models.intervals import error_bound, share_interval
from models.types import ThresholdCertificate
from training.dataset import Dataset
from training.errors import DatasetError
from training.risk import certify_without_score
from training.subgroups import Subgroup, subgroups
from training.train import scores

_BINS = 10

LOGISTIC = "logistic_regression"
CRITERIA = "criteria_only"


@dataclass(frozen=True, slots=True)
class FastLane:
    """What one way of deciding would do with some cases.

    ``eligible`` and ``fast_tracked`` count cases, ``wrong`` those fast-tracked that were not approved. ``error_bound``
    is Clopper-Pearson's upper bound on their share at the certificates' confidence; ``share_of_approvable`` is how many
    of the approved requests were fast-tracked (None for no approved request), ``share_low`` and ``share_high`` its
    two-sided 95 % interval.
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
    share_low: float
    share_high: float


@dataclass(frozen=True, slots=True)
class Held:
    """Test cases with one reason code (or ``fast_tracked``): how many would have been approved, how many not."""

    reason: str
    approved: int
    needs_person: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The report on the test split: the fast lane overall (key ``all``) and per family, calibration, baselines.

    ``baselines`` are held to their certificates (``baseline_certificates``); ``uncertified_criteria`` is what criteria
    alone would let through with no guarantee asked. ``briers`` has the Brier score of the model (``model``) and of each
    baseline, ``brier_difference_errors`` the standard error of the model's difference from each baseline's, case by case.
    ``subgroups`` are about all held-out cases, certification and test together, so that small groups can be
    judged; empty where nothing is known about the members.
    """

    test_cases: int
    data_hash: str
    fast_lane: dict[str, FastLane]
    baselines: dict[str, dict[str, FastLane]]
    uncertified_criteria: dict[str, FastLane]
    briers: dict[str, float]
    brier_difference_errors: dict[str, float]
    expected_calibration_error: float
    roc_auc: float
    average_precision: float
    confusion: dict[str, int]
    held: tuple[Held, ...]
    wrong_by_scenario: dict[str, int]
    subgroups: tuple[Subgroup, ...]
    certificates: tuple[ThresholdCertificate, ...]
    baseline_certificates: dict[str, tuple[ThresholdCertificate, ...]]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def metrics(self) -> dict[str, float]:
        """The numbers worth a curve in the tracking server, by a flat name; what is undefined is left out."""
        flat: dict[str, float] = {
            "test_ece": self.expected_calibration_error,
            "test_roc_auc": self.roc_auc,
            "test_average_precision": self.average_precision,
            **{f"test_brier_{name}": value for name, value in self.briers.items()},
        }
        for who, lanes in {"": self.fast_lane, **{f"{name}_": lanes for name, lanes in self.baselines.items()}}.items():
            for name, lane in lanes.items():
                flat[f"test_{who}{name}_error_bound"] = lane.error_bound
                flat[f"test_{who}{name}_fast_tracked"] = lane.fast_tracked
                if lane.share_of_approvable is not None:
                    flat[f"test_{who}{name}_share_of_approvable"] = lane.share_of_approvable
                if lane.error is not None:
                    flat[f"test_{who}{name}_error"] = lane.error
        return {name: value for name, value in flat.items() if np.isfinite(value)}


def evaluate(model: Bundle, baseline: Bundle, dataset: Dataset) -> Evaluation:
    """Evaluate on the test split.

    Where cases stand for different numbers of requests, each count is of a part in which they stand for as many
    (:meth:`Dataset.evenly_weighted`), so that its interval is exact. Raises DatasetError where there is no test case or
    the table was read under another feature schema.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # type: ignore[import-untyped]  # no types

    require_schema(model, dataset)
    test = dataset.split("test").evenly_weighted()
    both = 0 < test.labels.sum() < len(test)
    certificates = model.certificates
    confidence = certificates[0].confidence
    probability = scores(model.estimator, test)
    taken = fast_tracked(probability, test, certificates)
    by_logistic = scores(baseline.estimator, test)
    criteria = criteria_certificates(dataset, certificates)
    by_criteria = criteria_probability(dataset, test)
    lanes = {
        LOGISTIC: fast_tracked(by_logistic, test, baseline.certificates),
        CRITERIA: fast_tracked(np.ones(len(test)), test, criteria),
    }
    wrong = taken & (test.labels == 0)
    scenarios, counts = np.unique(test.scenarios[wrong], return_counts=True)
    held_out = dataset.where(np.isin(dataset.splits, ("certification", "test"))).evenly_weighted()
    return Evaluation(
        test_cases=len(test),
        data_hash=test.hash,
        fast_lane=_lanes(test, taken, confidence),
        baselines={name: _lanes(test, lane, confidence) for name, lane in lanes.items()},
        uncertified_criteria=_lanes(test, test.eligible, confidence),
        briers={
            "model": brier(probability, test.labels),
            LOGISTIC: brier(by_logistic, test.labels),
            CRITERIA: brier(by_criteria, test.labels),
        },
        brier_difference_errors={
            LOGISTIC: brier_difference_error(probability, by_logistic, test.labels),
            CRITERIA: brier_difference_error(probability, by_criteria, test.labels),
        },
        expected_calibration_error=expected_calibration_error(probability, test.labels),
        roc_auc=float(roc_auc_score(test.labels, probability)) if both else float("nan"),
        average_precision=float(average_precision_score(test.labels, probability)) if both else float("nan"),
        confusion={
            "fast_tracked_approved": int(np.sum(taken & (test.labels == 1))),
            "fast_tracked_needs_person": int(np.sum(wrong)),
            "nurse_approved": int(np.sum(~taken & (test.labels == 1))),
            "nurse_needs_person": int(np.sum(~taken & (test.labels == 0))),
        },
        held=held_back(test, taken, certificates),
        wrong_by_scenario={str(name): int(count) for name, count in zip(scenarios, counts, strict=True)},
        subgroups=subgroups(
            held_out,
            fast_tracked(scores(model.estimator, held_out), held_out, certificates),
            confidence,
        ),
        certificates=certificates,
        baseline_certificates={LOGISTIC: baseline.certificates, CRITERIA: criteria},
    )


def require_schema(model: Bundle, dataset: Dataset) -> None:
    """Raise DatasetError where ``dataset`` was read under another feature schema than the model's."""
    if dataset.schema.hash != model.schema_hash:
        raise DatasetError(
            "the table was read under another feature schema than the model's; run prepare and train again"
        )


def criteria_certificates(dataset: Dataset, like: Sequence[ThresholdCertificate]) -> tuple[ThresholdCertificate, ...]:
    """What criteria alone could be certified for, at the target and confidence of each certificate in ``like``."""
    showing = dataset.where((dataset.splits == "certification") & dataset.eligible).evenly_weighted()
    shown = []
    for certificate in like:
        part = showing if certificate.family is None else showing.where(showing.families == certificate.family)
        shown.append(
            certify_without_score(
                part.labels,
                family=certificate.family,
                target=certificate.target,
                confidence=certificate.confidence,
                on=date.fromisoformat(certificate.date),
                data_hash=part.hash,
            )
        )
    return tuple(shown)


def criteria_probability(dataset: Dataset, cases: Dataset) -> NDArray[np.float64]:
    """The probability that criteria alone would state: the calibration split's approval rate, eligible or not."""
    calibration = dataset.split("calibration")
    rates = [
        float(calibration.labels[calibration.eligible == flag].mean()) if np.any(calibration.eligible == flag) else 0.5
        for flag in (False, True)
    ]
    return np.where(cases.eligible, rates[1], rates[0])


def fast_tracked(
    probability: NDArray[np.float64], cases: Dataset, certificates: Sequence[ThresholdCertificate]
) -> NDArray[np.bool_]:
    """Which cases would be fast-tracked: eligible, family certified, score at or above its threshold."""
    thresholds = {shown.family: shown.threshold for shown in certificates if shown.family is not None}
    needed = np.array(
        [np.inf if thresholds.get(family) is None else thresholds[family] for family in cases.families.tolist()],
        dtype=np.float64,
    )
    return np.asarray(cases.eligible & (probability >= needed), dtype=np.bool_)


def held_back(
    cases: Dataset, taken: NDArray[np.bool_], certificates: Sequence[ThresholdCertificate]
) -> tuple[Held, ...]:
    """Cases by each reason that held them back, and whether they would have been approved, the most frequent first.

    A case with several reasons counts under each; ``fast_tracked`` are those nothing held back.
    """
    covered = [shown.family for shown in certificates if shown.family is not None and shown.threshold is not None]
    counts: dict[str, list[int]] = {}
    uncovered = ~np.isin(cases.families, covered)
    for position, codes in enumerate(cases.reasons.tolist()):
        named = codes.split()
        if taken[position]:
            named = ["fast_tracked"]
        elif cases.eligible[position]:
            named = ["no_guarantee" if uncovered[position] else "score_below_threshold"]
        for code in named or ["not_told"]:
            counts.setdefault(code, [0, 0])[int(cases.labels[position] == 0)] += 1
    ordered = sorted(counts.items(), key=lambda entry: (-sum(entry[1]), entry[0]))
    return tuple(Held(code, approved, others) for code, (approved, others) in ordered)


def brier(probability: NDArray[np.float64], labels: Labels) -> float:
    """Mean squared gap between stated probability and what happened."""
    return float(np.mean((probability - labels) ** 2))


def brier_difference_error(ours: NDArray[np.float64], theirs: NDArray[np.float64], labels: Labels) -> float:
    """Standard error of the difference of two Brier scores on the same cases, which are compared case by case."""
    differences = (ours - labels) ** 2 - (theirs - labels) ** 2
    return float(np.std(differences, ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else 0.0


def reliability_bins(
    probability: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[tuple[float, float, int], ...]:
    """(mean probability, observed share of approvals, cases) of each of ten equal-width bins that holds a case."""
    numbers = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    return tuple(
        (float(probability[numbers == n].mean()), float(labels[numbers == n].mean()), int(np.sum(numbers == n)))
        for n in range(_BINS)
        if np.any(numbers == n)
    )


def expected_calibration_error(probability: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Mean gap between stated probability and observed share of approvals over ten equal-width bins, by bin size."""
    bins = reliability_bins(probability, labels)
    return sum(cases * abs(stated - observed) for stated, observed, cases in bins) / len(labels)


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
    low, high = share_interval(fast - wrong, approvable)
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
        share_low=low,
        share_high=high,
    )
