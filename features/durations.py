"""How long, how often, how long ago, how old: spans of time in notes, each with its kind so that no one takes an age,
a frequency or a return visit for the length of a treatment.

A unit word ("wks", "months", "y/o") is found first, then the number before it and the words on both sides are read in
windows of fixed size: the cost is linear in the text whatever the text is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from features.numbers import NUMBER, WORD_NUMBER, lowered, to_number

Unit = Literal["h", "d", "wk", "mo", "a"]
DurationKind = Literal["length", "frequency", "ago", "age", "future"]
Comparator = Literal["=", "<", ">", "<=", ">="]

_DAYS = {"h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
_WINDOW = 56

_APPROXIMATE = (
    "about", "around", "approximately", "approx", "roughly", "circa", "some", "maybe", "perhaps", "close to", "going on",
    "nearly", "almost", "not quite", "just under", "just over", "estimated",
)  # fmt: skip
_LESS = ("less than", "fewer than", "shorter than", "under", "not quite", "just under", "almost", "nearly", "going on")
_AT_MOST = ("up to", "at most", "no more than", "not more than", "maximum of", "max of", "no longer than")
_MORE = ("more than", "greater than", "longer than", "in excess of", "exceeding", "just over", "well over", "for over")
_AT_LEAST = ("at least", "no less than", "not less than", "minimum of", "minimum", "min of", "upwards of")


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time: ``text[start:end]`` holds the number and its unit ("x" and hedges such as "about" are outside).

    ``value`` is in ``unit`` (UCUM: ``h``, ``d``, ``wk``, ``mo``, ``a`` for years). Of a range ("6-8 weeks") it is the
    lower end. ``kind``: ``length`` lasted so long; ``frequency`` happens once per ``value`` units ("2x/wk" is 0.5 wk,
    "q 6 months" is 6 mo); ``ago`` lies that far from another moment ("3 weeks ago", "9 days out from"); ``age`` is how
    old someone is; ``future`` is still to come ("return in 4 weeks", "4 more weeks").
    ``comparator`` is how the note bounds the value: "> 6 weeks" is ``>``, "almost 6 weeks" and "less than 6 weeks" are
    ``<``, "up to 6 weeks" is ``<=``. ``approximate`` says the note hedges ("about", "or so", "going on").
    """

    start: int
    end: int
    value: float
    unit: Unit
    kind: DurationKind
    approximate: bool = False
    comparator: Comparator = "="

    @property
    def least_days(self) -> float:
        """The fewest days this surely means: "going on 4 months" and "almost 4 months" surely are three months, "less
        than 6 weeks" and "up to 6 weeks" nothing at all. A criterion that asks for a minimum should use this."""
        if self.comparator == "=" or self.comparator.startswith(">"):
            return to_days(self.value, self.unit)
        if self.comparator == "<" and self.approximate:
            return to_days(max(self.value - 1, 0), self.unit)
        return 0.0


@dataclass(frozen=True, slots=True)
class SessionCount:
    """How many visits or sessions a treatment had: ``text[start:end]`` holds the count and its noun.

    ``planned`` is the second number of "14 of 14" and "12/12". ``computed`` says the count is a frequency times a
    length ("2x/week x 6 weeks" is 12): that is an order or a plan, not attendance.
    """

    start: int
    end: int
    count: float
    planned: float | None = None
    computed: bool = False


def to_days(value: float, unit: str) -> float:
    """Days in ``value`` ``unit``s: h 1/24, wk 7, mo 30.4375, a 365.25 (UCUM's month and Julian year). KeyError otherwise."""
    return value * _DAYS[unit]


@cache
def _unit_pattern() -> re.Pattern[str]:
    # A pattern whose branches all start with a plain letter scans fastest, so the lookbehind stands after it.
    return re.compile(
        r"(?:d(?<![a-z]d)(?:ays?)?|w(?<![a-z]w)(?:eeks?|ks?)?|m(?<![a-z]m)(?:onths?|os?|ths?)"
        r"|y(?<![a-z]y)(?:ears?|rs?|/o|\.o|o[mf]?)?|h(?<![a-z]h)(?:ours?|rs?)?)(?![a-z0-9])"
    )


_UNITS: dict[str, Unit] = {"d": "d", "w": "wk", "m": "mo", "y": "a", "h": "h"}
_AGE_WORDS = frozenset({"y/o", "y.o", "yo", "yom", "yof"})
_RANGE = r"\s?-?\s?(?:to|or|-|–|—)\s?"


