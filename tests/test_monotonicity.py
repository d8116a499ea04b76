"""The trained model obeys its directions: by property on whole requests, and by proof over every split of every tree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training import NAMES, dataset, fit

from features.vector import SCHEMA
from training.dataset import Dataset
from training.train import Trained


@pytest.fixture(scope="module")
def cases() -> Dataset:
    return dataset(8000)


@pytest.fixture(scope="module")
def trained(cases: Dataset) -> Trained:
    return fit(cases)


@given(st.integers(0, 7999), st.lists(st.tuples(st.integers(0, len(NAMES) - 1), st.floats(0, 20)), max_size=5))
@settings(max_examples=60, deadline=None)
def test_moving_features_in_their_direction_never_lowers_the_score(
    trained: Trained, cases: Dataset, row: int, steps: list[tuple[int, float]]
) -> None:
    before = cases.features[row].copy()
    after = before.copy()
    for column, more in steps:
        after[column] += SCHEMA.features[column].direction * more
    low, high = trained.estimator.predict_proba(np.vstack([before, after]))[:, 1]
    assert high >= low


def nodes_of(trained: Trained) -> list[Any]:
    """The node table of every tree of the fitted gradient boosting."""
    boosting = trained.estimator.calibrated_classifiers_[0].estimator.estimator
    return [predictor.nodes for stage in boosting._predictors for predictor in stage]


def leaf_values(nodes: Any, root: int) -> list[float]:
    if nodes[root]["is_leaf"]:
        return [float(nodes[root]["value"])]
    return leaf_values(nodes, int(nodes[root]["left"])) + leaf_values(nodes, int(nodes[root]["right"]))


def wrong_splits(nodes: Any) -> list[int]:
    """Splits on a feature with a direction, where some leaf on the lesser side exceeds one on the greater side."""
    return [
        number
        for number, node in enumerate(nodes)
        if not node["is_leaf"]
        and (direction := SCHEMA.features[node["feature_idx"]].direction)
        and max(direction * value for value in leaf_values(nodes, int(node["left"])))
        > min(direction * value for value in leaf_values(nodes, int(node["right"]))) + 1e-12
    ]


def test_every_split_of_every_tree_keeps_its_direction(trained: Trained) -> None:
    """A proof, not a sample: where at each split on a feature no leaf of the lesser side lies above one of the greater
    side, a tree cannot fall as the feature rises; nor can a sum of such trees, nor a rising map of that sum."""
    trees = nodes_of(trained)
    assert sum(int((~tree["is_leaf"].astype(bool)).sum()) for tree in trees) > 100
    assert [splits for tree in trees if (splits := wrong_splits(tree))] == []
    calibration = trained.estimator.calibrated_classifiers_[0].calibrators[0]
    raw = np.linspace(-20, 20, 4001)
    assert (np.diff(calibration.predict(raw)) >= 0).all()


def test_the_proof_notices_a_split_that_turns() -> None:
    column = NAMES.index("criteria_met_fraction")
    fields = [("feature_idx", "<i8"), ("is_leaf", "?"), ("value", "<f8"), ("left", "<i8"), ("right", "<i8")]
    turned = np.array([(column, False, 0.0, 1, 2), (0, True, 1.0, 0, 0), (0, True, -1.0, 0, 0)], dtype=fields)
    assert wrong_splits(turned) == [0]
    turned["value"][1:] = [-1.0, 1.0]
    assert wrong_splits(turned) == []
