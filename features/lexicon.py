"""The concept lexicon: what a note can mention, in which words. Data in ``lexicon/*.yaml``, read once and checked.

A file holds one category and its concepts::

    category: treatment
    concepts:
      physical_therapy:
        name: Physical therapy
        codes: {snomed: "91251008"}
        terms: [physical therapy, "physio|physiotherapy", "therapy <2> sessions|visits"]
        abbreviations: [{term: PT, not_beside: [INR, PTT]}]

``terms`` match whatever their case, ``abbreviations`` as written. Either may be an entry with ``not_beside`` (it does not
count within three words of one of those), ``not_within`` (nor where a gap holds one of those), ``not_before`` (nor where
one of those follows at once, ``unless_then`` one of these phrases begins there: "PT was" is a patient, "PT was done" is
not) or ``beside`` (it counts only within six words of one of those). In a term ``a|b`` are alternatives for one word
(``xray|x_ray``: an alternative of two words), ``word?`` may be missing and ``<n>`` stands for up to ``n`` words of the same
sentence.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from features.errors import LexiconError
from features.tokens import tokenize

CATEGORIES = (
    "problem",
    "finding",
    "exam_sign",
    "treatment",
    "care",
    "procedure",
    "test",
    "device",
    "plan",
    "record",
    "body_part",
)
_FLAGS = frozenset({"negated", "uncertain", "historical", "hypothetical", "family"})
_GAP = re.compile(r"<(\d+)>")
_MOST_VARIANTS = 400

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words in all its variants, reached over at most ``gap`` words after the segment before.

    The empty variant, where there is one, says that the whole run may be missing.
    """

    gap: int
    variants: tuple[Words, ...]
    by_first: Mapping[str, tuple[Words, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, gap: int, variants: tuple[Words, ...]) -> Segment:
        """A segment with its variants also by their first word, for quick looking up."""
        by_first: dict[str, list[Words]] = {}
        for variant in variants:
            if variant:
                by_first.setdefault(variant[0], []).append(variant)
        return cls(gap, variants, {first: tuple(ones) for first, ones in by_first.items()})


@dataclass(frozen=True, slots=True)
class Term:
    """One way a note may put a concept. ``written`` is set where case matters (an abbreviation)."""

    source: str
    segments: tuple[Segment, ...]
    written: str | None = None
    beside: frozenset[str] = frozenset()
    not_beside: frozenset[str] = frozenset()
    not_before: frozenset[str] = frozenset()
    not_within: frozenset[str] = frozenset()
    unless_then: tuple[tuple[Segment, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Concept:
    """A clinical idea with its words.

    ``ignore`` names assertion flags that are never set on it: a planned operation is hypothetical as a treatment but a
    fact as a plan. ``needs_result`` marks an examination sign that says nothing until a result stands beside it.
    ``region`` is the part of the body it belongs to, where it has one; ``result_of`` is the test whose result it is and
    whose date and side it shares. What the note soon after says of one of ``until`` makes it a thing of the past: pain
    that was gone until it came back.
    """

    concept_id: str
    name: str
    category: str
    terms: tuple[Term, ...]
    codes: Mapping[str, str]
    ignore: frozenset[str] = frozenset()
    needs_result: bool = False
    region: str | None = None
    result_of: str | None = None
    until: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All concepts, and a hash over every lexicon file: it changes when any word of the lexicon does.

    ``names`` are the concepts as they stand inside a sentence; they are made once, when the lexicon is.
    """

    concepts: Mapping[str, Concept]
    hash: str
    names: Mapping[str, str] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", {c.concept_id: _within_a_sentence(c) for c in self.concepts.values()})


def _within_a_sentence(concept: Concept) -> str:
    """The name as it stands inside a sentence: signs are named after people, abbreviations keep their capitals."""
    name = concept.name
    return name if concept.category == "exam_sign" else first_small(name)


def first_small(words: str) -> str:
    """Words as they stand inside a sentence; an abbreviation at their beginning (AHI) keeps its capitals."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]


def _expand(words: Sequence[str], term: str, where: str, *, optional_whole: bool = False) -> tuple[Words, ...]:
    choices: list[tuple[Words, ...]] = []
    for word in words:
        optional = word.endswith("?")
        variants = [
            tuple(w for w in tokenize(v.replace("_", " ") if v.strip("_") else v).words if w != "-")
            for v in word.rstrip("?").split("|")
        ]
        if any(not variant for variant in variants):
            raise LexiconError(f"{where}: term {term!r} has an empty word")
        choices.append((*variants, ()) if optional else tuple(variants))
    product = tuple(dict.fromkeys(tuple(itertools.chain.from_iterable(c)) for c in itertools.product(*choices)))
    if len(product) > _MOST_VARIANTS or (not optional_whole and () in product):
        raise LexiconError(f"{where}: term {term!r} has no fixed word, or more than {_MOST_VARIANTS} variants")
    return product


def parse_term(term: str, where: str = "term") -> tuple[Segment, ...]:
    """The segments of a term in the lexicon's notation. Raises LexiconError naming ``where``."""
    segments: list[Segment] = []
    gap = 0
    words: list[str] = []
    for part in term.split():
        match = _GAP.fullmatch(part)
        if match:
            segments.append(Segment.of(gap, _expand(words, term, where, optional_whole=bool(segments))))
            gap, words = int(match.group(1)), []
        else:
            words.append(part)
    segments.append(Segment.of(gap, _expand(words, term, where, optional_whole=bool(segments))))
    return tuple(segments)


def _term(entry: Any, where: str, *, as_written: bool) -> Term:
    data = dict(entry) if isinstance(entry, Mapping) else {"term": str(entry)}
    unknown = set(data) - {"term", "beside", "not_beside", "not_before", "not_within", "unless_then"}
    if unknown or not isinstance(data.get("term"), str):
        raise LexiconError(
            f"{where}: a term has term, beside, not_beside, not_before, not_within and unless_then, all text"
        )
    return Term(
        data["term"],
        parse_term(data["term"], where),
        written=data["term"] if as_written else None,
        beside=frozenset(str(word).lower() for word in data.get("beside", ())),
        not_beside=frozenset(str(word).lower() for word in data.get("not_beside", ())),
        not_before=frozenset(str(word).lower() for word in data.get("not_before", ())),
        not_within=frozenset(str(word).lower() for word in data.get("not_within", ())),
        unless_then=tuple(parse_term(str(phrase), where) for phrase in data.get("unless_then", ())),
    )


def _concept(concept_id: str, data: Mapping[str, Any], category: str, file: str) -> Concept:
    where = f"{file}: {concept_id}"
    allowed = {"name", "codes", "terms", "abbreviations", "ignore", "needs_result", "region", "result_of", "until"}
    unknown = sorted(set(data) - allowed)
    if unknown:
        raise LexiconError(f"{where}: unknown key {unknown[0]}; known are {', '.join(sorted(allowed))}")
    ignore = frozenset(data.get("ignore", ()))
    if ignore - _FLAGS:
        raise LexiconError(f"{where}: ignore takes {', '.join(sorted(_FLAGS))}")
    terms = [_term(entry, where, as_written=False) for entry in data.get("terms", ())]
    terms += [_term(entry, where, as_written=True) for entry in data.get("abbreviations", ())]
    if not terms:
        raise LexiconError(f"{where}: needs at least one term or abbreviation")
    return Concept(
        concept_id,
        str(data.get("name", concept_id.replace("_", " "))),
        category,
        tuple(terms),
        {str(system): str(code) for system, code in data.get("codes", {}).items()},
        ignore,
        bool(data.get("needs_result", False)),
        data.get("region"),
        data.get("result_of"),
        frozenset(data.get("until", ())),
    )


def _files(folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            yield entry.name, entry.read_bytes()


def load_lexicon(folder: Path | None = None) -> Lexicon:
    """Read the concept files of ``folder`` (the packaged lexicon by default). Raises LexiconError naming file and entry."""
    if folder is None:
        return _packaged_lexicon()
    return _read(folder)


@cache
def _packaged_lexicon() -> Lexicon:
    return _read(resources.files("features") / "lexicon")


def _read(folder: Traversable | Path) -> Lexicon:
    concepts: dict[str, Concept] = {}
    digest = hashlib.sha256()
    for name, content in _files(folder):
        digest.update(name.encode() + b"\0" + content)
        try:
            data = yaml.load(content, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise LexiconError(f"{name}: not valid YAML near line {mark.line + 1 if mark else '?'}") from None
        if not isinstance(data, Mapping) or "concepts" not in data:
            continue
        category = data.get("category")
        if category not in CATEGORIES:
            raise LexiconError(f"{name}: category must be one of {', '.join(CATEGORIES)}")
        for concept_id, entry in data["concepts"].items():
            if concept_id in concepts:
                raise LexiconError(f"{name}: concept {concept_id} is defined twice")
            concepts[concept_id] = _concept(concept_id, entry, category, name)
    return Lexicon(concepts, digest.hexdigest()[:16])