@cache
def _before_unit_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?:(?<![a-z0-9./])|(?<=\bq)|(?<=\bq\.))(?P<n>{NUMBER})(?:{_RANGE}(?P<m>{NUMBER}))?(?P<plus>\s?\+|\s?plus)?(?:\s{{0,3}}-?\s{{0,3}})"
        r"(?P<word>(?:full|consecutive|whole|straight|long|solid|calendar|dated|more|additional|further|extra)\s)?$"
        rf"|(?P<x>(?<![a-z])x\s?)(?P<xn>{NUMBER})(?:{_RANGE}(?P<xm>{NUMBER}))?(?P<xplus>\+)?[\s-]?$"
    )


@cache
def _times_before_unit_pattern() -> re.Pattern[str]:
    nouns = r"(?:x|times|time|visits?|sessions?|days?|nights?|d|hours?|h)"
    return re.compile(
        rf"(?<![a-z0-9./])(?:(?P<n>{NUMBER})(?:{_RANGE}{NUMBER})?[\s-]?{nouns}\s?(?:/|per|an?|every|each"
        rf"|out of the|x)\s?"
        rf"|(?P<once>once|twice|thrice)\s?(?:/|per|an?|every|each)\s?"
        rf"|(?P<bare>\d{{1,2}})(?:{_RANGE}\d{{1,2}})?\s?(?:x|/|per)\s?"
        rf"|(?P<every>every other|every|each|qo)\s?)$"
    )


@cache
def _article_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?P<cue>\b(?:for|over|in|within|about|after|than|nearly|almost|roughly|around|lasting|lasted|least"
        r"|took|took|under|x)"
        r"(?: about| the)?\s(?P<past>(?:last|past|previous|prior)\s)?)?(?<![a-z])(?P<article>(?:an?"
        r"|the (?:last|past|previous))\s)"
        r"(?:(?:full|whole|good)\s)?$"
    )


@cache
def _after_article_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?P<half>\sand\sa\shalf)|(?P<ago>\s(?:ago|prior|earlier|back)\b)|(?P<of>[\s-](?:of|history|hx"
        r"|or (?:so|two|more)|later)\b)"
    )


@cache
def _context_before_pattern() -> re.Pattern[str]:
    hedges = "|".join(sorted({*_APPROXIMATE, *_LESS, *_AT_MOST, *_MORE, *_AT_LEAST}, key=len, reverse=True))
    return re.compile(
        r"(?P<future>(?<![a-z])(?:in|(?:returning|returns|return)(?: to (?:clinic|office))?(?: in)?|rtc(?: in)?"
        r"|rto(?: in)?|another|next"
        r"|within|f/u(?: in)?|fu(?: in)?|follow[ -]?up(?: visit)?(?: in)?|recheck(?: in)?|reassess(?: in)?"
        r"|(?:seen|see) (?:back|again)(?: in)?|est"
        r"|(?:the|over the|for the|in the|within the) next)[\s:,]{1,2})?"
        r"(?P<past>(?:the\s)?(?:last|past|previous|prior|preceding)\s)?"
        r"(?P<after>(?<![a-z])(?:since|at|from|by|until|before) (?:the )?(?:age (?:of )?)?)?"
        r"(?P<age>(?<![a-z])(?:aged|age):?\s(?:of\s|is\s|was\s)?)?"
        r"(?P<every>(?<![a-z])(?:every|each|per|q\.?)\s?)?"
        rf"(?P<hedge>(?<![a-z])(?:{hedges})\s(?:(?:an|a)\s)?|[~≈]\s?|[<>≤≥]=?\s?|c\.\s?)?$"
    )


@cache
def _context_words() -> frozenset[str]:
    """Every run of letters of the pattern: its words are spelt out in it, so one of them ends whatever it matches."""
    return frozenset(_LETTERS.findall(_context_before_pattern().pattern))


_LETTERS = re.compile(r"[a-z]+")


def _context_before(lead: str) -> re.Match[str] | None:
    """The words before a length that say what it is; None where its last word is none of them."""
    last = lead.rsplit(None, 1)[-1:]
    if not last or (last[0].isalpha() and last[0] not in _context_words()):
        return None
    return _context_before_pattern().search(lead)


@cache
def _context_after_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?P<old>[\s-]{1,2}old\b|\s(?:of age)\b)"
        r"|(?P<per>\s?(?:/|per\s|an?\s|each\s|every\s|out of\s(?:the\s)?)\s?(?:d|day|wk|week|w|mo|month|yr"
        r"|year)s?(?![a-z]))"
        r"|(?P<unitless>\s?/\s?[a-z0-9]|\sand\snight|[\s-](?:size|pregnan|gestation|intrauterine))"
        r"|(?P<ago>\s(?:ago|prior|earlier|previously|back(?! pain)|out\b|later|post[ -]?op(?:eratively)?|s/p"
        r"|status post|after|following|before|postpartum)\b)"
        r"|(?P<more>\s(?:or (?:more|longer|greater)|plus|and counting)\b|\s?\+)"
        r"|(?P<less>\s(?:or (?:less|fewer|shorter)|at most|max(?:imum)?)\b)"
        r"|(?P<so>\s(?:or (?:so|thereabouts|two|three)|give or take)\b)"
        r"|(?P<future>\s(?:from now|more|longer needed|expected|hence)\b)"
    )


