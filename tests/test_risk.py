"""The guarantee: certified where the cases show it, absent where they do not, and true when it is given."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from models.intervals import error_bound, lower_bound, share_interval
from models.types import ThresholdCertificate
from training.risk import (
    cases_needed,
    certify,
    certify_without_score,
    chance_to_pass,
    pilot_of,
    threshold_sequence,
)


def draw(random: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Scores and decisions of eligible cases: most are safe, a few with low scores are often not approved."""
    risky = random.random(n) < 0.06
    scores = np.where(risky, random.beta(8, 4, n), random.beta(60, 1.2, n))
    error = np.where(risky, 0.35, 0.004)
    return scores, (random.random(n) >= error).astype(int)


def certificate(n: int, seed: int = 0, target: float = 0.02, **changes: Any) -> ThresholdCertificate:
    random = np.random.default_rng(seed)
    calibration, _ = draw(random, 400)
    scores, approved = draw(random, n)
    arguments = {"family": "advanced_imaging", "target": target, "confidence": 0.95, "data_hash": "x" * 64} | changes
    return certify(calibration, scores, approved, on=date(2026, 11, 20), **arguments)


@pytest.mark.parametrize(("target", "needed"), [(0.05, 59), (0.02, 149), (0.01, 299), (0.005, 598)])
def test_zero_error_cases_needed_are_the_published_numbers(target: float, needed: int) -> None:
    assert cases_needed(0, target, 0.95) == needed


