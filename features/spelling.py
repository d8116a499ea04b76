"""Misspelled words of the lexicon: the word that was meant, where exactly one edit and exactly one word explain what stands.

Only the words that concepts are looked for with change; the text, every offset and the words that assertion cues are looked
for with stay as received. An edit is a letter too many, a letter missing, another letter, or two neighbours swapped. A word
is left as it is where any doubt is left, because a wrong correction invents a finding:

- it has fewer than 7 letters or the lexicon's word fewer than 8; it holds anything but English letters;
- its first letter is not the lexicon word's (``asymptomatic`` is not a misspelled ``symptomatic``);
- it is a word of its own: of the lexicon, of a cue, or listed in ``lexicon/spelling.yaml``;
- it differs as two words do and not as a slip does: an ending (``arthritic``, ``arthritis``), a part (``infra``, ``intra``);
- another word, of the lexicon or of its own, is equally near;
- it ends in another vowel, or in an a, i or o more: the word in another language (``positivo``);
- the lexicon's word alone is a cue (``negative``): a denial, or its end, is never guessed.

Every word one deletion away from a word of the lexicon is looked up in a table (symmetric deletion, Garbe's SymSpell), so
the cost of a word does not grow with the lexicon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

from features.cues import load_cues
from features.errors import LexiconError
from features.tokens import Tokens

_FEWEST_LETTERS = 8
_FILE = "spelling.yaml"
_MOST_SETTLED = 50_000
"""Words that need no correction and are not looked up again; a bound, for names and numbers never end."""


@dataclass(frozen=True, slots=True)
class SpellingGuard:
    """What keeps a word from being corrected.

    ``words`` are words of their own; ``endings`` and ``beginnings`` are pairs that make two words of one stem or rest.
    """

    words: frozenset[str]
    endings: tuple[tuple[str, str], ...]
    beginnings: tuple[tuple[str, str], ...]

    def are_two_words(self, one: str, other: str) -> bool:
        """Whether the two differ as words do: by number or another ending, or by a part that changes the meaning."""
        short, long = sorted((one, other), key=len)
        if long == short + "s" and short[-1] not in "siu":
            # A word in -s, -is or -us is no plural: "arthriti" and "crepitu" miss a letter.
            return True
        return any(
            one.endswith(a) and other.endswith(b) and one[: len(one) - len(a)] == other[: len(other) - len(b)]
            for a, b in _both_ways(self.endings)
        ) or any(
            one.startswith(a) and other.startswith(b) and one[len(a) :] == other[len(b) :]
            for a, b in _both_ways(self.beginnings)
        )


def parse_spelling_guard(content: bytes | str, where: str = _FILE) -> SpellingGuard:
    """Read a guard file. Raises LexiconError naming ``where`` and the entry."""
    try:
        data = yaml.load(content, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        raise LexiconError(f"{where}: not valid YAML") from None
    if not isinstance(data, Mapping) or set(data) != {"endings", "beginnings", "words"}:
        raise LexiconError(f"{where}: takes endings, beginnings and words")
    if not isinstance(data["words"], str):
        raise LexiconError(f"{where}: words must be one text, parted by blanks")
    return SpellingGuard(
        frozenset(data["words"].split()),
        _pairs(data["endings"], f"{where}: endings"),
        _pairs(data["beginnings"], f"{where}: beginnings"),
    )


@cache
def packaged_spelling_guard() -> SpellingGuard:
    """The guard that ships with the lexicon."""
    return parse_spelling_guard((resources.files("features") / "lexicon" / _FILE).read_bytes())


class Spelling:
    """Restores misspelled words of a lexicon.

    It remembers single words it has settled, in no order and up to a bound: most words of a note stood in the last one too.
    """

    def __init__(self, words: Iterable[str] = (), guard: SpellingGuard | None = None) -> None:
        self._guard = guard or packaged_spelling_guard()
        cues = load_cues()
        self._cues = {rule.words[0] for rule in cues if len(rule.words) == 1}
        self._known = {*self._guard.words, *(word for rule in cues for word in rule.words)}
        self._restorable: set[str] = set()
        self._near: dict[str, tuple[str, ...]] = {}
        self._settled: set[str] = set()
        self._longest = 0
        for word in self._known:
            self._look_for(word)
        for word in words:
            self.add(word)

    def add(self, word: str, *, restorable: bool = True) -> None:
        """Know ``word`` (lower case), and restore its misspellings where that is wanted, it has 8 letters and is no cue."""
        self._known.add(word)
        if self._settled:
            # Settled without this word.
            self._settled = set()
        self._look_for(word)
        if restorable and len(word) >= _FEWEST_LETTERS and word.isalpha() and word not in self._cues:
            self._restorable.add(word)
            self._longest = max(self._longest, len(word))

    def _look_for(self, word: str) -> None:
        if len(word) < _FEWEST_LETTERS - 2 or not word.isalpha() or word in self._near.get(word, ()):
            return
        for shortened in {word, *_shortened(word)}:
            self._near[shortened] = (*self._near.get(shortened, ()), word)

    def meant(self, word: str) -> str | None:
        """The lexicon's word that ``word``, in lower case, is a misspelling of; None where there is none, or any doubt."""
        if not _FEWEST_LETTERS - 1 <= len(word) <= self._longest + 1 or word in self._known:
            return None
        if not (word.isascii() and word.isalpha()):
            return None
        near = self._near
        candidates = {one for key in (word, *_shortened(word)) if key in near for one in near[key]}
        candidates = {one for one in candidates if is_one_edit(word, one)}
        if len(candidates) != 1:
            return None
        (candidate,) = candidates
        if candidate not in self._restorable or self._guard.are_two_words(word, candidate):
            return None
        return None if _is_foreign(word, candidate) else candidate

    def restore(self, tokens: Tokens) -> Tokens:
        """``tokens`` with misspelled words replaced in ``words``; text and offsets are the same objects as before."""
        if not self._settled:
            self._settled = set(self._known)
        restored = dict(self._corrections(tokens.words))
        if not restored:
            return tokens
        return replace(tokens, words=tuple(map(restored.get, tokens.words, tokens.words)))

    def _corrections(self, words: Sequence[str]) -> Iterator[tuple[str, str]]:
        for word in set(words) - self._settled:
            meant = self.meant(word)
            if meant is not None:
                yield word, meant
            elif len(word) <= self._longest + 1:
                if len(self._settled) >= len(self._known) + _MOST_SETTLED:
                    self._settled = set(self._known)
                self._settled.add(word)