@cache
def _number_follows_pattern() -> re.Pattern[str]:
    return re.compile(r"\s?[:=]?\s?\d")


@cache
def _age_pattern() -> re.Pattern[str]:
    return re.compile(
        r"\d(?<![\d./,]\d)\d{0,2} ?[FM](?![A-Za-z0-9'°/.-]| (?i:foley|cath|french|sheath|tube|drain|stent))"
    )


@cache
def _before_age_pattern() -> re.Pattern[str]:
    # "58F", "46M" stand at the start of a clause, where no temperature and no catheter size stands.
    return re.compile(r"(?:^|[\n:;,(]|[.:;,(][ \n]|\b(?:an?|pt|patient|this|is) )$", re.I)


@cache
def _stated_age_pattern() -> re.Pattern[str]:
    return re.compile(r"age(?<![a-z]...)d?(?: is| of|:| =)?\s?(\d{1,3})(?![\d./%-]| ?(?:mo|month|week|wk|day|to ))")


def find_durations(text: str, lo: int = 0, hi: int | None = None) -> list[Duration]:
    """The spans of time in ``text[lo:hi]``, in order of their start, none overlapping; offsets are into ``text``.

    "several months" has no number and is not among them.
    """
    return _find(lowered(text), text, lo, len(text) if hi is None else hi)


def _find(lower: str, text: str, lo: int, hi: int) -> list[Duration]:
    found: list[Duration] = []
    floor = lo
    for match in _unit_pattern().finditer(lower, lo, hi):
        duration = _read(lower, text, match, floor, hi)
        if duration is not None:
            found.append(duration)
            floor = duration.end
    found = _joined(lower, found)
    ages = _ages(lower, text, lo, hi)
    if ages:
        taken = [(duration.start, duration.end) for duration in found]
        found += [age for age in ages if all(age.end <= start or end <= age.start for start, end in taken)]
        found.sort(key=lambda duration: duration.start)
    return found


def _ages(lower: str, text: str, lo: int, hi: int) -> list[Duration]:
    ages: list[Duration] = []
    for match in _age_pattern().finditer(text, lo, hi):
        age = int(match.group()[:-1])
        if age <= 115 and _before_age_pattern().search(text[max(lo, match.start() - 9) : match.start()]):
            ages.append(Duration(match.start(), match.end(), float(age), "a", "age"))
    for match in _stated_age_pattern().finditer(lower, lo, hi):
        before = lower[max(lo, match.start() - 10) : match.start()]
        # "since age 16", "at the age of 40" name a moment of a life, not how old the patient is.
        if int(match.group(1)) <= 115 and not before.endswith(_MOMENT_BEFORE_AGE):
            ages.append(Duration(match.start(), match.end(), float(match.group(1)), "a", "age"))
    return ages


_MOMENT_BEFORE_AGE = (
    "since ", "since the ", "at ", "at the ", "from ", "from the ", "by ", "by the ", "until ", "until the ", "before ",
    "over ", "over the ", "under ", "under the ", "to ", "than ", "after ", "around ",
)  # fmt: skip


