"""Where concepts of the lexicon stand in a text: one walk over the tokens, all phrases at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from features.lexicon import Concept, Lexicon, Segment, Term
from features.phrases import PhraseTrie
from features.spelling import Spelling
from features.tokens import Tokens

_NEAR_BEFORE_OR_AFTER = 3
_WITHIN = 6
_SECOND_WORD_WITHIN = 2
"""So many words behind the last that may begin a run its second word may stand: a hyphen may stand between."""
_GAP_ENDS = frozenset({"no", "not", "nor", "never", "without", "denies", "denied", "but", ";"})
"""A gap does not reach over these: "pain, no numbness of the leg" is no pain of the leg."""


@dataclass(frozen=True, slots=True)
class Mention:
    """``concept`` is mentioned at ``text[start:end]`` in sentence number ``sentence`` (tokens ``first`` to ``last``).

    ``words`` are the offset pairs of the term's own words; what a gap of the term skipped is not among them.
    """

    concept: Concept
    start: int
    end: int
    sentence: int
    first: int
    last: int
    words: tuple[tuple[int, int], ...] = ()


class _Beginning:
    """The terms that begin with one phrase: those it may complete, and those that need one of ``next`` after it.

    A word of ``next`` must stand among the ``reach`` words ahead. ``then`` are, of such a word, the words of which one must
    stand behind it; it has none where the word may stand alone. No term is there where none of ``follows``, a word from
    each way on, is among the ``ahead`` words ahead.
    """

    __slots__ = ("ahead", "complete", "follows", "next", "reach", "then")

    def __init__(self) -> None:
        self.complete: list[tuple[Concept, Term]] = []
        self.next: dict[str, list[tuple[Concept, Term]]] = {}
        self.follows: set[str] = set()
        self.then: dict[str, set[str]] = {}
        self.reach = 0
        self.ahead = 0

    def add(self, concept: Concept, term: Term) -> None:
        if len(term.segments) == 1 or () in term.segments[1].variants:
            self.complete.append((concept, term))
            return
        second = term.segments[1]
        self.reach = max(self.reach, second.gap + 1)
        self.ahead = self.reach + _SECOND_WORD_WITHIN
        for word, variants in second.by_first.items():
            alone = any(len(variant) == 1 for variant in variants) or (word in self.next and word not in self.then)
            self.next.setdefault(word, []).append((concept, term))
            if alone:
                self.then.pop(word, None)
                self.follows.add(word)
            else:
                seconds = [variant[1] for variant in variants]
                self.then.setdefault(word, set()).update(seconds)
                self.follows.update(seconds)

    def candidates(self, words: Sequence[str], position: int, stop: int) -> Sequence[tuple[Concept, Term]]:
        """The terms worth following from token ``position``: one look at the words ahead serves all of them."""
        if not self.next:
            return self.complete
        beyond = words[position : min(position + self.ahead, stop)]
        leading = [
            word
            for word in beyond[: self.reach]
            if word in self.next and not (word in self.then and self.then[word].isdisjoint(beyond))
        ]
        if not leading:
            return self.complete
        # A term may be led to by several of the words; dict keeps each once, in order.
        following = {id(term): (concept, term) for word in leading for concept, term in self.next[word]}
        return [*self.complete, *following.values()]


class ConceptMatcher:
    """Finds the mentions of every concept of a lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._trie: PhraseTrie[_Beginning] = PhraseTrie()
        self._beginnings: dict[str, _Beginning] = {}
        self._spelling = Spelling()
        for concept in lexicon.concepts.values():
            self.add(concept)

    def add(self, concept: Concept) -> None:
        """Also look for ``concept``."""
        for term in concept.terms:
            for word in {word for segment in term.segments for variant in segment.variants for word in variant}:
                self._spelling.add(word, restorable=term.written is None)
            for words in term.segments[0].variants:
                phrase = " ".join(words)
                beginning = self._beginnings.get(phrase)
                if beginning is None:
                    beginning = self._beginnings[phrase] = _Beginning()
                    self._trie.add(phrase, beginning)
                beginning.add(concept, term)

    def mentions(self, tokens: Tokens, sentences: Sequence[tuple[int, int]]) -> list[Mention]:
        """Mentions in order. Of overlapping ones of one concept the longest stays; concepts may overlap each other.

        Misspelled words count as the words that were meant (:mod:`features.spelling`).
        """
        tokens = self._spelling.restore(tokens)
        ends = [bisect_left(tokens.starts, end) for _, end in sentences]
        found: list[Mention] = []
        sentence = 0
        all_words = tokens.words
        for first, begun, beginning in self._trie.hits(tokens):
            if not beginning.complete and beginning.follows.isdisjoint(all_words[begun : begun + beginning.ahead]):
                continue
            while sentence < len(ends) and first >= ends[sentence]:
                sentence += 1
            if sentence == len(ends):
                break
            stop = ends[sentence]
            for concept, term in beginning.candidates(all_words, begun, stop):
                rest = term.segments[1:]
                runs = follow(all_words, first, begun, stop, rest) if rest else [(first, begun)]
                if runs is None or runs[-1][1] > stop or not _fits(tokens, first, runs[-1][1], term):
                    continue
                last = runs[-1][1]
                words = tuple([(tokens.starts[a], tokens.ends[b - 1]) for a, b in runs])
                found.append(Mention(concept, words[0][0], words[-1][1], sentence, first, last, words))
        return list(_longest(found))


