"""Doses of drugs: how much, how often, by which route, and whether only as needed ("500 mg BID", "40 mg SC q2wk").

The vocabulary is data: lexicon/doses.yaml. A number begins a dose where a unit of drugs follows it, or, without a unit, where
directly after it stands how often ("meloxicam 15 qd"). Cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from features.errors import LexiconError
from features.numbers import WORD_NUMBER, lowered, to_number

DRUG_DOSE = "drug_dose"
"""The concept of a fact that is a dose; the fact's context names the drug's concept."""

_MOST_PARTS = 10
_REACH = 100
_FEWEST_WITHOUT_UNIT = 5
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0}


@dataclass(frozen=True, slots=True)
class Dose:
    """``text[start:end]`` is the dose: its amount and what follows of route and how often.

    ``amount`` is what is taken at one time, in ``unit`` (UCUM; None where the note names none, for no drug's unit can be
    guessed). "Units" of a drug are ``[iU]``. Of a range ("1-2 tabs") ``amount`` is the lower end and ``high`` the upper
    one; a strength with a count of tablets ("500 mg 2 tabs") is multiplied; of a combination ("5/325 mg") it is the first
    drug's. ``per_day`` is how many times a day (weekly is 1/7, a month has 30 days), the lower number of a range
    ("q4-6h" is 4); None where it is not said. ``route`` is a key of ``routes`` in the lexicon.
    """

    start: int
    end: int
    amount: float
    unit: str | None
    per_day: float | None = None
    route: str | None = None
    as_needed: bool = False
    high: float | None = None


@dataclass(frozen=True, slots=True)
class DoseLexicon:
    """The words of doses, ready to match; :func:`read_dose_lexicon` makes it from the parsed file."""

    amount: re.Pattern[str]
    part: re.Pattern[str]
    route_before: re.Pattern[str]
    between: re.Pattern[str]
    next_dose: re.Pattern[str]
    units: Mapping[str, str]
    counted: frozenset[str]
    routes: Mapping[str, str]
    often: Mapping[str, float]


def _any(words: Iterable[str]) -> str:
    """Any of these words; between the letters of a short one may stand stops ("b.i.d.", "p.o.")."""
    return "|".join(_stopped(word) for word in sorted(set(words), key=len, reverse=True))


def _stopped(word: str) -> str:
    spaced = re.escape(word).replace(r"\ ", r"[\s-]{1,2}")
    return rf"{re.escape('.'.join(word))}\.?|{spaced}" if len(word) <= 3 and word.isalpha() else spaced


@cache
def _lexicon() -> DoseLexicon:
    import yaml

    source = resources.files("features").joinpath("lexicon/doses.yaml")
    return read_dose_lexicon(yaml.safe_load(source.read_text(encoding="utf-8")))


def read_dose_lexicon(data: Any) -> DoseLexicon:
    """The lexicon from the parsed file. Raises LexiconError where something is missing or malformed."""
    try:
        units = {str(word): str(unit) for unit, words in data["units"].items() for word in words}
        routes = {str(word): str(route) for route, words in data["routes"].items() for word in words}
        scales = {"abbreviations": 1.0, "words": 1.0, "per_week": 7.0, "per_month": 30.0}
        often = {
            str(word): float(times) / days
            for scale, days in scales.items()
            for times, words in data["often"][scale].items()
            for word in words
        }
        counted = frozenset(str(unit) for unit in data["counted"])
        as_needed = [str(word) for word in data["as_needed"]]
        between = [str(word) for word in data["between"]]
        form = [str(word) for word in data["form"]]
        next_dose = [str(word) for word in data["next_dose"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LexiconError(f"doses.yaml: missing or malformed entry ({error})") from error
    tablets = [word for word, unit in units.items() if unit in counted]
    spelled = _words(units)
    number = rf"\d{{1,3}}(?:,\d{{3}})+|\d{{1,5}}(?:\.\d{{1,4}})?|\.\d{{1,3}}|half(?: an?)?|{WORD_NUMBER}"
    times = rf"(?:once|twice|thrice|(?:\d{{1,2}}|{WORD_NUMBER})\s?(?:x|times))"
    period = r"(?:hours?|hrs?|hr|h|days?|daily|d|weeks?|weekly|wks?|w|months?|monthly|mos?)"
    return DoseLexicon(
        amount=re.compile(
            rf"(?<![\w./,#$-])(?P<value>{number})(?:\s?(?:-|–|to|or)\s?(?P<high>{number}))?"
            rf"(?:(?:/\d{{2,4}})?[\s-]{{0,2}}(?P<unit>{spelled})(?![a-z0-9])(?P<per>/(?:kg|m2))?(?!\s?/\s?(?!{period}(?![a-z]))\S)"
            rf"|(?=\s(?:(?:{_any(routes)})\s){{0,2}}"
            rf"(?:(?:{_any([*often, *as_needed])}|{times})(?![a-z])|(?:q\.?\s?|every\s)\d)))"
        ),
        part=re.compile(
            rf"[\s,;:()–-]{{0,3}}(?:"
            rf"(?:q\.?\s?|every\s)(?P<every>\d{{1,2}}|{WORD_NUMBER})(?:\s?(?:-|–|to)\s?(?P<every_to>\d{{1,2}}|{WORD_NUMBER}))?"
            rf"\s?(?P<every_unit>{period})\.?"
            rf"|(?P<times>once|twice|thrice|(?:\d{{1,2}}|{WORD_NUMBER})\s?(?:x|times))"
            rf"\s?(?:/|per\s|an?\s|each\s|every\s)?\s?(?P<times_unit>{period})"
            rf"|(?P<often>{_any(often)})"
            rf"|(?:/\s?|per\s|an?\s)(?P<per_unit>{period})"
            rf"|(?P<route>{_any(routes)})"
            rf"|(?P<needed>{_any(as_needed)})"
            rf"|(?P<count>\d|{WORD_NUMBER}|half(?: an?)?)(?:\s?(?:-|–|to|or)\s?(?P<count_to>\d|{WORD_NUMBER}))?"
            rf"\s?(?:{_words(tablets)})"
            rf"|(?P<form>{_words(form)}))(?![a-z0-9]|\.[a-z](?![a-z]))"
        ),
        route_before=re.compile(rf"(?<![a-z0-9])(?P<route>{_any(routes)})\s$"),
        between=re.compile(rf"(?:[\s,:=–-]|\([^()\n]{{0,24}}\)|(?:{_words(between)})(?![a-z0-9])){{0,12}}"),
        next_dose=re.compile(
            rf"(?:[\s,;:=>→&–-]|(?:{_words(next_dose)})(?![a-z0-9])"
            rf"|(?:x|for|after)\s?(?:\d{{1,2}}|{WORD_NUMBER})\s?{period}(?![a-z0-9]))++"
        ),
        units=units,
        counted=counted,
        routes={_letters(word): route for word, route in routes.items()},
        often={_letters(word): per_day for word, per_day in often.items()},
    )


def _words(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=len, reverse=True))


def _letters(words: str) -> str:
    return "".join(character for character in words if character.isalnum())


def dose_units() -> frozenset[str]:
    """The UCUM units a dose may have."""
    return frozenset(_lexicon().units.values())


def find_doses(text: str, lo: int = 0, hi: int | None = None) -> list[Dose]:
    """The doses in ``text[lo:hi]``, in order; offsets are into ``text``.

    Concentrations and results ("50 mg/mL", "110 mg/dL") are none. Raises LexiconError when the packaged lexicon is broken.
    """
    hi = len(text) if hi is None else hi
    lower = lowered(text[lo:hi])
    lexicon = _lexicon()
    found: list[Dose] = []
    position = 0
    while (match := lexicon.amount.search(lower, position)) is not None:
        dose = _dose(lexicon, lower, match, lo)
        position = match.end() if dose is None else max(dose.end - lo, match.end())
        if dose is not None:
            found.append(dose)
    return found


def stands_before(text: str, end: int, dose: Dose) -> bool:
    """Whether only words of a prescription stand between a drug's name, which ends at ``end``, and its dose."""
    return _lexicon().between.fullmatch(lowered(text[end : dose.start])) is not None


