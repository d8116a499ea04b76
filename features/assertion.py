"""How a note states a finding: the ConText algorithm over tokens, with its cues as data (``lexicon/cues.yaml``).

ConText (Harkema, Dowling, Thornblade, Chapman 2009; NegEx: Chapman et al. 2001): a cue sets a flag on the findings in its
scope, which runs from the cue to the end of the sentence, forward or backward, unless a termination cue ends it earlier
or the cue has a shorter reach of its own. A pseudo cue sets nothing and takes the cues inside it out of play ("not
only", "no relief from"), and so does every longer cue with the shorter ones inside it.

A :class:`CueRule` maps one to one to medspaCy's ``ConTextRule``:

=============  ===========================================================================================
ours           medspaCy
=============  ===========================================================================================
``literal``    ``literal`` (``a|b`` and ``word?`` written out, one rule each; ``<number>`` is ``LIKE_NUM``)
``flag``       ``category``: NEGATED_EXISTENCE, POSSIBLE_EXISTENCE, HISTORICAL, HYPOTHETICAL, FAMILY
``direction``  ``direction``: FORWARD, BACKWARD, BIDIRECTIONAL, PSEUDO, TERMINATE
``scope``      ``max_scope``, in tokens
``targets``    ``allowed_types``
``ends``       the ``terminated_by`` of the rules of those flags
=============  ===========================================================================================
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from features.concepts import ConceptMatcher, Mention
from features.errors import LexiconError, OffsetError
from features.lexicon import load_lexicon
from features.sections import Section, SectionLexicon, find_sections, heading_cue, load_sections
from features.sentences import split_sentences
from features.tokens import Tokens, tokenize
from features.types import Assertion, Cue

Flag = Literal["negated", "uncertain", "historical", "hypothetical", "family"]
Direction = Literal["forward", "backward", "bidirectional", "pseudo", "terminate"]

FLAGS: tuple[Flag, ...] = get_args(Flag)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

_NUMBER_WORDS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve several few couple many multiple some".split()
)
_NUMBER = "<number>"
_YEAR = "<year>"
_SENTENCE_END = "<end>"
_CLAUSE_MARKS = frozenset({",", ";", ".", "but", "however", "and", "or"})
_MOST_VARIANTS = 3000


@dataclass(frozen=True, slots=True)
class CueRule:
    """One cue of the lexicon. ``words`` are its tokens, hyphens between words left out.

    ``flag`` is None for pseudo and terminate cues; ``ends`` are the flags a terminate cue ends; ``scope`` is how many
    tokens it reaches (None: to the end of the sentence; for a terminate cue: how many tokens before it it also protects
    a finding from a forward cue); ``targets`` are the concept categories it applies to (empty: all).
    """

    literal: str
    words: tuple[str, ...]
    direction: Direction
    flag: Flag | None = None
    ends: frozenset[str] = frozenset()
    scope: int | None = None
    targets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Target:
    """A finding to assess: ``text[start:end]``, its concept's category ("" where unknown), and flags never set on it."""

    start: int
    end: int
    category: str = ""
    ignore: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Hit:
    """A cue at tokens ``first`` to ``last``; ``low`` and ``high`` are the tokens its scope may not leave."""

    first: int
    last: int
    rule: CueRule
    low: int
    high: int


class _Node:
    """A word of the cue trie: the words that may follow and the rules that end here."""

    __slots__ = ("next", "rules")

    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.rules: list[CueRule] = []


def load_cues(path: Path | None = None) -> tuple[CueRule, ...]:
    """Read a cue lexicon, the packaged one by default. Raises LexiconError naming the group and the cue."""
    if path is None:
        return _packaged_cues()
    return _parse_cues(path.read_text("utf-8"), path.name)


@lru_cache(maxsize=1)
def _packaged_cues() -> tuple[CueRule, ...]:
    return _parse_cues(files("features").joinpath("lexicon/cues.yaml").read_text("utf-8"), "cues.yaml")


