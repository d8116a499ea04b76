"""Words with offsets: one regular expression over the text as received, nothing rewritten.

A token is a run of letters and digits or a single other character. Hyphens are tokens, so "x-ray" is three; phrase
matching skips them (see :mod:`features.phrases`), which makes "x-ray", "x ray" and "follow-up" one spelling each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import add

_TOKEN = re.compile(r"[^\W_]+|[^\s]")


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text: ``words[i]`` is lower-cased and stands at ``text[starts[i]:ends[i]]``."""

    text: str
    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.words)


def tokenize(text: str) -> Tokens:
    """Split ``text`` into tokens. Linear in its length for any input."""
    lower = text.lower()
    if len(lower) != len(text):
        # A few capitals ("İ") have lower-case forms of two characters, which would move every offset behind them.
        lower = "".join(character.lower() if len(character.lower()) == 1 else character for character in text)
    words = _TOKEN.findall(lower)
    find = lower.find
    starts: list[int] = []
    position = 0
    for word in words:
        # Between two tokens there is white space only, so a token stands where its spelling next occurs.
        position = find(word, position)
        starts.append(position)
        position += len(word)
    return Tokens(text, tuple(words), tuple(starts), tuple(map(add, starts, map(len, words))))
