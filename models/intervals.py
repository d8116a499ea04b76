"""Intervals of a share that was counted: exact (Clopper-Pearson) where something is guaranteed, Wilson's for a look."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def error_bound(errors: int, n: int, confidence: float) -> float:
    """The one-sided upper bound on the rate of which ``errors`` in ``n`` were seen; 1 for n = 0."""
    if n == 0 or errors >= n:
        return 1.0
    return _beta_quantile(confidence, errors + 1, n - errors)


def lower_bound(errors: int, n: int, confidence: float) -> float:
    """The one-sided lower bound on the rate of which ``errors`` in ``n`` were seen; 0 where no error was seen."""
    return _beta_quantile(1.0 - confidence, errors, n - errors + 1) if errors else 0.0


def share_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval of a share; (0, 1) for no case."""
    if n == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    return lower_bound(successes, n, 1.0 - tail), error_bound(successes, n, 1.0 - tail)


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's two-sided interval of a share, without SciPy; (0, 1) for no case."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(1.0 - (1.0 - confidence) / 2.0)
    share = successes / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half if successes else 0.0), (middle + half if successes < n else 1.0)


def _beta_quantile(probability: float, a: float, b: float) -> float:
    # Imported where it is needed: SciPy takes longer to load than most commands take to run.
    from scipy.special import betaincinv  # type: ignore[import-untyped]  # no types

    return float(betaincinv(a, b, probability))
