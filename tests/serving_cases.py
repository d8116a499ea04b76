"""Requests, and a triage that does what a test says: for tests of the service around triage."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from features.request import EXAMPLE_REQUEST
from features.types import (
    Assertion,
    AuthorizationRequest,
    CriterionResult,
    Cue,
    Fact,
    PolicyReference,
    Status,
)
from models.types import Contribution, Missing, ModelReference, Reason, Route, TriageResult

PATIENT = {"prefer": "wait=30"}
"""Headers of a sender who waits for the result of files too."""
NOTE = "He completed physical therapy for 8 weeks. Denies saddle anesthesia."
MET = Reason("all_criteria_met", "Every criterion of lumbar-spine-mri 2026.1 is documented as met.")


def request_body(external_id: str = "PA-1", text: str = NOTE, **changes: Any) -> dict[str, Any]:
    """A valid request body with one document. Every external id has a member of its own."""
    body = copy.deepcopy(EXAMPLE_REQUEST)
    body["external_id"] = external_id
    body["member"]["member_id"] = f"M-{external_id}"
    body["documents"] = [{"document_id": "d1", "type": "progress_note", "date": "2026-11-10", "text": text}]
    body.update(changes)
    return body


def facts_of(request: AuthorizationRequest) -> tuple[Fact, ...]:
    """The words of NOTE where they stand in the request's documents."""
    found: list[Fact] = []
    for document in request.documents:
        for words, concept, category in (
            ("physical therapy", "physical_therapy", "treatment"),
            ("saddle anesthesia", "saddle_anesthesia", "finding"),
        ):
            start = document.text.find(words)
            if start < 0:
                continue
            denied = document.text.find("Denies")
            cues = (Cue("negated", denied, denied + 6, "denies"),) if category == "finding" and denied >= 0 else ()
            found.append(
                Fact(
                    fact_id=f"f{len(found) + 1}",
                    concept=concept,
                    category=category,
                    document_id=document.document_id,
                    start=start,
                    end=start + len(words),
                    text=words,
                    section="history_of_present_illness",
                    assertion=Assertion(negated=bool(cues), cues=cues),
                )
            )
    return tuple(found)


def routed(
    request: AuthorizationRequest, route: Route = Route.FAST_TRACK, reasons: tuple[Reason, ...] = (MET,)
) -> TriageResult:
    """A complete result for the request."""
    facts = facts_of(request)
    evidence = tuple(fact.fact_id for fact in facts)
    status = Status.MET if evidence else Status.NOT_DOCUMENTED
    return TriageResult(
        external_id=request.external_id,
        route=route,
        reasons=reasons,
        due_at=request.received_at + timedelta(days=3 if request.urgency == "expedited" else 7),
        policy=PolicyReference(
            "lumbar-spine-mri", "2026.1", "NCD 220.2", "MRI of the lumbar spine", "advanced_imaging"
        ),
        criteria=(
            CriterionResult("coverage", "Conservative care was tried", status, evidence, None, "", "therapy"),
            CriterionResult(
                "therapy",
                "Physical therapy was completed",
                status,
                evidence,
                "coverage",
                "Documented in one place.",
                "therapy",
                True,
                "Please send the date physical therapy started and ended.",
            ),
        ),
        facts=facts,
        approval_score=0.973,
        threshold=0.941,
        contributions=(Contribution("criteria_met_fraction", 1.0, 1.84),),
        missing=(Missing("therapy", "Please send the date physical therapy started and ended."),),
        model=ModelReference("greenlane-approval", "3", "champion"),
        pipeline_version="test",
    )


def always(route: Route, *codes: str) -> Callable[[AuthorizationRequest], TriageResult]:
    """A triage that gives every request this route."""
    reasons = tuple(Reason(code, f"Because of {code}.") for code in codes) or (MET,)
    return lambda request: routed(request, route, reasons)


def until_read(client: Any, authorization_id: str, *, seconds: float = 30) -> dict[str, Any]:
    """The result of a case, as soon as the service's workers have read it; ``client`` is one of httpx or of FastAPI."""
    deadline = time.monotonic() + seconds
    while True:
        answer = client.get(f"/v1/authorizations/{authorization_id}")
        if answer.status_code != 202:
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found
        assert time.monotonic() < deadline, "it is still being read"
        time.sleep(0.05)
