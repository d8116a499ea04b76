"""The shapes of the answers, for the OpenAPI document and for tests that hold answers against it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from serving.cancellations import CancellationReason

MOST_SEARCHED = 200
"""External ids in one search."""

RouteName = Literal["fast_track", "nurse_review"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ReasonBody(_Body):
    """Why the request took its route."""

    code: str
    message: str


class PolicyBody(_Body):
    """The coverage policy the request was judged by."""

    policy_id: str
    version: str
    source: str


class CriterionBody(_Body):
    """A criterion of the policy and the facts behind its status."""

    criterion_id: str
    statement: str
    status: Literal["met", "not_met", "not_documented", "conflicting"]
    evidence: list[str]
    parent: str | None


class AssertionBody(_Body):
    """How the note states the finding."""

    negated: bool
    uncertain: bool
    historical: bool
    hypothetical: bool
    family: bool


class FactBody(_Body):
    """One thing a document says: ``text`` is the document's text from ``start`` to ``end``."""

    fact_id: str
    concept: str
    category: str
    document_id: str
    start: int = Field(ge=0)
    end: int = Field(gt=0)
    text: str
    section: str
    assertion: AssertionBody
    value: float | str | None
    unit: str | None
    date: dt.date | None


class ContributionBody(_Body):
    """How much a feature moved the score, in log-odds."""

    feature: str
    value: float
    effect: float


class MissingBody(_Body):
    """What to ask the provider for."""

    criterion_id: str
    ask: str


class ModelBody(_Body):
    """Which model scored."""

    name: str
    version: str
    alias: str


class CertificateBody(_Body):
    """What was shown about fast-tracking this service family: with ``confidence``, at most ``target`` of the requests at
    or above ``threshold`` would not have been approved, ``errors`` of ``n`` in the certification cases. ``threshold``
    null: nothing could be shown, ``reason`` says why, and none of them is fast-tracked."""

    family: str | None
    target: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    method: str
    n: int = Field(ge=0)
    errors: int = Field(ge=0)
    threshold: float | None = Field(ge=0, le=1)
    date: dt.date
    data_hash: str
    reason: str


class TriageResultBody(_Body):
    """The answer to one request. There is no third route."""

    authorization_id: str | None = Field(description="ULID of the stored case; null where nothing was stored.")
    external_id: str
    route: RouteName
    reasons: list[ReasonBody] = Field(min_length=1)
    due_at: AwareDatetime
    policy: PolicyBody | None
    criteria: list[CriterionBody]
    facts: list[FactBody]
    approval_score: float | None = Field(ge=0, le=1)
    threshold: float | None = Field(ge=0, le=1)
    certificate: CertificateBody | None
    contributions: list[ContributionBody]
    missing: list[MissingBody]
    model: ModelBody | None
    pipeline_version: str


class ReceivedBody(_Body):
    """A request that is stored and not triaged yet. Ask at ``status_url``: 202 until there is a result, then 200."""

    authorization_id: str
    external_id: str
    status: Literal["received"]
    status_url: str
    due_at: AwareDatetime


class PageBody(_Body):
    """A page of a document: ``start`` is the offset of its first character in the document's text."""

    page: int = Field(ge=1)
    start: int = Field(ge=0)


class DocumentTextBody(_Body):
    """The text of a document that the offsets of facts point into. ``read_by`` names the reader of a file and its version,
    null for plain text as it was sent; ``unread`` says why nothing could be read, null where something was.
    """

    document_id: str
    content_type: str
    text: str
    pages: list[PageBody] = Field(min_length=1)
    read_by: str | None
    unread: str | None
    unread_pages: list[int]
    recognized_pages: list[int]
    problems: list[ReasonBody]


class ListedServiceBody(_Body):
    """What is asked for."""

    system: str
    code: str
    description: str | None


class ListedCaseBody(_Body):
    """A line of the list. ``route`` and ``reason`` are null until the request is triaged."""

    authorization_id: str
    external_id: str
    status: Literal["received", "triaged"]
    urgency: Literal["standard", "expedited"]
    service: ListedServiceBody
    route: RouteName | None
    reason: ReasonBody | None
    due_at: AwareDatetime
    revision: int = Field(ge=1, description="Grows with every update and with documents that come later.")
    cancelled: bool


class CaseListBody(_Body):
    """One page of cases, soonest due first; ``next_cursor`` is null on the last page."""

    items: list[ListedCaseBody]
    next_cursor: str | None


class FoundCasesBody(_Body):
    """The cases of the external ids asked for, in that order; those that are not stored stand in ``unknown``."""

    items: list[ListedCaseBody]
    unknown: list[str]


class SearchBody(_Body):
    """External ids to look for."""

    external_ids: list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=MOST_SEARCHED
    )


class CancellationBody(_Body):
    """Why a request is taken back."""

    reason: CancellationReason


class CancelledBody(_Body):
    """A request that was taken back. Nothing was determined."""

    authorization_id: str
    cancelled: Literal[True]
    reason: CancellationReason
    cancelled_at: AwareDatetime


class TakenBatchBody(_Body):
    """A batch that came in. ``repeated`` were stored before with the same content; ``refused`` stand under ``problems``."""

    batch_id: str
    lines: int
    accepted: int
    repeated: int
    refused: int
    status_url: str


class BatchBody(_Body):
    """How a batch stands. ``complete`` is false while lines come, and where the call broke off. ``received`` wait for triage;
    the others that are stored are counted by their route."""

    batch_id: str
    complete: bool
    lines: int
    accepted: int
    repeated: int
    refused: int
    received: int
    fast_track: int
    nurse_review: int


class FieldProblemBody(_Body):
    """What is wrong with one field. The value is never repeated."""

    field: str
    message: str


class ProblemBody(_Body):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldProblemBody] | None = None


class HealthBody(_Body):
    """The process is alive."""

    status: Literal["alive"]


class ReadinessBody(_Body):
    """Whether requests can be taken. Without a model they can: then every one goes to a nurse."""

    status: Literal["ready", "degraded", "not_ready"]
    checks: dict[str, str]


TRIAGE_RESULT_EXAMPLE: dict[str, Any] = {
    "authorization_id": "01JD3K8Q5T6V7W8X9Y0Z1A2B3C",
    "external_id": "PA-2026-000123",
    "route": "nurse_review",
    "reasons": [{"code": "criterion_not_documented", "message": "Not documented: red flags or completed therapy."}],
    "due_at": "2026-11-27T15:04:05Z",
    "policy": {"policy_id": "lumbar-spine-mri", "version": "2026.1", "source": "see the policy"},
    "criteria": [
        {
            "criterion_id": "conservative-therapy",
            "statement": "At least six weeks of conservative care in the last six months.",
            "status": "not_documented",
            "evidence": [],
            "parent": None,
        }
    ],
    "facts": [
        {
            "fact_id": "f1",
            "concept": "physical_therapy",
            "category": "treatment",
            "document_id": "d1",
            "start": 112,
            "end": 128,
            "text": "physical therapy",
            "section": "plan",
            "assertion": {
                "negated": False,
                "uncertain": False,
                "historical": False,
                "hypothetical": True,
                "family": False,
            },
            "value": None,
            "unit": None,
            "date": None,
        }
    ],
    "approval_score": None,
    "threshold": None,
    "certificate": None,
    "contributions": [],
    "missing": [
        {"criterion_id": "conservative-therapy", "ask": "Please send the dates physical therapy started and ended."}
    ],
    "model": None,
    "pipeline_version": "0.1.0",
}
