"""Dates and periods in notes, absolute or relative to the document's date, as intervals of what may be meant.

"March 2026" means any day of that month, so a mention carries a first and a last day. A bare "8/14" is a date only where
the words around it say so: "4/5 strength", "7/10 pain", "12/12 visits", "132/84" and "20/40" are none.
"""

from __future__ import annotations

import itertools
import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Literal, NamedTuple

from features.durations import Duration, find_durations, to_days
from features.numbers import lowered

Precision = Literal["day", "month", "year"]

AHEAD = timedelta(days=31)
"""How far after the document's date a day or month without a year may lie (an appointment soon after the visit)."""

_OLDEST_YEARS = 120
_NEWEST_YEARS = 5


@dataclass(frozen=True, slots=True)
class DateMention:
    """``text[start:end]`` names some day from ``first`` to ``last`` (both included).

    ``precision`` is what was named: a day, a month (or part of one, or a season), a year. ``relative`` says it was
    counted from the document's date ("3 weeks ago", "last month", "POD 3": the day of the operation). ``year_stated``
    is false where the year was inferred: the latest such day not more than 31 days after the document's date.
    """

    start: int
    end: int
    first: date
    last: date
    precision: Precision
    relative: bool = False
    year_stated: bool = True


@dataclass(frozen=True, slots=True)
class Period:
    """``text[start:end]`` says something went on from ``began`` to ``ended`` (None: not said, or still going on).

    ``began`` is the earliest beginning and ``ended`` the latest end the words allow ("August to October" is August 1 to
    October 31); ``began_latest`` and ``ended_earliest`` are the other ends of what they allow (August 31, October 1).
    ``open_ended`` is "since ..." and "started ..." without an end.
    """

    start: int
    end: int
    began: date
    ended: date | None
    open_ended: bool
    began_latest: date
    ended_earliest: date | None

    def least_days(self, until: date | None = None) -> int | None:
        """The fewest days, first and last included, that the words allow; an open period runs to ``until``.

        None where there is no end; never negative.
        """
        end = self.ended_earliest or until
        return None if end is None else max((end - self.began_latest).days + 1, 0)


_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12,
}  # fmt: skip
_SEASONS = {"spring": 3, "summer": 6, "fall": 9, "autumn": 9, "winter": 12}
_WEEKDAYS = {"monday": 0, "tuesday": 1, "wednesday": 2, "thursday": 3, "friday": 4, "saturday": 5, "sunday": 6}

_TIME_WORD = (
    "on|since|from|through|thru|until|till|til|by|dated|date|of|between|before|after|prior to|as of|effective|starting"
)
_EVENT_WORD = (
    "visits?|appt|appointment|er|ed|ie|soc|doi|dos|doe|lmp|eval|evaluation|re-?eval|seen|saw|started?|starting"
    "|began|begun|onset"
    "|completed|finished|ended|stopped|d/?c|dc|discharged?|discontinued|last|first|next|initial|repeat"
    "|injections?|injected|shots?"
    "|steroids?|cortisone|epidurals?|esi|tfesi|mbb|rfa|surgery|surgical|op|scope|arthroscopy|mri|mr|ct|xrays?"
    "|x-?rays?|xr|films?|radiographs?|us"
    "|ultrasound|echo|tte|egd|ekg|ecg|emg|dexa|pet|psg|hsat|sleep (?:study|test)|study|test|labs?|drawn|cx|bx"
    "|biopsy|report|note|order(?:ed)?|signed|faxed"
    "|sent|received|reviewed|admitted|admit|admission|discharge|transfer|collected|performed|done|completed"
    "|in-?patient|inpt|ip order|snf|f2f|face to face"
    "|today|yesterday|injury|injured|fall|fell|mva|mvc"
    "|therapy|pt|ot|hep|screen|consult|seen by|called|scheduled|rescheduled|clearance|cleared|procedure"
    "|colonoscopy|period|fill(?:ed)?|refill(?:ed)?"
    "|imaging|angio|stress|cath|recheck|postop|preop|vaccine"
)
# Words that make the n/m beside them a score, a grade or a count.
_SCORE_WORD = (
    "pain|strength|motor|power|mmt|grip|ehl|quads?|hamstrings?|deltoids?|biceps|triceps|tibialis|dorsiflexion"
    "|plantarflexion|flexion"
    "|extension|abduction|adduction|rotation|wrists?|knees?|hips?|psoas|iliopsoas|muscles?|nprs|nrs|vas|rated"
    "|rates|rating|score|scored|scale|severity"
    "|intensity|discomfort|murmur|sem|bp|b/p|pressure|gcs|moca|mmse|slums|gds|phq-?9?|phq-?2|gad-?7?|ess"
    "|epworth|apgars?|ecog|kps|fim|am-?pac|mobility|adl|waddell"
    "|faq|audit|iop|schirmer|ast/alt|vision|acuity|va|vacc|vasc|bcva|attendance|attended|pulses?|dtrs?"
    "|reflex(?:es)?|jerks?|sessions?|goals?|losses|grade"
    "|gr|stage|edema|effusion|worst|best|average|avg|currently|everything else|throughout|lachman|mallampati"
    "|neck|plus|level|disc|oriented"
)


