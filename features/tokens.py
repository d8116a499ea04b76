"""Words with offsets: one regular expression over the text as received, nothing rewritten.

A token is a run of letters and digits or a single other character. Hyphens are tokens, so "x-ray" is three; phrase
matching skips them (see :mod:`features.phrases`), which makes "x-ray", "x ray" and "follow-up" one spelling each.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate

_TOKEN = re.compile(r"([^\W_]+|[^\s])")
_ASCII_TOKEN = re.compile(r"([a-z0-9]+|[^ \t-\r\x1c-\x1f])")
"""The same for lower-cased text of ASCII alone, spelled out: a third faster than asking what every character is."""


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
    # White space and tokens in turn, white space (or nothing) first and last: their lengths add up to the offsets.
    parts = (_ASCII_TOKEN if lower.isascii() else _TOKEN).split(lower)
    offsets = tuple(accumulate(map(len, parts)))
    return Tokens(text, tuple(parts[1::2]), offsets[:-1:2], offsets[1::2])
