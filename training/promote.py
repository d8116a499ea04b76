"""Promotion: the gates a candidate has to pass, the two people who approve, and the way back.

Order matters: the bundle is copied and loaded first, then the registry's alias moves, then the pointer the server reads.
Whatever fails, the champion in service stays. A rollback goes the other way round, because it is asked for when what is
in service must stop: the pointer first, then the registry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bundle import (
    Bundle,
    load_bundle,
    load_champion,
    model_directory,
    previous_champion,
    promote_bundle,
    record_promotion,
    set_champion,
)
from models.errors import ModelError
from models.intervals import lower_bound
from training.candidate import load_candidate, load_evaluation
from training.config import LARGEST_CALIBRATION_ERROR, LARGEST_SUBGROUP_RATIO
from training.dataset import Dataset
from training.drift import carry_reference
from training.errors import PromotionRefusedError
from training.evaluate import CRITERIA, LOGISTIC, fast_tracked
from training.risk import cases_needed
from training.tracking import log_promotion, log_rollback
from training.train import scores

# How sure a comparison on the same cases has to be before it counts as worse.
_SURE = 0.95
_BEYOND_CHANCE = 1.645
"""Standard errors of a difference beyond which it is worse with 95 % confidence, one-sided."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition of promotion: its name, whether it holds, and in one clause what was found."""

    name: str
    passed: bool
    found: str


def promote(
    directory: Path,
    dataset: Dataset,
    *,
    approved_by: Sequence[str],
    models: Path | None = None,
    calibration_limit: float = LARGEST_CALIBRATION_ERROR,
) -> Bundle:
    """Put the candidate in ``directory`` into service and return it as the server will load it.

    ``dataset`` is the table it was trained and evaluated on; ``approved_by`` names at least two different people;
    ``models`` is the model directory (default: GREENLANE_MODEL_DIR, else ``.greenlane/models``). The decision, with names,
    gates and the SHA-256 of the evaluation's model, is kept in the registry and in the model directory. Raises
    PromotionRefusedError naming every gate that was not passed.
    """
    approvers = two_approvers(approved_by)
    candidate = load_candidate(directory)
    bundle, home = candidate.bundle, model_directory(models)
    evaluation = load_evaluation(directory, bundle)
    passed = gates(bundle, evaluation, dataset, _champion(home), calibration_limit=calibration_limit)
    failed = [gate.found for gate in passed if not gate.passed]
    if failed:
        raise PromotionRefusedError(f"not promoted: {'; '.join(failed)}")
    decision = {
        "action": "promote",
        "model": bundle.reference.name,
        "version": bundle.reference.version,
        "sha256": bundle.sha256,
        "decided_at": datetime.now(UTC).isoformat(),
        "approved_by": approvers,
        "gates": [asdict(gate) for gate in passed],
    }
    promoted = promote_bundle(
        directory / "candidate",
        home,
        before_service=lambda: log_promotion(candidate.registered, decision),
    )
    carry_reference(directory / "candidate", promoted)
    record_promotion(home, {**decision, "directory": promoted.name})
    return load_bundle(promoted)


def rollback(*, by: str, models: Path | None = None) -> Bundle:
    """Put the champion before the present one back into service, on one person's word, and return it.

    One name is enough: going back to what two people approved must not wait for a second. Raises PromotionRefusedError
    where there is none to go back to, BundleError where it is broken, and TrainingError where the registry could not be
    told (the server has the earlier model back by then).
    """
    (name,) = _names((by,)) or ("",)
    if not name:
        raise PromotionRefusedError("not rolled back: say who decides, with --by NAME")
    home = model_directory(models)
    previous = previous_champion(home)
    if previous is None:
        raise PromotionRefusedError(f"not rolled back: no champion before the present one is recorded in {home}")
    bundle = load_bundle(previous)
    set_champion(previous)
    decision = {
        "action": "rollback",
        "model": bundle.reference.name,
        "version": bundle.reference.version,
        "sha256": bundle.sha256,
        "decided_at": datetime.now(UTC).isoformat(),
        "approved_by": [name],
        "directory": previous.name,
    }
    record_promotion(home, decision)
    log_rollback(bundle.reference.version, decision)
    return bundle