def is_one_edit(one: str, other: str) -> bool:
    """Whether one insertion, deletion or substitution of a letter, or one swap of neighbours, leads from one to the other."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        start += 1
    if len(one) > len(other):
        return one[start + 1 :] == other[start:]
    if len(one) < len(other):
        return one[start:] == other[start + 1 :]
    if one[start + 1 :] == other[start + 1 :]:
        return True
    swapped = one[start : start + 2][::-1] == other[start : start + 2]
    return swapped and one[start + 2 :] == other[start + 2 :]


def _is_foreign(word: str, candidate: str) -> bool:
    """Whether ``word`` ends as ``candidate`` would in another language ("positivo"), whose denials nobody here reads."""
    return (word[-1] in "aio" and word[:-1] == candidate) or (word[-1] in "aeio" and word[:-1] == candidate[:-1])


def _shortened(word: str) -> list[str]:
    """``word`` without one letter, the first left alone: the first letter of a misspelling is right."""
    return [word[:index] + word[index + 1 :] for index in range(1, len(word))]


def _both_ways(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for one, other in pairs:
        yield one, other
        yield other, one


def _pairs(data: Any, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(data, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in data
    ):
        raise LexiconError(f"{where} must be a list of pairs")
    return tuple((one, other) for one, other in data)