@cache
def _numeric_pattern() -> re.Pattern[str]:
    return re.compile(
        r"\d(?<![\d/.]\d)(?:"
        r"(?<=(?P<c>\d))\d{3}(?P<s1>[-/])(?P<m1>\d{1,2})(?P=s1)(?P<d1>\d{1,2})"
        r"|\d?(?P<s2>[-/.])(?P<d2>\d{1,2})(?P=s2)(?P<y2>\d{4}|\d{2})"
        r"|\d?/(?P<y3>(?:19|20)\d\d)"
        # "5/5 x4" is strength; "7/17/26 x28 visits" is a day.
        r"|\d?/(?P<d4>\d{1,2})(?!\s?x\d)"
        r")(?![\d/%]|\.\d|-\d(?!\d?/\d)|[a-z]|\s?mm ?hg)"
    )


@cache
def _month_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:j(?:an(?:uary)?|u(?:ne?|ly?))|feb(?:ruary)?|ma(?:r(?:ch)?|y)|a(?:pr(?:il)?|ug(?:ust)?)|sept?(?:ember)?"
        r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])\.?"
    )


@cache
def _word_pattern() -> re.Pattern[str]:
    # One scan for the beginnings of months and of relative words; what stands there is then matched in full.
    return re.compile(
        r"(?<![a-z])(?:(?P<month>j(?:an|u[nl])|feb|ma[ry]|a(?:pr|ug)|sep|oct|nov|dec)"
        r"|(?:yesterday|to(?:day|night|morrow)|this |last |next |po(?:d|st)))"
    )


@cache
def _after_month_pattern() -> re.Pattern[str]:
    return re.compile(
        r"[ \n-]{1,2}(?P<day>\d{1,2})(?:st|nd|rd|th)?(?!\d|[:/%]|\.\d|\s?(?:mg|am|pm|years|yrs|weeks|months"
        r"|days|x)\b)(?:(?:,\s?|\s|-)(?P<year>(?:19|20)\d\d)(?!\d))?"
        r"|,?\s(?:of\s)?(?P<only>(?:19|20)\d\d)(?!\d)|\s?['’](?P<short>\d\d)(?!\d)|-(?P<short2>\d\d)(?!\d)"
        r"|/(?P<slash>\d{4})(?!\d)"
    )


@cache
def _before_month_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:(?<![\d/.:-])(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s-](?:of\s)?"
        r"|(?P<part>(?<![a-z])(?:early|mid|middle of|late|beginning of|start of|end of|first of)[\s-])"
        r"|(?P<last>(?<![a-z])last\s)|(?P<next>(?<![a-z])next\s)"
        r"|(?P<cue>(?<![a-z])(?:in|since|until|till|til|through|thru|by|from|to|of|this|about|around|and"
        r"|between|past)\s))$"
    )


