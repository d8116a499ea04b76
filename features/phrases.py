"""Many phrases at once over tokens: a trie walked from every token, so ten times the phrases cost hardly more.

Hyphens between words are optional on both sides ("non-tender" finds "non tender" and the other way round).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from features.tokens import Tokens, tokenize

Payload = TypeVar("Payload")


@dataclass(slots=True)
class _Node(Generic[Payload]):
    next: dict[str, _Node[Payload]] = field(default_factory=dict)
    payloads: list[Payload] = field(default_factory=list)


class PhraseTrie(Generic[Payload]):
    """Phrases to payloads. Matching ignores case; the caller checks case where an abbreviation needs it."""

    def __init__(self) -> None:
        self._root: _Node[Payload] = _Node()

    def add(self, phrase: str, payload: Payload) -> None:
        """Add ``phrase``; one phrase may carry several payloads. Raises ValueError for a phrase without a word."""
        words = [word for word in tokenize(phrase).words if word != "-"] or list(tokenize(phrase).words)
        if not words:
            raise ValueError("a phrase needs at least one word")
        node = self._root
        for word in words:
            node = node.next.setdefault(word, _Node())
        node.payloads.append(payload)

    def hits(self, tokens: Tokens, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int, Payload]]:
        """Every phrase that lies within tokens ``first`` to ``last``, overlapping ones included, left to right.

        Each as the token it begins at, the token behind it and its payload. One at a time: most are passed over, and a
        long document holds tens of thousands.
        """
        words = tokens.words
        stop = len(words) if last is None else last
        # Most words begin no phrase: looked up and passed over without a step of their own in between.
        for start, node in enumerate(map(self._root.next.get, words[first:stop]), first):
            if node is None:
                continue
            position = start + 1
            for payload in node.payloads:
                yield start, position, payload
            following = node.next
            while following and position < stop:
                child = following.get(words[position])
                if child is None:
                    if words[position] != "-" or position + 1 >= stop:
                        break
                    position += 1
                    child = following.get(words[position])
                    if child is None:
                        break
                position += 1
                for payload in child.payloads:
                    yield start, position, payload
                following = child.next
