"""How long and when: durations, periods and dates of a sentence, given to the mention they belong to.

"Back pain for three months despite four weeks of PT" holds two lengths; each belongs to the mention it stands nearest to,
a comma or another mention in between counting as extra distance. "Failed 8 weeks of PT and naproxen" gives both
treatments eight weeks: what is joined shares a length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from features.concepts import Mention
from features.dates import DateMention, Period, find_dates, find_periods
from features.durations import Duration, find_durations
from features.tokens import Tokens

_LASTING = frozenset({"treatment", "problem"})
_FARTHEST = 110
_COMMA = 12
_OTHER_MENTION = 15
_LOOK_BACK = 400
_BEGAN = re.compile(
    r"\b(?:start(?:ed|s|ing)?|began|begin|begun|onset|since|develop(?:ed|ing)|initial(?: eval\w*)?|initiated|eval(?:uated|uation)?"
    r"|i\.?e\.?|soc|first (?:visit|noticed|seen)|from|came on|woke|d\.?o\.?i\.?|injur\w+)\b",
    re.IGNORECASE,
)
_ENDED = re.compile(
    r"\b(?:ended|complet\w+|finish\w+|discharg\w+|last (?:visit|seen|session|dose)|final|through|until|stopped|d/?c(?:'d|ed)?"
    r"|to)\b",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"(?:[\s,/+&()]|\b(?:and|plus|with|as well as|or|then|formal|supervised|a|the|course|of|twice|daily|bid|tid|qd|prn|po|mg|"
    r"on|days|also|his|her|their|some|regular)\b|\d+)*",
    re.IGNORECASE,
)
_STUDY_DATE = re.compile(
    r"\b(?:study|test(?:ed)?|exam(?:ination)?|performed|recorded|recording|scan|collected|date of service|dos|night)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Timing:
    """When something was so and for how long. ``value`` is a length in ``unit`` (``d``, ``wk``, ``mo``, ``a``).

    ``spans`` are the offsets of the words that say it.
    """

    value: float | None = None
    unit: str | None = None
    began: date | None = None
    ended: date | None = None
    on: date | None = None
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Sentence:
    start: int
    end: int
    mentions: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TimeExpressions:
    """Every duration, period and date of a text, in order."""

    durations: tuple[Duration, ...]
    periods: tuple[Period, ...]
    dates: tuple[DateMention, ...]


def find_time_expressions(text: str, reference: date | None) -> TimeExpressions:
    """Read them all; ``reference`` is the document's date, without which nothing relative has a date."""
    periods = tuple(find_periods(text, reference))
    dates = tuple(
        mention
        for mention in find_dates(text, reference)
        if not any(period.start <= mention.start and mention.end <= period.end for period in periods)
    )
    return TimeExpressions(tuple(find_durations(text)), periods, dates)


def time_mentions(
    tokens: Tokens,
    sentences: Sequence[tuple[int, int]],
    mentions: Sequence[Mention],
    expressions: TimeExpressions,
    reference: date | None,
) -> list[Timing]:
    """The timing of each mention, in the order of ``mentions``; empty Timings where the note gives none."""
    text = tokens.text
    rows = [_Sentence(start, end) for start, end in sentences]
    for number, mention in enumerate(mentions):
        rows[mention.sentence].mentions.append(number)
    timings = [Timing()] * len(mentions)
    for row in rows:
        lasting = [n for n in row.mentions if mentions[n].concept.category in _LASTING]
        candidates = lasting or _last_problem(mentions, row.start)
        for duration in _within(expressions.durations, row):
            if duration.kind != "length" or not candidates:
                continue
            if not lasting and not _BEGAN.search(text, row.start, row.end) and "for " not in text[row.start : row.end]:
                continue
            number = _nearest(text, mentions, candidates, duration.start, duration.end, fallback=not lasting)
            if number is not None and timings[number].value is None:
                timings[number] = _with_length(timings[number], duration)
        for period in _within(expressions.periods, row):
            number = _nearest(text, mentions, candidates, period.start, period.end, fallback=not lasting)
            if number is not None:
                timings[number] = replace(
                    timings[number],
                    began=period.began,
                    ended=period.ended,
                    spans=(*timings[number].spans, (period.start, period.end)),
                )
        for mentioned in _within(expressions.dates, row):
            _place_date(text, mentions, row, candidates, mentioned, timings, fallback=not lasting)
        _share(text, mentions, row.mentions, timings)
        _share_dates(mentions, row.mentions, timings)
    return [_completed(timing, reference) for timing in timings]


def _within(items: Sequence[Duration] | Sequence[Period] | Sequence[DateMention], row: _Sentence) -> list:  # type: ignore[type-arg]  # one of three kinds, told apart by the caller
    return [item for item in items if row.start <= item.start < row.end]


def _last_problem(mentions: Sequence[Mention], position: int) -> list[int]:
    """The problem spoken of last before ``position``: "Symptoms began in July" says when it began."""
    for number in range(len(mentions) - 1, -1, -1):
        mention = mentions[number]
        if mention.concept.category == "problem" and position - _LOOK_BACK <= mention.start < position:
            return [number]
    return []


