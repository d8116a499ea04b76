"""The guarantee: which scores may be fast-tracked so that, with confidence, hardly any of them would not be approved.

Among eligible cases (every criterion met, no guard: what law and criteria would let through), the share of not approved
ones at or above a threshold is held at or below a target by MAPIE's learn-then-test (Angelopoulos and others, 2022):
thresholds are tested from the strictest to the loosest, each by an exact binomial test, and the first failure ends the
sequence. So no confidence is lost to the number of thresholds tried.

MAPIE's own fixed-sequence testing turns the order of its tests by the certification labels when the observed risk does
not move one way; the order here is fixed before any label is seen (``StrictestFirst``), on the calibration cases.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import date

import numpy as np
from mapie.risk_control import BinaryClassificationController, BinaryRisk  # type: ignore[import-untyped]  # no types
from mapie.risk_control.fwer_control import FWERProcedure  # type: ignore[import-untyped]  # no types
from numpy.typing import NDArray
from scipy.stats import beta, binom  # type: ignore[import-untyped]  # no types

from models.estimator import Labels
from models.types import ThresholdCertificate

Scores = NDArray[np.float64]

METHOD = "learn-then-test, fixed sequence, exact binomial (MAPIE)"

# Shares of the eligible calibration cases that each tested threshold would let through, strictest first.
_SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.0)
_STRICTEST_START = 0.9
_MOST_ERRORS_BORNE = 4


class StrictestFirst(FWERProcedure):  # type: ignore[misc]  # mapie ships no types, so its base class is Any
    """Fixed-sequence testing in the given order, at full level each, until the first failure."""

    def _init_state(self, n_lambdas: int, delta: float) -> None:
        self._count, self._level, self._next = n_lambdas, delta, 0

    def _select_next_hypothesis(self, p_values: Scores) -> int | None:
        return self._next if self._next < self._count else None

    def _local_significance_levels(self) -> Scores:
        return np.full(self._count, self._level)

    def _update_on_reject(self, hypothesis_index: int) -> None:
        self._next = hypothesis_index + 1


def error_bound(errors: int, n: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson upper bound on the rate of which ``errors`` in ``n`` were seen; 1 for n = 0."""
    if n == 0 or errors >= n:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, n - errors))


def cases_needed(errors: int, target: float, confidence: float) -> int:
    """The fewest cases in which ``errors`` errors still show a rate of at most ``target`` with ``confidence``."""
    n = errors + 1
    while binom.cdf(errors, n, target) > 1.0 - confidence:
        n += 1
    return n


def threshold_sequence(
    calibration_scores: Scores, certification_cases: int, target: float, confidence: float
) -> Scores:
    """The thresholds to test, strictest first, fixed before any certification label is seen.

    Quantiles of the eligible calibration cases' scores. The first failure ends the sequence, so it starts where enough
    certification cases lie above to bear some errors, up to four: a reviewer's slip among few cases would otherwise hide
    what many cases could have shown. Where there are too few cases for that, it starts where fewer errors are borne.
    """
    if len(calibration_scores) == 0:
        return np.array([], dtype=np.float64)
    shares: Sequence[float] = (1.0,)
    for errors in range(_MOST_ERRORS_BORNE, -1, -1):
        wanted = cases_needed(errors, target, confidence)
        shares = [share for share in _SHARES if share * certification_cases >= wanted]
        if shares and shares[0] <= _STRICTEST_START:
            break
    thresholds = np.quantile(calibration_scores, [1.0 - share for share in shares or (1.0,)], method="lower")
    return np.asarray(np.unique(thresholds)[::-1], dtype=np.float64)


def certify(
    calibration_scores: Scores,
    scores: Scores,
    approved: Labels,
    *,
    family: str | None,
    target: float,
    confidence: float,
    on: date,
    data_hash: str,
) -> ThresholdCertificate:
    """The loosest threshold shown to hold the error at ``target``, or a certificate without one that says why.

    ``calibration_scores`` are of eligible calibration cases, ``scores`` and ``approved`` (1 or 0) of eligible
    certification cases; the two must not share a case, and the model must have been trained on neither.
    """

    def certificate(n: int, errors: int, threshold: float | None, reason: str = "") -> ThresholdCertificate:
        return ThresholdCertificate(
            family, target, confidence, METHOD, n, errors, threshold, on.isoformat(), data_hash, reason
        )

    n, errors = len(scores), int(np.sum(approved == 0))
    needed = cases_needed(0, target, confidence)
    if n < needed:
        reason = (
            f"{n} eligible certification cases; at least {needed} are needed to show {target:.1%} even without an error"
        )
        return certificate(n, errors, None, reason)
    thresholds = threshold_sequence(calibration_scores, n, target, confidence)
    if len(thresholds) == 0:
        return certificate(n, errors, None, "no eligible calibration case to place a threshold by")
    valid = _valid_thresholds(thresholds, scores, approved, target, confidence)
    if not valid:
        reason = f"no threshold holds the error at {target:.1%}: {errors} of {n} eligible cases were not approved"
        return certificate(n, errors, None, reason)
    threshold = min(valid)
    above = scores >= threshold
    return certificate(int(above.sum()), int(np.sum(approved[above] == 0)), threshold)


def _valid_thresholds(
    thresholds: Scores, scores: Scores, approved: Labels, target: float, confidence: float
) -> Sequence[float]:
    not_approved = BinaryRisk(
        risk_occurrence=lambda y_true, y_pred: y_true == 0,
        risk_condition=lambda y_true, y_pred: y_pred == 1,
        higher_is_better=False,
    )
    controller = BinaryClassificationController(
        predict_function=lambda column: np.column_stack([1.0 - column[:, 0], column[:, 0]]),
        risk=not_approved,
        target_level=target,
        confidence_level=confidence,
        best_predict_param_choice="recall",
        list_predict_params=thresholds,
        fwer_method=StrictestFirst(),
    )
    with warnings.catch_warnings():
        # That no threshold is valid is an answer, which the certificate gives.
        warnings.simplefilter("ignore")
        controller.calibrate(scores[:, np.newaxis], approved)
    return [float(threshold) for threshold in np.ravel(controller.valid_predict_params)]
