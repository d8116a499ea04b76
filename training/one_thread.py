"""Fitting on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, scikit-learn's trees are fitted and asked on one thread; also a decorator.

    Each step of a fit on a few thousand rows is microseconds long, and all threads wait for the last of them: where another
    process kept one of two cores busy, a fit took thirty times as long. With one thread sums are also made in one order, so
    the same seed gives the same model on machines with different numbers of cores.
    """
    import sklearn.ensemble  # type: ignore[import-untyped]  # noqa: F401  # ships no types; loads the library that is limited
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # ships no types

    with threadpool_limits(limits=1, user_api="openmp"):
        yield
