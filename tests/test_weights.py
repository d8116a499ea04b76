"""Cases that stand for several requests: what training does with the weights of the blind audit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_training import dataset, fit

from models.estimator import build_estimator, calibrate


def test_every_case_stands_for_itself_unless_said_otherwise() -> None:
    cases = dataset(100)
    assert cases.weights.tolist() == [1.0] * 100
    assert cases.evenly_weighted() is cases


def test_weights_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="weights has 3 entries for 100 cases"):
        replace(dataset(100), weights=np.ones(3))


def test_chosen_cases_keep_their_weights() -> None:
    cases = replace(dataset(100), weights=np.arange(1.0, 101.0))
    assert cases.where(cases.weights > 98).weights.tolist() == [99.0, 100.0]


def test_evenly_weighted_cases_are_distributed_as_the_requests_were() -> None:
    n = 40_000
    audited = np.arange(n) % 2 == 0
    cases = replace(dataset(n), weights=np.where(audited, 20.0, 1.0))
    part = cases.evenly_weighted()
    kept_audited = np.isin(part.external_ids, cases.external_ids[audited])
    assert kept_audited.sum() == audited.sum()
    assert (~kept_audited).mean() == pytest.approx(1 / 21, abs=0.005)
    assert set(part.weights) == {1.0}


def test_evenly_weighted_cases_never_depend_on_their_labels() -> None:
    cases = replace(dataset(4000), weights=np.where(np.arange(4000) % 3 == 0, 10.0, 1.0))
    turned = replace(cases, labels=1 - cases.labels)
    assert cases.evenly_weighted().external_ids.tolist() == turned.evenly_weighted().external_ids.tolist()


def test_a_case_of_weight_three_counts_as_three_in_calibration() -> None:
    cases = dataset(1200)
    weights = np.where(np.arange(len(cases)) % 4 == 0, 3, 1)
    fitted = build_estimator(cases.schema, 0).fit(cases.features, cases.labels)
    weighted = calibrate(fitted, cases.features, cases.labels, weights=weights.astype(float))
    repeated = calibrate(fitted, np.repeat(cases.features, weights, axis=0), np.repeat(cases.labels, weights))
    assert np.allclose(weighted.predict_proba(cases.features), repeated.predict_proba(cases.features), atol=2e-3)


def test_training_follows_the_weights() -> None:
    cases = dataset(3000)
    heavy_if_not_approved = replace(cases, weights=np.where(cases.labels == 1, 1.0, 10.0))
    plain = fit(cases).estimator.predict_proba(cases.features)[:, 1].mean()
    weighted = fit(heavy_if_not_approved).estimator.predict_proba(cases.features)[:, 1].mean()
    assert weighted < plain - 0.05


def test_certificates_judge_the_lane_and_not_the_cases_that_happen_to_carry_labels() -> None:
    """Of twenty fast tracks one is audited, and hardly one is wrong; beside them stand cases a nurse took for a reason."""
    cases = dataset(9000, error_in_eligible=0.0)
    random = np.random.default_rng(4)
    taken_by_a_nurse = cases.eligible & (random.random(len(cases)) < 0.3)
    wrong = taken_by_a_nurse & (random.random(len(cases)) < 0.2)
    cases = replace(cases, labels=np.where(wrong, 0, cases.labels))
    weights = np.where(cases.eligible & ~taken_by_a_nurse, 20.0, 1.0)
    overall, overall_weighted = fit(cases).certificates[0], fit(replace(cases, weights=weights)).certificates[0]
    assert overall.threshold is None
    assert "not approved" in overall.reason
    assert overall_weighted.threshold is not None
    assert overall_weighted.errors / overall_weighted.n < 0.02
