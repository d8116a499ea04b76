"""What judging needs besides the facts: the request's day, side and levels of the spine, its documents, names of concepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from features.authors import authors_of
from features.dates import age_on
from features.lexicon import Lexicon
from features.policy import Role
from features.spine_levels import SpineLevels, find_levels
from features.types import AuthorizationRequest, Course, Document, Fact, Laterality

_ONGOING = Course.ONGOING
_ABBREVIATION = 4
"""Names of measurements so short are abbreviations: AHI, BMI."""

FactsByConcept = Mapping[str, Sequence[Fact]]
"""A request's facts by their concept, in the order of the notes."""


@dataclass(frozen=True, slots=True)
class Context:
    """What evaluation needs besides the facts: the request's day, side, levels of the spine, documents, names of concepts."""

    day: date
    side: Laterality | None
    documents: Mapping[str, Document]
    names: Mapping[str, str]
    age: int | None = None
    last_day: date | None = None
    levels: frozenset[int] = frozenset()
    descriptions: tuple[str, ...] = ()
    authors: dict[str, frozenset[Role]] = field(default_factory=dict)
    spines: dict[str, SpineLevels] = field(default_factory=dict)
    spaces: dict[tuple[str, int, int], frozenset[int] | None] = field(default_factory=dict)
    plans: dict[tuple[str, ...], tuple[frozenset[int], frozenset[Laterality]]] = field(default_factory=dict)

    def roles(self, document: Document) -> frozenset[Role]:
        """Who signed a document, read once."""
        if document.document_id not in self.authors:
            self.authors[document.document_id] = authors_of(document)
        return self.authors[document.document_id]

    def levels_of(self, fact: Fact) -> frozenset[int] | None:
        """At which levels of the spine a fact is, looked up once; None where its document does not say."""
        place = (fact.document_id, fact.start, fact.end)
        if place not in self.spaces:
            if fact.document_id not in self.spines:
                self.spines[fact.document_id] = SpineLevels(self.documents[fact.document_id].text)
            self.spaces[place] = self.spines[fact.document_id].of(fact.start, fact.end)
        return self.spaces[place]

    def requested_levels(self) -> frozenset[int]:
        """The levels of the spine the request names. Few policies ask, so they are looked for only where one does."""
        found = (mention.spaces for words in self.descriptions for mention in find_levels(words))
        return self.levels.union(*found)

    def when(self, fact: Fact) -> date | None:
        """The day a fact speaks for: its own date, the end of its period, else its document's date."""
        document = self.documents[fact.document_id].date
        if fact.course is _ONGOING and fact.ended is None:
            return document
        return fact.ended or fact.date or document

    def newest_day(self, types: Sequence[str]) -> date | None:
        """The day of the newest document of these types (of any type where none is named), the request's day at most."""
        days = (document.date for document in self.documents.values() if not types or document.type in types)
        return max((day for day in days if day is not None and day <= self.day), default=None)

    def name(self, concept: str) -> str:
        """A concept in words, as it stands inside a sentence."""
        return named(concept, self.names)

    def subject(self, concept: str) -> str:
        """A concept in words, as it begins a sentence."""
        words = self.name(concept)
        return words[0].upper() + words[1:]


def context_of(request: AuthorizationRequest, side: Laterality | None, lexicon: Lexicon) -> Context:
    """The evaluation context of a request; ``side`` is the side it asks for, where it names one."""
    day = request.received_at.date()
    described = [request.service.description, *(diagnosis.description for diagnosis in request.diagnoses)]
    return Context(
        day=day,
        side=side,
        documents={document.document_id: document for document in request.documents},
        descriptions=tuple(words for words in described if words),
        names=lexicon.names,
        last_day=max(request.service.end_date or request.service.start_date or day, day),
        age=age_on(request.member.birth_date, day),
    )


def named(concept: str, names: Mapping[str, str]) -> str:
    """A concept in words, as it stands inside a sentence."""
    words = names.get(concept) or concept.replace("_", " ")
    return words.upper() if len(words) <= _ABBREVIATION else words


def by_concept(facts: Sequence[Fact]) -> dict[str, list[Fact]]:
    """Facts grouped by concept, in order."""
    grouped: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.concept in grouped:
            grouped[fact.concept].append(fact)
        else:
            grouped[fact.concept] = [fact]
    return grouped
