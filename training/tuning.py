"""A bounded search for the estimator's settings, on the training split alone.

Successive halving: every setting is fitted on two thirds of the training cases and judged by the log loss on the last
third; the better half goes on to the other two folds, and the lowest mean over all three wins. The first setting is the
one that ships, so a search never ends with something worse by its own measure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.estimator import Hyperparameters, build_estimator
from training.dataset import Dataset

_FOLDS = 3

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
    """One setting and its mean log loss over the ``folds`` it was judged on (fewer where it was left behind)."""

    settings: Hyperparameters
    log_loss: float
    folds: int

    def to_json(self) -> dict[str, float]:
        """A flat row: settings, loss, folds."""
        return {**asdict(self.settings), "log_loss": self.log_loss, "folds": self.folds}


def search(learning: Dataset, *, seed: int, trials: int) -> tuple[Trial, ...]:
    """``trials`` settings judged on ``learning``, best first; one trial is the setting that ships, judged once."""
    from sklearn.model_selection import StratifiedKFold  # type: ignore[import-untyped]  # ships no types

    random = Random(f"{seed}/tuning")  # noqa: S311  # reproducible settings, nothing secret
    settings = [Hyperparameters()]
    while len(settings) < trials:
        drawn = {name: random.choice(choices) for name, choices in _CHOICES.items()}
        settings.append(Hyperparameters(**drawn))  # type: ignore[arg-type]  # whole numbers stand where they are asked
    folds = list(StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(learning.features, learning.labels))

    def losses(setting: Hyperparameters, chosen: slice) -> list[float]:
        return [_loss(setting, learning, seed, fitted, judged) for fitted, judged in folds[chosen]]

    first = [(losses(setting, slice(0, 1)), setting) for setting in settings]
    # The setting that ships always goes on, so that the winner is compared with it on every fold.
    first[1:] = sorted(first[1:], key=lambda entry: entry[0][0])
    through = (len(first) + 1) // 2
    finished = [(loss + losses(setting, slice(1, None)), setting) for loss, setting in first[:through]]
    judged = [Trial(setting, float(np.mean(loss)), len(loss)) for loss, setting in (*finished, *first[through:])]
    return tuple(sorted(judged, key=lambda trial: (-trial.folds, trial.log_loss)))


def _loss(
    settings: Hyperparameters, cases: Dataset, seed: int, fitted: NDArray[np.int64], judged: NDArray[np.int64]
) -> float:
    from sklearn.metrics import log_loss  # type: ignore[import-untyped]  # ships no types

    estimator = build_estimator(cases.schema, seed, settings).fit(
        cases.features[fitted], cases.labels[fitted], sample_weight=cases.weights[fitted]
    )
    stated = estimator.predict_proba(cases.features[judged])
    return float(log_loss(cases.labels[judged], stated, labels=[0, 1], sample_weight=cases.weights[judged]))
