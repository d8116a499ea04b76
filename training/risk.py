"""The guarantee: which scores may be fast-tracked so that, with confidence, hardly any of them would not be approved.

Among eligible cases (every criterion met, no guard: what law and criteria would let through), the share of not approved
ones at or above a threshold is held at or below a target by MAPIE's learn-then-test (Angelopoulos and others, 2022):
thresholds are tested in a fixed order, each by an exact binomial test at the full level, and the first failure ends the
sequence. So no confidence is lost to the number of thresholds tried, and every threshold that passed is valid.

The order is fixed before any certification label is seen, by what the calibration cases let expect (Laufer-Goldman and
others, 2023, order by a pilot sample too): first the threshold most likely to pass, then looser ones. A strict threshold has
fewer errors, a loose one more cases to show it by; which of the two passes easier depends on how many cases there are.
MAPIE's own fixed sequence turns its order by the certification labels themselves when the observed risk does not move one
way, so the order is given to it here (``GivenOrder``).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import date

import numpy as np
from mapie.risk_control import BinaryClassificationController, BinaryRisk  # type: ignore[import-untyped]  # no types
from mapie.risk_control.fwer_control import FWERProcedure  # type: ignore[import-untyped]  # no types
from numpy.typing import NDArray
from scipy.special import bdtrik, betainc  # type: ignore[import-untyped]  # no types
from scipy.stats import binom  # type: ignore[import-untyped]  # no types
from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]  # ships no types

from models.estimator import Labels
from models.intervals import error_bound
from models.types import ThresholdCertificate

Scores = NDArray[np.float64]

METHOD = "learn-then-test, fixed sequence, exact binomial (MAPIE)"
CRITERIA_ONLY = "exact binomial, every eligible case"

# Shares of the eligible calibration cases of all families that each tested threshold would let through.
_SHARES = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)

Pilot = Sequence[tuple[float, float]]
"""Thresholds to test, the strictest first, each with the error rate to expect at and above it."""


class GivenOrder(FWERProcedure):  # type: ignore[misc]  # mapie ships no types, so its base class is Any
    """Fixed-sequence testing in the given order, at full level each, until the first failure."""

    def _init_state(self, n_lambdas: int, delta: float) -> None:
        self._count, self._level, self._next = n_lambdas, delta, 0

    def _select_next_hypothesis(self, p_values: Scores) -> int | None:
        return self._next if self._next < self._count else None

    def _local_significance_levels(self) -> Scores:
        return np.full(self._count, self._level)

    def _update_on_reject(self, hypothesis_index: int) -> None:
        self._next = hypothesis_index + 1


def cases_needed(errors: int, target: float, confidence: float) -> int:
    """The fewest cases in which ``errors`` errors still show a rate of at most ``target`` with ``confidence``."""
    n = errors + 1
    while binom.cdf(errors, n, target) > 1.0 - confidence:
        n += 1
    return n


def chance_to_pass(cases: int, rate: float, target: float, confidence: float) -> float:
    """How likely ``cases`` with errors at ``rate`` show one of at most ``target``; 0 where not even none would.

    The number of errors that are borne is taken as continuous. It grows in whole steps, but how many cases there will be is
    known too roughly to say on which step they come to stand.
    """
    if cases < 1 or (1.0 - target) ** cases > 1.0 - confidence:
        return 0.0
    borne = max(float(bdtrik(1.0 - confidence, cases, target)), 0.0)
    return float(betainc(cases - borne, borne + 1.0, 1.0 - rate))


def pilot_of(scores: Scores, approved: Labels | None = None) -> Pilot:
    """The thresholds to test and what to expect of them, from eligible calibration cases of all families together.

    A calibrated score means the same in each family, and in one family there are too few errors to tell: so all are taken
    together, at the same score. An error never grows rarer as the score falls, so the counts are smoothed by a monotone step
    function, half an error added: else the threshold that luck favours comes first. Without ``approved`` (1 approved, 0
    not) the scores themselves say what to expect. Empty where there is no case.
    """
    if len(scores) == 0:
        return ()
    expected = 1.0 - scores if approved is None else _falling_with_the_score(scores, approved == 0)
    added = 0.0 if approved is None else 1.0
    pilot: dict[float, float] = {}
    for share in _SHARES:
        threshold = float(np.quantile(scores, 1.0 - share, method="lower"))
        above = scores >= threshold
        pilot[threshold] = float((0.5 * added + expected[above].sum()) / (added + above.sum()))
    return tuple(pilot.items())


def _falling_with_the_score(scores: Scores, errors: NDArray[np.bool_]) -> Scores:
    smoothed = IsotonicRegression(increasing=False).fit_transform(scores, errors.astype(np.float64))
    return np.asarray(smoothed, dtype=np.float64)


def threshold_sequence(
    calibration_scores: Scores, certification_cases: int, target: float, confidence: float, pilot: Pilot | None = None
) -> Scores:
    """The thresholds to test, fixed before any certification label is seen: the safest to pass, then ever looser ones.

    Each lets through a known share of the family's eligible calibration cases (``calibration_scores``), hence about so many
    of the ``certification_cases``, with about the error rate ``pilot`` has for it (see :func:`pilot_of`; by default of these
    same scores): from both follows how likely its test is to pass. What is stricter than the likeliest need not be tested.
    Thresholds that leave too few cases to pass even without an error are left out, unless all do.
    """
    if len(calibration_scores) == 0:
        return np.array([], dtype=np.float64)
    chances: dict[float, float] = {}
    for threshold, rate in pilot if pilot is not None else pilot_of(calibration_scores):
        cases = round(float(np.mean(calibration_scores >= threshold)) * certification_cases)
        chances[threshold] = chance_to_pass(cases, rate, target, confidence)
    # Of equal chances the stricter first.
    first = max(chances, key=lambda threshold: (round(chances[threshold], 6), threshold))
    looser = [threshold for threshold in sorted(chances, reverse=True) if threshold <= first and chances[threshold] > 0]
    return np.asarray(looser or [min(chances)], dtype=np.float64)


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
    pilot: Pilot | None = None,
) -> ThresholdCertificate:
    """The loosest threshold shown to hold the error at ``target``, or a certificate without one that says why.

    ``calibration_scores`` are of eligible calibration cases, ``scores`` and ``approved`` (1 or 0) of eligible
    certification cases; the two must not share a case, the model must have been trained on neither, and every case must
    stand for the same number of requests. ``pilot``: see :func:`pilot_of`.
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
    thresholds = threshold_sequence(calibration_scores, n, target, confidence, pilot)
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
        fwer_method=GivenOrder(),
    )
    with warnings.catch_warnings():
        # That no threshold is valid is an answer, which the certificate gives.
        warnings.simplefilter("ignore")
        controller.calibrate(scores[:, np.newaxis], approved)
    return [float(threshold) for threshold in np.ravel(controller.valid_predict_params)]


def certify_without_score(
    approved: Labels, *, family: str | None, target: float, confidence: float, on: date, data_hash: str
) -> ThresholdCertificate:
    """What could be shown if criteria and guards alone decided: the baseline every score has to be worth having beside.

    ``approved`` (1 or 0) of eligible certification cases. The threshold is 0 where one exact test over all of them holds
    the error at ``target``, else None.
    """
    n, errors = len(approved), int(np.sum(approved == 0))
    bound = error_bound(errors, n, confidence)
    holds = bound <= target
    reason = "" if holds else f"{errors} of {n} eligible cases were not approved, which shows at most {bound:.1%}"
    return ThresholdCertificate(
        family, target, confidence, CRITERIA_ONLY, n, errors, 0.0 if holds else None, on.isoformat(), data_hash, reason
    )
