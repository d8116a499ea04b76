"""What the case page shows, as frozen values: the template only lays them out.

The score is not among them: it is asked for on its own (:mod:`serving.score_page`), so that opening it can be recorded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from features.types import CriterionResult, Document, Fact, Status
from models.result import result_from_trace_text
from models.types import Reason
from serving.criterion_tree import CriterionView, criterion_tree
from serving.fact_words import BODY_PART, CATEGORIES, category_class, category_words, spoken
from serving.marked_text import marked_text
from serving.page_breaks import pages_of
from serving.service import Case
from serving.stored_case import StoredResult
from serving.views import ROUTE_WORDS, told_reasons


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document as received with its facts marked; ``text`` None where it cannot be read as text.

    ``number`` counts from 1 and stands for the document in addresses: an intake system's own document id may name a
    person. ``pages`` is how many pages it has, ``marks`` how many facts it holds, ``evidence`` how many of them a
    criterion uses. ``shown`` is false where the reader asked for another one alone.
    """

    number: int
    document_id: str
    title: str
    date: str
    text: Markup | None
    pages: int
    marks: int
    evidence: int
    shown: bool


@dataclass(frozen=True, slots=True)
class CategoryView:
    """A colour of the legend: what it stands for, how many facts have it, whether it is marked from the start."""

    name: str
    label: str
    count: int
    is_shown: bool


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A result that was replaced when documents came in."""

    triaged_at: str
    route: str
    reason: str


@dataclass(frozen=True, slots=True)
class CaseView:
    """The case page. ``conflicts`` are the facts behind conflicting criteria; ``alone`` the number of the one document
    that is shown, None where they are stacked.
    """

    authorization_id: str
    revision: int
    external_id: str
    service: str
    service_code: str
    diagnoses: str
    route: str
    route_class: str
    reasons: tuple[str, ...]
    policy: str
    policy_source: str
    criteria: tuple[CriterionView, ...]
    conflicts: tuple[str, ...]
    documents: tuple[DocumentView, ...]
    alone: int | None
    categories: tuple[CategoryView, ...]
    missing: tuple[str, ...]
    history: tuple[HistoryEntry, ...]
    pipeline_version: str


def case_view(case: Case, *, alone: int | None = None) -> CaseView:
    """The page of one case. Nothing on it tells a case of the blind audit from any other.

    ``alone``: the number of the document to show by itself; a number no document has shows them all.
    """
    result = result_from_trace_text(case.latest.trace)
    request = case.stored.request
    used = {fact_id for criterion in result.criteria for fact_id in criterion.evidence}
    if alone is not None and not 1 <= alone <= len(request.documents):
        alone = None
    policy = result.policy
    return CaseView(
        authorization_id=case.stored.authorization_id,
        revision=case.latest.revision,
        external_id=request.external_id,
        service=request.service.description or "",
        service_code=f"{request.service.system} {request.service.code}",
        diagnoses=", ".join(f"{d.code} {d.description or ''}".strip() for d in request.diagnoses),
        route=ROUTE_WORDS[result.route],
        route_class=result.route.value,
        reasons=told_reasons(result.reasons),
        policy=f"{policy.title or spoken(policy.policy_id)}, version {policy.version}" if policy else "",
        policy_source=policy.source if policy else "",
        criteria=criterion_tree(result.criteria, result.facts, request.documents),
        conflicts=_conflicts(result.criteria, result.facts),
        documents=_document_views(request.documents, result.facts, used, alone),
        alone=alone,
        categories=_categories(result.facts),
        missing=tuple(dict.fromkeys(missing.ask for missing in result.missing)),
        history=tuple(_history_entry(earlier) for earlier in case.history[:-1]),
        pipeline_version=result.pipeline_version,
    )


def _document_views(
    documents: Sequence[Document], facts: Iterable[Fact], used: Collection[str], alone: int | None
) -> tuple[DocumentView, ...]:
    held: dict[str, list[Fact]] = {}
    for fact in facts:
        held.setdefault(fact.document_id, []).append(fact)
    return tuple(
        _document_view(document, number, held.get(document.document_id, []), used, shown=alone in (None, number))
        for number, document in enumerate(documents, 1)
    )


def _document_view(
    document: Document, number: int, facts: Sequence[Fact], used: Collection[str], *, shown: bool
) -> DocumentView:
    starts = pages_of(document)
    return DocumentView(
        number=number,
        document_id=document.document_id,
        title=spoken(document.type).capitalize(),
        date=document.date.isoformat() if document.date else "undated",
        text=marked_text(document, facts, used, starts) if document.has_text else None,
        pages=len(starts),
        marks=len(facts),
        evidence=sum(fact.fact_id in used for fact in facts),
        shown=shown,
    )


def _conflicts(criteria: Sequence[CriterionResult], facts: Sequence[Fact]) -> tuple[str, ...]:
    """In the order of the note: what a reader steps through."""
    parents = {criterion.parent for criterion in criteria}
    torn = {
        fact_id
        for criterion in criteria
        if criterion.status is Status.CONFLICTING and criterion.criterion_id not in parents
        for fact_id in criterion.evidence
    }
    return tuple(fact.fact_id for fact in facts if fact.fact_id in torn)


def _categories(facts: Iterable[Fact]) -> tuple[CategoryView, ...]:
    counts = Counter(category_words(fact.category) for fact in facts)
    names = (*(category for category in CATEGORIES if category != BODY_PART), "other", BODY_PART)
    return tuple(
        CategoryView(category_class(name), category_words(name), counts[category_words(name)], name != BODY_PART)
        for name in names
        if counts[category_words(name)]
    )


def _history_entry(earlier: StoredResult) -> HistoryEntry:
    # Only its reasons are shown: to build every fact of every earlier result would cost more than the page.
    reasons = [Reason(**reason) for reason in json.loads(earlier.trace)["reasons"]]
    triaged_at = earlier.triaged_at.strftime("%Y-%m-%d %H:%M UTC")
    return HistoryEntry(triaged_at, ROUTE_WORDS[earlier.route], told_reasons(reasons)[0])