@cache
def _year_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:19|20)(?<![\w/.,$:#+-]..)\d\d(?!\d|[/:%]\w|[.,-]\d|\s?(?:mg|mcg|ml|cc|kcal|cal|calorie|units?|u"
        r"|hrs?|hours|h|g|iu|lbs?|feet|ft|ng|steps|meters|m|on|x|hours)(?![a-z]))(?P<decade>'?s)?"
    )


@cache
def _year_cue_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:(?<![a-z])(?P<season>spring|summer|fall|autumn|winter)\s(?:of\s)?|(?<![a-z])(?:in|since|from|of"
        r"|until|to|by|through|around|circa|early|late|mid|year|dated?|about|and|before|after|the)[\s-]"
        r"|(?P<word>[a-z]{2,}\.?,?\s)|(?<![a-z])x\s?\d{1,2},?\s|[(,]\s?)$"
    )


@cache
def _relative_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:yesterday|to(?:day|night|morrow)|this (?:morning|afternoon|evening|am|week|month|year|spring"
        r"|summer|fall|autumn|winter)"
        r"|last (?:night|week|month|year|yr|wk|spring|summer|fall|autumn|winter|monday|tuesday|wednesday"
        r"|thursday|friday|saturday|sunday)"
        r"|p(?:od|ost[- ]?op(?:erative)? day) ?#?(?P<pod>\d{1,3})|next (?:week|month|year))(?![a-z])"
    )


def find_dates(
    text: str,
    reference: date | None,
    lo: int = 0,
    hi: int | None = None,
    durations: Sequence[Duration] | None = None,
) -> list[DateMention]:
    """The dates named in ``text[lo:hi]``, in order, none overlapping; offsets are into ``text``.

    ``reference`` is the document's date: without it, relative dates and dates without a year are not read. Dates that
    do not exist, that lie more than 120 years before or 5 years after ``reference`` are left out. ``durations`` are what
    :func:`~features.durations.find_durations` has already found there.
    """
    return _find(lowered(text), text, reference, lo, len(text) if hi is None else hi, durations)


def _find(
    lower: str, text: str, reference: date | None, lo: int, hi: int, durations: Sequence[Duration] | None = None
) -> list[DateMention]:
    found = _numeric(lower, reference, lo, hi)
    for match in _word_pattern().finditer(lower, lo, hi):
        if match.group("month"):
            mention = _month_mention(lower, text, reference, lo, hi, match.start())
        else:
            mention = _relative(lower, reference, lo, hi, match.start()) if reference is not None else None
        if mention is not None:
            found.append(mention)
    found += _years(lower, reference, lo, hi)
    if reference is not None and "ago" in lower:
        if durations is None:
            durations = find_durations(text, lo, hi)
        found += _ago(lower, reference, durations)
    found.sort(key=lambda mention: (mention.start, mention.start - mention.end))
    kept: list[DateMention] = []
    for mention in found:
        if (not kept or mention.start >= kept[-1].end) and _plausible(mention, reference):
            kept.append(mention)
    return kept


def _plausible(mention: DateMention, reference: date | None) -> bool:
    if reference is None:
        return mention.first.year >= 1900
    years = mention.first.year - reference.year
    return years >= -_OLDEST_YEARS and (mention.first - reference).days <= _NEWEST_YEARS * 365.25


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _century(year: int, reference: date | None) -> int:
    """The year two digits mean: the latest not more than five years after the document."""
    newest = reference.year + _NEWEST_YEARS if reference is not None else 2069
    return 2000 + year if 2000 + year <= newest else 1900 + year


def _latest(month: int, day: int, reference: date) -> date | None:
    """The latest such day not more than 31 days after ``reference``; February 29 may be years back."""
    for year in range(reference.year + 1, reference.year - 8, -1):
        candidate = _day(year, month, day)
        if candidate is not None and candidate <= reference + AHEAD:
            return candidate
    return None


class _Bare(NamedTuple):
    """A month/day without a year, still to be judged by what stands around it."""

    start: int
    end: int
    month: int
    day: int


def _numeric(lower: str, reference: date | None, lo: int, hi: int) -> list[DateMention]:
    found: list[DateMention] = []
    bare: list[_Bare] = []
    if "/" not in lower and "-" not in lower and "." not in lower:
        return found
    for match in _numeric_pattern().finditer(lower, lo, hi):
        start, end = match.span()
        if start > lo and lower[start - 1] == "-" and not _follows_a_date(start, found, bare):
            continue
        form = match.lastgroup
        if form == "d4":
            month, number = int(lower[start : lower.index("/", start)]), int(match["d4"])
            if reference is not None and 1 <= month <= 12 and 1 <= number <= 31:
                bare.append(_Bare(start, end, month, number))
            continue
        words = match.group()
        day: date | None
        if form == "d1":
            if words[:2] not in ("19", "20"):
                continue
            day = _day(int(words[:4]), int(match.group("m1")), int(match.group("d1")))
        elif form == "y2":
            separator = match.group("s2")
            year = match.group("y2")
            if separator == "." and len(year) == 2:
                continue
            month = int(words.split(separator, 1)[0])
            day = _day(int(year) if len(year) == 4 else _century(int(year), reference), month, int(match.group("d2")))
        else:
            month = int(words.split("/", 1)[0])
            if 1 <= month <= 12:
                found.append(_month_of(start, end, int(match.group("y3")), month))
            continue
        if day is not None:
            found.append(DateMention(start, end, day, day, "day"))
    if bare and reference is not None:
        found += _judged(lower, reference, lo, hi, bare, found)
    return found


def _follows_a_date(start: int, found: list[DateMention], bare: list[_Bare]) -> bool:
    end = start - 1
    return bool((found and found[-1].end == end) or (bare and bare[-1].end == end))


def _month_of(
    start: int, end: int, year: int, month: int, *, part: str = "", relative: bool = False, stated: bool = True
) -> DateMention:
    length = monthrange(year, month)[1]
    first, last = 1, length
    if part in ("early", "beginning of", "start of", "first of"):
        last = 10
    elif part in ("mid", "middle of"):
        first, last = 11, 20
    elif part in ("late", "end of"):
        first = 21
    return DateMention(start, end, date(year, month, first), date(year, month, last), "month", relative, stated)


@cache
def _strong_before_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?:(?<![a-z])(?P<time>{_TIME_WORD})(?:\s(?:about|around|the|approx))?[\s:]{{1,2}}"
        rf"|(?<![a-z/])(?:{_EVENT_WORD})(?:\s(?:on|from|of|was|is|date))?[\s:,]{{1,2}}|(?P<open>\())$"
    )