def follows(text: str, dose: Dose, later: Dose) -> bool:
    """Whether ``later`` is a further dose of the drug ``dose`` was of: "300 mg TID and 600 mg at bedtime"."""
    joined = _lexicon().next_dose.fullmatch(lowered(text[dose.end : later.start])) is not None
    return joined and not _of_a_drug().match(text, later.end)


@cache
def _of_a_drug() -> re.Pattern[str]:
    return re.compile(r"\s{0,2}of\s", re.IGNORECASE)


def _dose(lexicon: DoseLexicon, lower: str, match: re.Match[str], shift: int) -> Dose | None:
    value, high = _number(match["value"]), _number(match["high"])
    if value is None or value == 0:
        return None
    if high is not None and not value < high <= 10 * value:
        # "10-325 mg" names two drugs.
        high = None
    unit = lexicon.units[match["unit"]] + (match["per"] or "") if match["unit"] else None
    end = match.end()
    per_day: float | None = None
    route: str | None = None
    as_needed = False
    position = end
    for _ in range(_MOST_PARTS):
        part = lexicon.part.match(lower, position, min(len(lower), match.end() + _REACH))
        if part is None:
            break
        position = part.end()
        if part["form"]:
            continue
        if part["count"]:
            if unit is None or unit in lexicon.counted:
                break
            count = _number(part["count"]) or 1.0
            most = _number(part["count_to"])
            high = (high or value) * (most or count) if high or most else None
            value *= count
        route = route or (lexicon.routes[_letters(part["route"])] if part["route"] else None)
        as_needed = as_needed or bool(part["needed"])
        if per_day is None:
            per_day = _per_day(lexicon, part)
        end = position
    if unit is None and (value < _FEWEST_WITHOUT_UNIT or not _after_pattern().match(lower, end)):
        # "PT 2 weekly" and "12 weekly visits" count visits.
        return None
    before = lexicon.route_before.search(lower[max(0, match.start() - 24) : match.start()])
    if route is None and before is not None:
        route = lexicon.routes[_letters(before["route"])]
    return Dose(shift + match.start(), shift + end, round(value, 4), unit, per_day, route, as_needed, high)


@cache
def _after_pattern() -> re.Pattern[str]:
    """What may follow a dose without a unit: an end, or a word that begins something else."""
    return re.compile(
        r"\s{0,3}(?:$|[^\sa-z]|(?:for|x|and|with|without|since|then|until|till|to|but|in|by|because|due|plus|which|no)(?![a-z]))"
    )


def _per_day(lexicon: DoseLexicon, part: re.Match[str]) -> float | None:
    if part["often"]:
        return lexicon.often[_letters(part["often"])]
    if part["every"]:
        longest = _number(part["every_to"]) or _number(part["every"])
        return None if not longest else 1 / (longest * _DAYS[part["every_unit"][0]])
    if part["per_unit"]:
        return 1 / _DAYS[part["per_unit"][0]]
    if part["times"]:
        word = part["times"].removesuffix("times").removesuffix("x").strip()
        times = {"once": 1.0, "twice": 2.0, "thrice": 3.0}.get(word) or _number(word)
        return None if times is None else times / _DAYS[part["times_unit"][0]]
    return None


def _number(words: str | None) -> float | None:
    if not words:
        return None
    return float(words) if words.startswith(".") else to_number(words.replace(",", ""))
