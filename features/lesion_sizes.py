"""Sizes of nodules, masses and nodes: "14 mm spiculated nodule", "nodule 7 mm (10/2025) -> 13 mm now", "16 x 14 mm".

The number stands before or after what it measures, so it is looked for first and the word after. Words are data:
``lesions`` in lexicon/measurements.yaml. Of several diameters the largest counts. Cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LESION_UNIT = "mm"
_BEFORE = 90
_AFTER = 60


@dataclass(frozen=True, slots=True)
class LesionSize:
    """``text[start:end]`` is the size; ``value`` in millimetres; ``context`` is ``earlier`` for a size it once had."""

    concept: str
    start: int
    end: int
    value: float
    context: str | None


@dataclass(frozen=True, slots=True)
class LesionWords:
    """What is measured (by concept), what makes it another concept, and what says that a size is an earlier one."""

    nouns: re.Pattern[str]
    concepts: Mapping[str, str]
    otherwise: Mapping[str, re.Pattern[str]]
    earlier: re.Pattern[str]

    @property
    def all_concepts(self) -> frozenset[str]:
        """Every concept a size can have."""
        return frozenset(self.concepts.values()) | frozenset(self.otherwise)


def read_lesion_words(data: Any) -> LesionWords:
    """From the parsed entry of the lexicon. Raises KeyError, TypeError or AttributeError where it is malformed."""
    concepts = {str(word): str(concept) for concept, words in data["nouns"].items() for word in words}
    return LesionWords(
        re.compile(rf"\b(?:{_any(list(concepts))})\b"),
        concepts,
        {str(concept): re.compile(rf"\b(?:{_any(words)})\b") for concept, words in data["otherwise"].items()},
        re.compile(rf"(?:\b(?:{_any(data['earlier'])})|\()\s*(?:measured|about|at|=|:)?\s*$"),
    )


def _any(words: Sequence[str]) -> str:
    return "|".join(re.escape(str(word)) for word in sorted(words, key=lambda word: -len(str(word))))


# A pattern that begins with a plain set of characters scans fastest, so the lookbehind stands after the first digit.
_SIZE = re.compile(
    r"(?P<value>\d(?<![\d.,/-].)\d{0,2}(?:\.\d{1,2})?)"
    r"(?:\s?(?:mm|cm)?\s?(?:x|×|by)\s?(?P<second>\d{1,3}(?:\.\d{1,2})?)){0,1}"
    r"(?:\s?(?:mm|cm)?\s?(?:x|×|by)\s?(?P<third>\d{1,3}(?:\.\d{1,2})?)){0,1}"
    r"[\s-]?(?P<unit>mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?)\b(?!\s?(?:hg|h2o|/))"
)
_ENDS = re.compile(r"[.;](?=\s|$)|\n")


def find_lesion_sizes(words: LesionWords, lower: str, lo: int, hi: int) -> list[LesionSize]:
    """The sizes in ``lower[lo:hi]`` that say what they measure, in order."""
    found: list[LesionSize] = []
    if not any(unit in lower for unit in ("mm", "cm", "millimet", "centimet")):
        return found
    for match in _SIZE.finditer(lower, lo, hi):
        noun = _noun(words, lower, match, lo, hi)
        if noun is None:
            continue
        concept, around = noun
        for other, pattern in words.otherwise.items():
            if pattern.search(around):
                concept = other
        factor = 10.0 if match["unit"].startswith("c") else 1.0
        value = max(float(part) for part in match.group("value", "second", "third") if part) * factor
        before = lower[max(lo, match.start() - 24) : match.start()]
        context = "earlier" if words.earlier.search(before) else None
        found.append(LesionSize(concept, match.start(), match.end(), value, context))
    return found


def _noun(words: LesionWords, lower: str, size: re.Match[str], lo: int, hi: int) -> tuple[str, str] | None:
    """The concept of the nearest word that can be measured, the one after the size before the one before it."""
    stop = min(hi, size.end() + _AFTER)
    end = _ENDS.search(lower, size.end(), stop)
    after = words.nouns.search(lower, size.end(), end.start() if end else stop)
    between = _SIZE.search(lower, size.end(), after.start()) if after else None
    if after is not None and between is None and "," not in lower[size.end() : after.start()]:
        return words.concepts[after.group()], lower[size.end() : after.end() + 20]
    start = max(lo, size.start() - _BEFORE)
    for end in _ENDS.finditer(lower, start, size.start()):
        start = end.end()
    before = list(words.nouns.finditer(lower, start, size.start()))
    if not before:
        return None
    last = before[-1]
    return words.concepts[last.group()], lower[max(start, last.start() - 25) : size.start()]
