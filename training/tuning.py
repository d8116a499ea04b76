"""A bounded search for the estimator's settings: fitted on the training split, judged on the calibration split.

Judged there because calibration cases may be written as no training case is, and what counts is how well a setting does on
those, once calibrated. Its calibration is learnt on four fifths of them and its log loss taken on the last, five times
over; neither certification nor test cases are looked at, so the guarantee and the report stay honest.

Successive halving: every setting is first fitted on half of the training cases, and the better half of the settings on all
of them. The setting that ships always goes on, so a search never ends with something worse by its own measure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.errors import CalibrationError
from models.estimator import CalibrationMethod, Hyperparameters, build_estimator, calibrate
from training.dataset import Dataset

_FOLDS = 5

# Bounded so that one request and its contributions are scored within 2 ms: at most 120 trees of 16 leaves.
_CHOICES: dict[str, tuple[float, ...]] = {
    "iterations": (40, 60, 80, 120),
    "learning_rate": (0.05, 0.08, 0.1, 0.15),
    "leaves": (6, 8, 12, 16),
    "smallest_leaf": (10, 20, 40, 80),
    "penalty": (0.1, 1.0, 5.0, 20.0),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One setting, its log loss once calibrated, and the share of the training cases it was fitted on."""

    settings: Hyperparameters
    log_loss: float
    share: float

    def to_json(self) -> dict[str, float]:
        """A flat row: settings, loss, share."""
        return {**asdict(self.settings), "log_loss": self.log_loss, "share_of_training": self.share}


def search(
    learning: Dataset, calibration: Dataset, *, seed: int, trials: int, method: CalibrationMethod = "sigmoid"
) -> tuple[Trial, ...]:
    """``trials`` settings, best first; one trial is the setting that ships.

    Raises CalibrationError where not even that one can be calibrated.
    """
    random = Random(f"{seed}/tuning")  # noqa: S311  # reproducible settings, nothing secret
    settings = [Hyperparameters()]
    while len(settings) < trials:
        drawn = {name: random.choice(choices) for name, choices in _CHOICES.items()}
        settings.append(Hyperparameters(**drawn))  # type: ignore[arg-type]  # whole numbers stand where they are asked
    half = learning.where(np.arange(len(learning)) % 2 == 0)

    def judged(setting: Hyperparameters, cases: Dataset, share: float) -> Trial:
        return Trial(setting, _loss(setting, cases, calibration, seed, method), share)

    first = sorted((judged(setting, half, 0.5) for setting in settings[1:]), key=lambda trial: trial.log_loss)
    through = first[: len(first) // 2]
    finished = [judged(setting, learning, 1.0) for setting in (settings[0], *(trial.settings for trial in through))]
    if not np.isfinite(finished[0].log_loss):
        raise CalibrationError(
            "calibration reverses the score: the model is no better than chance on the held-out cases"
        )
    return (*sorted(finished, key=lambda trial: trial.log_loss), *first[len(through) :])


def _loss(
    settings: Hyperparameters, learning: Dataset, calibration: Dataset, seed: int, method: CalibrationMethod
) -> float:
    """The log loss of the calibrated estimator on cases that neither it nor its calibration was fitted on."""
    from sklearn.metrics import log_loss  # type: ignore[import-untyped]  # ships no types
    from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]  # ships no types

    estimator = build_estimator(learning.schema, seed, settings).fit(
        learning.features, learning.labels, sample_weight=learning.weights
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    stated: NDArray[np.float64] = np.zeros(len(calibration))
    for kept, left in folds.split(calibration.features, calibration.labels):
        try:
            calibrated = calibrate(
                estimator,
                calibration.features[kept],
                calibration.labels[kept],
                method,
                weights=calibration.weights[kept],
            )
        except CalibrationError:
            return float("inf")
        stated[left] = calibrated.predict_proba(calibration.features[left])[:, 1]
    return float(log_loss(calibration.labels, stated, labels=[0, 1], sample_weight=calibration.weights))
