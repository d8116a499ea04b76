"""The result of an examination sign: "Lachman" says nothing, "Lachman 2B", "+ Lachman" and "Lachman negative" do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Result = Literal["positive", "negative"]

# A grade of 1A or below is a firm end point and no laxity; 1B and above, or any plus, is a finding.
_RESULT = re.compile(
    r"""(?P<negative>\b(?:negative|neg|normal|nl|wnl|absent|unremarkable|stable|firm[ ]end[ -]?point|no[ ]laxity|none|solid
            |grade[ ]?0|0[AB]?\b|1A|intact|without[ ]pain|not[ ]painful)\b | (?<=[\s:(])[-\u2212\u2013](?=[\s,;.)]|$) | -ve\b
            | \(-\))
      | (?P<positive>\b(?:positive|pos|present|reproduces?d?|soft[ ]end[ -]?point|no[ ](?:firm[ ])?end[ -]?point
            |(?:grade[ ]?)?(?:[1-3]B|[23]A|[1-3][ ]?\+)|grade[ ](?:[1-3]|I{1,3})|laxity|painful|provoke[sd]?|opens|gapping
            |gaps|elicits?(?:ed)?|caus(?:es|ed)|click(?:ing|s)?|clunk|at[ ]\d{2}[ ]?(?:deg|\u00b0))
            (?:\b|(?<=\+)) | \+ve\b | (?<![\w/])\+(?!\d) | \(\+\))
    """,
    re.VERBOSE | re.IGNORECASE,
)
_JOINING = re.compile(
    r"[\s,/&+()]*(?:(?:and|or|test|tests|sign|signs|on|the|left|right|l|r|lt|rt|bilaterally|bilat|both|at|is|was|were|are|"
    r"all|again|to|stress|of|knee|side|sides|leg|for)\b[\s,/&()]*)*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SignResult:
    """Words at ``start`` to ``end`` give a sign its result."""

    result: Result
    start: int
    end: int


def read_results(text: str, signs: Sequence[tuple[int, int]], lo: int, hi: int) -> list[SignResult | None]:
    """The result of each sign (offset pairs, in order) of the sentence ``text[lo:hi]``; None where none is stated.

    A result stands right before its sign ("positive Lachman"), after it ("Lachman: neg"), or after the last sign of a
    list ("Lachman and anterior drawer are positive"), which it then gives to the whole list.
    """
    found = [
        SignResult("negative" if m["negative"] else "positive", m.start(), m.end())
        for m in _RESULT.finditer(text, lo, hi)
    ]
    results: list[SignResult | None] = [None] * len(signs)
    for index in range(len(signs) - 1, -1, -1):
        start, end = signs[index]
        inside = next((r for r in found if start <= r.start and r.end <= end), None)
        following = signs[index + 1][0] if index + 1 < len(signs) else hi
        after = next((r for r in found if end <= r.start < following and _near(text[end : r.start])), None)
        before = next((r for r in reversed(found) if r.end <= start and _adjacent(text[r.end : start])), None)
        if after and index + 1 < len(signs) and _adjacent(text[after.end : following]) and before is None:
            # "Lachman neg, positive McMurray": the words before the next sign are the next sign's where a comma parts them.
            after = after if "," not in text[end : after.start] else None
        results[index] = inside or after or before
        if results[index] is None and index + 1 < len(signs) and _JOINING.fullmatch(text[end:following]):
            results[index] = results[index + 1]
    for index in range(1, len(signs)):
        previous = results[index - 1]
        between = text[signs[index - 1][1] : signs[index][0]]
        if results[index] is None and previous and previous.end <= signs[index - 1][0] and _JOINING.fullmatch(between):
            results[index] = previous
    return results


def _adjacent(between: str) -> bool:
    return len(between) <= 12 and bool(_JOINING.fullmatch(between))


def _near(between: str) -> bool:
    return len(between) <= 40 and not any(mark in between for mark in (";", ". ")) and between.count(",") <= 1
