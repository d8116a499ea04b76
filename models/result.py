"""A triage result as JSON: the shape intake systems see, and a fuller record that the workbench is drawn from."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json

from features.types import Assertion, CriterionResult, Fact, PolicyReference
from models.types import ThresholdCertificate, TriageResult


def result_to_json(result: TriageResult) -> dict[str, Any]:
    """The interface's TriageResult, field for field."""
    return {
        "authorization_id": result.authorization_id,
        "external_id": result.external_id,
        "route": result.route.value,
        "reasons": [{"code": reason.code, "message": reason.message} for reason in result.reasons],
        "due_at": _time(result.due_at),
        "policy": policy_to_json(result.policy) if result.policy else None,
        "criteria": [criterion_to_json(criterion) for criterion in result.criteria],
        "facts": [fact_to_json(fact) for fact in result.facts],
        "approval_score": result.approval_score,
        "threshold": result.threshold,
        "certificate": certificate_to_json(result.certificate) if result.certificate else None,
        "contributions": [{"feature": c.feature, "value": c.value, "effect": c.effect} for c in result.contributions],
        "missing": [{"criterion_id": missing.criterion_id, "ask": missing.ask} for missing in result.missing],
        "model": (
            {"name": result.model.name, "version": result.model.version, "alias": result.model.alias}
            if result.model
            else None
        ),
        "pipeline_version": result.pipeline_version,
    }


def result_text(result: TriageResult) -> str:
    """:func:`result_to_json` as JSON text, the same for the same result."""
    return to_json(result_to_json(result), inf_nan_mode="null").decode()


def certificate_to_json(certificate: ThresholdCertificate) -> dict[str, Any]:
    """What was shown about fast-tracking the request's service family."""
    return asdict(certificate)


def policy_to_json(policy: PolicyReference) -> dict[str, Any]:
    """A policy as results name it."""
    return {"policy_id": policy.policy_id, "version": policy.version, "source": policy.source}


def criterion_to_json(criterion: CriterionResult) -> dict[str, Any]:
    """A criterion as results show it."""
    return {
        "criterion_id": criterion.criterion_id,
        "statement": criterion.statement,
        "status": criterion.status.value,
        "evidence": list(criterion.evidence),
        "parent": criterion.parent,
    }


def fact_to_json(fact: Fact) -> dict[str, Any]:
    """A fact as results show it."""
    return {
        "fact_id": fact.fact_id,
        "concept": fact.concept,
        "category": fact.category,
        "document_id": fact.document_id,
        "start": fact.start,
        "end": fact.end,
        "text": fact.text,
        "section": fact.section,
        "assertion": _assertion(fact.assertion),
        "value": fact.value,
        "unit": fact.unit,
        "date": fact.date.isoformat() if fact.date else None,
    }


def _assertion(assertion: Assertion) -> dict[str, bool]:
    return {
        "negated": assertion.negated,
        "uncertain": assertion.uncertain,
        "historical": assertion.historical,
        "hypothetical": assertion.hypothetical,
        "family": assertion.family,
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@cache
def _record() -> TypeAdapter[TriageResult]:
    return TypeAdapter(TriageResult)


def trace_text(result: TriageResult) -> str:
    """Everything the result holds, cues and explanations included, as JSON text; :func:`result_from_trace_text` reads it."""
    return _record().dump_json(result).decode()


def result_from_trace(trace: dict[str, Any]) -> TriageResult:
    """The result a trace was written from. Raises pydantic.ValidationError for anything else."""
    return _record().validate_python(trace)


def result_from_trace_text(trace: str) -> TriageResult:
    """:func:`result_from_trace` of a trace as JSON text, read in one go. Raises pydantic.ValidationError likewise."""
    return _record().validate_json(trace)
