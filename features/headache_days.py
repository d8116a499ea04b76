"""How often headaches come, how long they last and how long ago they were treated, as clinicians count it.

"24 HA d/mo, 15 of them migraine", "18 to 20 headache days each month", "only 5-6 clear days a month", "Aug 20, Sept
19, Oct 21 HA days", "headaches 5 days a week", "lasting 8 to 12 hours untreated", "13 weeks since the
last injection". Of a range the lower end counts, of several months the lowest. Every pattern has a window of
fixed size, so cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from features.numbers import WORD_NUMBER, to_number
from features.stretches import matches_near, places_of

DAYS_UNIT = "{days}/mo"
HOURS_UNIT = "h"
INTERVAL_UNIT = "d"
HEADACHE_UNITS = {
    "headache_days": DAYS_UNIT,
    "migraine_days": DAYS_UNIT,
    "headache_hours": HOURS_UNIT,
    "injection_interval": INTERVAL_UNIT,
}
"""The concepts read here, each with its UCUM unit."""

_WEEKS_A_MONTH = 30 / 7
_DAYS_A_MONTH = 30
_WHEN_WITHIN = 90
_LONGEST_COUNT = 320
"""More characters than the longest way to count days has, with what it looks at behind it; a test holds this to it."""
_LONGEST_LENGTH = 240
"""The same for hours, and for what tells of the last injection."""

_N = rf"(?<![\d./])(?:\d{{1,2}}|{WORD_NUMBER}(?![a-z]))"
_NUMBER = rf"(?P<low>{_N})(?:\s?\+|\s?(?:-|–|to|or|and)\s?(?P<high>\d{{1,2}}|{WORD_NUMBER}(?![a-z])))?"
_HEADACHE = r"(?:headaches?|ha|has|h/a|head\s?pains?|cephalgia)"
_MIGRAINE = r"(?:migraines?|migrainous)"
_MONTH = (
    r"(?:\s?/\s?(?:mo(?:nth)?s?)(?![a-z])|\s(?:(?:out\s)?(?:in|of|per|a|each|every|of\severy|in\seach|in\sa|of\sthe|of\seach)\s(?:mo|month)s?)(?![a-z])|\smonthly(?![a-z])"
    r"|\s?/\s?(?:30|28)(?:\sdays)?(?!\d)|\s(?:out\s)?of\s(?:every\s|the\slast\s|the\spast\s|last\s)?(?:30|28)(?:\sdays)?(?!\d))"
)
_WEEK = r"(?:\s?/\s?(?:wk|week)(?![a-z])|\s(?:per|a|each|every|of\sthe)\s(?:wk|week)(?![a-z])|\sweekly(?![a-z]))"
_DAYS = r"(?:days?|d)(?![a-z])"
_FREE = r"(?:(?:headache|ha|migraine|pain|symptom)[\s-]free|clear|good|crystal\s?clear)"
_LINK = (
    r"(?:[\s:=~,(]|(?:on|about|approximately|approx|around|at|least|occurring|occur|occurs|occurred|is|are|was|were|now|currently|average|averaging|averages|avg|frequency|freq|present|for|roughly"
    r"|some|up|of|up\sto|nearly|almost|over|more|than|at|down|with|he|she|pt|patient|reports?|has|have|had|estimates?|by|log|diary|calendar|app|count|total|every|month|last)(?![a-z])){0,9}?"
)
_MONTHS = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}\.?"
_ONES = (
    r"(?:\s(?:of\s(?:them|these|those|which|the(?:se)?\sdays|his\sdays|her\sdays)|days?(?:\s(?:a|per|each|in\seach|every|of\sthe)\smonth)?|each\smonth|a\smonth|d/mo|/mo))?"
    r"(?:\s(?:are|were|is|was|carry|carries|have|has|meet|meets|being|with|w/|as|full|the|real|by|true|bad|severe|a|definite|typical|of|each|month|full-blown|criteria|for|a|features|character|fulfil|fulfill)){0,7}"
)


@dataclass(frozen=True, slots=True)
class Counted:
    """``text[start:end]`` says ``value`` of ``concept``, in ``unit``."""

    concept: str
    start: int
    end: int
    value: float
    unit: str
    earlier: bool = False
    """Whether the words before it in its sentence place it before the treatment: "at baseline", "before Botox"."""


@cache
def _named() -> re.Pattern[str]:
    """Without a headache anywhere nothing of it is counted; most notes have none."""
    return re.compile(r"(?:headache|migrain|(?<![a-z])(?:has?|attacks?|clear|free)(?![a-z]))")


@cache
def _counts() -> tuple[tuple[str, str, str, re.Pattern[str]], ...]:
    """(concept, how the number is meant, sign, pattern), the surest first: what one has read another does not read again.

    ``sign`` names what of :func:`_signs` every match holds.
    """
    return tuple(
        (concept, meant, sign, re.compile(rf"(?<![a-z0-9]){pattern}"))
        for concept, meant, sign, pattern in (
            (
                "headache_days",
                "list",
                "headache days",
                rf"(?P<list>(?:{_N}\s?,\s?(?:and\s)?){{1,3}})(?:and\s)?{_NUMBER}\s(?:total\s)?{_HEADACHE}\s{_DAYS}",
            ),
            (
                "headache_days",
                "months",
                "month named",
                rf"(?P<list>(?:{_MONTHS}\s{_N}(?:\s?{_DAYS})?[\s,;]{{1,3}}(?:and\s)?){{1,3}}){_MONTHS}\s{_NUMBER}\s(?:{_HEADACHE}\s)?{_DAYS}",
            ),
            ("headache_days", "diary", "equals", rf"{_MONTHS}(?:\s20\d\d)?\s?:[^\n.;]{{0,90}}=\s?{_NUMBER}\s?{_DAYS}"),
            ("headache_days", "free", "free days", rf"{_NUMBER}\s(?:or\s(?:fewer|less)\s)?{_FREE}\s?{_DAYS}"),
            ("headache_days", "week", "week", rf"{_NUMBER}\s{_HEADACHE}\s?{_DAYS}{_WEEK}"),
            ("headache_days", "week", "week", rf"{_HEADACHE}{_LINK}{_NUMBER}\s?{_DAYS}{_WEEK}"),
            ("migraine_days", "week", "migraine", rf"{_MIGRAINE}{_LINK}{_NUMBER}\s?(?:x|times){_WEEK}"),
            ("headache_days", "week", "week", rf"{_HEADACHE}{_LINK}{_NUMBER}\s?(?:x|times){_WEEK}"),
            ("migraine_days", "week", "migraine", rf"{_NUMBER}\s{_MIGRAINE}\s?(?:{_DAYS})?{_WEEK}"),
            (
                "migraine_days",
                "month",
                "migraine",
                rf"{_NUMBER}\s{_MIGRAINE}(?:[\s-](?:type|like))?\s?(?:headache\s)?{_DAYS}(?:{_MONTH})?",
            ),
            ("migraine_days", "month", "migraine", rf"{_NUMBER}\s{_MIGRAINE}(?:\sattacks)?{_MONTH}"),
            (
                "headache_days",
                "month",
                "headache days",
                rf"{_NUMBER}\s(?:or\smore\s|plus\s)?(?:total\s|moderate\s|monthly\s)?{_HEADACHE}\s?{_DAYS}(?:{_MONTH})?",
            ),
            ("headache_days", "month", "month", rf"{_HEADACHE}{_LINK}{_NUMBER}(?:\sor\smore)?\s?(?:{_DAYS})?{_MONTH}"),
            (
                "migraine_days",
                "month",
                "migraine",
                rf"{_MIGRAINE}(?:\s?\([^()\n]{{0,90}}\))?{_LINK}{_NUMBER}\s?{_DAYS}{_MONTH}",
            ),
            (
                "migraine_days",
                "month",
                "migraine",
                rf"{_MIGRAINE}\s(?:quality|features?|character|criteria|type|in\scharacter|by\scharacter|phenotype)\s(?:on|in|for|met\son)\s(?:about\s|~)?{_NUMBER}",
            ),
            ("migraine_days", "month", "migraine", rf"{_NUMBER}{_ONES}\s{_MIGRAINE}(?!\s(?:drug|med|prev|abort))"),
        )
    )


@cache
def _signs() -> dict[str, re.Pattern[str]]:
    """What a match of each kind must hold. Each begins with plain letters, which are scanned for fast."""
    return {
        name: re.compile(pattern)
        for name, pattern in (
            ("migraine", r"migrain"),
            ("equals", r"="),
            ("headache days", rf"(?:h(?<=\sh)(?:eadaches?|as?|/a|ead\s?pains?)|c(?<=\sc)ephalgia)\s?{_DAYS}"),
            ("free days", rf"(?:free|clear|good)\s?{_DAYS}"),
            ("month named", rf"{_MONTHS}\s(?:\d|{WORD_NUMBER})"),
            ("week", r"w(?<=[\s/]w)(?:k|eek|eekly)(?![a-z])"),
            ("month", r"m(?<=[\s/]m)o(?:s|nth(?:s|ly)?)?(?![a-z])|30(?<=[\s/]..)|28(?<=[\s/]..)"),
        )
    }


@cache
def _hours() -> re.Pattern[str]:
    return re.compile(
        # A pattern whose branches all begin with a plain letter scans fastest, so the lookbehind stands after it.
        r"(?:l(?<![a-z].)(?:ast(?:s|ed|ing)?|ong)|d(?<![a-z].)urations?|g(?<![a-z].)o(?:es?|ing|\son)"
        r"|p(?<![a-z].)ersist(?:s|ing)?|r(?<![a-z].)uns?|c(?<![a-z].)ontinue|s(?<![a-z].)tay|u(?<![a-z].)ntreated)"
        r"(?:[\s:~(,]|(?:on|for|about|up|to|from|at|least|between|anywhere|typically|usually|untreated|if|approximately|approx|around|of|each|more|than|over|is|are|generally|often|average|averages|another|which|when|hrs?)(?![a-z])){0,10}?"
        rf"(?P<bound>[>≥]\s?=?\s?)?(?P<low>\d{{1,2}}(?:\.\d)?|{WORD_NUMBER}(?![a-z]))(?:\s?\+|\s?(?:-|–|to|or|and)\s?(?:\d{{1,3}}|{WORD_NUMBER}(?![a-z])|all\sday|a\sday))?"
        r"\s?\+?\s?(?P<unit>hours?|hrs?|h|days?)(?![a-z/])(?!\s?/\s?(?:mo|wk)|\s(?:a|per|each)\s(?:mo|week))"
    )


@cache
def _hours_before() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\d./a-z])(?P<bound>[>≥]\s?=?\s?)?(?P<low>\d{1,2}(?:\.\d)?)(?:\s?\+|\s?(?:-|–|to)\s?\d{1,3})?\s?\+?\s?(?P<unit>hours?|hrs?|h)"
        r"(?:\s(?:each|untreated|if\suntreated|w/o\s(?:tx|treatment|meds?|medicine)|without\s(?:tx|treatment|meds?|medicine|medication)|when\suntreated|or\slonger|or\smore|a\sday|per\sday|at\sa\stime))(?![a-z])"
    )


@cache
def _about_headache() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:headaches?|migrain\w*|ha|has|attacks?|each|untreated|pain|episodes?|ones?|spells?)(?![a-z])"
    )


@cache
def _interval() -> re.Pattern[str]:
    length = r"(?P<value>\d{1,3})\s?(?P<unit>weeks?|wks?|days?|months?|mos?)(?:\s?(?:,|and)?\s?(?P<more>\d)\sdays?)?"
    last = r"(?:the\s|his\s|her\s)?(?:last|prior|previous|most\srecent)"
    what = r"(?:botox|onabot\w*|injections?|injected|treatments?|treated|cycles?|rounds?|doses?|toxin"
    what += r"|chemodenervation|procedure)"
    return re.compile(
        rf"(?<![a-z0-9.]){length}\s(?:from|since|after|post|following)\s{last}(?![a-z])"
        rf"|{last}\s{what}[^.;\n]{{0,40}}?(?<![\d/])(?P<value2>\d{{1,3}})\s?(?P<unit2>weeks?|wks?|days?|months?|mos?)(?:\s(?P<more2>\d)\sdays?)?\sago"
        rf"|{last}\s{what}[^.;\n]{{0,60}}?\((?P<value3>\d{{1,3}})\s?(?P<unit3>weeks?|wks?|days?)(?P<more3>)\)"
        rf"|{last}\s{what}[^.;\n]{{0,40}}?today\sis\s(?P<value4>\d{{1,3}})\s?(?P<unit4>weeks?|wks?|days?)(?:\s(?P<more4>\d)\sdays?)?"
    )


_OF_HEADACHE = ("headache", "migrain", "cephalgia", "head pain", "h/a", "attack", "clear day", "free day", "clear d")
_OF_INJECTIONS = ("inject", "botox", "onabot", "toxin", "chemodenervation")
_SINCE_LAST = re.compile(
    r"\s(?:from|since|after|post|following)\s(?:(?:the|his|her)\s)?(?:last|prior|previous|most\srecent)"
)
# Without one of these two nothing of :func:`_interval` can match, and both are scanned for fast.
_LENGTH_SINCE_LAST = re.compile(
    r"\d\s?(?:weeks?|wks?|days?|months?|mos?)(?:\s?(?:,|and)?\s?\d\sdays?)?\s(?:from|since|after|post|following)\s"
    r"(?:the\s|his\s|her\s)?(?:last|prior|previous|most\srecent)"
)
_LAST_TREATMENT = re.compile(
    r"(?:last|pr(?:ior|evious)|most\srecent)\s"
    r"(?:botox|onabot|inject|treat|cycle|round|dose|toxin|chemodenervation|procedure)"
)
_ABBREVIATED = re.compile(r"(?<![a-z])ha(?![a-z])")


_HOURS = re.compile(r"h(?<![a-z].)(?:ours?|rs?)?(?![a-z/])|d(?<![a-z].)ays?(?![a-z/])")
"""How all that :func:`_hours` reads ends."""
_HOURS_WITH_WORDS = re.compile(r"\d[\s+]{0,5}h(?:ours?|rs?)?\s(?:each|untreated|if|w|or|a|per)")
"""How all that :func:`_hours_before` reads ends; few texts hold it."""


def _speaks_of_headache(lower: str) -> bool:
    """Most notes do not, and need not be searched for every way to count it."""
    return any(word in lower for word in _OF_HEADACHE) or _ABBREVIATED.search(lower) is not None


def find_headache_days(lower: str, lo: int, hi: int) -> Iterator[Counted]:
    """Days with headache and with migraine a month, in ``lower[lo:hi]`` (lower-case text)."""
    if not _speaks_of_headache(lower) or not _named().search(lower, lo, hi):
        return
    taken: list[tuple[int, int]] = []
    signs = {name: places_of(sign, lower, lo, hi) for name, sign in _signs().items()}
    for concept, meant, sign, pattern in _counts():
        for match in matches_near(pattern, signs[sign], lower, _LONGEST_COUNT, _LONGEST_COUNT, lo, hi):
            span = match.span("low")
            if any(start < span[1] and span[0] < end for start, end in taken):
                continue
            if meant == "diary" and not _about_headache().search(lower[max(lo, match.start() - 300) : match.start()]):
                continue
            value = _days_a_month(match, meant)
            if value is None or not 0 <= value <= 31:
                continue
            taken.append((match.start(), match.end()) if meant in ("list", "months", "week", "free", "diary") else span)
            yield Counted(concept, match.start(), match.end(), value, DAYS_UNIT, _is_earlier(lower, match.start(), lo))


@cache
def _when() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:(?P<earlier>baseline|pre-?\s?treatment|pretreatment|before\s(?:botox|treatment|toxin|starting|start|onabot\w*|therapy|the\sfirst|first)|prior\sto\s(?:botox|treatment|starting|onabot\w*)"
        r"|pre-?botox|initially|previously|used\sto\shave)|now|current|currently|today|down\sto|to|present|presently|since\sstarting|on\sbotox|on\streatment|after|at\sthis\svisit)(?![a-z])"
        r"|(?P<end>[.;]\s|\n|->|→)"
    )


def _is_earlier(lower: str, start: int, lo: int) -> bool:
    words = list(_when().finditer(lower, max(lo, start - _WHEN_WITHIN), start))
    return bool(words) and words[-1]["earlier"] is not None


def _days_a_month(match: re.Match[str], meant: str) -> float | None:
    low = to_number(match["low"])
    high = to_number(match["high"]) if match["high"] else None
    if low is None:
        return None
    if meant == "free":
        return _DAYS_A_MONTH - (high or low)
    if meant == "week":
        return float(int(low * _WEEKS_A_MONTH)) if low <= 7 else None
    if meant in ("list", "months"):
        others = [to_number(word) for word in re.findall(_N, match["list"])]
        low = min([low, *(number for number in others if number is not None)])
    return low


def find_headache_hours(lower: str, lo: int, hi: int) -> Iterator[Counted]:
    """Hours a headache lasts, where the words around speak of headaches; of a range the lower end."""
    if not _speaks_of_headache(lower) or not _named().search(lower, lo, hi):
        return
    for pattern, sign in ((_hours(), _HOURS), (_hours_before(), _HOURS_WITH_WORDS)):
        around = places_of(sign, lower, lo, hi)
        for match in matches_near(pattern, around, lower, _LONGEST_LENGTH, _LONGEST_LENGTH, lo, hi):
            if not _about_headache().search(lower[max(lo, match.start() - 90) : match.end() + 30]):
                continue
            value = to_number(match["low"])
            if value is None:
                continue
            hours = value * 24 if match["unit"].startswith("d") else value
            yield Counted("headache_hours", match.start(), match.end(), hours, HOURS_UNIT)


def find_injection_intervals(lower: str, lo: int, hi: int) -> Iterator[Counted]:
    """Days from the last injection to the next, where the note counts them."""
    if _LENGTH_SINCE_LAST.search(lower) is None:
        if _LAST_TREATMENT.search(lower) is None:
            return
        if not any(word in lower for word in _OF_INJECTIONS) and _SINCE_LAST.search(lower) is None:
            return
    around = sorted({*places_of(_LENGTH_SINCE_LAST, lower, lo, hi), *places_of(_LAST_TREATMENT, lower, lo, hi)})
    for match in matches_near(_interval(), around, lower, _LONGEST_LENGTH, _LONGEST_LENGTH, lo, hi):
        for suffix in ("", "2", "3", "4"):
            if not match[f"value{suffix}"]:
                continue
            unit = match[f"unit{suffix}"][0]
            days = float(match[f"value{suffix}"]) * {"d": 1, "w": 7, "m": 30}[unit] + float(match[f"more{suffix}"] or 0)
            yield Counted("injection_interval", match.start(), match.end(), days, INTERVAL_UNIT)