@cache
def _score_before_pattern() -> re.Pattern[str]:
    return re.compile(
        rf"(?<![a-z])(?:{_SCORE_WORD})(?:\s(?:is|was|of|at|a|an|were|are|today|now|from|to|grossly"
        rf"|bilat(?:erally)?|to|intact|left|right|l|r)){{0,3}}[\s:=,(~-]{{0,3}}$"
    )


@cache
def _score_after_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?:[+-](?![\d>])|\s?(?:->|→|strength|motor|power|pain|throughout|bilat|in (?:all|the|both)|murmur"
        r"|systolic|diastolic|sem|session|visit|sched|goal|at (?:rest|worst|best|its)|when|with (?:activity"
        r"|movement|walking|standing|weight|any)|most days|on (?:the )?(?:pain|a)|intensity|severity|positive"
        r"|criteria|points|day|wk|week|hour|cm|mm(?!m)|mg|of |teaspoon|tab|cup|pack|inch|in\b|ratio|chance|hpf"
        r"|correct|met\b))"
    )


@cache
def _connector_pattern() -> re.Pattern[str]:
    return re.compile(
        r"\s?(?:to|through|thru|until|till|til|and|-{1,2}>|=>|→|-|–|—|,|&|then)\s?(?:and\s|about\s|then\s)?"
    )


@cache
def _period_gap_pattern() -> re.Pattern[str]:
    return re.compile(r"\s?(?:to|through|thru|until|till|-{1,2}>|=>|→|-|–|—)\s?")


_WORD = re.compile(r"[a-z]+")
_SCORE_TOTALS = frozenset({1, 2, 3, 4, 5, 6, 7, 10})


def _judged(
    lower: str, reference: date, lo: int, hi: int, bare: Sequence[_Bare], dated: Sequence[DateMention]
) -> list[DateMention]:
    """Those of ``bare`` that are dates. A date beside another ("6/1 to 7/20", "4/6, 5/4 and 9/8") is one by its neighbour."""
    spans = {mention.start: mention for mention in dated}
    ends = {mention.end for mention in dated}
    accepted: list[_Bare] = []
    doubtful: list[_Bare] = []
    for one in bare:
        strength = _evidence(lower, one, lo, hi)
        if strength > 0:
            accepted.append(one)
        elif strength == 0:
            doubtful.append(one)
    joined_pairs: set[_Bare] = set()
    for left, right in itertools.pairwise(bare):
        # "6/1 to 7/20", "3/3-6/12": joined like a period, and no scores out of the same total.
        joined = left.day != right.day and _period_gap_pattern().fullmatch(lower, left.end, right.start)
        if joined and (left.day not in _SCORE_TOTALS or right.day not in _SCORE_TOTALS):
            joined_pairs |= {left, right}
    accepted += joined_pairs.difference(accepted)
    if not accepted and not dated:
        return []
    ends |= {one.end for one in accepted}
    starts = {one.start for one in accepted} | set(spans)
    for one in doubtful:
        if one.end not in ends and _touches(lower, one.start, ends, lo) and not _scored_after(lower, one, hi):
            accepted.append(one)
            ends.add(one.end)
            starts.add(one.start)
    for one in reversed(doubtful):
        if one.end not in ends and _leads_to(lower, one.end, starts, hi) and not _scored_after(lower, one, hi):
            accepted.append(one)
            starts.add(one.start)
            ends.add(one.end)
    accepted.sort(key=lambda one: one.start)
    plain_starts = set(spans) | {one.start for one in accepted if not _may_be_year(one, reference)}
    plain_ends = {mention.end for mention in dated} | {one.end for one in accepted if not _may_be_year(one, reference)}
    mentions = []
    for index, one in enumerate(accepted):
        beside = _touches(lower, one.start, plain_ends, lo) or _leads_to(lower, one.end, plain_starts, hi)
        if _may_be_year(one, reference) and not beside and not _is_day(lower, one, lo):
            paired = any(_period_joined(lower, one, other) for other in accepted[max(index - 1, 0) : index + 2])
            mentions.append(_month_or_day(one, reference, paired=paired))
            continue
        day = _latest(one.month, one.day, reference)
        if day is not None:
            mentions.append(DateMention(one.start, one.end, day, day, "day", year_stated=False))
    return mentions


