"""How a note states a finding: the ConText algorithm over tokens, with its cues as data (``lexicon/cues.yaml``).

ConText (Harkema, Dowling, Thornblade, Chapman 2009; NegEx: Chapman et al. 2001): a cue sets a flag on the findings in
its scope, which runs from the cue to the end of the sentence, forward or backward, unless a termination cue ends it
earlier or the cue has a shorter reach of its own. A pseudo cue sets nothing and takes the cues inside it out of play
("not only", "no relief from"), and so does every longer cue with the shorter ones inside it.

The cues and how they map to medspaCy's rules: :mod:`features.cues`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from features.concepts import ConceptMatcher, Mention
from features.cue_matcher import CueHit, CueMatcher
from features.cues import FLAGS, CueRule, Flag, load_cues
from features.errors import OffsetError
from features.lexicon import load_lexicon
from features.sections import Section, SectionLexicon, find_sections, heading_cue, load_sections
from features.sentences import split_sentences, starts_item
from features.tokens import Tokens, tokenize
from features.types import Assertion, Cue

__all__ = ["AssertionEngine", "CueRule", "Target", "assess", "packaged_engine"]

_LONGEST_ANSWER = 10
"""Characters of an answer to a question of a form: "Pacemaker? no"."""

_WINDOW = 150
"""Tokens: in a longer sentence a cue is looked for at most twice as far from a finding. Keeps the cost linear."""

_LONGEST_LIST = 40
"""Items after which a list is no longer followed back to the words that open it."""

_NARROW = 3
"""Cues that reach at most this many tokens do not reach over a comma."""

_CLAUSE_MARKS = frozenset({",", ";", ".", "but", "however", "and", "or"})


@dataclass(frozen=True, slots=True)
class _Reading:
    """The cues of a sentence: tokens ``low`` to ``high``, those that set a flag on what follows or on what stands before
    them, each in order, and by flag those that end it."""

    low: int
    high: int
    forward: Sequence[CueHit]
    backward: Sequence[CueHit]
    ending: Mapping[str, Sequence[CueHit]]


@dataclass(frozen=True, slots=True)
class Target:
    """A finding to assess: ``text[start:end]``, its concept's category ("" where unknown), and flags never set on it.

    ``reads_itself``: cues inside the finding count too ("no fever" as a finding is negated). A concept of the lexicon
    means its own words ("absent ankle jerk"), so there they do not.
    """

    start: int
    end: int
    category: str = ""
    ignore: frozenset[str] = frozenset()
    reads_itself: bool = False


class AssertionEngine:
    """ConText over tokens with the cues ``rules`` and the inferences of ``sections``, both readable.

    Stateless after construction; safe to share between threads.
    """

    def __init__(self, rules: Iterable[CueRule], sections: SectionLexicon) -> None:
        self.rules = tuple(rules)
        self.sections = sections
        self._matcher = CueMatcher(self.rules)
        self._unless = {
            name: tuple(f" {' '.join(tokenize(words).words)} " for words in implication.unless)
            for name, implication in sections.implications.items()
        }

    @classmethod
    def from_lexicon(cls, path: Path | None = None) -> AssertionEngine:
        """An engine with the cues at ``path`` (the packaged ones by default) and the packaged sections.

        Raises LexiconError where a file is broken.
        """
        return cls(load_cues(path), load_sections())

    def assess_targets(
        self,
        tokens: Tokens,
        sentences: Sequence[tuple[int, int]],
        sections: Sequence[Section],
        targets: Sequence[Target],
    ) -> list[Assertion]:
        """The assertion of each target, in the order of ``targets``. Sentences without a target are not looked at."""
        starts = [start for start, _ in sentences]
        section_ends = [section.end for section in sections]
        found = [_PLAIN] * len(targets)
        reading: _Reading | None = None
        read: tuple[int, int, int] | None = None
        # In the order they stand, so that of all cues only those around the last target are kept.
        for index in sorted(range(len(targets)), key=lambda index: targets[index].start):
            target = targets[index]
            number = bisect_right(starts, target.start) - 1
            place = bisect_right(section_ends, target.start)
            if number < 0 or place >= len(sections):
                continue  # a span of white space alone
            section = sections[place]
            first = bisect_right(tokens.ends, target.start)
            key = (number, place, first // _WINDOW)
            if reading is None or key != read:
                reading, read = self._read(tokens, sentences, number, section, first), key
            set_by = _apply(tokens, reading, first, target)
            self._imply(tokens, section, reading, target, set_by)
            found[index] = _assertion(set_by)
        return found

    def _read(
        self, tokens: Tokens, sentences: Sequence[tuple[int, int]], number: int, section: Section, first: int
    ) -> _Reading:
        """The cues of sentence ``number`` around token ``first``; a heading is read with the sentence it opens."""
        start, end = sentences[number]
        if number + 1 < len(sentences):
            closing = tokens.text[max(start, end - 4) : end].rstrip(" ,")[-1:]
            following, stop = sentences[number + 1]
            if closing == ":" or (closing == "?" and stop - following <= _LONGEST_ANSWER):
                end = stop
        window = first // _WINDOW * _WINDOW
        low = max(bisect_left(tokens.starts, max(start, section.heading_start)), window - _WINDOW)
        high = min(bisect_left(tokens.starts, min(end, max(section.end, section.heading_end))), window + 2 * _WINDOW)
        hits = self._matcher.hits(tokens.words, low, high)
        lead = _lead_in(tokens.text, sentences, number)
        if lead is not None and not section.heading_start <= sentences[lead][0] < section.heading_end:
            lead_high = bisect_left(tokens.starts, sentences[lead][1])
            lead_low = max(bisect_left(tokens.starts, sentences[lead][0]), lead_high - _WINDOW)
            hits = _carried(self._matcher.hits(tokens.words, lead_low, lead_high), high) + hits
        ending: dict[str, list[CueHit]] = {}
        for hit in hits:
            for flag in hit.rule.ends:
                ending.setdefault(flag, []).append(hit)
        return _Reading(
            low,
            high,
            [hit for hit in hits if hit.rule.flag is not None and hit.rule.direction != "backward"],
            [hit for hit in hits if hit.rule.direction in ("backward", "bidirectional")],
            ending,
        )

    def _imply(
        self, tokens: Tokens, section: Section, reading: _Reading, target: Target, set_by: dict[str, list[Cue]]
    ) -> None:
        """Add what the section of ``target`` implies, unless a word of its sentence takes it back."""
        implication = self.sections.implications.get(section.name)
        if implication is None or implication.flag in target.ignore or section.heading_end == section.heading_start:
            return
        if implication.flag == "hypothetical" and "negated" in set_by:
            return  # "no pacemaker" in a plan plans nothing
        if "any" not in implication.categories and target.category not in implication.categories:
            return
        unless = self._unless[section.name]
        if unless:
            words = f" {' '.join(tokens.words[reading.low : reading.high])} "
            if any(phrase in words for phrase in unless):
                return
        set_by.setdefault(implication.flag, []).append(heading_cue(section, implication))


def _lead_in(text: str, sentences: Sequence[tuple[int, int]], number: int) -> int | None:
    """The unit ending in a colon that opens the list sentence ``number`` is an item of: "Denies:" before "- fever"."""
    for lead in range(number - 1, max(-1, number - 1 - _LONGEST_LIST), -1):
        start, end = sentences[lead]
        if text[max(start, end - 4) : end].rstrip(" ,").endswith(":"):
            return lead
        if not starts_item(text, sentences[lead + 1][0]):
            return None
    return None


def _carried(hits: list[CueHit], high: int) -> list[CueHit]:
    """The cues of a lead-in that are still in force at its end, reaching to token ``high``."""
    return [
        hit._replace(high=high)
        for hit in hits
        if hit.rule.direction in ("forward", "bidirectional")
        and hit.rule.scope is None
        and not any(hit.rule.flag in other.rule.ends and other.first >= hit.last for other in hits)
    ]


def _apply(tokens: Tokens, reading: _Reading, first: int, target: Target) -> dict[str, list[Cue]]:
    """By flag, the nearest cues on either side whose scope holds ``target``, which begins at token ``first``."""
    last = bisect_left(tokens.starts, target.end)
    nearest: dict[tuple[Flag, bool], CueHit] = {}
    if not reading.forward and not reading.backward:
        return {}
    # Nearest first: those before, from the last one back, then those behind.
    inside = bisect_left(reading.backward, first, key=_first_token)
    behind = bisect_left(reading.backward, last, lo=inside, key=_first_token)
    before = bisect_left(reading.forward, last, key=_first_token)
    denies_itself = any(hit.first == first and hit.last < last for hit in reading.forward if hit.rule.flag == "negated")
    for hit in (
        *reversed(reading.backward[inside:behind]),
        *reversed(reading.forward[:before]),
        *reading.backward[behind:],
    ):
        rule = hit.rule
        flag = rule.flag
        if flag is None or flag in target.ignore:
            continue
        side = (flag, hit.first < last)
        if side in nearest:
            continue
        if rule.targets and target.category and target.category not in rule.targets:
            continue
        if denies_itself and flag == "negated" and (hit.last <= first or hit.first >= last):
            continue  # "no reflux, never smoked": a denial beside it does not deny what denies already
        if first <= hit.first and hit.last <= last:
            reached = target.reads_itself and _reads(hit, first, last)
        else:
            reached = _reaches(hit, reading.ending.get(flag, ()), first, last, tokens.words)
        if reached:
            nearest[side] = hit
    set_by: dict[str, list[Cue]] = {}
    for (flag, _), hit in nearest.items():
        cue = Cue(flag, tokens.starts[hit.first], tokens.ends[hit.last - 1], hit.rule.literal)
        set_by.setdefault(flag, []).append(cue)
    return set_by


def _first_token(hit: CueHit) -> int:
    return hit.first


def _reaches(hit: CueHit, ends: Sequence[CueHit], first: int, last: int, words: Sequence[str]) -> bool:
    """Whether the scope of ``hit``, which ``ends`` may end, holds the target at tokens ``first`` to ``last``."""
    rule = hit.rule
    if hit.first < first < hit.last < last:
        return rule.direction != "backward"  # the cue runs into the finding: "no (history of cancer)"
    if first < hit.first < last < hit.last:
        return rule.direction != "forward"
    if rule.direction != "backward" and first >= hit.last:
        return _reaches_forward(hit, ends, first, last, words)
    if rule.direction != "forward" and last <= hit.first:
        return _reaches_backward(hit, ends, last, words)
    return False


def _reaches_forward(hit: CueHit, ends: Sequence[CueHit], first: int, last: int, words: Sequence[str]) -> bool:
    scope = hit.rule.scope
    if first >= (hit.high if scope is None else min(hit.high, hit.last + scope)):
        return False
    if scope is not None and scope <= _NARROW and "," in words[hit.last : first]:
        return False
    return not any(hit.last <= end.first < first or _affirms(end, last, words) for end in ends)


def _reaches_backward(hit: CueHit, ends: Sequence[CueHit], last: int, words: Sequence[str]) -> bool:
    scope = hit.rule.scope
    if last <= (hit.low if scope is None else max(hit.low, hit.first - scope)):
        return False
    if scope is not None and scope <= _NARROW and "," in words[last : hit.first]:
        return False
    if words[hit.first] == ":" and ":" in words[last : hit.first]:
        return False  # "Neck: supple. JVD: none" says nothing about the neck
    # A word right before the cue belongs to it: "cough, but resolved".
    return not any(last <= end.first and end.last < hit.first for end in ends)


def _reads(hit: CueHit, first: int, last: int) -> bool:
    """Whether a cue inside a finding speaks about the rest of it: "no fever" at its start, "fever: none" at its end."""
    if hit.rule.direction == "backward":
        return hit.last == last and hit.first > first
    return hit.first == first and hit.last < last


def _affirms(other: CueHit, last: int, words: Sequence[str]) -> bool:
    """Whether ``other`` says of the target that ends before token ``last`` that it is there: "McMurray is positive"."""
    if other.rule.scope is None or not last <= other.first < last + other.rule.scope:
        return False
    return _CLAUSE_MARKS.isdisjoint(words[last : other.first])


def _assertion(set_by: dict[str, list[Cue]]) -> Assertion:
    if not set_by:
        return _PLAIN
    cues = tuple(sorted((cue for found in set_by.values() for cue in found), key=lambda cue: (cue.start, cue.flag)))
    return Assertion(**{flag: flag in set_by for flag in FLAGS}, cues=cues)


_PLAIN = Assertion()


@lru_cache(maxsize=1)
def packaged_engine() -> AssertionEngine:
    """The engine with the packaged lexicon, built once for the process."""
    return AssertionEngine.from_lexicon()


def assess(text: str, spans: Sequence[tuple[int, int]]) -> list[Assertion]:
    """The assertion of each span (start, end) of ``text``, in the order given, by the engine triage uses.

    Raises OffsetError for a span that is empty, reversed or outside the text, naming its place in ``spans``.
    """
    for number, (start, end) in enumerate(spans):
        if not 0 <= start < end <= len(text):
            raise OffsetError(f"spans[{number}] must lie inside the text, with its start before its end")
    tokens = tokenize(text)
    sentences = split_sentences(text)
    mentions = _packaged_matcher().mentions(tokens, sentences)
    starts = [mention.start for mention in mentions]
    targets = [
        _target(mentions[bisect_left(starts, start) : bisect_left(starts, end)], start, end) for start, end in spans
    ]
    return packaged_engine().assess_targets(tokens, sentences, find_sections(tokens), targets)


@lru_cache(maxsize=1)
def _packaged_matcher() -> ConceptMatcher:
    return ConceptMatcher(load_lexicon())


def _target(mentions: Sequence[Mention], start: int, end: int) -> Target:
    """A span as a target: with the category of the longest concept of the lexicon within it, where there is one.

    Its own words are read too, unless the span is that concept and nothing else: a concept that is itself an absence ("no
    fever") still says that there is none.
    """
    within = [mention for mention in mentions if mention.end <= end]
    if not within:
        return Target(start, end, reads_itself=True)
    longest = max(within, key=lambda mention: mention.end - mention.start)
    whole = (longest.start, longest.end) == (start, end) and "negated" not in longest.concept.ignore
    return Target(start, end, longest.concept.category, reads_itself=not whole)
