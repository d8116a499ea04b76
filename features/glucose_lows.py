"""Low glucose values that stand in lists or beside their unit, where only the first, or none, has a name before it.

"BG 48 and 51 last month", "lows of 47, 52 and 50", "recorded 49 mg/dL at 3 a.m.", "<54: 2 (50 on 9/2 06:04; 46 on 10/19)".
A number counts only where the words before it name glucose, a low or a value already read, and nothing that follows makes
it something else (units of insulin, percent, an age). Every search has a window of fixed size, so cost is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

UNIT = "mg/dL"
_LONGEST_LIST = 12
_AROUND = 120
_LOWEST, _HIGHEST = 15, 69
"""Values read: below 70 mg/dL glucose is low (level 1), and below 15 no one is alive to be treated."""

_DAY = (
    r"(?:(?:on|in|at|around|about|early|late|the|this|last|before|after|overnight|morning|evening|night"
    r"|breakfast|lunch|dinner|supper|bedtime|am|pm|a\.m\.|p\.m\.|noon|midnight"
    r"|(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?(?:\s\d{1,2}(?:st|nd|rd|th)?(?!\d|\s?mg))?"
    r"|\d{1,2}/\d{1,2}(?:/\d{2,4})?|\d{1,2}:\d{2}|\d{1,2}\s?(?:am|pm|a\.m\.?|p\.m\.?)|mon|tues?|wed"
    r"|thurs?|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday"
    r"|mg/dl|fasting)(?![a-z0-9]))"
)
_VALUE = r"(?<![\d./<>=-])(?P<value>[1-6]\d)(?![\d%]|\s?[./:-]\d|[a-z])"
_OTHER_UNIT = (
    r"(?!\s?(?:-?\s?(?:units?|u|mg(?!\s?/\s?dl)|mcg|g|ml|kg|lbs?|lb|pounds|percent|pct|%|years?|yrs?"
    r"|y/?o|months?|mos?|weeks?|wks?|days?|d|hours?|hrs?|h"
    r"|min|minutes|times|x|points?|th|st|nd|rd|readings|values|lows|episodes|events|carbs?|grams?)(?![a-z])))"
)


@dataclass(frozen=True, slots=True)
class LowGlucose:
    """``text[start:end]`` is a glucose value in mg/dL."""

    start: int
    end: int
    value: float


@cache
def _first() -> re.Pattern[str]:
    # A pattern whose branches all begin with a plain letter scans fastest, so the lookbehind stands after it.
    named = (
        r"(?:g(?<![a-z].)lucoses?|s(?<![a-z].)(?:ugars?|mbgs?)|b(?<![a-z].)gs?|f(?<![a-z].)(?:sbgs?|sgs?|inger-?sticks?)"
        r"|c(?<![a-z].)bgs?|l(?<![a-z].)(?:ows?|evel 2)|h(?<![a-z].)(?:ypoglycemi[ac]s?|ypoglycemic|ypos)"
        r"|d(?<![a-z].)ipped|<(?<![a-z].)\s?54|n(?<![a-z].)adirs?)"
        r"(?:[\s:=,()~–—-]|(?:lows?|of|was|were|is|in|the|at|down|to|as|readings?|values?|episodes?|events?"
        r"|level|levels|recorded|measured|with|range|including|include|included|both|and|again|twice"
        r"|meter|log|logged|showed|shows|a|an|one|two|three|four|five|several|x\s?\d{1,2}|(?<=[:]\s)\d{1,2}(?=\s?\()"
        rf"|{_DAY})(?![a-z0-9])){{0,14}}?"
    )
    return re.compile(rf"{named}{_VALUE}{_OTHER_UNIT}")


_NAMES = (
    "glucose", "sugar", "bg", "fsg", "fingerstick", "finger-stick", "hypoglyc", "hypos", "level 2", "dipped", "<54", "nadir",
)  # fmt: skip


@cache
def _low() -> re.Pattern[str]:
    """The names too short to be sought as they are: most texts hold them only inside other words."""
    return re.compile(r"l(?<![a-z].)ow|<\s54")


@cache
def _next() -> re.Pattern[str]:
    return re.compile(
        rf"(?:\s?mg/dl)?(?:[\s,;&/()+]|(?:and|then|also|again|or|to|another|a|of)(?![a-z])|{_DAY}){{1,14}}?{_VALUE}{_OTHER_UNIT}"
    )


@cache
def _with_unit() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:recorded|reading of|value of|was|had|got|saw|low of|dropped to|fell to|down to|dropping to|falling to"
        r"|found|measured|checked|tested)"
        rf"\s(?:a\s|at\s|an?\s\w{{3,9}}\s)?{_VALUE}\smg/dl"
    )


@cache
def _about_glucose() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:glucose|sugars?|hypoglyc\w*|insulin|diabet\w*|sweat\w*|shak[yi]\w*|meter|libre"
        r"|dexcom|cgm|sulfonylurea|gli[pmb]\w*|glyburide)"
    )


@cache
def _of_another_substance() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:ldl|hdl|vldl|cholesterol|triglycerides?|tg|bun|urea|creatinine|calcium|iron|ferritin"
        r"|protein|crp)(?![a-z])"
    )


def find_glucose_lows(lower: str, lo: int, hi: int) -> Iterator[LowGlucose]:
    """Low glucose values in ``lower[lo:hi]`` (lower-case text), in no order; the same place may be given twice."""
    named = any(word in lower for word in _NAMES) or _low().search(lower, lo, hi) is not None
    for match in _first().finditer(lower, lo, hi) if named else ():
        yield from _listed(lower, match, hi)
    for match in _with_unit().finditer(lower, lo, hi) if "mg/dl" in lower else ():
        before, after = (
            lower[max(lo, match.start() - _AROUND) : match.end()],
            lower[match.end() : match.end() + _AROUND],
        )
        if _about_glucose().search(before + after) and not _of_another_substance().search(before[-60:]):
            yield from _listed(lower, match, hi)


def _listed(lower: str, first: re.Match[str], hi: int) -> Iterator[LowGlucose]:
    match: re.Match[str] | None = first
    for _ in range(_LONGEST_LIST):
        if match is None:
            return
        value = float(match["value"])
        if _LOWEST <= value <= _HIGHEST:
            yield LowGlucose(match.start("value"), match.end("value"), value)
        match = _next().match(lower, match.end("value"), min(hi, match.end("value") + _AROUND))