def _read(lower: str, text: str, unit_match: re.Match[str], lo: int, hi: int) -> Duration | None:
    """The span of time that ends in this unit word, or None where no number belongs to it."""
    at, end = unit_match.span()
    word = unit_match.group()
    unit = _UNITS[word[0]]
    # A capital letter is a diopter or the like; "HR 124" is a heart rate.
    if word == "m" or at <= lo or (len(word) == 1 and text[at].isupper()):
        return None
    if word == "hr" and text[at].isupper() and _number_follows_pattern().match(lower, end, hi):
        return None
    # Single letters ("d", "h", "y", "w") are units only beside digits: "6w", "12 y".
    window = lower[max(lo, at - _WINDOW) : at]
    offset = at - len(window)
    before = _before_unit_pattern().search(window)
    if before is None:
        return _without_number(lower, window, offset, end, unit, word, hi)
    x = before.group("x") is not None
    words = before.group("xn" if x else "n")
    value = to_number(words.strip())
    if value is None or value <= 0 or (len(word) == 1 and not words[0].isdigit()):
        return None
    start = offset + before.start("xn" if x else "n")
    rest = lower[end : min(hi, end + 32)]
    after = _context_after_pattern().match(rest)
    prior = _context_before(window[: before.start()])
    kind = _kind(word, unit, value, x, before, prior, after)
    if kind is None:
        return None
    comparator, approximate = _bounds(prior, after, (before.group("plus") or before.group("xplus")) is not None)
    approximate = approximate or "couple" in words
    if after is not None and after.lastgroup in ("old", "ago") and kind in ("age", "ago"):
        end += after.end()
    if kind == "frequency" and after is not None and after.lastgroup == "per":
        return None
    if kind == "age":
        comparator, approximate = "=", approximate
    return Duration(start, end, value, unit, kind, approximate, comparator)


def _kind(
    word: str,
    unit: Unit,
    value: float,
    x: bool,
    before: re.Match[str],
    prior: re.Match[str] | None,
    after: re.Match[str] | None,
) -> DurationKind | None:
    following = after.lastgroup if after is not None else None
    if word in _AGE_WORDS or following == "old":
        return "age" if to_days(value, unit) <= 120 * 365.25 else None
    if following == "per":
        return "frequency"
    if following == "unitless":
        return None
    if following == "ago" and not x:
        return "ago"
    if prior is not None and prior.group("age") and unit == "a":
        return "age"
    if prior is not None and prior.group("every"):
        return "frequency"
    if following == "future" or (before.group("word") or "").strip() in {"more", "additional", "further", "extra"}:
        return "future"
    if prior is not None and prior.group("future"):
        if not prior.group("past"):
            return "future"
        return "ago" if prior.group("future").startswith("within") else "length"
    return "length"


def _bounds(prior: re.Match[str] | None, after: re.Match[str] | None, plus: bool) -> tuple[Comparator, bool]:
    hedge = (prior.group("hedge") or "").strip() if prior is not None else ""
    hedge = hedge.removesuffix(" a").removesuffix(" an")
    following = after.lastgroup if after is not None else None
    if following == "less" or hedge in _AT_MOST or hedge in ("<=", "≤", "≤="):
        return "<=", False
    if hedge in _LESS or hedge == "<":
        return "<", hedge in _APPROXIMATE
    if hedge in _MORE or hedge == ">":
        return ">", False
    if plus or following == "more" or hedge in _AT_LEAST or hedge in (">=", "≥", "≥="):
        return ">=", False
    return "=", following == "so" or bool(hedge)


def _without_number(lower: str, window: str, offset: int, end: int, unit: Unit, word: str, hi: int) -> Duration | None:
    """ "twice a week", "2x/wk", "every other month", "a year ago", "over the past year"."""
    times = _times_before_unit_pattern().search(window)
    if times is not None:
        return _frequency(times, offset, end, unit)
    if len(word) == 1:
        return None
    article = _article_pattern().search(window)
    if article is None:
        return None
    after = _after_article_pattern().match(lower, end, min(hi, end + 16))
    half = after is not None and after.group("half") is not None
    past_window = article.group("article").startswith("the")
    if after is None and not article.group("cue") and not past_window:
        return None
    start = offset + article.start("article")
    cue = (article.group("cue") or "").strip()
    if after is not None and (after.group("half") or after.group("ago")):
        end = after.end()
    if after is not None and after.group("ago"):
        return Duration(start, end, 1.0, unit, "ago", approximate=True)
    if cue.startswith(("in", "within")) and not past_window:
        return Duration(start, end, 1.0, unit, "future")
    if cue.startswith(("under", "nearly", "almost")):
        return Duration(start, end, 1.0, unit, "length", approximate=not cue.startswith("under"), comparator="<")
    if cue.startswith("than"):
        return _than(window[: article.start()], start, end, unit)
    if cue.startswith("after") or (past_window and cue.startswith("within")):
        return Duration(start, end, 1.0, unit, "ago")
    return Duration(start, end, 1.5 if half else 1.0, unit, "length", approximate=cue in ("about", "roughly", "around"))


