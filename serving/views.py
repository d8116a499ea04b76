"""What the pages show, as frozen values: templates only lay them out.

A case that was drawn for the blind audit must look like any other (law 13). So every case whose reasons are only about
the model's caution or the audit shows the same neutral sentence and no score, whichever of them it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup

from features.request import READABLE_CONTENT_TYPE
from features.types import CriterionResult, Document, Fact
from models.result import result_from_trace
from models.types import Contribution, Reason, Route, TriageResult
from serving.fact_words import assertion_words, fact_words, spoken
from serving.marked_text import marked_text
from serving.service import Case
from serving.store import ListedCase, StoredResult

Level = Literal["calm", "soon", "late"]

NEUTRAL_SENTENCE = "A nurse reviews this request."
UNTOLD_CODES = frozenset({"selected_for_review", "score_below_threshold", "no_guarantee", "fast_track_off"})
"""Reasons a page never tells apart, nor ahead of the note: naming one of them would name the others."""

SOON = timedelta(hours=24)

STATUS_WORDS = {
    "met": ("✓", "met"),
    "not_met": ("✕", "not met"),
    "not_documented": ("○", "not documented"),
    "conflicting": ("≠", "conflicting"),
}
ROUTE_WORDS = {Route.FAST_TRACK: "Fast track", Route.NURSE_REVIEW: "Nurse review"}
NOT_TRIAGED = "Being read"


@dataclass(frozen=True, slots=True)
class DueClock:
    """When a decision is due: in words, exactly, and how near."""

    words: str
    exact: str
    level: Level


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One case of the worklist."""

    authorization_id: str
    external_id: str
    service: str
    service_code: str
    expedited: bool
    route: str
    route_class: str
    reason: str
    due: DueClock


@dataclass(frozen=True, slots=True)
class WorklistTab:
    """A filter of the worklist with its count."""

    label: str
    href: str
    count: int
    current: bool


@dataclass(frozen=True, slots=True)
class WorklistView:
    """The worklist page, soonest due first."""

    rows: tuple[WorklistRow, ...]
    tabs: tuple[WorklistTab, ...]
    next_href: str | None
    is_first: bool


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """A fact behind a criterion: its own words and what was understood. ``anchor`` on its first mention only."""

    fact_id: str
    quote: str
    words: str
    asserted: str
    document: str
    anchor: bool


@dataclass(frozen=True, slots=True)
class CriterionView:
    """A node of the policy's tree."""

    criterion_id: str
    statement: str
    status: str
    icon: str
    words: str
    explanation: str
    needed: bool
    evidence: tuple[EvidenceView, ...]
    children: tuple[CriterionView, ...]


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document as received with its facts marked; ``text`` None where it cannot be read as text."""

    document_id: str
    title: str
    date: str
    text: Markup | None


@dataclass(frozen=True, slots=True)
class ScoreView:
    """The number, folded away at the end of the page."""

    score: str
    threshold: str
    model: str
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A result that was replaced when documents came in."""

    triaged_at: str
    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """The case page."""

    authorization_id: str
    external_id: str
    service: str
    service_code: str
    diagnoses: str
    expedited: bool
    route: str
    route_class: str
    due: DueClock
    reasons: tuple[str, ...]
    policy: str
    policy_source: str
    criteria: tuple[CriterionView, ...]
    documents: tuple[DocumentView, ...]
    missing: tuple[str, ...]
    score: ScoreView | None
    history: tuple[HistoryEntry, ...]
    pipeline_version: str


def due_clock(due_at: datetime, now: datetime) -> DueClock:
    """Hours up to three days, then days; minutes in the last hour; "overdue by" afterwards."""
    left = due_at - now
    late = left < timedelta(0)
    span = _span(abs(left))
    words = f"overdue by {span}" if late else f"due in {span}"
    level: Level = "late" if late else "soon" if left < SOON else "calm"
    return DueClock(words, due_at.strftime("%Y-%m-%d %H:%M UTC"), level)


def _span(duration: timedelta) -> str:
    hours = duration.total_seconds() / 3600
    if hours < 1:
        return f"{int(hours * 60)} min"
    return f"{int(hours)} h" if hours < 72 else f"{int(hours // 24)} d"


def told_reasons(reasons: Sequence[Reason]) -> tuple[str, ...]:
    """The reasons in plain words, without those about the model's caution or the audit; never empty."""
    told = tuple(reason.message for reason in reasons if reason.code not in UNTOLD_CODES)
    return told or (NEUTRAL_SENTENCE,)


