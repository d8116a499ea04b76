"""How an oxygen saturation was measured: on which gas, at rest, walking, asleep, and how long it was too low.

A walk test is a row of values whose conditions stand around them ("rest 94% RA, ambulating 85% RA, 93% on 2 L") or on
their lines ("2) Walk, room air ..... 84 %"). What is said right behind a value comes first, then what stands before it;
a value that says nothing itself shares the condition of the one before it in its sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from features.stretches import matches_near, places, places_of

Gas = Literal["room_air", "on_oxygen"]
Activity = Literal["rest", "exertion", "sleep", "recovery", "arrival"]

_BEFORE = 160
_AFTER = 56
_PANEL = 200
_BESIDE = 16
_SPEAKS_OF_OXYGEN = 400
_LONGEST_VALUE = 48
"""More characters than the longest saturation has, with what it looks at beside it."""
_LONGEST_TIME = 240
_LONGEST_FLOW = 120
_CLEAR_OF = 80
"""So far beyond what is looked at the words are read, that none is cut in two at its beginning."""
_LOWEST, _HIGHEST = 50.0, 100.0


@dataclass(frozen=True, slots=True)
class Condition:
    """``gas`` and ``activity`` under which a value was measured, None where the note does not say."""

    gas: Gas | None = None
    activity: Activity | None = None


@dataclass(frozen=True, slots=True)
class Saturation:
    """A saturation without its name: ``lower[start:end]`` is the value with its sign."""

    start: int
    end: int
    value: float


_FLOW = r"(?<![\d.])\d{1,2}(?:\.\d)?\s?(?:l|lpm|liters?|litres?)(?:\s?/\s?min(?:ute)?|pm| per minute)?(?![a-z0-9/])"


@cache
def _gas_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?P<room_air>(?<![a-z])(?:room[ -]air|r\.a\.|ra(?![a-z])|off (?:of )?(?:the |his |her )?(?:o2|oxygen|supplemental)"
        r"|without (?:supplemental )?(?:o2|oxygen)|(?:o2|oxygen) (?:is |was )?(?:off|removed)"
        r"|no (?:supplemental )?(?:o2|oxygen)(?![a-z])|fio2[ :=of]{0,5}(?:0?\.21|21 ?%)))"
        rf"|(?P<on_oxygen>{_FLOW}|(?<![a-z])(?:nasal cannula|nc(?![a-z])"
        r"|(?:on|with|wearing) (?:his |her |supplemental |home )?(?:o2|oxygen)(?! sat)"
        r"|supplemental|correct(?:s|ed|ing)?(?![a-z])|hfnc|bipap|cpap|venti?mask|venturi|non-?rebreather|nrb(?![a-z])))"
    )


@cache
def _activity_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:"
        r"(?P<recovery>recover(?:y|s|ed|ing)|post[- ](?:walk|exercise|exertion|ambulation)|rebound(?:s|ed)?)"
        r"|(?P<exertion>walk(?:s|ed|ing)?(?![a-z])|ambulat\w+|amb(?![a-z])|exert\w*|exercis\w+|6 ?mwt|6 ?mw(?![a-z])"
        r"|activity|stairs?|treadmill|hallway|lap \d|climb\w*|steps)"
        r"|(?P<sleep>asleep|sleep(?:ing)?(?![a-z])|overnight|nocturnal(?:ly)?|at night)"
        r"|(?P<arrival>ed(?![a-z])|er(?![a-z])|emergency|arrival|triage|admission|admit(?:ted)?|present(?:ed|ation|ing)"
        r"|ems|initial(?:ly)?)"
        r"|(?P<rest>rest(?:s|ed|ing)?(?![a-z])|seated|sitting|sat quietly|sedentary|quietly|awake))"
    )


@cache
def _boundary_pattern() -> re.Pattern[str]:
    # A row of dots leads to a value, and a few abbreviations end with one.
    return re.compile(r"\n|;|\||(?<![.])(?<!\bamb)(?<!\bmin)(?<!\bapprox)(?<!\bex)\.\s")


_NO_CHANGE = r"(?!\s?(?:pred|of |better|improv|relief|reduc|less|more))"


@cache
def _value_pattern() -> re.Pattern[str]:
    amount = r"(?:%|min|ft|feet|m(?![a-z])|l(?![a-z])|lpm|h(?![a-z])|hours?|steps|for|yards|days)"
    return re.compile(
        rf"(?<![\d./<>=-])(?<![<>=] )(?P<value>1?\d{{2}})(?:\s?(?:-|to)\s?\d{{2,3}})?\s{{0,2}}(?:%|percent(?![a-z]))"
        rf"{_NO_CHANGE}"
        r"|(?<![\d./-])(?P<bare>[5-9]\d|100)(?=\s(?:on\s)?(?:ra(?![a-z])|room air)|\son\s\d(?:\.\d)?\s?l)"
        rf"|(?<![a-z])(?:ra|room air)[\s:=]{{1,3}}(?P<behind>[5-9]\d|100)(?![\d/.-]|\s?{amount})"
    )


@cache
def _context_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:room air|sp?[ao]o?2|sats?(?![a-z])|satur\w+|oximet\w+|pulse ox|desat\w*|hypox\w+|6 ?mwt|walk test"
        r"|o2(?![a-z])|oxygen)"
    )


@cache
def _end_of_aside_pattern() -> re.Pattern[str]:
    return re.compile(r"[,;\n(]|\s/\s|(?<!\.)\.\s|(?<![a-z])(?:and|then|but|to|vs)(?![a-z])")


def _line_before(lower: str, start: int, lo: int) -> str:
    """What stands before a value in its sentence or line."""
    window = lower[max(lo, start - _BEFORE) : start]
    last = 0
    for match in _boundary_pattern().finditer(window):
        last = match.end()
    return window[last:]


def _words_after(lower: str, end: int, hi: int) -> str:
    """What is said right behind a value: up to the next comma, or within brackets that follow at once."""
    window = re.sub(r"^\s?%", " ", lower[end : min(hi, end + _AFTER)])
    opening = re.match(r"\s{0,2}\(", window)
    if opening:
        closing = window.find(")")
        return window[opening.end() : closing if closing >= 0 else len(window)]
    stop = _end_of_aside_pattern().search(window)
    words = window[: stop.start() if stop else len(window)]
    another = _value_pattern().search(words)
    # What stands right before the next value ("84%  RA 93%") is that one's.
    return words[: another.start()].rpartition("  ")[0] if another else words


def _gas(words: str, *, last: bool) -> Gas | None:
    found = [match.lastgroup for match in _gas_pattern().finditer(words)]
    chosen = (found[-1] if last else found[0]) if found else None
    return "room_air" if chosen == "room_air" else "on_oxygen" if chosen else None


def _activity(words: str, *, last: bool) -> Activity | None:
    found: list[Activity] = []
    for match in _activity_pattern().finditer(words):
        for activity in ("recovery", "exertion", "sleep", "arrival", "rest"):
            if match[activity] is not None:
                found.append(activity)
    return (found[-1] if last else found[0]) if found else None


def conditions(lower: str, values: Sequence[tuple[int, int]], lo: int, hi: int) -> list[Condition]:
    """The condition of each value (offset pairs, in order)."""
    read: list[Condition] = []
    for number, (start, end) in enumerate(values):
        line = _line_before(lower, start, lo)
        previous = values[number - 1][1] if number else -1
        follows = previous > start - len(line)
        before = line
        if follows:
            # Words between two values belong to the second from the comma on.
            before = lower[previous:start]
            stop = re.search(r"[,;/()]|(?<![a-z])(?:and|then|but|to)(?![a-z])|\s{2}", before)
            before = before[stop.end() :] if stop else before
        after = _words_after(lower, end, hi)
        gas = _gas(after, last=False) or _gas(before, last=True)
        activity = _activity(after, last=False) or _activity(before, last=True)
        if follows:
            gas = gas or read[-1].gas
            activity = activity or read[-1].activity
        read.append(Condition(gas, activity))
    return read


def gas_of_panel(lower: str, start: int, lo: int) -> Gas | None:
    """The gas a blood gas was taken on, named before its values: "ABG on room air: pH 7.38 ... pO2 57"."""
    return _gas(lower[max(lo, start - _PANEL) : start], last=True)


def arrival_of_panel(lower: str, start: int, lo: int) -> bool:
    """Whether a blood gas is that of the arrival in hospital."""
    return _activity(_line_before(lower, start, lo), last=True) == "arrival"


def unnamed_saturations(lower: str, lo: int, hi: int) -> Iterator[Saturation]:
    """Values that may be saturations: percentages, and bare numbers beside "RA", where the text speaks of oxygen."""
    # Most texts hold no percentage and no room air, and need not be tried at every letter.
    pattern = _value_pattern()
    gas_places = places_of(_beside_gas_pattern(), lower, lo, hi)
    if not gas_places:
        if "%" not in lower and "percent" not in lower:
            return
        pattern = _percentage_pattern()
    signs = sorted([*places(("%", "percent"), lower, lo, hi), *gas_places])
    near = matches_near(pattern, signs, lower, _LONGEST_VALUE, _LONGEST_VALUE, lo, hi)
    values = [match for match in near if _may_be_saturation(match, lower, lo)]
    if not values:
        return
    around = [match.start() for match in values]
    reach = _SPEAKS_OF_OXYGEN + _CLEAR_OF
    spoken = [match.start() for match in matches_near(_context_pattern(), around, lower, reach, reach, lo, hi)]
    reach = _BEFORE + _CLEAR_OF
    gases = [match.start() for match in matches_near(_gas_pattern(), around, lower, reach, reach, lo, hi)]
    for match in values:
        group = _group(match)
        start = match.start(group)
        value = float(match[group])
        place = bisect_right(spoken, start + _AFTER) - 1
        near_gas = bisect_right(gases, start + _AFTER) - 1
        if near_gas < 0 or start - gases[near_gas] > _BEFORE:
            words = _line_before(lower, start, lo) + _words_after(lower, match.end(), hi)
            if _context_pattern().search(words) and _activity(words, last=True) == "exertion":
                yield Saturation(start, match.end(), value)
            continue
        beside = lower[max(lo, start - _BESIDE) : start], lower[match.end() : min(hi, match.end() + _BESIDE)]
        alone = group != "value" or any(_gas_pattern().search(words) for words in beside)
        if alone or (place >= 0 and start - spoken[place] <= _SPEAKS_OF_OXYGEN):
            yield Saturation(start, match.end(), value)


def _group(match: re.Match[str]) -> str:
    return "value" if match["value"] else "bare" if match["bare"] else "behind"


def _may_be_saturation(match: re.Match[str], lower: str, lo: int) -> bool:
    group = _group(match)
    start = match.start(group)
    return (
        _LOWEST <= float(match[group]) <= _HIGHEST
        and _other_percentage_pattern().search(lower[max(lo, start - 24) : start]) is None
    )


@cache
def _percentage_pattern() -> re.Pattern[str]:
    """The values with their sign alone; one that begins with a digit is scanned for fastest."""
    return re.compile(
        r"(?P<value>\d(?<![\d./<>=-].)(?<![<>=] .)(?:(?<=1)\d{2}|\d))(?:\s?(?:-|to)\s?\d{2,3})?\s{0,2}(?:%|percent(?![a-z]))"
        rf"{_NO_CHANGE}(?P<bare>(?!))?(?P<behind>(?!))?"
    )


@cache
def _beside_gas_pattern() -> re.Pattern[str]:
    """What every number without a sign that may be a saturation stands beside: room air or a flow."""
    return re.compile(r"r(?<![a-z]r)(?:a(?![a-z])|oom air)|on\s\d(?:\.\d)?\s?l")


@cache
def _other_percentage_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:dlco|fev1?|fvc|tlc|rv|vc|l?v?ef|fraction|hct|hematocrit|a1c|ratio|predicted|pred|humidity|fio2"
        r"|stenosis|mean|battery)\W*$"
    )


@cache
def _time_below_patterns() -> tuple[re.Pattern[str], ...]:
    amount = (
        r"(?P<value>\d{1,3}(?:\.\d{1,2})?)\s?-?(?P<unit>minutes?|mins?|min|m|hours?|hrs?|hr|h)(?![a-z0-9])"
        r"(?:\s?(?P<minutes>\d{1,2})\s?m(?:in)?(?![a-z]))?"
    )
    saturation = r"(?:spo2|sao2|sat(?:uration)?s?|o2 sat)"
    below = (
        r"(?:<=|≤|=<|<|&lt;=?|at or (?:below|under)|at\s?/\s?below|below|under|less than(?: or equal to)?|of|at)"
        rf"\s?(?:or equal to\s)?(?:an? )?{saturation}?\s?(?:of\s|<=|≤|<)?\s?8[89]\s?%?"
    )
    spent = r"(?: (?:spent|with|at|asleep|spo2|sao2|sat|sats|saturation|o2))*"
    total = r"(?:(?:for|was|of|lasting|total|totaling|is|a total of|approximately|about)\s){0,3}"
    between = (
        r"(?:(?:was|were|spent|cumulative|total|of|the|night|with|at|recording|time|an?|spo2|sats?|saturation|o2|asleep)\s)"
        r"{0,4}"
    )
    return (
        # "Time <= 88%: 96 min", "T88 12 min", "T<=88% 34 min", "spo2 <= 88% for 42 min"
        re.compile(
            rf"(?<![a-z])(?:t\s?-?(?:{below}|88)"
            rf"|(?:cumulative |total |recording )?(?:time|duration|minutes){spent}\s{{0,2}}{below}"
            rf"|(?:spo2|sao2|sats?|saturations?|desat\w*|was|were|is)\s(?:was |were |is )?{below})"
            rf"[\s:=,.(~-]{{0,6}}{total}{amount}"
        ),
        # "42 min below 88%", "96 minutes at or below 88%"
        re.compile(rf"(?<![\d.:/-]){amount}\s{between}{below}"),
    )


def time_below(lower: str, lo: int, hi: int) -> Iterator[tuple[int, int, float]]:
    """(start, end, minutes) at a saturation of 88 % or less."""
    around = places(("88", "89"), lower, lo, hi)
    taken: set[int] = set()
    for pattern in _time_below_patterns():
        for match in matches_near(pattern, around, lower, _LONGEST_TIME, _LONGEST_TIME, lo, hi):
            if match.start("value") in taken:
                continue
            taken.add(match.start("value"))
            hours = match["unit"].startswith("h")
            minutes = float(match["value"]) * (60 if hours else 1) + (float(match["minutes"] or 0) if hours else 0)
            yield match.start(), match.end(), minutes


@cache
def _flow_pattern() -> re.Pattern[str]:
    def amount(value: str, high: str) -> str:
        return rf"(?P<{value}>\d(?<![\d./].)\d?(?:\.\d)?)(?:\s?(?:-|to)\s?(?P<{high}>\d{{1,2}}))?\s?"

    liters = r"(?:l|liters?|litres?)"
    per_minute = rf"(?:lpm|l\s?/\s?min(?:ute)?|{liters} (?:per|a) minute)(?![a-z])"
    words = r"(?:\s(?:of|via|by|per|on|continuous(?:ly)?|home|nocturnal|supplemental|a|the|nasal|flow))*"
    device = r"\s(?:nc|cannula|o2|oxygen|continuous(?:ly)?|concentrator)(?![a-z])"
    return re.compile(
        rf"{amount('value', 'high')}(?:{per_minute}|{liters}(?![a-z/])(?={words}{device}))"
        r"|(?<![a-z])(?:o2|oxygen|concentrator)(?: (?:at|of|on|x|flow|:))*[\s:]{1,2}"
        rf"{amount('then', 'upper')}{liters}(?![a-z])"
    )


@cache
def _after_value_pattern() -> re.Pattern[str]:
    return re.compile(r"(?:%|percent)\)?,?\s?(?:(?:on|with|via|at|o2|oxygen)\s?)*$")


_LITERS = re.compile(r"\d\s?l(?:pm|it(?:er|re)s?)?(?![a-z])")
"""What every flow holds."""
_OF_FLOW = (
    "o2",
    "oxygen",
    "concentrator",
    "cannula",
    "lpm",
    "/min",
    "/ min",
    "per minute",
    "a minute",
    " nc",
    "continuous",
)


def oxygen_flows(lower: str, lo: int, hi: int) -> Iterator[tuple[int, int, float, float | None]]:
    """(start, end, liters a minute, upper end of a range): "2 LPM", "2 L/min", "3 L nasal cannula", "O2 at 2 L".

    The flow on which a saturation was measured ("94% on 2 L") is not one that is ordered.
    """
    if not any(word in lower for word in _OF_FLOW):
        return
    around = places_of(_LITERS, lower, lo, hi)
    for match in matches_near(_flow_pattern(), around, lower, _LONGEST_FLOW, _LONGEST_FLOW, lo, hi):
        value, high = match["value"] or match["then"], match["high"] or match["upper"]
        measured_on = _after_value_pattern().search(lower[max(lo, match.start() - 20) : match.start()])
        if 0 < float(value) <= 60 and not measured_on:
            yield match.start(), match.end(), float(value), float(high) if high else None


@cache
def _recorded_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\d.:/-])(?P<value>\d{1,3}(?:\.\d)?)\s?-?(?P<unit>hours?|hrs?|hr|h|minutes?|mins?|min)(?![a-z0-9])"
        r"(?:\s?(?P<minutes>\d{1,2})\s?m(?:in(?:utes?|s)?)?(?![a-z]))?"
        r"\s(?:(?:of|were|was|valid|total|good|usable|analy[sz]able)\s){0,3}(?:recorded|recording|monitored|monitoring|data)(?![a-z])"
    )


_RECORDED = ("recorded", "recording", "monitored", "monitoring", "data")
"""One of these ends all that :func:`_recorded_pattern` finds."""


def time_recorded(lower: str, lo: int, hi: int) -> Iterator[tuple[int, int, float]]:
    """(start, end, minutes) of a recording whose length stands first: "8 h 10 min recorded"."""
    around = places(_RECORDED, lower, lo, hi)
    for match in matches_near(_recorded_pattern(), around, lower, _LONGEST_TIME, _LONGEST_TIME, lo, hi):
        hours = match["unit"].startswith("h")
        minutes = float(match["value"]) * (60 if hours else 1) + (float(match["minutes"] or 0) if hours else 0)
        if 30 <= minutes <= 1440:
            yield match.start(), match.end(), minutes