def _may_be_year(one: _Bare, reference: date) -> bool:
    """Whether the second number may be this year or the last: "MRI 6/25" in a note of 2026."""
    return one.day in (reference.year % 100, (reference.year - 1) % 100)


@cache
def _day_before_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:on|dated|visits?|seen|saw (?:him|her|them)|appt|appointment|signed|faxed|er|ed|ie|soc|lmp|injury)"
        r"[\s:]{1,2}$"
    )


def _is_day(lower: str, one: _Bare, lo: int) -> bool:
    """Whether the words before say that a day is meant: "on 10/25", "last visit 10/25"."""
    return _day_before_pattern().search(lower[max(lo, one.start - 16) : one.start]) is not None


def _period_joined(lower: str, one: _Bare, other: _Bare) -> bool:
    left, right = (one, other) if one.start < other.start else (other, one)
    return left is not right and _period_gap_pattern().fullmatch(lower, left.end, right.start) is not None


def _month_or_day(one: _Bare, reference: date, *, paired: bool) -> DateMention:
    """What "6/25" may mean where nothing decides between June 25 and June 2025: from the first to the last such day.

    Two of them joined ("11/25 - 3/26") are months: those contain the days they could be.
    """
    month = _month_of(one.start, one.end, reference.year - reference.year % 100 + one.day, one.month)
    day = _latest(one.month, one.day, reference)
    if paired or day is None or month.first <= day <= month.last:
        return month
    first, last = min(month.first, day), max(month.last, day)
    return DateMention(one.start, one.end, first, last, "year", year_stated=False)


def _touches(lower: str, start: int, ends: set[int], lo: int) -> bool:
    near = range(max(lo, start - 9), start)
    return not ends.isdisjoint(near) and any(
        end in ends and _connector_pattern().fullmatch(lower, end, start) for end in near
    )


def _leads_to(lower: str, end: int, starts: set[int], hi: int) -> bool:
    match = _connector_pattern().match(lower, end, min(hi, end + 12))
    return match is not None and match.end() in starts


def _evidence(lower: str, one: _Bare, lo: int, hi: int) -> int:
    """1: a date by its own context. 0: only beside another date. -1: a score, a count or a fraction."""
    window = lower[max(lo, one.start - 40) : one.start]
    # Every word that speaks for or against a date has a letter: a run of numbers is not searched for any.
    lettered = window.islower()
    score_like = _score_like(one)
    if not lettered and not window.endswith("(") and (score_like or one.month > one.day):
        return 0  # what follows is only looked at where another date stands beside it
    strong = _strong_before(window)
    time_word = strong.group("time") if strong is not None else None
    if _scored_after(lower, one, hi) and time_word not in ("since", "dated", "on"):
        return 1 if time_word and not score_like else -1
    if score_like:
        if lettered and _at_word(_score_before_pattern(), window):
            return -1
        if strong is None or strong.group("open"):
            return 0
        certain = time_word in ("on", "since", "dated", "date", "until", "through", "thru", "as of")
        if not certain and one.month == one.day:
            return 0
        return 1 if certain or not _mentions_score(window) else -1
    if strong is not None:
        return 1
    if lettered and _at_word(_test_before_pattern(), window):
        return -1
    return 0 if one.month > one.day else 1


def _score_like(one: _Bare) -> bool:
    return one.day in _SCORE_TOTALS or one.month == one.day


def _strong_before(window: str) -> re.Match[str] | None:
    if window.endswith("("):
        return _strong_before_pattern().search(window)
    return _at_word(_strong_before_pattern(), window)


def _at_word(pattern: re.Pattern[str], window: str) -> re.Match[str] | None:
    """The first match of ``pattern`` that begins with a run of letters: a search, but only where one can succeed."""
    for word in _WORD.finditer(window):
        match = pattern.match(window, word.start())
        if match is not None:
            return match
    return None


def _scored_after(lower: str, one: _Bare, hi: int) -> bool:
    return _score_after_pattern().match(lower, one.end, min(hi, one.end + 16)) is not None


@cache
def _test_before_pattern() -> re.Pattern[str]:
    # Names of tests scored out of more than ten, and other fractions.
    return re.compile(
        r"(?<![a-z])(?:moca|mmse|slums|gds|phq-?9|phq-?2|gad-?7|ess|epworth|apgars?|fim|am-?pac|mobility|adl"
        r"|faq|audit|iop|schirmer|ast/alt|alt|bp|b/p"
        r"|pressures?|score[ds]?|scale|vision|acuity|va|attendance|attended|index|test|visits|sessions|goals"
        r"|correct|recall|grade|oriented|losses|ratio)"
        r"(?:\s(?:is|was|of|at|a|total|score|today|now)){0,2}[\s:=,(~-]{0,3}$"
    )