def _than(words: str, start: int, end: int, unit: Unit) -> Duration | None:
    """ "more than a year", "less than a week"; None where it is another comparison."""
    if words.endswith(("less ", "fewer ")):
        return Duration(start, end, 1.0, unit, "length", comparator="<")
    return Duration(start, end, 1.0, unit, "length", comparator=">") if words.endswith(("more ", "longer ")) else None


_ONCE = {"once": 1.0, "twice": 2.0, "thrice": 3.0}


def _frequency(times: re.Match[str], offset: int, end: int, unit: Unit) -> Duration | None:
    start = offset + times.start()
    if times.group("every"):
        interval = 2.0 if times.group("every") in ("every other", "qo") else 1.0
        return Duration(start, end, interval, unit, "frequency")
    if times.group("once"):
        return Duration(start, end, 1.0 / _ONCE[times.group("once")], unit, "frequency")
    # "15 /h" and "900/d" are rates and doses, not how often something is done.
    if times.group("bare") and unit in ("h", "d"):
        return None
    count = to_number(times.group("n") or times.group("bare"))
    return Duration(start, end, 1.0 / count, unit, "frequency") if count else None


_SMALLER: dict[tuple[Unit, Unit], float] = {("a", "mo"): 12.0, ("wk", "d"): 7.0, ("d", "h"): 24.0}


def _joined(lower: str, durations: list[Duration]) -> list[Duration]:
    """ "1 year and 3 months" and "2 wks 3 days" as one duration in the smaller unit."""
    joined: list[Duration] = []
    for duration in durations:
        previous = joined[-1] if joined else None
        factor = _SMALLER.get((previous.unit, duration.unit)) if previous is not None else None
        if (
            previous is not None
            and factor is not None
            and previous.kind == "length"
            and duration.kind in ("length", "ago")
            and duration.start - previous.end <= 6
            and lower[previous.end : duration.start].strip() in ("", "and", ",", "&")
        ):
            value = previous.value * factor + duration.value
            approximate = previous.approximate or duration.approximate
            joined[-1] = Duration(
                previous.start, duration.end, value, duration.unit, duration.kind, approximate, previous.comparator
            )
        else:
            joined.append(duration)
    return joined


@cache
def _session_pattern() -> re.Pattern[str]:
    return re.compile(r"(?:visit|session|appointment|appt|attend|treatment)(?:s|ed|ance)?(?![a-z])")


@cache
def _count_before_pattern() -> re.Pattern[str]:
    words = (
        r"(?:formal|supervised|skilled|outpatient|pt|ot|physical|therapy|therapist|total|attended|completed|documented"
        r"|land|aquatic|dated|weekly|monthly|consecutive|chiropractic|acupuncture|massage|individual|treatment|of|the"
        r"|in-person)"
    )
    return re.compile(
        rf"(?<![a-z0-9./-])(?P<n>{NUMBER})(?:\s?(?:/|of|out of)\s?(?P<of>{NUMBER})"
        rf"|{_RANGE}{NUMBER})?[\s-](?:{words}[\s-]){{0,4}}$"
    )


@cache
def _count_after_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:\s(?:attended|completed|seen|kept|done|to date|total|number|no\.?|was|were|#)){0,3} ?[:=#-]? ?"
        rf"(?P<n>\d{{1,3}}|{WORD_NUMBER})(?:\s?(?:/|of|out of)\s?(?P<of>\d{{1,3}}|{WORD_NUMBER}))?(?![\w/:%-]"
        rf"|\.\d|\s?(?:/|x|times|days?|weeks?|wks?|months?|mo|yrs?|years?|min|hours?|mg)\b)"
    )