def _parse_cues(content: str, source: str) -> tuple[CueRule, ...]:
    try:
        data = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  # a safe loader
    except yaml.YAMLError as error:
        raise LexiconError(f"{source}: not readable as YAML") from error
    groups = data.get("cues") if isinstance(data, dict) else None
    if not isinstance(groups, list):
        raise LexiconError(f"{source}: cues must be a list of groups")
    classes = data.get("words", {})
    if not isinstance(classes, dict) or not all(isinstance(words, list) for words in classes.values()):
        raise LexiconError(f"{source}: words must map names to lists")
    rules: dict[tuple[object, ...], CueRule] = {}
    for number, group in enumerate(groups, 1):
        for rule in _group_rules(group, classes, f"{source}: group {number}"):
            key = (rule.words, rule.direction, rule.flag)
            known = rules.get(key)
            # One word may end the reach of several flags, each in its own group.
            rules[key] = rule if known is None else replace(rule, ends=rule.ends | known.ends)
    return tuple(rules.values())


def _group_rules(group: Any, classes: Mapping[str, list[str]], where: str) -> Iterable[CueRule]:
    if not isinstance(group, dict) or not isinstance(group.get("literals"), list):
        raise LexiconError(f"{where} must hold literals")
    unknown = set(group) - {"about", "flag", "direction", "scope", "targets", "ends", "literals"}
    if unknown:
        raise LexiconError(f"{where}: unknown field {sorted(unknown)[0]}")
    direction, flag, scope = group.get("direction"), group.get("flag"), group.get("scope")
    if direction not in DIRECTIONS:
        raise LexiconError(f"{where}: direction must be one of {', '.join(DIRECTIONS)}")
    if (flag is None) != (direction in ("pseudo", "terminate")) or (flag is not None and flag not in FLAGS):
        raise LexiconError(f"{where}: flag must be one of {', '.join(FLAGS)}, and absent for pseudo and terminate")
    if scope is not None and (not isinstance(scope, int) or scope < 1):
        raise LexiconError(f"{where}: scope must be a number of tokens")
    ends = frozenset(group.get("ends", ()))
    if ends - set(FLAGS) or bool(ends) != (direction == "terminate"):
        raise LexiconError(f"{where}: ends must list flags, for terminate only")
    targets = frozenset(group.get("targets", ()))
    for literal in group["literals"]:
        if not isinstance(literal, str):
            raise LexiconError(f"{where}: {literal!r} must be text (quote it)")
        for words in _variants(literal, classes, where):
            yield CueRule(" ".join(words), words, direction, flag, ends, scope, targets)


def _variants(literal: str, classes: Mapping[str, list[str]], where: str) -> list[tuple[str, ...]]:
    """``literal`` written out: ``a|b`` are alternatives, ``word?`` may be missing, ``<name>`` is any word of a class."""
    found: list[tuple[str, ...]] = [()]
    for part in literal.split():
        optional = len(part) > 1 and part.endswith("?")
        written = [
            word
            for choice in (part[:-1] if optional else part).split("|")
            for word in (classes.get(choice[1:-1], [choice]) if choice.startswith("<") else [choice])
        ]
        choices = [_literal_words(choice) for choice in written]
        found = [words + choice for words in found for choice in ([*choices, ()] if optional else choices)]
        if len(found) > _MOST_VARIANTS:
            raise LexiconError(f"{where}: {literal!r} has too many variants")
    if not all(found):
        raise LexiconError(f"{where}: {literal!r} needs at least one word that must be there")
    return found


def _literal_words(part: str) -> tuple[str, ...]:
    if part in (_NUMBER, _YEAR, _SENTENCE_END):
        return (part,)
    if part.startswith("<") and len(part) > 1:
        raise LexiconError(f"{part} is no class of words")
    words = tokenize(part).words
    between = [word for index, word in enumerate(words) if word != "-" or index in (0, len(words) - 1)]
    return tuple(between)