def follow(
    words: tuple[str, ...], first: int, last: int, stop: int, segments: Sequence[Segment]
) -> list[tuple[int, int]] | None:
    """The token runs of a term whose first words stand at tokens ``first`` to ``last``; None where the rest is not there.

    Nothing is looked for from token ``stop`` on.
    """
    runs = [(first, last)]
    for segment in segments:
        run = _after_gap(words, runs[-1][1], stop, segment)
        if run is None:
            return None
        if run[0] < run[1]:
            runs.append(run)
    return runs


def _after_gap(words: tuple[str, ...], position: int, stop: int, segment: Segment) -> tuple[int, int] | None:
    for start in range(position, min(position + segment.gap + 1, stop)):
        for variant in segment.by_first.get(words[start], ()):
            end = _spelled(words, start, stop, variant)
            if end is not None:
                return start, end
        if words[start] in _GAP_ENDS:
            break
    return (position, position) if () in segment.variants else None


def _spelled(words: Sequence[str], start: int, stop: int, variant: Sequence[str]) -> int | None:
    """Where ``variant`` ends if it stands at token ``start``; hyphens between its words are skipped, as in the first run."""
    end = start + len(variant)
    if end <= stop and tuple(words[start:end]) == tuple(variant):
        return end
    if len(variant) == 1:
        return None
    position = start
    for number, word in enumerate(variant):
        if number and position < stop and words[position] == "-":
            position += 1
        if position >= stop or words[position] != word:
            return None
        position += 1
    return position


def _fits(tokens: Tokens, first: int, last: int, term: Term) -> bool:
    if term.written is not None and tokens.text[tokens.starts[first] : tokens.ends[last - 1]] != term.written:
        return False
    if term.not_beside and term.not_beside.intersection(
        tokens.words[max(first - _NEAR_BEFORE_OR_AFTER, 0) : last + _NEAR_BEFORE_OR_AFTER]
    ):
        return False
    if term.not_within and term.not_within.intersection(tokens.words[first:last]):
        return False
    if term.not_before and last < len(tokens.words) and tokens.words[last] in term.not_before:
        words = tokens.words
        if all(follow(words, last, last, len(words), phrase) is None for phrase in term.unless_then):
            return False
    return not term.beside or bool(term.beside.intersection(tokens.words[max(first - _WITHIN, 0) : last + _WITHIN]))


def _longest(mentions: list[Mention]) -> Iterator[Mention]:
    mentions.sort(key=lambda m: (m.concept.concept_id, m.start, -m.end))
    kept: list[Mention] = []
    for mention in mentions:
        previous = kept[-1] if kept else None
        if previous and previous.concept is mention.concept and mention.start < previous.end:
            if mention.end - mention.start > previous.end - previous.start:
                kept[-1] = mention
            continue
        kept.append(mention)
    kept.sort(key=lambda m: (m.start, m.end, m.concept.concept_id))
    yield from kept