def two_approvers(names: Sequence[str]) -> list[str]:
    """The named approvers. Raises PromotionRefusedError unless two different people are named."""
    given = _names(names)
    if len({name.casefold() for name in given}) < 2:
        raise PromotionRefusedError("not promoted: two different people have to approve (--approved-by, twice)")
    return given


def _names(names: Sequence[str]) -> list[str]:
    return [cleaned for name in names if (cleaned := " ".join(name.split()))]


def _champion(home: Path) -> Bundle | None:
    """The champion in service; a broken one is none, or nothing could ever replace it."""
    try:
        return load_champion(home)
    except ModelError:
        return None


def gates(
    candidate: Bundle,
    evaluation: Mapping[str, Any],
    dataset: Dataset,
    champion: Bundle | None = None,
    *,
    calibration_limit: float = LARGEST_CALIBRATION_ERROR,
) -> tuple[Gate, ...]:
    """Every gate with what was found. ``evaluation`` is the candidate's, as JSON; ``dataset`` has its test cases.

    ``calibration_limit`` is the largest calibration error that passes; what it was stands in the gate.
    """
    if not _same_schema(candidate, dataset):
        return (_schema_gate(candidate, dataset),)
    return (
        _schema_gate(candidate, dataset),
        *_guarantee_gates(candidate, evaluation),
        _calibration_gate(evaluation, calibration_limit),
        _baseline_gate(LOGISTIC, evaluation),
        _baseline_gate(CRITERIA, evaluation),
        _subgroup_gate(evaluation),
        _champion_gate(candidate, champion, dataset),
    )


def _same_schema(candidate: Bundle, dataset: Dataset) -> bool:
    from features.vector import SCHEMA

    return candidate.schema_hash == SCHEMA.hash == dataset.schema.hash


def _schema_gate(candidate: Bundle, dataset: Dataset) -> Gate:
    same = _same_schema(candidate, dataset)
    found = (
        "it was trained on the installed feature schema"
        if same
        else "it was trained on another feature schema than the installed one (prepare and train again)"
    )
    return Gate("feature schema", same, found)


def _guarantee_gates(candidate: Bundle, evaluation: Mapping[str, Any]) -> tuple[Gate, ...]:
    """Some family is certified, and in none do the test cases contradict its certificate."""
    certified = [shown for shown in candidate.certificates if shown.family is not None and shown.threshold is not None]
    if not certified:
        reasons = {shown.reason for shown in candidate.certificates if shown.family is not None and shown.reason}
        found = "no service family is certified" + (f" ({'; '.join(sorted(reasons))})" if reasons else "")
        return (Gate("guarantee", False, found),)
    contradicted = []
    for shown in certified:
        lane = evaluation["fast_lane"].get(shown.family)
        # Each of the families may be unlucky; together they may be with the chance of one.
        sure = 1.0 - (1.0 - shown.confidence) / len(certified)
        if lane and lower_bound(lane["wrong"], lane["fast_tracked"], sure) > shown.target:
            contradicted.append(
                f"in {shown.family} {lane['wrong']} of {lane['fast_tracked']} fast-tracked test cases were not approved; "
                f"an error of {shown.target:.1%} does not explain that"
            )
    held = f"{len(certified)} service families certified, and no test case count contradicts it"
    return (Gate("guarantee", not contradicted, "; ".join(contradicted) or held),)


def _calibration_gate(evaluation: Mapping[str, Any], limit: float) -> Gate:
    error = float(evaluation["expected_calibration_error"])
    return Gate(
        "calibration",
        error <= limit,
        f"the calibration error on the test cases is {error:.3f} (at most {limit:.2f})",
    )


def _baseline_gate(name: str, evaluation: Mapping[str, Any]) -> Gate:
    """No worse probabilities than the baseline's, and no smaller fast lane at the same certified bound, chance allowed for.

    The Brier scores are of the same cases, so their difference is held against its own standard error. Where criteria alone
    can be certified, no score can open the lane wider, since it only ever closes it; so the lane is asked not to be narrower
    than chance explains.
    """
    lane, other = evaluation["fast_lane"]["all"], evaluation["baselines"][name]["all"]
    ours, theirs = evaluation["briers"]["model"], evaluation["briers"][name]
    narrower = lane["share_high"] < other["share_low"]
    worse = ours - theirs > _BEYOND_CHANCE * evaluation["brier_difference_errors"][name]
    found = (
        f"beside {name.replace('_', ' ')}: fast lane {_share(lane)} against {_share(other)} of approvable requests, "
        f"Brier score {ours:.4f} against {theirs:.4f}"
    )
    return Gate(f"baseline: {name.replace('_', ' ')}", not narrower and not worse, found)


