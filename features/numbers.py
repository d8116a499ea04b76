"""Numbers as notes write them: digits, words ("twenty-one"), fractions ("1 1/2", "½"), "a couple of", "half a".

The other value readers embed :data:`NUMBER` in their own patterns and read what it matched with :func:`to_number`.
All patterns here expect lower-cased text; :func:`lowered` gives it without moving a single offset.
"""

from __future__ import annotations

import re
from functools import cache

_ONES = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
}  # fmt: skip
_TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "dozen": 12, "a dozen": 12,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_WORDS = {**_ONES, **_TEENS, **_TENS}
_GLYPHS = {"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3}

_TEN_WORDS = "|".join(_TENS)
_ONE_WORDS = "|".join(_ONES)
_TEEN_WORDS = "|".join(sorted((word for word in _TEENS if " " not in word), key=len, reverse=True))

WORD_NUMBER = rf"(?:(?:{_TEN_WORDS})(?:[ -](?:{_ONE_WORDS}))?|{_TEEN_WORDS}|{_ONE_WORDS})"
"""A whole number in words, one to ninety-nine."""

NUMBER = (
    r"(?:\d{1,6}(?:\.\d{1,4})?(?: \d/\d|[½¼¾⅓⅔]| and a half)?|[½¼¾]"
    rf"|{WORD_NUMBER}(?: and a half)?|an? couple(?: of)?|couple(?: of)?|half(?: an?)?|an? dozen)"
)
"""A number in digits or words, for lower-cased text, without groups and word boundaries: the embedding pattern sets them."""

_ASCII = bytes(range(128))
_HALF = " and a half"


@cache
def _pattern() -> re.Pattern[str]:
    return re.compile(NUMBER)


def lowered(text: str) -> str:
    """``text`` in lower case with every offset kept: "İ", the one letter whose lower case is longer, becomes "i"."""
    lower = _lower(text)
    return lower if len(lower) == len(text) else text.replace("İ", "i").lower()


def _lower(text: str) -> str:
    """``text.lower()``, in half the time where only a few characters are not ASCII and none of them changes."""
    if text.isascii():
        return text.lower()
    encoded = text.encode("utf-8", "surrogatepass")
    others = encoded.translate(None, _ASCII).decode("utf-8", "surrogatepass")
    return text.lower() if others.lower() != others else encoded.lower().decode("utf-8", "surrogatepass")


def to_number(words: str) -> float | None:
    """The value of ``words``, lower-cased, whole and without surrounding white space; None where it is no number.

    "a couple of" is 2, "half" and "half a" are 0.5, "1 1/2" is 1.5, "six and a half" is 6.5.
    """
    if not _pattern().fullmatch(words):
        return None
    if words.endswith(_HALF):
        whole = to_number(words[: -len(_HALF)])
        return None if whole is None else whole + 0.5
    if words in _GLYPHS:
        return _GLYPHS[words]
    if words[0].isdigit():
        return _digits_to_number(words)
    if "couple" in words:
        return 2.0
    if words.startswith("half"):
        return 0.5
    if words in _WORDS:
        return float(_WORDS[words])
    ten, one = words.replace("-", " ").split(" ", 1)
    return float(_TENS[ten] + _ONES[one])


def _digits_to_number(words: str) -> float | None:
    if words[-1] in _GLYPHS:
        return float(words[:-1]) + _GLYPHS[words[-1]]
    if " " in words:
        whole, fraction = words.split(" ")
        above, below = fraction.split("/")
        return None if below == "0" else float(whole) + int(above) / int(below)
    return float(words)