class AssertionEngine:
    """ConText over tokens with a given set of cues. Stateless after construction; safe to share between threads."""

    def __init__(self, rules: Iterable[CueRule], sections: SectionLexicon) -> None:
        self._root = _Node()
        self._sections = sections
        self._unless = {
            name: frozenset(tokenize(words).words for words in implication.unless)
            for name, implication in sections.implications.items()
        }
        for rule in rules:
            node = self._root
            for word in rule.words:
                node = node.next.setdefault(word, _Node())
            node.rules.append(rule)

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
        cues: dict[tuple[int, int], tuple[int, int, list[_Hit]]] = {}
        found: list[Assertion] = []
        for target in targets:
            number = bisect_right(starts, target.start) - 1
            place = bisect_right(section_ends, target.start)
            if number < 0 or place >= len(sections):
                found.append(_PLAIN)  # a span of white space alone
                continue
            section = sections[place]
            if (number, place) not in cues:
                cues[number, place] = self._sentence_cues(tokens, sentences, number, section)
            low, high, hits = cues[number, place]
            set_by = _apply(tokens, hits, target)
            self._imply(tokens, section, low, high, target, set_by)
            found.append(_assertion(set_by))
        return found

    def _sentence_cues(
        self, tokens: Tokens, sentences: Sequence[tuple[int, int]], number: int, section: Section
    ) -> tuple[int, int, list[_Hit]]:
        """Token range and cues of sentence ``number``; a heading is read with the sentence it opens."""
        start, end = sentences[number]
        if number + 1 < len(sentences) and tokens.text[max(start, end - 4) : end].rstrip(" ,").endswith(":"):
            end = sentences[number + 1][1]
        low = bisect_left(tokens.starts, max(start, section.heading_start))
        high = bisect_left(tokens.starts, min(end, max(section.end, section.heading_end)))
        return low, high, self._hits(tokens, low, high)

    def _hits(self, tokens: Tokens, low: int, high: int) -> list[_Hit]:
        """The cues among tokens ``low`` to ``high``, those inside a longer one confined to it, in order."""
        words = tokens.words
        root = self._root.next
        spans: list[tuple[int, int, list[CueRule]]] = []
        for first in range(low, high):
            node = root.get(words[first]) or _number_node(root, words[first])
            if node is None:
                continue
            position = first + 1
            while True:
                if node.rules:
                    spans.append((first, position, node.rules))
                if not node.next:
                    break
                if position >= high:
                    if _SENTENCE_END in node.next:
                        spans.append((first, position, node.next[_SENTENCE_END].rules))
                    break
                word = words[position]
                child = node.next.get(word)
                if child is None:
                    if word == "-" and position + 1 < high:
                        position += 1
                        word = words[position]
                        child = node.next.get(word)
                    if child is None:
                        child = _number_node(node.next, word)
                    if child is None:
                        break
                node = child
                position += 1
        hits = _resolve(spans, low, high)
        return _confine(hits, words, low, high) if ")" in words[low:high] else hits

    def _imply(
        self, tokens: Tokens, section: Section, low: int, high: int, target: Target, set_by: dict[str, list[Cue]]
    ) -> None:
        """Add what the section of ``target`` implies, unless a word of its sentence takes it back."""
        implication = self._sections.implications.get(section.name)
        if implication is None or implication.flag in target.ignore or section.heading_end == section.heading_start:
            return
        if "any" not in implication.categories and target.category not in implication.categories:
            return
        words = tokens.words[low:high]
        if any(len(unless) == 1 and unless[0] in words for unless in self._unless[section.name]):
            return
        set_by.setdefault(implication.flag, []).append(heading_cue(section, implication))


def _number_node(following: dict[str, _Node], word: str) -> _Node | None:
    """Where ``word`` leads as a number: a year before any number."""
    if word[0].isdigit():
        if _YEAR in following and len(word) == 4 and word[:2] in ("19", "20"):
            return following[_YEAR]
        return following.get(_NUMBER)
    return following.get(_NUMBER) if word in _NUMBER_WORDS else None


