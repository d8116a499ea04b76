"""Where cues stand in a run of tokens: a trie walked from every token, then the longest of overlapping cues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from features.cues import NUMBER, SENTENCE_END, YEAR, CueRule

_NUMBER_WORDS = frozenset(
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "several")
) | {"few", "couple", "many", "multiple", "some"}


_CLOSING = frozenset({".", ";", ","})
"""A mark that closes a sentence may stand after its last word."""


@dataclass(frozen=True, slots=True)
class CueHit:
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

    def take_in(self, other: _Node) -> None:
        """Let what ends or goes on at ``other`` do so here as well; ``other`` stays as it is."""
        self.rules.extend(other.rules)
        for word, node in other.next.items():
            self.next.setdefault(word, _Node()).take_in(node)

    def spread_numbers(self) -> None:
        """Let number words and years that are spelt out here also count as what stands for any number."""
        number = self.next.get(NUMBER)
        if number is not None:
            for word, node in self.next.items():
                if word == YEAR or word in _NUMBER_WORDS or word[0].isdigit():
                    node.take_in(number)
        for node in self.next.values():
            node.spread_numbers()


class CueMatcher:
    """Finds the cues ``rules``. Stateless after construction."""

    def __init__(self, rules: Iterable[CueRule]) -> None:
        self._root = _Node()
        for rule in rules:
            node = self._root
            for word in rule.words:
                node = node.next.setdefault(word, _Node())
            node.rules.append(rule)
        self._root.spread_numbers()

    def hits(self, words: Sequence[str], low: int, high: int) -> list[CueHit]:
        """The cues among tokens ``low`` to ``high``, those inside a longer one confined to it, in order."""
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
                    if SENTENCE_END in node.next:
                        spans.append((first, position, node.next[SENTENCE_END].rules))
                    break
                word = words[position]
                child = node.next.get(word)
                if position == high - 1 and word in _CLOSING and SENTENCE_END in node.next:
                    spans.append((first, position, node.next[SENTENCE_END].rules))
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


def _number_node(following: dict[str, _Node], word: str) -> _Node | None:
    """Where ``word`` leads as a number: a year before any number."""
    if word[0].isdigit():
        if YEAR in following and len(word) == 4 and word[:2] in ("19", "20"):
            return following[YEAR]
        return following.get(NUMBER)
    return following.get(NUMBER) if word in _NUMBER_WORDS else None


def _resolve(spans: list[tuple[int, int, list[CueRule]]], low: int, high: int) -> list[CueHit]:
    """Longest cue first: a cue inside a longer one sets nothing outside it. Where a reach ends takes nothing away."""
    hits: list[CueHit] = []
    outer_first, outer_last = -1, -1
    for first, last, rules in sorted(spans, key=lambda span: (span[0], -span[1])):
        if last <= outer_last and (first, last) != (outer_first, outer_last):
            hits.extend(CueHit(first, last, rule, outer_first, outer_last) for rule in rules if rule.flag)
            continue
        if last > outer_last and any(rule.direction != "terminate" for rule in rules):
            outer_first, outer_last = first, last
        hits.extend(CueHit(first, last, rule, low, high) for rule in rules)
    pseudo = [(hit.first, hit.last) for hit in hits if hit.rule.direction == "pseudo"]
    return [hit for hit in hits if not any(hit.first < first < hit.last < last for first, last in pseudo)]


def _confine(hits: list[CueHit], words: Sequence[str], low: int, high: int) -> list[CueHit]:
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
