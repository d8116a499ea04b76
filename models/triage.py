"""One request in, one answer out: read, score, route. Deterministic; no HTTP, no database, no randomness."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from models.types import Missing, Reason, Route, TriageResult

if TYPE_CHECKING:
    from features.types import AuthorizationRequest, Reading
    from models.bundle import Bundle

_log = logging.getLogger("greenlane.models")


class _Model(Enum):
    CHAMPION = "champion"


CHAMPION: Literal[_Model.CHAMPION] = _Model.CHAMPION
"""Stands for the promoted model where :func:`triage` is not given one."""


def triage(
    request: AuthorizationRequest | Mapping[str, object],
    *,
    bundle: Bundle | Literal[_Model.CHAMPION] | None = CHAMPION,
    fast_track_enabled: bool = True,
    further: Sequence[Reason] = (),
) -> TriageResult:
    """The route of ``request`` with reasons, criteria, facts and score.

    ``bundle`` is the model to score with; by default the promoted one of the model directory, None for none: then
    everything goes to nurse review. ``further`` are reasons for a nurse that only the caller knows. A request may also be
    given as parsed JSON; then RequestRefusedError names what is wrong with it. Nothing else raises: whatever fails while
    a request is read sends it to a nurse with the reason ``system_error``.
    """
    if isinstance(request, Mapping):
        from features.request import parse_request

        request = parse_request(request)
    try:
        return _triage(request, _loaded(bundle), fast_track_enabled, further)
    except Exception as error:
        # The message may quote a note, so only the kind of error is logged.
        _log.error("triage failed with %s; the request goes to a nurse", type(error).__name__)
        return system_error_result(request)


def _loaded(bundle: Bundle | Literal[_Model.CHAMPION] | None) -> Bundle | None:
    if not isinstance(bundle, _Model):
        return bundle
    from models.bundle import POINTER_FILE, model_directory
    from models.errors import ModelError

    pointer = model_directory() / POINTER_FILE
    try:
        return _champion(pointer.parent, pointer.stat().st_mtime_ns)
    except FileNotFoundError:
        return None
    except ModelError as error:
        _log.error("model: %s", error)
        return None


@lru_cache(maxsize=2)
def _champion(directory: Path, changed: int) -> Bundle | None:
    from models.bundle import load_champion, require_installed_schema

    bundle = load_champion(directory)
    if bundle is not None:
        require_installed_schema(bundle)
    return bundle


def _triage(
    request: AuthorizationRequest, bundle: Bundle | None, fast_track_enabled: bool, further: Sequence[Reason]
) -> TriageResult:
    from features.plan_settings import load_plan_settings, plan_settings_path
    from features.policy import load_policies
    from features.reading import read
    from models.clocks import earliest_due
    from models.routing import route
    from models.versions import pipeline_version

    policies = load_policies()
    reading = read(request, policies, load_plan_settings(plan_settings_path(), policies))
    score = bundle.score(reading.vector) if bundle else None
    certificate = bundle.certificate_for(reading.policy.family) if bundle and reading.policy else None
    threshold = certificate.threshold if certificate else None
    taken, reasons = route(
        reading,
        score=score.probability if score else None,
        threshold=threshold,
        model_loaded=bundle is not None,
        fast_track_enabled=fast_track_enabled,
        further=further,
    )
    due = earliest_due(request)
    return TriageResult(
        external_id=request.external_id,
        route=taken,
        reasons=reasons,
        due_at=due.due_at,
        policy=reading.policy,
        criteria=reading.criteria,
        facts=reading.facts,
        approval_score=score.probability if score else None,
        threshold=threshold,
        contributions=score.contributions if score else (),
        missing=_missing(reading),
        model=bundle.reference if bundle else None,
        pipeline_version=pipeline_version(),
        certificate=certificate,
        due=due,
    )


def _missing(reading: Reading) -> tuple[Missing, ...]:
    """The questions of needed leaves that are not shown, each once."""
    from features.types import Status

    asked: dict[str, Missing] = {}
    for result in reading.criteria:
        if result.ask and result.needed and result.status is not Status.MET:
            asked.setdefault(result.ask, Missing(result.criterion_id, result.ask))
    return tuple(asked.values())


def system_error_result(request: AuthorizationRequest) -> TriageResult:
    """The answer where reading failed: a nurse, with the reason ``system_error`` and nothing half-read."""
    from models.clocks import earliest_due

    due = earliest_due(request)
    return TriageResult(
        external_id=request.external_id,
        route=Route.NURSE_REVIEW,
        reasons=(Reason("system_error", "Something failed while the request was read; a nurse looks at it."),),
        due_at=due.due_at,
        policy=None,
        criteria=(),
        facts=(),
        approval_score=None,
        threshold=None,
        contributions=(),
        missing=(),
        model=None,
        pipeline_version=_version_or_unknown(),
        due=due,
    )


def _version_or_unknown() -> str:
    """The version, or ``unknown`` where a broken lexicon or policy file is the very thing that failed."""
    from models.versions import pipeline_version

    try:
        return pipeline_version()
    except Exception as error:
        _log.error("the version cannot be told: %s", type(error).__name__)
        return "unknown"