@given(st.integers(0, 20), st.integers(21, 900), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_error_bound_is_the_rate_at_which_so_few_errors_become_too_lucky(
    errors: int, n: int, confidence: float
) -> None:
    bound = error_bound(errors, n, confidence)
    assert binom.cdf(errors, n, bound) == pytest.approx(1 - confidence, abs=1e-6)
    assert errors / n < bound <= 1


def test_no_cases_bound_nothing() -> None:
    assert error_bound(0, 0, 0.95) == 1.0
    assert error_bound(5, 5, 0.95) == 1.0


def test_enough_clean_cases_are_certified() -> None:
    shown = certificate(900, seed=1)
    assert shown.threshold is not None
    assert shown.n >= 149
    assert error_bound(shown.errors, shown.n, 0.95) <= 0.02 + 1e-9
    assert shown.scope == "family"


def test_too_few_cases_certify_nothing_and_say_how_many_are_needed() -> None:
    shown = certificate(100)
    assert shown.threshold is None
    assert "149" in shown.reason


def test_cases_that_are_often_wrong_certify_nothing() -> None:
    random = np.random.default_rng(3)
    scores = random.random(800)
    shown = certify(
        random.random(300),
        scores,
        (random.random(800) >= 0.1).astype(int),
        family=None,
        target=0.02,
        confidence=0.95,
        on=date(2026, 11, 20),
        data_hash="",
    )
    assert shown.threshold is None
    assert "no threshold" in shown.reason
    assert shown.scope == "overall"


def test_no_eligible_calibration_case_certifies_nothing() -> None:
    scores, approved = draw(np.random.default_rng(1), 400)
    shown = certify(
        np.array([]), scores, approved, family="x", target=0.02, confidence=0.95, on=date(2026, 1, 1), data_hash=""
    )
    assert shown.threshold is None


def test_a_stricter_target_never_loosens_the_threshold() -> None:
    loose, strict = certificate(3000, target=0.03), certificate(3000, target=0.01)
    assert loose.threshold is not None
    assert strict.threshold is None or strict.threshold >= loose.threshold


def test_the_order_of_thresholds_is_fixed_without_certification_labels() -> None:
    scores, _ = draw(np.random.default_rng(2), 500)
    sequence = threshold_sequence(scores, 1000, 0.02, 0.95)
    assert set(sequence) <= set(scores)
    assert scores.min() in sequence
    assert len(set(sequence)) == len(sequence)


def test_where_cases_are_few_the_loosest_threshold_is_tested_first() -> None:
    """With 300 eligible cases only all of them together can show one per cent, and only without an error."""
    scores, _ = draw(np.random.default_rng(2), 500)
    assert threshold_sequence(scores, 300, 0.01, 0.95)[0] == scores.min()


def test_where_cases_are_many_a_stricter_threshold_with_fewer_errors_is_tested_first() -> None:
    scores, approved = draw(np.random.default_rng(2), 500)
    sequence = threshold_sequence(scores, 8000, 0.02, 0.95, pilot_of(scores, approved))
    assert sequence[0] > scores.min()
    assert list(sequence) == sorted(sequence, reverse=True), "after the likeliest only looser ones are tested"


def test_a_pilot_counts_errors_over_all_families_at_the_same_score() -> None:
    scores, approved = np.linspace(0.5, 1.0, 200), (np.arange(200) >= 20).astype(int)
    pilot = pilot_of(scores, approved)
    assert [threshold for threshold, _ in pilot] == sorted((t for t, _ in pilot), reverse=True)
    loosest, rate_of_all = pilot[-1]
    assert loosest == 0.5
    assert rate_of_all == pytest.approx(20.5 / 201)
    assert all(rate < 0.01 for threshold, rate in pilot if threshold > 0.6)


def test_a_family_whose_scores_lie_higher_is_tested_at_the_same_scores_with_more_cases() -> None:
    """What is known of a score holds in every family; how many cases reach it is the family's own."""
    scores, approved = draw(np.random.default_rng(5), 2000)
    pilot = pilot_of(scores, approved)
    high = threshold_sequence(scores[scores > np.quantile(scores, 0.3)], 900, 0.02, 0.95, pilot)
    low = threshold_sequence(scores, 900, 0.02, 0.95, pilot)
    assert set(high) | set(low) <= {threshold for threshold, _ in pilot}
    assert high[0] >= low[0]


def test_without_a_calibration_case_there_is_no_pilot() -> None:
    assert pilot_of(np.array([])) == ()


@pytest.mark.parametrize(("cases", "errors"), [(299, 0), (473, 1), (628, 2), (1049, 5)])
def test_the_chance_to_pass_is_exact_where_one_error_more_is_just_borne(cases: int, errors: int) -> None:
    assert cases_needed(errors, 0.01, 0.95) == cases
    exact = float(binom.cdf(errors, cases, 0.003))
    assert chance_to_pass(cases, 0.003, 0.01, 0.95) == pytest.approx(exact, abs=0.01)


@given(st.integers(300, 5000), st.integers(1, 500), st.floats(0.0005, 0.008))
def test_more_cases_and_fewer_errors_never_lower_the_chance_to_pass(n: int, more: int, rate: float) -> None:
    chance = chance_to_pass(n, rate, 0.01, 0.95)
    assert 0.0 <= chance <= chance_to_pass(n + more, rate, 0.01, 0.95) + 1e-3
    assert chance_to_pass(n, rate / 2, 0.01, 0.95) >= chance - 1e-9


def test_too_few_cases_have_no_chance_to_pass() -> None:
    assert chance_to_pass(298, 0.0, 0.01, 0.95) == chance_to_pass(0, 0.0, 0.01, 0.95) == 0.0
    assert chance_to_pass(299, 0.0, 0.01, 0.95) == 1.0


def test_criteria_alone_are_certified_by_one_exact_test() -> None:
    def shown(errors: int) -> ThresholdCertificate:
        approved = np.array([0] * errors + [1] * (628 - errors))
        return certify_without_score(
            approved, family="x", target=0.01, confidence=0.95, on=date(2026, 11, 20), data_hash=""
        )

    assert shown(2).threshold == 0.0
    assert shown(3).threshold is None
    assert "3 of 628" in shown(3).reason


@given(st.integers(0, 50), st.integers(1, 400))
def test_an_interval_holds_what_was_seen(successes: int, n: int) -> None:
    seen = min(successes, n)
    low, high = share_interval(seen, n)
    assert low <= seen / n <= high
    assert lower_bound(seen, n, 0.975) == low


@pytest.mark.slow
@pytest.mark.parametrize(("n", "target"), [(700, 0.02), (1500, 0.01), (4000, 0.01)])
def test_the_guarantee_holds_in_simulation(n: int, target: float) -> None:
    """Over 200 fresh draws the target is broken in at most 5 %, plus three standard errors of the simulation itself."""
    population = np.random.default_rng(99)
    scores, approved = draw(population, 400_000)
    broken, certified, draws = 0, 0, 200
    for seed in range(draws):
        shown = certificate(n, seed=seed, target=target)
        if shown.threshold is not None:
            certified += 1
            broken += float(np.mean(approved[scores >= shown.threshold] == 0)) > target
    assert broken / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    # A guarantee that certifies nothing would hold too.
    assert certified > 0
