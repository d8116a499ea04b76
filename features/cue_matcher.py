"""Where cues stand in a run of tokens: a trie walked from every token, then the longest of overlapping cues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from features.cues import NUMBER, SENTENCE_END, YEAR, CueRule

_NUMBER_WORDS = frozenset(
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "several")
) | {"few", "couple", "many", "multiple", "some"}


_CLOSING = frozenset({".", ";", ","})
"""A mark that closes a sentence may stand after its last word."""


class CueHit(NamedTuple):
    """A cue at tokens ``first`` to ``last``; ``low`` and ``high`` are the tokens its scope may not leave.

    A named tuple, for there are more of these than of anything else read, and it is made in a third of the time.
    """

    first: int
    last: int
    rule: CueRule
    low: int
    high: int


class _Node:
    """A word of the cue trie: the words that may follow and the rules that end here.

    ``counts``: a number may follow. ``reaches``: some rule does more than end the reach of others.
    """

    __slots__ = ("counts", "next", "reaches", "rules")

    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.rules: list[CueRule] = []
        self.counts = False
        self.reaches = False

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

    def settle(self) -> None:
        """Look up once what is the same for every text: a number word leads where any number does."""
        for node in self.next.values():
            node.settle()
        self.reaches = any(rule.direction != "terminate" for rule in self.rules)
        self.counts = NUMBER in self.next or YEAR in self.next
        if NUMBER in self.next:
            for word in _NUMBER_WORDS:
                self.next.setdefault(word, self.next[NUMBER])


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
        self._root.settle()

    def hits(self, words: Sequence[str], low: int, high: int) -> list[CueHit]:
        """The cues among tokens ``low`` to ``high``, those inside a longer one confined to it, in order."""
        root = self._root
        within = words[low:high]
        spans: list[tuple[int, int, _Node]] = []
        # Most words begin no cue: looked up and passed over without a step of their own in between.
        for first, node in enumerate(map(root.next.get, within), low):
            if node is None:
                if not root.counts or not words[first][0].isdigit():
                    continue
                node = _number_node(root.next, words[first])
                if node is None:
                    continue
            position = first + 1
            while True:
                if node.rules:
                    spans.append((first, position, node))
                following = node.next
                if not following:
                    break
                if position >= high:
                    if SENTENCE_END in following:
                        spans.append((first, position, following[SENTENCE_END]))
                    break
                word = words[position]
                child = following.get(word)
                if position == high - 1 and word in _CLOSING and SENTENCE_END in following:
                    spans.append((first, position, following[SENTENCE_END]))
                if child is None:
                    if word == "-" and position + 1 < high:
                        position += 1
                        word = words[position]
                        child = following.get(word)
                    if child is None:
                        if not node.counts:
                            break
                        child = _number_node(following, word)
                        if child is None:
                            break
                node = child
                position += 1
        if not spans:
            return []
        hits = _resolve(spans, low, high)
        return _confine(hits, words, low, high) if ")" in within else hits


def _number_node(following: dict[str, _Node], word: str) -> _Node | None:
    """Where ``word`` leads as a number in digits: a year before any number."""
    if not word[0].isdigit():
        return None
    if YEAR in following and len(word) == 4 and word[:2] in ("19", "20"):
        return following[YEAR]
    return following.get(NUMBER)


def _resolve(spans: list[tuple[int, int, _Node]], low: int, high: int) -> list[CueHit]:
    """Longest cue first: a cue inside a longer one sets nothing outside it. Where a reach ends takes nothing away."""
    hits: list[CueHit] = []
    outer_first, outer_last = -1, -1
    if len(spans) > 1:
        spans.sort(key=lambda span: (span[0], -span[1]))
    for first, last, node in spans:
        if last <= outer_last and (first, last) != (outer_first, outer_last):
            hits += [CueHit(first, last, rule, outer_first, outer_last) for rule in node.rules if rule.flag]
            continue
        if last > outer_last and node.reaches:
            outer_first, outer_last = first, last
        hits += [CueHit(first, last, rule, low, high) for rule in node.rules]
    pseudo = [(hit.first, hit.last) for hit in hits if hit.rule.direction == "pseudo"]
    if not pseudo:
        return hits
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
        hit._replace(high=min([hit.high, *(last for first, last in closing.items() if first < hit.first < last)]))
        if hit.rule.direction == "forward"
        else hit
        for hit in hits
    ]
