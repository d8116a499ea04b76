"""What people correct in what was read: confirmed, wrong, otherwise asserted, or missed. Kept with offsets, to learn from.

A correction changes neither the route nor what was recorded about a criterion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from features.lexicon import Lexicon
from features.types import Document
from serving.action_forms import Fields
from serving.errors import ActionRefusedError
from serving.highlights import NUL_PICTURE

FLAGS = ("negated", "uncertain", "historical", "hypothetical", "family")
MOST_PLACES = 20
"""So many places where the same words stand are offered at most."""


class Verdict(StrEnum):
    """What a person says about a fact."""

    CONFIRMED = "confirmed"
    WRONG = "wrong"
    WRONG_ASSERTION = "wrong_assertion"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where words stand: offsets in code points into the document's text."""

    document_id: str
    start: int
    end: int


class SeveralPlacesError(Exception):
    """The words stand in several places and the form does not say which."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.places = tuple(places)
        super().__init__("the words stand in several places")


def correction_of(
    fields: Fields, documents: Sequence[Document], facts: Sequence[Mapping[str, Any]], lexicon: Lexicon
) -> dict[str, Any]:
    """The content of a correction. ``facts`` are the contract's. Raises ActionRefusedError or SeveralPlacesError."""
    verdict = _first(fields, "verdict")
    if verdict not in {each.value for each in Verdict}:
        raise ActionRefusedError(("verdict", "say what is right"))
    asserted = {flag: flag in fields.get("asserted", ()) for flag in FLAGS}
    if verdict == Verdict.MISSED:
        return _missed(fields, documents, lexicon, asserted)
    fact = next((fact for fact in facts if fact["fact_id"] == _first(fields, "fact_id")), None)
    if fact is None:
        raise ActionRefusedError(("fact_id", "choose a marked fact first"))
    if verdict == Verdict.WRONG_ASSERTION and asserted == fact["assertion"]:
        raise ActionRefusedError(("asserted", "this is how it was read; choose how it is meant"))
    return {
        "verdict": verdict,
        "fact_id": fact["fact_id"],
        "document_id": fact["document_id"],
        "start": fact["start"],
        "end": fact["end"],
        "concept": fact["concept"],
        "read_assertion": fact["assertion"],
        "assertion": asserted if verdict == Verdict.WRONG_ASSERTION else fact["assertion"],
    }


def concept_named(name: str, lexicon: Lexicon) -> str | None:
    """The id of the concept with this preferred name or id, whatever the case."""
    wanted = " ".join(name.split()).casefold()
    for concept in lexicon.concepts.values():
        if wanted in (concept.name.casefold(), concept.concept_id.casefold(), concept.concept_id.replace("_", " ")):
            return concept.concept_id
    return None


def places_of(quote: str, documents: Sequence[Document]) -> Iterator[Place]:
    """Where the words stand in the documents, white space between them counting as equal."""
    words = quote.replace(NUL_PICTURE, "\0").split()
    if not words:
        return
    pattern = re.compile(r"\s+".join(re.escape(word) for word in words))
    for document in documents:
        for match in pattern.finditer(document.text):
            yield Place(document.document_id, match.start(), match.end())


def _missed(
    fields: Fields, documents: Sequence[Document], lexicon: Lexicon, asserted: dict[str, bool]
) -> dict[str, Any]:
    concept = concept_named(_first(fields, "concept"), lexicon)
    problems = [] if concept else [("concept", "choose a concept from the list")]
    if not _first(fields, "quote").strip():
        problems.append(("quote", "select the words in the note, or write them here"))
    if problems:
        raise ActionRefusedError(*problems)
    place = _place(fields, documents)
    return {
        "verdict": Verdict.MISSED.value,
        "fact_id": None,
        "document_id": place.document_id,
        "start": place.start,
        "end": place.end,
        "concept": concept,
        "read_assertion": None,
        "assertion": asserted,
    }


def _place(fields: Fields, documents: Sequence[Document]) -> Place:
    quote = _first(fields, "quote")
    chosen = _chosen(_first(fields, "place"))
    if chosen is not None:
        text = next((each.text for each in documents if each.document_id == chosen.document_id), None)
        inside = text is not None and 0 <= chosen.start < chosen.end <= len(text)
        if text is None or not inside or not _same_words(text[chosen.start : chosen.end], quote):
            raise ActionRefusedError(("quote", "the words do not stand there; select them again"))
        return chosen
    places = list(places_of(quote, documents))
    if not places:
        raise ActionRefusedError(("quote", "these words stand in no document; copy them as they stand"))
    if len(places) > 1:
        raise SeveralPlacesError(places[:MOST_PLACES])
    return places[0]


def _chosen(text: str) -> Place | None:
    """``start:end:document_id``, as a selection in the note or a choice among places gives it."""
    match = re.fullmatch(r"(\d{1,9}):(\d{1,9}):(.+)", text, re.DOTALL)
    return Place(match.group(3), int(match.group(1)), int(match.group(2))) if match else None


def _same_words(found: str, quote: str) -> bool:
    # A form's line ends are not the note's, and a page shows a picture for NUL.
    return found.replace("\0", NUL_PICTURE).split() == quote.split()


def _first(fields: Fields, name: str) -> str:
    values = fields.get(name, ())
    return values[0] if values else ""
