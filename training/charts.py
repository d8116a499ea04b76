"""The pictures of the report, drawn without a display. Each function returns a figure; nothing is shown or saved here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.estimator import Labels
from models.intervals import error_bound
from models.types import ThresholdCertificate
from training.evaluate import Evaluation, reliability_bins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Scores = NDArray[np.float64]

# Told apart without colour too: by line style and marker.
_LOOKS = {
    "model": {"color": "#17694f", "linestyle": "-", "marker": "o"},
    "logistic regression": {"color": "#125c86", "linestyle": "--", "marker": "s"},
    "criteria only": {"color": "#9b2c2c", "linestyle": ":", "marker": "^"},
}
_INK, _MUTED = "#17211d", "#54615b"


def ranking(labels: Labels, scores: Mapping[str, Scores]) -> Figure:
    """ROC and precision-recall curves of every way of scoring the test cases."""
    from sklearn.metrics import precision_recall_curve, roc_curve  # type: ignore[import-untyped]  # ships no types

    figure, (left, right) = _figure(2)
    for name, probability in scores.items():
        looks = {key: _LOOKS[name][key] for key in ("color", "linestyle")}
        false, true, _ = roc_curve(labels, probability)
        left.plot(false, true, label=name, **looks)
        precision, recall, _ = precision_recall_curve(labels, probability)
        right.plot(recall, precision, label=name, **looks)
    left.set(title="ROC", xlabel="not approved, scored above", ylabel="approved, scored above")
    right.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0.0, 1.02))
    for axes in (left, right):
        axes.legend(frameon=False, loc="lower right" if axes is left else "lower left")
    return figure


def reliability(labels: Labels, probability: Scores, error: float) -> Figure:
    """What was stated against what happened, by tenths of the stated probability; area by number of cases."""
    figure, (axes,) = _figure(1)
    bins = reliability_bins(probability, labels)
    axes.plot([0, 1], [0, 1], color=_MUTED, linestyle=":", label="as stated")
    sizes = [30 + 400 * cases / len(labels) for _, _, cases in bins]
    axes.plot([b[0] for b in bins], [b[1] for b in bins], color=_LOOKS["model"]["color"])
    axes.scatter([b[0] for b in bins], [b[1] for b in bins], s=sizes, color=_LOOKS["model"]["color"], alpha=0.7)
    for stated, observed, cases in bins:
        axes.annotate(f"{cases}", (stated, observed), xytext=(6, -12), textcoords="offset points", color=_MUTED)
    axes.set(
        title=f"Reliability (calibration error {error:.3f})",
        xlabel="stated probability of approval",
        ylabel="share approved",
        xlim=(-0.02, 1.05),
        ylim=(-0.08, 1.05),
    )
    return figure


def risk_coverage(
    labels: Labels, eligible: NDArray[np.bool_], scores: Mapping[str, Scores], evaluation: Evaluation
) -> Figure:
    """The error in the fast lane against how much of the approvable it takes, over all thresholds, with what is certified."""
    figure, (axes,) = _figure(1)
    certificate = evaluation.certificates[0]
    approvable = max(int(labels.sum()), 1)
    for name, probability in scores.items():
        order = np.argsort(-probability[eligible], kind="stable")
        wrong = np.cumsum(labels[eligible][order] == 0)
        taken = np.arange(1, len(order) + 1)
        shares = (taken - wrong) / approvable
        looks = {key: _LOOKS[name][key] for key in ("color", "linestyle")}
        if name == "criteria only":
            continue
        # The first few cases say nothing about a rate.
        shown = taken >= min(50, len(taken))
        axes.plot(shares[shown], (wrong / taken)[shown], label=f"{name}: error", **looks)
        if name == "model":
            bounds = [error_bound(int(w), int(t), certificate.confidence) for w, t in zip(wrong, taken, strict=True)]
            axes.plot(shares[shown], np.asarray(bounds)[shown], color=_MUTED, linewidth=1, label="model: its bound")
    axes.axhline(certificate.target, color=_INK, linewidth=1, linestyle="--")
    axes.annotate(
        f"target {certificate.target:.1%}", (0.01, certificate.target), xytext=(0, 4), textcoords="offset points"
    )
    errors = []
    points = {"model": evaluation.fast_lane, **{k.replace("_", " "): v for k, v in evaluation.baselines.items()}}
    for name, lanes in points.items():
        lane = lanes["all"]
        if lane.fast_tracked and lane.share_of_approvable is not None and lane.error is not None:
            looks = {key: _LOOKS[name][key] for key in ("color", "marker")}
            errors.append(lane.error)
            label = f"{name}: certified, {lane.share_of_approvable:.0%}"
            axes.plot([lane.share_of_approvable], [lane.error], linestyle="", markersize=9, label=label, **looks)
    axes.set(
        title="Error in the fast lane over its width",
        xlabel="share of approvable test requests fast-tracked",
        ylabel="not approved among fast-tracked",
        xlim=(0, 1),
        ylim=(0, max(3 * certificate.target, 1.5 * max(errors, default=0.0))),
    )
    axes.legend(frameon=False, loc="upper left")
    return figure


def families(evaluation: Evaluation) -> Figure:
    """The share of approvable requests that is fast-tracked, by service family, with 95 % intervals."""
    names = list(evaluation.fast_lane)
    figure, (axes,) = _figure(1, height=1.2 + 0.55 * len(names))
    rows = np.arange(len(names))[::-1]
    ways = {"model": evaluation.fast_lane, **{k.replace("_", " "): v for k, v in evaluation.baselines.items()}}
    for offset, (way, lanes) in zip((0.25, 0.0, -0.25), ways.items(), strict=True):
        shares = [lanes[name].share_of_approvable or 0.0 for name in names]
        axes.barh(rows + offset, shares, height=0.22, color=_LOOKS[way]["color"], label=way)
        for row, name, share in zip(rows, names, shares, strict=True):
            axes.plot(
                [lanes[name].share_low, lanes[name].share_high], [row + offset] * 2, color=_INK, linewidth=1, alpha=0.6
            )
            axes.annotate(f"{share:.0%}", (max(share, lanes[name].share_high if share else 0.0), row + offset),
                          xytext=(3, -3), textcoords="offset points", fontsize=7)  # fmt: skip
    axes.set(
        title="Fast lane by service family", xlabel="share of approvable test requests fast-tracked", xlim=(0, 1.08)
    )
    axes.set_yticks(rows, [name.replace("_", " ") for name in names])
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    return figure


def reasons(evaluation: Evaluation) -> Figure:
    """Test cases by what held them back, approved and not."""
    rows = evaluation.held[::-1]
    figure, (axes,) = _figure(1, height=1.2 + 0.32 * len(rows))
    names = [row.reason.replace("_", " ") for row in rows]
    axes.barh(names, [row.approved for row in rows], color=_LOOKS["model"]["color"], label="approved")
    axes.barh(
        names,
        [row.needs_person for row in rows],
        left=[row.approved for row in rows],
        color=_LOOKS["criteria only"]["color"],
        hatch="//",
        edgecolor="white",
        label="needs a person",
    )
    axes.set(title="Test cases by reason", xlabel="cases (one with several reasons counts under each)")
    axes.legend(frameon=False, loc="lower right")
    return figure


def effects(mean_effects: Sequence[tuple[str, float]]) -> Figure:
    """The mean size of each feature's contribution to a test case's score, in log-odds."""
    rows = list(mean_effects)[::-1]
    figure, (axes,) = _figure(1, height=1.2 + 0.28 * len(rows))
    axes.barh(
        [name.replace("_", " ") for name, _ in rows], [effect for _, effect in rows], color=_LOOKS["model"]["color"]
    )
    axes.set(title="Feature effects", xlabel="mean absolute contribution, log-odds")
    return figure


def groups(evaluation: Evaluation) -> Figure:
    """Error in the fast lane by subgroup: what was seen, and the interval it may lie in."""
    rows = evaluation.subgroups[::-1]
    figure, (axes,) = _figure(1, height=1.2 + 0.32 * len(rows))
    certificate: ThresholdCertificate = evaluation.certificates[0]
    for position, row in enumerate(rows):
        seen = row.wrong / row.fast_tracked if row.fast_tracked else 0.0
        axes.plot([row.error_low, row.error_bound], [position] * 2, color=_INK, linewidth=2)
        axes.plot([seen], [position], marker="o", color=_LOOKS["model"]["color"])
    axes.axvline(certificate.target, color=_MUTED, linestyle="--", linewidth=1)
    axes.set(
        title="Error in the fast lane by group",
        xlabel=f"not approved among fast-tracked (one-sided {certificate.confidence:.0%} bounds)",
        xlim=(0, max(3 * certificate.target, max((min(row.error_bound, 0.2) for row in rows), default=0.0) * 1.05)),
    )
    axes.set_yticks(range(len(rows)), [f"{row.attribute}: {row.group}".replace("_", " ") for row in rows])
    return figure


def _figure(columns: int, height: float = 4.2) -> tuple[Figure, Sequence[Any]]:
    """A figure drawn by no window system, with so many axes side by side."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.ravel(figure.subplots(1, columns))
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(alpha=0.2)
    return figure, list(axes)