def _resolve(spans: list[tuple[int, int, list[CueRule]]], low: int, high: int) -> list[_Hit]:
    """Longest cue first: a cue inside a longer one sets nothing outside it. Where a reach ends takes nothing away."""
    hits: list[_Hit] = []
    outer_first, outer_last = -1, -1
    for first, last, rules in sorted(spans, key=lambda span: (span[0], -span[1])):
        if last <= outer_last and (first, last) != (outer_first, outer_last):
            hits.extend(_Hit(first, last, rule, outer_first, outer_last) for rule in rules if rule.flag)
            continue
        if last > outer_last and any(rule.direction != "terminate" for rule in rules):
            outer_first, outer_last = first, last
        hits.extend(_Hit(first, last, rule, low, high) for rule in rules)
    pseudo = [(hit.first, hit.last) for hit in hits if hit.rule.direction == "pseudo"]
    return [hit for hit in hits if not any(hit.first < first < hit.last < last for first, last in pseudo)]


def _confine(hits: list[_Hit], words: Sequence[str], low: int, high: int) -> list[_Hit]:
    """A cue in parentheses does not reach forward out of them."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for position in range(low, high):
        if words[position] == "(":
            opened.append(position)
        elif words[position] == ")" and opened:
            closing[opened.pop()] = position
    return [
        replace(hit, high=min([hit.high, *(last for first, last in closing.items() if first < hit.first < last)]))
        if hit.rule.direction == "forward"
        else hit
        for hit in hits
    ]


def _apply(tokens: Tokens, hits: list[_Hit], target: Target) -> dict[str, list[Cue]]:
    """The cues whose scope holds ``target``, by flag."""
    first = bisect_right(tokens.ends, target.start)
    last = bisect_left(tokens.starts, target.end)
    set_by: dict[str, list[Cue]] = {}
    for hit in hits:
        rule = hit.rule
        flag = rule.flag
        if flag is None or flag in target.ignore:
            continue
        if rule.targets and target.category and target.category not in rule.targets:
            continue
        if _reaches(hit, hits, first, last, tokens.words):
            cue = Cue(flag, tokens.starts[hit.first], tokens.ends[hit.last - 1], rule.literal)
            set_by.setdefault(flag, []).append(cue)
    return set_by


def _reaches(hit: _Hit, hits: list[_Hit], first: int, last: int, words: Sequence[str]) -> bool:
    """Whether the scope of ``hit`` holds the target at tokens ``first`` to ``last``."""
    rule = hit.rule
    if rule.direction != "backward" and last > hit.last and first < hit.last and hit.first <= first:
        return True  # the target begins with the cue or with its end: "no fever", "(no) history of cancer"
    if rule.direction != "forward" and first < hit.first and last >= hit.last > first and last > hit.first:
        return True
    if rule.direction != "backward" and first >= hit.last:
        stop = hit.high if rule.scope is None else min(hit.high, hit.last + rule.scope)
        return first < stop and not any(
            _ends(other, hit) and (hit.last <= other.first < first or _affirms(other, last, words)) for other in hits
        )
    if rule.direction != "forward" and last <= hit.first:
        stop = hit.low if rule.scope is None else max(hit.low, hit.first - rule.scope)
        # A word right before the cue belongs to it: "cough, but resolved".
        return last > stop and not any(_ends(other, hit) and last <= other.first and other.last < hit.first for other in hits)
    return False


def _affirms(other: _Hit, last: int, words: Sequence[str]) -> bool:
    """Whether ``other`` says of the target that ends before token ``last`` that it is there: "McMurray is positive"."""
    if other.rule.scope is None or not last <= other.first < last + other.rule.scope:
        return False
    return _CLAUSE_MARKS.isdisjoint(words[last : other.first])


def _ends(other: _Hit, hit: _Hit) -> bool:
    return hit.rule.flag in other.rule.ends


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
    targets = [Target(start, end, _category(mentions, start, end)) for start, end in spans]
    return packaged_engine().assess_targets(tokens, sentences, find_sections(tokens), targets)


@lru_cache(maxsize=1)
def _packaged_matcher() -> ConceptMatcher:
    return ConceptMatcher(load_lexicon())


def _category(mentions: Sequence[Mention], start: int, end: int) -> str:
    """The category of the longest concept within a span, "" where the lexicon knows none."""
    within = [mention for mention in mentions if start <= mention.start and mention.end <= end]
    return max(within, key=lambda mention: mention.end - mention.start).concept.category if within else ""