@cache
def _per_week_pattern() -> re.Pattern[str]:
    # "2x/week x 6 weeks", "2 times a week for 6 weeks", "2x6": a frequency and a length side by side.
    return re.compile(
        rf"(?<![a-z0-9./])(?P<times>\d{{1,2}}|once|twice|{WORD_NUMBER})\s?(?:x|times|visits|sessions)?\s?(?:/"
        rf"|per|an?|x|weekly)\s?"
        rf"(?:w(?:ee)?k(?:ly)?s?\s?)?(?:,\s?)?(?:x|for|times)\s?(?P<weeks>\d{{1,2}}"
        rf"|{WORD_NUMBER})\s?-?w(?:ee)?ks?(?![a-z])"
    )


_SESSION_NOUNS = ("visit", "session", "treatment", "appointment", "appt", "attend")


def find_session_counts(text: str, lo: int = 0, hi: int | None = None) -> list[SessionCount]:
    """The counts of visits or sessions in ``text[lo:hi]``, in order: "14 visits", "12/12 sessions", "visits attended 14
    of 14", "2x/week x 6 weeks" (12, computed). "8 more visits" asks for visits and is not among them."""
    lower = lowered(text)
    stop = len(text) if hi is None else hi
    found: list[SessionCount] = []
    if not any(noun in lower for noun in _SESSION_NOUNS):
        return _computed_counts(lower, lo, stop, found)
    floor = lo
    for match in _session_pattern().finditer(lower, lo, stop):
        at, end = match.span()
        if at < floor:
            continue
        window = lower[max(floor, at - _WINDOW) : at]
        before = None if match.group().startswith("attend") else _count_before_pattern().search(window)
        if before is not None:
            # "Two visits weekly" says how often, not how many.
            often = _often_pattern().match(lower, end, min(stop, end + 16)) is not None
            count = None if often else _session_count(before, at - len(window) + before.start(), end)
        else:
            noun = match.group()
            after = None if noun.startswith("treat") else _count_after_pattern().match(lower, end, min(stop, end + 48))
            count = None
            # "visit 10" is the tenth visit: ten visits so far, as is "visit 6 of 6"; "visits 4/6, 5/4" are dates.
            if after is not None and not (after.group("of") and "/" in after.group() and not _counts(noun, after)):
                count = _session_count(after, at, after.end())
        if count is not None:
            found.append(count)
            floor = count.end
    found += _computed_counts(lower, lo, stop, found)
    found.sort(key=lambda count: count.start)
    return found


@cache
def _often_pattern() -> re.Pattern[str]:
    return re.compile(r"\s?(?:weekly|monthly|daily|/|per\s|a\s(?:week|wk|month|day)|each\s|every\s)")


def _counts(noun: str, after: re.Match[str]) -> bool:
    """Whether "6/6" after the noun is a count: the noun is plural and says so, or both numbers are the same."""
    if noun.startswith("attend"):
        return True
    said = any(word in after.group() for word in ("attended", "completed", "seen", "kept", "done"))
    return noun.endswith("s") and (said or after.group("n") == after.group("of"))


def _session_count(match: re.Match[str], start: int, end: int) -> SessionCount | None:
    count = to_number(match.group("n").strip())
    planned = to_number(match.group("of").strip()) if match.group("of") else None
    if count is None or count > 400 or (planned is not None and count > planned):
        return None
    return SessionCount(start, end, count, planned)


def _computed_counts(lower: str, lo: int, hi: int, found: list[SessionCount]) -> list[SessionCount]:
    if "wk" not in lower and "week" not in lower:
        return []
    computed: list[SessionCount] = []
    for unit in _week_pattern().finditer(lower, lo, hi):
        begin = max(lo, unit.start() - _WINDOW)
        match = _per_week_ending_pattern().search(lower[begin : unit.end()])
        if match is None:
            continue
        times = _ONCE.get(match.group("times")) or to_number(match.group("times"))
        weeks = to_number(match.group("weeks"))
        start = begin + match.start()
        if times and weeks and all(start >= other.end or unit.end() <= other.start for other in found):
            computed.append(SessionCount(start, unit.end(), times * weeks, None, computed=True))
    return computed


@cache
def _week_pattern() -> re.Pattern[str]:
    return re.compile(r"w(?<![a-z].)(?:ee)?ks?(?![a-z])")


@cache
def _per_week_ending_pattern() -> re.Pattern[str]:
    return re.compile(_per_week_pattern().pattern + "$")