@cache
def _score_anywhere_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:pain|strength|motor|score|scale|rated|rates|nprs|nrs|vas|muscle|mmt|murmur|attended"
        r"|attendance)(?![a-z])"
    )


def _mentions_score(window: str) -> bool:
    return _score_anywhere_pattern().search(window) is not None


_CERTAIN_MONTHS = frozenset({2, 4, 6, 7, 8, 9, 10, 11, 12})


def _month_mention(lower: str, text: str, reference: date | None, lo: int, hi: int, start: int) -> DateMention | None:
    match = _month_pattern().match(lower, start, hi)
    if match is None:
        return None
    end = match.end()
    month = _MONTHS[match.group()[:3]]
    after = _after_month_pattern().match(lower, end, min(hi, end + 16))
    before = _before_month_pattern().search(lower[max(lo, start - 16) : start])
    year: int | None = None
    number: int | None = None
    if after is not None:
        written = after.group("year") or after.group("only") or after.group("slash")
        short = after.group("short") or after.group("short2")
        year = int(written) if written else _century(int(short), reference) if short else None
        number = int(after.group("day")) if after.group("day") else None
    begin = start
    part = ""
    cued = False
    if before is not None:
        cued = True
        if before.group("day") and number is None:
            number = int(before.group("day"))
            begin = start - len(before.group())
        elif before.group("part"):
            part = before.group("part").strip(" -\n\t")
            begin = start - len(before.group())
        elif before.group("next"):
            return None
    if number is not None and not 1 <= number <= 31:
        return None
    if after is None:
        end = start + len(match.group().rstrip("."))
    # "may", "mar", "sep", "oct" are words and abbreviations too: alone they need a preposition or a capital letter.
    if year is None and number is None and not cued and not _is_month_by_its_looks(text[start:end], month):
        return None
    if (
        year is None
        and month in (3, 5)
        and not text[start].isupper()
        and (number is not None or not _is_month_cue(before))
    ):
        return None
    if after is not None:
        end = after.end()
    stated = year is not None
    if year is None:
        if reference is None:
            return None
        if number is None:
            year = reference.year if date(reference.year, month, 1) <= reference + AHEAD else reference.year - 1
            if before is not None and before.group("last") and (year, month) == (reference.year, reference.month):
                year -= 1
        else:
            day = _latest(month, number, reference)
            return None if day is None else DateMention(begin, end, day, day, "day", year_stated=False)
    if number is not None:
        day = _day(year, month, number)
        return None if day is None else DateMention(begin, end, day, day, "day", year_stated=stated)
    return _month_of(begin, end, year, month, part=part, stated=stated)


def _is_month_cue(before: re.Match[str] | None) -> bool:
    """Whether "may" or "march" is a month for the words before it: "in may", not "and may", "this may"."""
    if before is None:
        return False
    cue = (before.group("cue") or "").strip()
    return bool(before.group("part") or before.group("last")) or cue in (
        "in",
        "since",
        "until",
        "through",
        "by",
        "from",
        "of",
    )


def _is_month_by_its_looks(words: str, month: int) -> bool:
    word = words.rstrip(".")
    if not word[0].isupper() or month not in _CERTAIN_MONTHS:
        return word in ("January", "March")
    return not word.isupper() or len(word) > 4


def _years(lower: str, reference: date | None, lo: int, hi: int) -> list[DateMention]:
    found: list[DateMention] = []
    for match in _year_pattern().finditer(lower, lo, hi):
        start, end = match.span()
        window = lower[max(lo, start - 24) : start]
        cue = _year_cue_pattern().search(window)
        if cue is None:
            continue
        word = (cue.group("word") or "").strip(" .,")
        if word in (
            "at",
            "about",
            "to",
            "with",
            "than",
            "x",
            "dose",
            "approximately",
            "code",
            "room",
            "box",
            "over",
            "least",
            "po",
            "suite",
        ):
            continue
        year = int(match.group()[:4])
        if match.group("decade"):
            span = DateMention(start, end, date(year, 1, 1), date(year + 9, 12, 31), "year")
        elif cue.group("season"):
            begin = start - len(cue.group())
            span = _season(begin, end, year, cue.group("season"))
        else:
            # A lone year followed by a unit-like word, or later than the document, is a time of day or a quantity.
            if reference is not None and year > reference.year + 1:
                continue
            span = DateMention(start, end, date(year, 1, 1), date(year, 12, 31), "year")
        found.append(span)
    return found