def _share(lane: Mapping[str, Any]) -> str:
    share = lane["share_of_approvable"]
    return "none" if share is None else f"{share:.1%}"


def _subgroup_gate(evaluation: Mapping[str, Any]) -> Gate:
    """No group's error bound lies above twice the overall one, or above twice the target where that is larger.

    The target counts because a single error has to fall into some group: where hardly any is made, twice the overall
    bound would refuse by chance. A group in which the errors show, with confidence, more than twice the overall bound is
    refused in any case; one too small to reach the limit without an error is otherwise not judged.
    """
    groups = evaluation["subgroups"]
    if not groups:
        return Gate("subgroups", False, "nothing is known about the members' age, sex and line of business")
    certificate = evaluation["certificates"][0]
    confidence = float(certificate["confidence"])
    twice = LARGEST_SUBGROUP_RATIO * next(group for group in groups if group["attribute"] == "all")["error_bound"]
    most = max(twice, LARGEST_SUBGROUP_RATIO * float(certificate["target"]))
    enough = cases_needed(0, most, confidence) if most < 1.0 else 0
    worse, small = [], 0
    for group in groups:
        judged = group["fast_tracked"] >= enough
        small += not judged
        if (judged and group["error_bound"] > most) or group["error_low"] > twice:
            worse.append(
                f"{group['attribute'].replace('_', ' ')} {group['group']}: {group['wrong']} of {group['fast_tracked']} "
                f"fast-tracked wrongly, at most {group['error_bound']:.1%} (overall at most {twice / 2:.1%})"
            )
    found = f"no group's error bound is above {most:.1%}"
    if small:
        found += f" ({small} groups have fewer than {enough} fast-tracked cases, too few to be judged by it)"
    return Gate("subgroups", not worse, "; ".join(worse) or found)


def _champion_gate(candidate: Bundle, champion: Bundle | None, dataset: Dataset) -> Gate:
    """On the same test cases: no narrower fast lane, no more errors in it, no worse probabilities."""
    name = "champion"
    if champion is None:
        return Gate(name, True, "there is no champion to compare with")
    if champion.schema_hash != dataset.schema.hash:
        return Gate(name, True, "the champion knows another feature schema and cannot score these cases, nor serve any")
    test = dataset.split("test").evenly_weighted()
    ours, theirs = scores(candidate.estimator, test), scores(champion.estimator, test)
    lane = fast_tracked(ours, test, candidate.certificates)
    before = fast_tracked(theirs, test, champion.certificates)
    approved = test.labels == 1
    worse = []
    if _more_often(before & ~lane & approved, lane & ~before & approved):
        worse.append(
            f"it fast-tracks {int(np.sum(lane & approved))} approvable cases, {int(np.sum(before & approved))}"
        )
    if _more_often(lane & ~before & ~approved, before & ~lane & ~approved):
        worse.append(f"it fast-tracks {int(np.sum(lane & ~approved))} wrongly, {int(np.sum(before & ~approved))}")
    losses = (ours - test.labels) ** 2 - (theirs - test.labels) ** 2
    if float(losses.mean()) > 1.645 * float(losses.std()) / np.sqrt(len(losses)) > 0.0:
        worse.append(
            f"its Brier score is {float(np.mean((ours - test.labels) ** 2)):.4f}, "
            f"{float(np.mean((theirs - test.labels) ** 2)):.4f}"
        )
    if worse:
        return Gate(name, False, f"worse than the champion on the same cases: {', '.join(worse)} before")
    return Gate(name, True, f"not worse than version {champion.reference.version} on the same {len(test)} cases")


def _more_often(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether cases that only ``one`` holds outnumber those only ``other`` holds, more than chance explains (sign test)."""
    first, second = int(one.sum()), int(other.sum())
    return lower_bound(first, first + second, _SURE) > 0.5
