"""Exact (Clopper-Pearson) intervals of a share that was counted."""

from __future__ import annotations

from scipy.stats import beta  # type: ignore[import-untyped]  # no types


def error_bound(errors: int, n: int, confidence: float) -> float:
    """The one-sided upper bound on the rate of which ``errors`` in ``n`` were seen; 1 for n = 0."""
    if n == 0 or errors >= n:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, n - errors))


def lower_bound(errors: int, n: int, confidence: float) -> float:
    """The one-sided lower bound on the rate of which ``errors`` in ``n`` were seen; 0 where no error was seen."""
    return float(beta.ppf(1.0 - confidence, errors, n - errors + 1)) if errors else 0.0


def share_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided interval of a share; (0, 1) for no case."""
    if n == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    return lower_bound(successes, n, 1.0 - tail), error_bound(successes, n, 1.0 - tail)