def _season(start: int, end: int, year: int, season: str, *, relative: bool = False) -> DateMention:
    month = _SEASONS[season]
    first = date(year, month, 1)
    last_year, last_month = (year, month + 2) if month < 11 else (year + 1, month + 2 - 12)
    last = date(last_year, last_month, monthrange(last_year, last_month)[1])
    return DateMention(start, end, first, last, "month", relative)


def _relative(lower: str, reference: date, lo: int, hi: int, start: int) -> DateMention | None:
    match = _relative_pattern().match(lower, start, hi)
    # "the last year" is a length of time, "her last fall" an accident.
    if match is None or (
        match.group().startswith("last ")
        and lower[max(lo, start - 4) : start].endswith(("the ", "her ", "his ", "'s "))
    ):
        return None
    first, last, precision = _relative_days(match.group(), match.group("pod"), reference)
    if first is None or last is None:
        return None
    return DateMention(start, match.end(), first, last, precision, relative=True)


def _ago(lower: str, reference: date, durations: Sequence[Duration]) -> list[DateMention]:
    found: list[DateMention] = []
    for duration in durations:
        if duration.kind == "ago" and lower.endswith("ago", duration.start, duration.end):
            mention = _counted_back(duration.start, duration.end, duration.value, duration.unit, reference)
            if mention is not None:
                found.append(mention)
    return found


def _counted_back(start: int, end: int, value: float, unit: str, reference: date) -> DateMention | None:
    """ "3 weeks ago": the day, give or take half a unit (a day for days)."""
    days = to_days(value, unit)
    if days > 120 * 366:
        return None
    slack = 0.0 if unit in ("d", "h") else to_days(0.5, unit)
    first = reference - timedelta(days=round(days + slack))
    last = reference - timedelta(days=round(max(days - slack, 0)))
    precision: Precision = "year" if unit == "a" else "month" if unit == "mo" else "day"
    return DateMention(start, end, first, last, precision, relative=True)


def _relative_days(words: str, pod: str | None, reference: date) -> tuple[date | None, date | None, Precision]:
    day = timedelta(days=1)
    if pod is not None:
        operated = reference - day * int(pod)
        return operated, operated, "day"
    if words == "yesterday" or words == "last night":
        return reference - day, reference - day, "day"
    if words == "tomorrow":
        return reference + day, reference + day, "day"
    which, _, unit = words.partition(" ")
    if not unit or unit in ("morning", "afternoon", "evening", "am"):
        return reference, reference, "day"
    if unit in _WEEKDAYS:
        back = (reference.weekday() - _WEEKDAYS[unit]) % 7 or 7
        return reference - day * back, reference - day * back, "day"
    if unit in _SEASONS:
        year = reference.year if date(reference.year, _SEASONS[unit], 1) <= reference else reference.year - 1
        season = _season(0, 0, year, unit)
        if which == "last" and season.last >= reference:
            season = _season(0, 0, year - 1, unit)
        return season.first, season.last, "month"
    step = {"last": -1, "this": 0, "next": 1}[which]
    if unit in ("week", "wk"):
        monday = reference - day * reference.weekday() + day * 7 * step
        return monday, monday + day * 6 if step else max(reference, monday), "day"
    if unit == "month":
        index = reference.year * 12 + reference.month - 1 + step
        year, month = index // 12, index % 12 + 1
        last = date(year, month, monthrange(year, month)[1])
        return date(year, month, 1), reference if step == 0 else last, "month"
    year = reference.year + step
    return date(year, 1, 1), reference if step == 0 else date(year, 12, 31), "year"


@cache
def _range_gap_pattern() -> re.Pattern[str]:
    return re.compile(
        r"\s{0,2}(?P<word>to|through|thru|until|till|til|-{1,2}>|=>|→|-|–|—|and)\s{0,2}(?:about\s|around\s|the\s)?"
    )


@cache
def _since_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:since|started?(?: on| in| about| around| back in)?|starting(?: in| on)?|began(?: on| in"
        r"| about| around)?|beginning(?: in| on)?"
        r"|onset(?: of pain)?:?(?: on| in)?|initiated(?: on)?|commenced(?: on)?)(?: about| around"
        r"| approximately)?[\s:]{1,2}(?:the\s)?$"
    )


@cache
def _start_verb_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:start(?:ed|ing)?|start of care|began|begun|initial (?:eval(?:uation)?|visit)|ie|soc"
        r"|initiated|commenced|first (?:visit|seen|session))"
        r"(?:\s(?:on|date|pt|physical therapy|therapy|care|in|of care|was))?[\s:,]{1,2}$"
    )


