"""The model card: ONC HTI-1's 31 source attributes (45 CFR 170.315(b)(11)(iv)(B)), filled from the run."""

from __future__ import annotations

from importlib import resources
from typing import Any

import numpy as np

from models.bundle import Bundle
from models.types import ThresholdCertificate
from training.dataset import GROUPS, Dataset
from training.errors import TrainingError
from training.evaluate import Evaluation, FastLane

ATTRIBUTES = 31
"""How many source attributes the rule asks for of a predictive intervention."""

# What training/model_card.yaml has to state, since no run can compute it.
_STATED = frozenset(
    {
        *("developer", "contact", "funding", "intended_population", "deployment_relevance", "external_source"),
        *("external_party", "external_representativeness", "external_process", "external_validity"),
        *("external_fairness", "outcome_references", "local_validity", "local_fairness"),
    }
)


def build_card(model: Bundle, dataset: Dataset, evaluation: Evaluation) -> str:
    """The card as Markdown. Raises TrainingError where ``model_card.yaml`` leaves something unsaid."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701  # Markdown, not HTML
    environment.filters["percent"] = _percent
    template = resources.files("training").joinpath("templates/model_card.md").read_text(encoding="utf-8")
    lane = evaluation.fast_lane["all"]
    overall = evaluation.certificates[0]
    training = dataset.split("train")
    context: dict[str, Any] = {
        "model": model,
        "facts": stated_facts(),
        "trained": model.trained_at.strftime("%Y-%m-%d"),
        "lane": lane,
        "overall": overall,
        "uncertified": ", ".join(
            _words(shown.family or "") for shown in evaluation.certificates if shown.family and shown.threshold is None
        ),
        "misread": _misread(evaluation),
        "total": len(dataset),
        "family_list": ", ".join(_words(name) for name in sorted(set(dataset.families.tolist()) - {""})),
        "split_list": ", ".join(
            f"{int(np.sum(dataset.splits == name))} {name}"
            for name in ("train", "calibration", "certification", "test")
        ),
        "feature_count": len(dataset.schema.features),
        "feature_list": ", ".join(spec.name for spec in dataset.schema.features),
        "representation": "; ".join(_shares(training, attribute) for attribute in GROUPS),
        "validity": _validity(evaluation),
        "families": [
            {
                "name": _words(name),
                "share": _with_interval(row),
                "wrong": f"{row.wrong} of {row.fast_tracked}",
                "bound": _percent(row.error_bound) if row.fast_tracked else "nothing was fast-tracked",
                "threshold": _threshold(evaluation.certificates, None if name == "all" else name),
            }
            for name, row in evaluation.fast_lane.items()
        ],
        "fairness": _fairness(evaluation),
        "groups": [
            {
                "name": f"{_words(row.attribute)}: {_words(row.group)}" if row.attribute != "all" else "everybody",
                "cases": row.cases,
                "fast_tracked": row.fast_tracked,
                "wrong": row.wrong,
                "bound": _percent(row.error_bound) if row.fast_tracked else "nothing was fast-tracked",
                "share": f"{_percent(row.share_of_approvable)} ({_percent(row.share_low)} to {_percent(row.share_high)})",
            }
            for row in evaluation.subgroups
        ],
        "libraries": ", ".join(f"{name} {number}" for name, number in model.versions.libraries.items())
        or "not recorded",
    }
    return environment.from_string(template).render(**context).strip() + "\n"


def stated_facts() -> dict[str, str]:
    """What ``training/model_card.yaml`` states. Raises TrainingError naming a statement that is missing or empty."""
    import yaml

    try:
        stated = yaml.safe_load(resources.files("training").joinpath("model_card.yaml").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise TrainingError("training/model_card.yaml: is not YAML") from error
    given = stated if isinstance(stated, dict) else {}
    missing = sorted(name for name in _STATED if not isinstance(given.get(name), str) or not given[name].strip())
    if missing:
        raise TrainingError(f"training/model_card.yaml: says nothing about {', '.join(missing)}")
    unknown = sorted(set(given) - _STATED)
    if unknown:
        raise TrainingError(f"training/model_card.yaml: unknown entries {', '.join(map(str, unknown))}")
    return {name: " ".join(given[name].split()) for name in _STATED}


def _misread(evaluation: Evaluation) -> str:
    """How often approvable cases were held back because a criterion was not found documented."""
    for row in evaluation.held:
        if row.reason == "criterion_not_documented" and row.approved + row.needs_person:
            return (
                f"Notes can be misread: {row.approved} of the {row.approved + row.needs_person} test cases that were held "
                "back because a criterion was not found documented would have been approved."
            )
    return "Notes can be misread."


def _validity(evaluation: Evaluation) -> str:
    lane, criteria = evaluation.fast_lane["all"], evaluation.baselines["criteria_only"]["all"]
    logistic = evaluation.baselines["logistic_regression"]["all"]
    return (
        f"On {evaluation.test_cases} test cases: {_with_interval(lane)} of approvable requests fast-tracked, "
        f"{lane.wrong} of {lane.fast_tracked} wrongly (error at most {_percent(lane.error_bound)}); at the same certified "
        f"bound a logistic regression fast-tracks {_percent(logistic.share_of_approvable)}, criteria alone "
        f"{_percent(criteria.share_of_approvable)}. Calibration error {evaluation.expected_calibration_error:.3f}, Brier "
        f"score {evaluation.briers['model']:.4f}, ROC AUC {evaluation.roc_auc:.3f}, average precision "
        f"{evaluation.average_precision:.3f}."
    )


def _fairness(evaluation: Evaluation) -> str:
    if not evaluation.subgroups:
        return "Not measured: nothing is known about the members' age, sex and line of business."
    cases = evaluation.subgroups[0].cases
    return (
        f"By age band, sex and line of business on {cases} held-out cases (certification and test), one-sided bounds:"
    )


def _shares(cases: Dataset, attribute: str) -> str:
    names, counts = np.unique(cases.groups[attribute], return_counts=True)
    shares = ", ".join(
        f"{_words(str(name))} {count / max(len(cases), 1):.0%}" for name, count in zip(names, counts, strict=True)
    )
    return f"{_words(attribute)} {shares}"


def _threshold(certificates: tuple[ThresholdCertificate, ...], family: str | None) -> str:
    for shown in certificates:
        if shown.family == family:
            return f"{shown.threshold:.4f}" if shown.threshold is not None else f"none: {shown.reason}"
    return "none: no certification case"


def _with_interval(lane: FastLane) -> str:
    return f"{_percent(lane.share_of_approvable)} ({_percent(lane.share_low)} to {_percent(lane.share_high)})"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def _words(name: str) -> str:
    return name.replace("_", " ")
