"""How the fast lane treats groups of members: by age band, sex and line of business, with intervals.

None of the three is a feature of the score: they stand in the table for this report alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.intervals import error_bound, lower_bound, share_interval
from training.dataset import GROUPS, Dataset


@dataclass(frozen=True, slots=True)
class Subgroup:
    """One group of held-out cases. ``attribute`` is ``all`` for everybody.

    ``wrong`` of ``fast_tracked`` were not approved; ``error_low`` and ``error_bound`` are Clopper-Pearson's one-sided
    bounds on that share. ``share_of_approvable`` is how many of the approved requests were fast-tracked.
    """

    attribute: str
    group: str
    cases: int
    approvable: int
    fast_tracked: int
    wrong: int
    share_of_approvable: float
    share_low: float
    share_high: float
    error_low: float
    error_bound: float


def subgroups(cases: Dataset, taken: NDArray[np.bool_], confidence: float) -> tuple[Subgroup, ...]:
    """Everybody, then each group of each attribute, counted by fairlearn.

    Empty where nothing is known about any member, or where there is no case.
    """
    from fairlearn.metrics import MetricFrame, count  # type: ignore[import-untyped]  # ships no types

    if not len(cases) or all(set(cases.groups[name].tolist()) == {"unknown"} for name in GROUPS):
        return ()
    metrics = {
        "cases": count,
        "approvable": lambda approved, _: int(np.sum(approved)),
        "fast_tracked": lambda _, fast: int(np.sum(fast)),
        "wrong": lambda approved, fast: int(np.sum((np.asarray(fast) == 1) & (np.asarray(approved) == 0))),
    }
    rows: list[Subgroup] = []
    for name in GROUPS:
        frame = MetricFrame(
            metrics=metrics,
            y_true=cases.labels,
            y_pred=taken.astype(int),
            sensitive_features={name: cases.groups[name]},
        )
        if not rows:
            rows.append(_row("all", "all", frame.overall, confidence))
        rows.extend(_row(name, str(group), counts, confidence) for group, counts in frame.by_group.iterrows())
    return tuple(rows)


def _row(attribute: str, group: str, counts: Any, confidence: float) -> Subgroup:
    fast, wrong, approvable = int(counts["fast_tracked"]), int(counts["wrong"]), int(counts["approvable"])
    low, high = share_interval(fast - wrong, approvable)
    return Subgroup(
        attribute=attribute,
        group=group,
        cases=int(counts["cases"]),
        approvable=approvable,
        fast_tracked=fast,
        wrong=wrong,
        share_of_approvable=(fast - wrong) / approvable if approvable else 0.0,
        share_low=low,
        share_high=high,
        error_low=lower_bound(wrong, fast, confidence),
        error_bound=error_bound(wrong, fast, confidence),
    )
