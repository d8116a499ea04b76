"""The report on a candidate: pictures and tables as files for MLflow, and everything in one self-contained HTML page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.types import FeatureVector
from models.bundle import Bundle
from models.types import Contribution
from training import charts
from training.dataset import Dataset
from training.errors import DatasetError
from training.evaluate import Evaluation, criteria_probability, fast_tracked
from training.train import scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Enough to see a pattern, few enough to read.
_EXAMPLES = 12
_EXPLAINED = 300


@dataclass(frozen=True, slots=True)
class Example:
    """A wrongly fast-tracked test case. ``notes`` are its documents' texts, empty unless they were asked for."""

    external_id: str
    family: str
    scenario: str
    score: float
    contributions: tuple[Contribution, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The page, the pictures (PNG) and the tables (CSV), each by its file name."""

    html: str
    pictures: Mapping[str, bytes]
    tables: Mapping[str, str]

    def write(self, directory: Path) -> list[Path]:
        """Write ``report.html`` into ``directory`` and the rest into ``report/`` below it; returns all paths."""
        below = directory / "report"
        below.mkdir(parents=True, exist_ok=True)
        written = [directory / "report.html"]
        written[0].write_text(self.html, encoding="utf-8")
        for name, picture in self.pictures.items():
            written.append(below / name)
            written[-1].write_bytes(picture)
        for name, table in self.tables.items():
            written.append(below / name)
            written[-1].write_text(table, encoding="utf-8")
        return written


def build_report(
    model: Bundle, baseline: Bundle, dataset: Dataset, evaluation: Evaluation, notes_from: Path | None = None
) -> Report:
    """The report. ``notes_from`` is a cases file whose notes may be shown with the errors; None shows none.

    Notes of real members must not enter a tracking server, so only generated cases are given here by default.
    """
    test = dataset.split("test").evenly_weighted()
    ways = {
        "model": scores(model.estimator, test),
        "logistic regression": scores(baseline.estimator, test),
        "criteria only": criteria_probability(dataset, test),
    }
    mean_effects = feature_effects(model, test)
    figures = {
        "fast-lane-by-family": charts.families(evaluation),
        "risk-coverage": charts.risk_coverage(test.labels, test.eligible, ways, evaluation),
        "reliability": charts.reliability(test.labels, ways["model"], evaluation.expected_calibration_error),
        "ranking": charts.ranking(test.labels, ways) if 0 < test.labels.sum() < len(test) else None,
        "reasons": charts.reasons(evaluation),
        "subgroups": charts.groups(evaluation) if evaluation.subgroups else None,
        "feature-effects": charts.effects(mean_effects),
    }
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    html = _page(
        model=model,
        evaluation=evaluation,
        svg={name: _svg(figure) for name, figure in drawn.items()},
        effects=mean_effects,
        meanings={spec.name: spec for spec in dataset.schema.features},
        splits={
            name: int(np.sum(dataset.splits == name)) for name in ("train", "calibration", "certification", "test")
        },
        examples=wrong_examples(model, test, notes_from),
    )
    tables = {
        "certificates.csv": _csv([asdict(shown) for shown in evaluation.certificates]),
        "fast_lane.csv": _csv(
            [
                {"way": way, "family": family, **asdict(lane)}
                for way, lanes in {"model": evaluation.fast_lane, **evaluation.baselines}.items()
                for family, lane in lanes.items()
            ]
        ),
        "reasons.csv": _csv([asdict(row) for row in evaluation.held]),
        "subgroups.csv": _csv([asdict(row) for row in evaluation.subgroups]),
        "feature_effects.csv": _csv([{"feature": name, "mean_absolute_effect": value} for name, value in mean_effects]),
    }
    return Report(html, {f"{name}.png": _png(figure) for name, figure in drawn.items()}, tables)


def feature_effects(model: Bundle, cases: Dataset) -> tuple[tuple[str, float], ...]:
    """The mean absolute contribution of each feature over some of the cases, in log-odds, largest first."""
    total = dict.fromkeys(model.feature_names, 0.0)
    step = max(1, len(cases) // _EXPLAINED)
    rows = cases.features[::step]
    for row in rows.tolist():
        for contribution in model.score(FeatureVector(cases.schema, tuple(row))).contributions:
            total[contribution.feature] += abs(contribution.effect)
    means = [(name, value / max(len(rows), 1)) for name, value in total.items()]
    return tuple(sorted(means, key=lambda entry: (-entry[1], entry[0])))


def wrong_examples(model: Bundle, test: Dataset, notes_from: Path | None = None) -> tuple[Example, ...]:
    """Wrongly fast-tracked test cases, the surest first; with their notes where a cases file is given.

    Raises DatasetError where that file cannot be read.
    """
    probability = scores(model.estimator, test)
    wrong = np.flatnonzero(fast_tracked(probability, test, model.certificates) & (test.labels == 0))
    chosen = wrong[np.argsort(-probability[wrong], kind="stable")][:_EXAMPLES]
    notes = _notes(notes_from, {str(test.external_ids[row]) for row in chosen}) if notes_from is not None else {}
    return tuple(
        Example(
            external_id=str(test.external_ids[row]),
            family=str(test.families[row]),
            scenario=str(test.scenarios[row]),
            score=float(probability[row]),
            contributions=model.score(FeatureVector(test.schema, tuple(test.features[row].tolist()))).contributions[:5],
            notes=notes.get(str(test.external_ids[row]), ()),
        )
        for row in chosen
    )


def _notes(cases: Path, wanted: set[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    try:
        with cases.open(encoding="utf-8") as lines:
            for line in lines:
                request = json.loads(line)["request"]
                if request["external_id"] in wanted:
                    texts = (
                        f"[{d['type']}, {d.get('date')}]\n{d['text']}" for d in request["documents"] if "text" in d
                    )
                    found[request["external_id"]] = tuple(texts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{cases}: the notes of the errors cannot be read ({type(error).__name__})") from error
    return found


def _page(**context: Any) -> str:
    from jinja2 import Environment, StrictUndefined

    template = resources.files("training").joinpath("templates/report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["percent"] = lambda share: "none" if share is None else f"{share:.1%}"
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    return environment.from_string(template).render(**context)


def _svg(figure: Figure) -> Any:
    """The figure as an SVG element to stand inside the page, the same bytes for the same numbers."""
    import matplotlib
    from markupsafe import Markup

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "greenlane"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    drawn = file.getvalue()
    return Markup(drawn[drawn.index("<svg") :])  # noqa: S704  # drawn by matplotlib, which escapes its texts


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    file = io.StringIO()
    names: Iterable[str] = rows[0].keys() if rows else ()
    writer = csv.DictWriter(file, list(names))
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()
