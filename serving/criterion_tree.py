"""A policy's criteria as the tree a reader walks through, each leaf with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.types import CriterionResult, Document, Fact
from serving.fact_words import fact_words, spoken
from serving.page_breaks import page_at, pages_of

STATUS_WORDS = {
    "met": ("✓", "met"),
    "not_met": ("✕", "not met"),
    "not_documented": ("○", "not documented"),
    "conflicting": ("≠", "conflicting"),
}
EVIDENCE_IN_THE_OPEN = 6
"""A criterion lists so many facts; the rest is folded away, for a long chart says the same thing many times."""


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """A fact behind a criterion: its own words and what was understood. ``anchor`` on its first mention only."""

    fact_id: str
    quote: str
    words: str
    document: str
    anchor: bool


@dataclass(frozen=True, slots=True)
class CriterionView:
    """A node of the policy's tree. ``evidence`` is listed, ``further`` evidence folded away."""

    criterion_id: str
    statement: str
    status: str
    icon: str
    words: str
    explanation: str
    needed: bool
    evidence: tuple[EvidenceView, ...]
    further: tuple[EvidenceView, ...]
    children: tuple[CriterionView, ...]

    @property
    def fact_ids(self) -> str:
        """What a reader steps through, as a list between spaces."""
        return " ".join(item.fact_id for item in (*self.evidence, *self.further))


def criterion_tree(
    criteria: Sequence[CriterionResult], facts: Sequence[Fact], documents: Sequence[Document]
) -> tuple[CriterionView, ...]:
    """The roots of the tree, in the policy's order."""
    known = {criterion.criterion_id for criterion in criteria}
    children: dict[str | None, list[CriterionResult]] = {}
    for criterion in criteria:
        parent = criterion.parent if criterion.parent in known else None
        children.setdefault(parent, []).append(criterion)
    places = _places(criteria, facts, documents)
    by_id = {fact.fact_id: fact for fact in facts}
    seen: set[str] = set()

    def evidence(criterion: CriterionResult) -> tuple[EvidenceView, ...]:
        # An inner node repeats the facts of its leaves: they are shown once, where they decide.
        if criterion.criterion_id in children:
            return ()
        found: list[EvidenceView] = []
        for fact_id in criterion.evidence:
            if fact_id in by_id:
                fact = by_id[fact_id]
                anchor = fact_id not in seen
                found.append(EvidenceView(fact_id, fact.text, fact_words(fact), places[fact_id], anchor))
                seen.add(fact_id)
        return tuple(found)

    def node(criterion: CriterionResult) -> CriterionView:
        icon, words = STATUS_WORDS[criterion.status.value]
        listed = evidence(criterion)
        return CriterionView(
            criterion_id=criterion.criterion_id,
            statement=criterion.statement,
            status=criterion.status.value,
            icon=icon,
            words=words,
            explanation=criterion.explanation,
            needed=criterion.needed,
            evidence=listed[:EVIDENCE_IN_THE_OPEN],
            further=listed[EVIDENCE_IN_THE_OPEN:],
            children=tuple(node(child) for child in children.get(criterion.criterion_id, ())),
        )

    return tuple(node(criterion) for criterion in children.get(None, ()))


def _places(
    criteria: Sequence[CriterionResult], facts: Sequence[Fact], documents: Sequence[Document]
) -> dict[str, str]:
    """Where each fact of the evidence stands: the document's type and date, and the page where there are several."""
    used = {fact_id for criterion in criteria for fact_id in criterion.evidence}
    by_id = {document.document_id: (document, pages_of(document)) for document in documents}
    found: dict[str, str] = {}
    for fact in facts:
        if fact.fact_id in used:
            document, starts = by_id[fact.document_id]
            parts = [spoken(document.type), document.date.isoformat() if document.date else ""]
            parts += [f"page {page_at(starts, fact.start)}"] if len(starts) > 1 else []
            found[fact.fact_id] = " ".join(part for part in parts if part)
    return found