def _nearest(
    text: str, mentions: Sequence[Mention], candidates: Sequence[int], start: int, end: int, *, fallback: bool
) -> int | None:
    if fallback:
        return candidates[0] if candidates else None
    best: tuple[float, int] | None = None
    for number in candidates:
        mention = mentions[number]
        if mention.end <= start:
            between = text[mention.end : start]
            others = sum(mention.end <= mentions[n].start and mentions[n].end <= start for n in candidates)
        elif mention.start >= end:
            between = text[end : mention.start]
            others = sum(end <= mentions[n].start and mentions[n].end <= mention.start for n in candidates)
        else:
            between, others = "", 0
        distance = len(between) + _COMMA * between.count(",") + 3 * _COMMA * between.count(";") + _OTHER_MENTION * others
        if distance <= _FARTHEST and (best is None or distance < best[0]):
            best = (distance, number)
    return best[1] if best else None


def _with_length(timing: Timing, duration: Duration) -> Timing:
    spans = (*timing.spans, (duration.start, duration.end))
    if duration.comparator in ("=", ">", ">="):
        return replace(timing, value=duration.value, unit=duration.unit, spans=spans)
    return replace(timing, value=round(duration.least_days, 1), unit="d", spans=spans)


def _place_date(
    text: str,
    mentions: Sequence[Mention],
    row: _Sentence,
    candidates: Sequence[int],
    mentioned: DateMention,
    timings: list[Timing],
    *,
    fallback: bool,
) -> None:
    before = text[max(row.start, mentioned.start - 80) : mentioned.start]
    began = _last_match(_BEGAN, before)
    ended = _last_match(_ENDED, before)
    if began < 0 and ended < 0:
        number = _nearest(text, mentions, row.mentions, mentioned.start, mentioned.end, fallback=False)
        if number is not None and timings[number].on is None:
            timings[number] = replace(
                timings[number], on=mentioned.last, spans=(*timings[number].spans, (mentioned.start, mentioned.end))
            )
        return
    number = _nearest(text, mentions, candidates, mentioned.start, mentioned.end, fallback=fallback)
    if number is None:
        return
    timing = timings[number]
    spans = (*timing.spans, (mentioned.start, mentioned.end))
    # Of "March 2026" the last day is taken as the beginning: a length must not come out longer than it was.
    if began > ended and timing.began is None:
        timings[number] = replace(timing, began=mentioned.last, spans=spans)
    elif ended > began and timing.ended is None:
        timings[number] = replace(timing, ended=mentioned.first, spans=spans)


def _last_match(pattern: re.Pattern[str], text: str) -> int:
    position = -1
    for match in pattern.finditer(text):
        position = match.start()
    return position


def _share(text: str, mentions: Sequence[Mention], numbers: Sequence[int], timings: list[Timing]) -> None:
    """Treatments that are joined share a length: the later one's if it follows the pair, the earlier one's if it leads."""
    treatments = [n for n in numbers if mentions[n].concept.category == "treatment"]
    for first, second in [*zip(treatments, treatments[1:], strict=False), *reversed(list(zip(treatments, treatments[1:], strict=False)))]:
        if not _JOINED.fullmatch(_without(text, mentions[first].end, mentions[second].start, timings)):
            continue
        for source, target in ((first, second), (second, first)):
            if timings[source].value is not None and timings[target] == Timing():
                timings[target] = timings[source]


def _share_dates(mentions: Sequence[Mention], numbers: Sequence[int], timings: list[Timing]) -> None:
    """One test named twice in a sentence ("X-ray: knee film of 9/12/2025 ...") has one date."""
    for number in numbers:
        dated = [timings[n].on for n in numbers if mentions[n].concept is mentions[number].concept and timings[n].on]
        if timings[number].on is None and dated:
            timings[number] = replace(timings[number], on=dated[0])


def _without(text: str, start: int, end: int, timings: Sequence[Timing]) -> str:
    between = text[start:end]
    for timing in timings:
        for left, right in timing.spans:
            if start <= left and right <= end:
                return ";" + between
    return between if len(between) <= 60 else ";"


def _completed(timing: Timing, reference: date | None) -> Timing:
    """Length from beginning and end where the note gives those; an open end lasts until the document's date."""
    if timing.value is not None or timing.began is None:
        return timing
    until = timing.ended or reference
    if until is None or until < timing.began:
        return timing
    return replace(timing, value=float((until - timing.began).days), unit="d")


def study_date(text: str, expressions: TimeExpressions) -> date | None:
    """The day a report's study was done, where the report says so: the first full date near "study", "performed" ..."""
    for mentioned in expressions.dates:
        if mentioned.precision == "day" and not mentioned.relative and mentioned.start < 1500:
            around = text[max(0, mentioned.start - 40) : mentioned.start]
            if _STUDY_DATE.search(around):
                return mentioned.first
    return None