def worklist_row(case: ListedCase, now: datetime) -> WorklistRow:
    """One line; a case whose main reason is withheld shows the neutral sentence."""
    reason = case.reason_message or ""
    if case.reason_code in UNTOLD_CODES:
        reason = NEUTRAL_SENTENCE
    return WorklistRow(
        authorization_id=case.authorization_id,
        external_id=case.external_id,
        service=case.service_description or "",
        service_code=f"{case.service_system} {case.service_code}",
        expedited=case.urgency == "expedited",
        route=ROUTE_WORDS[case.route] if case.route else NOT_TRIAGED,
        route_class=case.route.value if case.route else "received",
        reason=reason,
        due=due_clock(case.due_at, now),
    )


def case_view(case: Case, now: datetime) -> CaseView:
    """The page of one case. Nothing on it tells a case of the blind audit from any other."""
    result = result_from_trace(json.loads(case.latest.trace))
    request = case.stored.request
    reasons = told_reasons(result.reasons)
    documents = {document.document_id: document for document in request.documents}
    used = {fact_id for criterion in result.criteria for fact_id in criterion.evidence}
    policy = result.policy
    return CaseView(
        authorization_id=case.stored.authorization_id,
        external_id=request.external_id,
        service=request.service.description or "",
        service_code=f"{request.service.system} {request.service.code}",
        diagnoses=", ".join(f"{d.code} {d.description or ''}".strip() for d in request.diagnoses),
        expedited=request.urgency == "expedited",
        route=ROUTE_WORDS[result.route],
        route_class=result.route.value,
        due=due_clock(result.due_at, now),
        reasons=reasons,
        policy=f"{policy.title or spoken(policy.policy_id)}, version {policy.version}" if policy else "",
        policy_source=policy.source if policy else "",
        criteria=_tree(result, documents),
        documents=tuple(_document_view(document, result.facts, used) for document in request.documents),
        missing=tuple(dict.fromkeys(missing.ask for missing in result.missing)),
        score=None if reasons == (NEUTRAL_SENTENCE,) else _score_view(result),
        history=tuple(_history_entry(earlier) for earlier in case.history[:-1]),
        pipeline_version=result.pipeline_version,
    )


def _document_view(document: Document, facts: Sequence[Fact], used: set[str]) -> DocumentView:
    of_document = [fact for fact in facts if fact.document_id == document.document_id]
    readable = document.content_type == READABLE_CONTENT_TYPE
    return DocumentView(
        document_id=document.document_id,
        title=spoken(document.type).capitalize(),
        date=document.date.isoformat() if document.date else "undated",
        text=marked_text(document, of_document, used) if readable else None,
    )


def _tree(result: TriageResult, documents: dict[str, Document]) -> tuple[CriterionView, ...]:
    facts = {fact.fact_id: fact for fact in result.facts}
    children: dict[str | None, list[CriterionResult]] = {}
    known = {criterion.criterion_id for criterion in result.criteria}
    for criterion in result.criteria:
        parent = criterion.parent if criterion.parent in known else None
        children.setdefault(parent, []).append(criterion)
    seen: set[str] = set()

    def evidence(criterion: CriterionResult) -> tuple[EvidenceView, ...]:
        # An inner node repeats the facts of its leaves: they are shown once, where they decide.
        if criterion.criterion_id in children:
            return ()
        found: list[EvidenceView] = []
        for fact_id in criterion.evidence:
            if fact_id in facts:
                found.append(_evidence_view(facts[fact_id], documents, anchor=fact_id not in seen))
                seen.add(fact_id)
        return tuple(found)

    def node(criterion: CriterionResult) -> CriterionView:
        icon, words = STATUS_WORDS[criterion.status.value]
        return CriterionView(
            criterion_id=criterion.criterion_id,
            statement=criterion.statement,
            status=criterion.status.value,
            icon=icon,
            words=words,
            explanation=criterion.explanation,
            needed=criterion.needed,
            evidence=evidence(criterion),
            children=tuple(node(child) for child in children.get(criterion.criterion_id, ())),
        )

    return tuple(node(criterion) for criterion in children.get(None, ()))


def _evidence_view(fact: Fact, documents: dict[str, Document], *, anchor: bool) -> EvidenceView:
    document = documents[fact.document_id]
    where = f"{spoken(document.type)} {document.date.isoformat()}" if document.date else spoken(document.type)
    return EvidenceView(fact.fact_id, fact.text, fact_words(fact), assertion_words(fact.assertion), where, anchor)


def _score_view(result: TriageResult) -> ScoreView | None:
    if result.approval_score is None:
        return None
    model = result.model
    return ScoreView(
        score=f"{result.approval_score:.3f}",
        threshold=f"{result.threshold:.3f}" if result.threshold is not None else "none certified",
        model=f"{model.name} version {model.version}" if model else "",
        contributions=result.contributions,
    )


def _history_entry(earlier: StoredResult) -> HistoryEntry:
    result = result_from_trace(json.loads(earlier.trace))
    reason = told_reasons(result.reasons)[0]
    return HistoryEntry(earlier.triaged_at.strftime("%Y-%m-%d %H:%M UTC"), ROUTE_WORDS[result.route], reason)
