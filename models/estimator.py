"""The estimator, unfitted, and its calibration. What trains it lives in ``training``; what serves it, in ``bundle``.

Gradient boosting under monotonic constraints: where the schema knows a direction, no amount of training data may teach
the model that more of it moves the score the other way. Calibration keeps that: both methods are monotone maps of the
one raw score.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from features.types import FeatureSchema
from models.errors import CalibrationError

CalibrationMethod = Literal["blended", "sigmoid", "isotonic"]
Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

_SIGMOID_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What may be tuned of the estimator: so many trees (``iterations``) of at most ``leaves`` leaves, none holding fewer
    than ``smallest_leaf`` training cases; ``penalty`` is the L2 regularization.

    Small, because one request and its contributions have to be scored within 2 ms.
    """

    iterations: int = 80
    learning_rate: float = 0.1
    leaves: int = 12
    smallest_leaf: int = 20
    penalty: float = 1.0


def build_estimator(schema: FeatureSchema, seed: int, settings: Hyperparameters | None = None) -> Any:
    """An unfitted ``HistGradientBoostingClassifier`` whose monotonic constraints are the schema's directions.

    Early stopping is off: it would draw a split of its own from the training data.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]  # ships no types

    chosen = settings or Hyperparameters()
    return HistGradientBoostingClassifier(
        max_iter=chosen.iterations,
        learning_rate=chosen.learning_rate,
        max_leaf_nodes=chosen.leaves,
        min_samples_leaf=chosen.smallest_leaf,
        l2_regularization=chosen.penalty,
        monotonic_cst=[spec.direction for spec in schema.features],
        early_stopping=False,
        random_state=seed,
    )


def build_baseline(seed: int) -> Any:
    """The baseline to beat: an unfitted logistic regression over standardized features. It takes no missing values."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # ships no types
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]  # ships no types
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]  # ships no types

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, random_state=seed))


def calibrate(
    fitted: Any,
    features: Matrix,
    labels: Labels,
    method: CalibrationMethod = "sigmoid",
    *,
    weights: Matrix | None = None,
) -> Any:
    """A calibrated classifier around ``fitted``, learnt on cases ``fitted`` has not seen.

    ``features`` is (cases, features), ``labels`` (cases,) of 0 and 1, ``weights`` (cases,) how many requests each case
    stands for (by default each for one). ``sigmoid`` keeps every difference of the raw
    score, but cannot follow two clusters of scores, which requests that meet their criteria and requests that do not are;
    ``isotonic`` follows any rising shape but wants a thousand cases or more and makes ties; ``blended`` is nine parts
    isotonic and one part sigmoid, so that it follows the shape and keeps the differences.
    Raises CalibrationError where the cases hold one class only, or where the learnt map falls as the raw score rises.
    """
    from sklearn.calibration import CalibratedClassifierCV  # type: ignore[import-untyped]  # ships no types
    from sklearn.frozen import FrozenEstimator  # type: ignore[import-untyped]  # ships no types

    if len(np.unique(labels)) < 2:
        raise CalibrationError("the calibration cases hold one class only; generate or export more cases")

    def learnt(of: Literal["sigmoid", "isotonic"]) -> Any:
        calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), method=of)
        with warnings.catch_warnings():
            # scikit-learn warns that the frozen estimator takes no weights; it is not fitted here, only the calibration.
            warnings.filterwarnings("ignore", message="Since FrozenEstimator does not appear to accept sample_weight")
            return calibrated.fit(features, labels, sample_weight=weights)

    raw = np.asarray(fitted.decision_function(features), dtype=np.float64)
    calibrated = learnt("isotonic" if method == "isotonic" else "sigmoid")
    ascending = calibrated.predict_proba(features)[np.argsort(raw, kind="stable"), 1]
    if np.any(np.diff(ascending) < -1e-12):
        raise CalibrationError(
            "calibration reverses the score: the model is no better than chance on the held-out cases"
        )
    return _blend(learnt("isotonic"), calibrated, raw) if method == "blended" else calibrated


def _blend(isotonic: Any, sigmoid: Any, raw: Matrix) -> Any:
    """``isotonic`` with its map replaced by nine parts of it and one of ``sigmoid``'s, joined by straight lines."""
    from sklearn.isotonic import IsotonicRegression  # type: ignore[import-untyped]  # ships no types

    steps = isotonic.calibrated_classifiers_[0].calibrators[0]
    curve = sigmoid.calibrated_classifiers_[0].calibrators[0]
    # The sigmoid bends slowly, so a hundred points between the steps carry it.
    points = np.unique(np.concatenate([steps.X_thresholds_, np.quantile(raw, np.linspace(0.0, 1.0, 101))]))
    values = (1.0 - _SIGMOID_SHARE) * steps.predict(points) + _SIGMOID_SHARE * curve.predict(points)
    blended = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(points, values)
    isotonic.calibrated_classifiers_[0].calibrators[0] = blended
    return isotonic
