"""Promotion: the gates a candidate has to pass, and the one step that puts it into service."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scipy.stats import beta  # type: ignore[import-untyped]  # ships no types

from models.bundle import Bundle, load_bundle, model_directory, promote_bundle
from training.candidate import load_candidate, load_evaluation
from training.drift import carry_reference
from training.errors import PromotionRefusedError
from training.tracking import log_promotion


def promote(directory: Path, models: Path | None = None) -> Bundle:
    """Put the candidate in ``directory`` into service and return it as the server will load it.

    ``models`` is the model directory (default: GREENLANE_MODEL_DIR, else ``.greenlane/models``). The bundle is copied
    and loaded first, then the registry's alias moves, then the pointer the server reads: whatever fails, the champion
    in service stays. Raises PromotionRefusedError naming every gate that was not passed.
    """
    candidate = load_candidate(directory)
    bundle = candidate.bundle
    failed = failed_gates(bundle, load_evaluation(directory, bundle))
    if failed:
        raise PromotionRefusedError(f"not promoted: {'; '.join(failed)}")
    decision = {
        "model": bundle.reference.name,
        "version": bundle.reference.version,
        "promoted_at": datetime.now(UTC).isoformat(),
        "gates": "passed",
    }
    promoted = promote_bundle(
        directory / "candidate",
        model_directory(models),
        before_service=lambda: log_promotion(candidate.registered, decision),
    )
    carry_reference(directory / "candidate", promoted)
    return load_bundle(promoted)


def failed_gates(candidate: Bundle, evaluation: Mapping[str, Any]) -> list[str]:
    """Why the candidate may not be promoted, a clause each; empty where it may.

    Gates: some family is certified; in no certified family do the test cases show, with the certificate's confidence,
    an error above its target; it was trained on the feature schema that is installed.
    """
    from features.vector import SCHEMA

    failed = []
    if candidate.schema_hash != SCHEMA.hash:
        failed.append("it was trained on another feature schema than the installed one (prepare and train again)")
    certified = [shown for shown in candidate.certificates if shown.family is not None and shown.threshold is not None]
    if not certified:
        reasons = {shown.reason for shown in candidate.certificates if shown.family is not None and shown.reason}
        failed.append("no service family is certified" + (f" ({'; '.join(sorted(reasons))})" if reasons else ""))
    for shown in certified:
        lane = evaluation["fast_lane"].get(shown.family)
        if lane and _lower_bound(lane["wrong"], lane["fast_tracked"], shown.confidence) > shown.target:
            failed.append(
                f"in {shown.family} {lane['wrong']} of {lane['fast_tracked']} fast-tracked test cases were not "
                f"approved; an error of {shown.target:.1%} does not explain that"
            )
    return failed


def _lower_bound(errors: int, n: int, confidence: float) -> float:
    """The one-sided Clopper-Pearson lower bound on an error rate; 0 where no error was seen."""
    return float(beta.ppf(1.0 - confidence, errors, n - errors + 1)) if errors else 0.0