@cache
def _end_verb_pattern() -> re.Pattern[str]:
    return re.compile(
        r"(?<![a-z])(?:ended|completed|finished|stopped|discharged?|discharge date|d/c(?:'?d)?|dc'?d?"
        r"|discontinued|last (?:visit|seen|session|treatment|appt|appointment|attended)"
        r"|final (?:visit|session)|most recent visit|through|until|thru)(?:\s(?:on|date|in|was|from pt"
        r"|from therapy|it|therapy|pt)){0,2}[\s:,]{1,2}$"
    )


@cache
def _sentence_end_pattern() -> re.Pattern[str]:
    return re.compile(r"[.!?]\s+[A-Z]|\n\s*\n")


def find_periods(text: str, reference: date | None, lo: int = 0, hi: int | None = None) -> list[Period]:
    """The periods in ``text[lo:hi]``, in order: "6/1 to 7/20", "March 2 through June 5, 2026", "since mid July", "started
    9/8/26 ... last seen 10/27/26" within one sentence. A "since" later than ``reference`` is none."""
    lower = lowered(text)
    stop = len(text) if hi is None else hi
    return _periods(lower, text, _find(lower, text, reference, lo, stop), reference, lo)


def periods_among(text: str, mentions: Sequence[DateMention], reference: date | None, lo: int = 0) -> list[Period]:
    """Like :func:`find_periods`, from the dates that :func:`find_dates` has already found in ``text``."""
    return _periods(lowered(text), text, mentions, reference, lo) if mentions else []


def _periods(lower: str, text: str, mentions: Sequence[DateMention], reference: date | None, lo: int) -> list[Period]:
    found: list[Period] = []
    used: set[int] = set()
    for index, (left, right) in enumerate(itertools.pairwise(mentions)):
        if index in used or right.start - left.end > 16:
            continue
        gap = _range_gap_pattern().fullmatch(lower, left.end, right.start)
        if gap is None or (gap.group("word") == "and" and not lower.endswith("between ", 0, left.start)):
            continue
        period = _between(left, right)
        if period is not None:
            found.append(period)
            used |= {index, index + 1}
    found += _from_verbs(lower, text, mentions, used, lo)
    for index, mention in enumerate(mentions):
        if index in used or (reference is None and not mention.year_stated):
            continue
        window = lower[max(lo, mention.start - 40) : mention.start]
        cue = _since_pattern().search(window) if _WORD.search(window) else None
        if cue is not None and (reference is None or mention.first <= reference):
            start = mention.start - len(cue.group())
            found.append(Period(start, mention.end, mention.first, None, True, mention.last, None))
    found.sort(key=lambda period: period.start)
    return found


def _between(left: DateMention, right: DateMention, start: int | None = None) -> Period | None:
    """The period from ``left`` to ``right``: a year that one of them lacks is taken from the other."""
    left, right = _with_years(left, right)
    if left.first > right.last:
        return None
    latest = min(left.last, right.last)
    earliest = max(right.first, left.first)
    return Period(left.start if start is None else start, right.end, left.first, right.last, False, latest, earliest)


def _with_years(left: DateMention, right: DateMention) -> tuple[DateMention, DateMention]:
    if left.relative or right.relative or (left.year_stated and right.year_stated):
        return left, right
    if left.year_stated:
        moved = _moved(right, left.first.year)
        return left, moved if moved.last >= left.first else _moved(right, left.first.year + 1)
    moved = _moved(left, right.last.year)
    return (moved if moved.first <= right.last else _moved(left, right.last.year - 1)), right


def _moved(mention: DateMention, year: int) -> DateMention:
    shift = year - mention.first.year
    first = _day(year, mention.first.month, mention.first.day)
    last_year = mention.last.year + shift
    last = _day(last_year, mention.last.month, min(mention.last.day, monthrange(last_year, mention.last.month)[1]))
    return mention if first is None or last is None else replace(mention, first=first, last=last)


def _from_verbs(lower: str, text: str, mentions: Sequence[DateMention], used: set[int], lo: int) -> list[Period]:
    """ "started 9/8/26 ... last seen 10/27/26": a start verb before one date, an end verb before a later one."""
    found: list[Period] = []
    begun: int | None = None
    for index, mention in enumerate(mentions):
        if index in used:
            begun = None
            continue
        window = lower[max(lo, mention.start - 32) : mention.start]
        if _WORD.search(window) is None:
            continue  # a run of numbers holds no verb
        if begun is not None and _end_verb_pattern().search(window):
            left = mentions[begun]
            near = mention.start - left.end <= 200
            if near and _sentence_end_pattern().search(text, left.end, mention.start) is None:
                period = _between(left, mention)
                if period is not None:
                    found.append(period)
                    used |= {begun, index}
                begun = None
                continue
        if _start_verb_pattern().search(window):
            begun = index
    return found


def age_on(birth: date, day: date) -> int:
    """Completed years of someone born on ``birth``."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
