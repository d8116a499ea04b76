"""How long and when: durations, periods and dates of a sentence, given to the mention they belong to.

"Back pain for three months despite four weeks of PT" holds two lengths; each belongs to the mention it stands nearest to,
a comma or another mention in between counting as extra distance. "Failed 8 weeks of PT and naproxen" gives both
treatments eight weeks: what is joined shares a length.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from features.concepts import Mention
from features.dates import DateMention, Period, find_dates, periods_among
from features.durations import Duration, find_durations
from features.tokens import Tokens

Expression = TypeVar("Expression", Duration, Period, DateMention)

_LASTING = frozenset({"treatment", "problem"})
_CARE = frozenset({"treatment"})
_DONE = frozenset({"treatment", "procedure", "test"})
"""What is done on a day: in "colectomy for carcinoma on March 4" the day is the operation's."""
_WHAT_FOR = frozenset({"problem", "finding"})
_DATED_EVENTS = frozenset({"test", "problem"})
_PART_OF_BODY = "body_part"
_FARTHEST = 110
_COMMA = 12
_OTHER_MENTION = 15
_LINKED = 25
"""A length that "for" or "x" ties to the words before it, or "of" to those after, is so much nearer to them."""
_LEADS_BACK = re.compile(
    r"(?:\b(?:for|x|over|times|lasting)|\bfor (?:the )?(?:past|last|about|almost|over))\s*$", re.IGNORECASE
)
_DATED = re.compile(
    r"(?:\s*(?:of|in|into|to|for) (?:the |his |her )?(?:(?:left|right|l|r|both|low|lower|lumbar)\b\s?)?"
    r"(?:knee|hip|shoulder|ankle|wrist|elbow|back|spine)s?)?"
    r"\s*(?:was |were )?(?:done |taken |performed |given |obtained )?(?:in|on|dated|from)\s+(?:early |late |mid[- ]?)?",
    re.IGNORECASE,
)
"""What ties a date to the words right before it: "injection in May 2026 helped for two weeks"."""
_SHOWED = re.compile(
    r"\s*\)?\s*(?:[:=–-]|(?:which |was |were |is )?(?:showed|shows|showing|demonstrat\w+|reveal\w*|read as|with|positive"
    r"|equivocal|indeterminate|nondiagnostic|abnormal)\b)",
    re.IGNORECASE,
)
"""What stands between a test's day and what it showed."""
_PRESENT = re.compile(r"[;\n]|\b(?:now|today|currently|presently|but|since|new)\b", re.IGNORECASE)
_LEADS_ON = re.compile(r"\s*(?:of|with|hx|history)\b", re.IGNORECASE)
_LOOK_BACK = 400
_TOLD_OF = 400
"""So far behind a test's day at most stands what it showed."""
_LONGEST_JOINT = 60
_SIDE_BY_SIDE = 12
"""Mentions or periods so far apart in their order do not share words of time."""
_BEGAN = re.compile(
    r"\b(?:start(?:ed|s|ing)?|began|begin|begun|onset|since|develop(?:ed|ing)|initial(?: eval\w*)?|initiated"
    r"|eval(?:uated|uation)?|i\.?e\.?|soc|first (?:visit|noticed|seen)|from|came on|woke|d\.?o\.?i\.?|injur\w+)\b",
    re.IGNORECASE,
)
_SPEAKS_OF_LENGTH = re.compile(_BEGAN.pattern + r"|\bfor |\bx\s?\d|\bduration\b|\blast(?:ed|ing)\b", re.IGNORECASE)
_ENDED = re.compile(
    r"\b(?:ended|complet\w+|finish\w+|discharg\w+|last (?:visit|seen|session|dose)|final|through|until|stopped|done"
    r"|d/?c(?:'d|ed)?|to(?=\s(?:about |early |late |mid[- ]?)?(?:[a-z]{3,9}\.?\s)?\d))\b",
    re.IGNORECASE,
)
"""In "8/3 to 9/4" the second is the end; "stent to the circumflex in 2018" ended nothing."""
_CLAUSE_MARKS = ":;()"
_OF_THE_TEST = re.compile(
    r"(?:,? (?:\w+[ -])?(?:views?|films?|series|weight[ -]bearing|standing|ap(?: and lateral)?),?)?"
    r"(?: (?:after|following) (?:the |this |his |her |that )?(?:injury|fall|accident|event|trauma|surgery|operation|twist))?"
    r"(?: (?:was |were )?(?:done|taken|performed|obtained|completed))?"
    r"\s?(?:\(|[:,]\s|\s?(?:in|on|of|dated|from) (?:early |late |mid[- ]?)?)?",
    re.IGNORECASE,
)
"""What stands between a test and its day."""
_OF_A_NOTE = re.compile(
    r"\b(?:(?:from|per|of|see) (?:(?:the|my|his|her|our|prior|previous|last) )*"
    r"(?:visit|note|encounter|appointment|documentation|consult(?:ation)?) (?:of|on|from|dated)|text (?:of|from)"
    r"|(?:carried|copied|brought) (?:over|forward) from|addendum(?: of| on)?"
    r"|(?:telephone|phone|nurse|portal) (?:encounter|call|note|message)(?: of| on)?) $",
    re.IGNORECASE,
)
"""The day of a note that is copied: it dates nothing the note says."""
_VERB_REACH = 80
"""Characters before a date in which the verb is looked for that says what began or ended then."""
_JOINED = re.compile(
    r"(?:[\s,/+&()]|\b(?:and|plus|with|as well as|or|then|formal|supervised|a|the|course|of|twice|daily|bid|tid|qd|prn|po|mg|"
    r"on|days|also|his|her|their|some|regular)\b|\d++)*+",
    re.IGNORECASE,
)
_CARE_BEGAN = re.compile(
    r"\b(?:soc|start of care|start(?:ed)?|i\.?e\.?|initial (?:eval\w*|visit|exam\w*)|eval\w*|first (?:visit|seen)|began)\b",
    re.IGNORECASE,
)
_CARE_ENDED = re.compile(
    r"\b(?:d/?c|discharged?|last (?:visit|seen|session|attended)|final (?:visit|session)|end(?:ed)?|completed|through)\b",
    re.IGNORECASE,
)
_PURPOSE = re.compile(r"\s(?:[a-z]{1,12}\s){0,2}for\s(?:[\w/-]{1,14}\s){0,3}", re.IGNORECASE)
_OWN_LENGTH = re.compile(r"\s(?:of|for|x|lasting|since|present)\s", re.IGNORECASE)
_STUDY_DATE = re.compile(
    r"\b(?:study|test(?:ed)?|exam(?:ination)?|performed|recorded|recording|scan|collected|date of service|dos|night)\b",
    re.IGNORECASE,
)


_BIRTH = re.compile(r"\b(?:d\.?o\.?b\.?|(?:birth ?date|date of birth)|born)(?: on)?\W{0,4}$", re.IGNORECASE)
"""What stands before a birth date: it dates nothing that was found or done."""
_BIRTH_REACH = 24
_LETTER = re.compile(r"[A-Za-z]")
_VISITS = re.compile(
    r"\b(?:first|initial|last|final) (?:visit|session|treatment)|\bsoc\b|\bstart of care\b", re.IGNORECASE
)
"""Days of care say when care was given, not how long the problem of the sentence before has lasted."""
_OF_A_BENEFIT = re.compile(
    r"\b(?:benefit\w*|relief|relieved|improve\w*|better|effect\w*|respon\w+|help\w*|wore off|pain[- ]free)\b",
    re.IGNORECASE,
)
"""What such a length is of is the good a treatment did, not the problem a sentence before spoke of."""


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


@dataclass
class _Sentence:
    """A sentence that holds a mention or an expression of time; what is asked of it often is looked up once.

    ``mentions`` are places in ``spoken``, every mention of the text.
    """

    text: str
    spoken: Sequence[Mention]
    start: int
    end: int
    mentions: list[int] = field(default_factory=list)

    @cached_property
    def tests(self) -> list[int]:
        return [number for number in self.mentions if self.spoken[number].concept.category == "test"]

    @cached_property
    def done(self) -> list[int]:
        return _without_purposes(self.text, self.spoken, self.mentions, _DONE)

    @cached_property
    def speaks_of_length(self) -> bool:
        return _SPEAKS_OF_LENGTH.search(self.text, self.start, self.end) is not None

    @cached_property
    def began(self) -> list[tuple[int, int]]:
        return [match.span() for match in _BEGAN.finditer(self.text, self.start, self.end)]

    @cached_property
    def ended(self) -> list[tuple[int, int]]:
        return [match.span() for match in _ENDED.finditer(self.text, self.start, self.end)]


@dataclass(frozen=True, slots=True)
class TimeExpressions:
    """Every duration, period and date of a text, in order; ``dates`` are those outside the periods, ``days`` all of them."""

    durations: tuple[Duration, ...]
    periods: tuple[Period, ...]
    dates: tuple[DateMention, ...]
    days: tuple[DateMention, ...] = ()


def find_time_expressions(text: str, reference: date | None) -> TimeExpressions:
    """Read them all; ``reference`` is the document's date, without which nothing relative has a date."""
    durations = tuple(find_durations(text))
    mentioned = [day for day in find_dates(text, reference, durations=durations) if not _is_birth(text, day.start)]
    periods = tuple(periods_among(text, mentioned, reference))
    dates = tuple(mention for mention in mentioned if not _inside(mention, periods))
    return TimeExpressions(durations, periods, dates, tuple(mentioned))


def _is_birth(text: str, start: int) -> bool:
    """Whether the words before ``start`` make the day there a birth date. A run of numbers is not searched for any."""
    low = max(start - _BIRTH_REACH, 0)
    return _LETTER.search(text, low, start) is not None and _BIRTH.search(text, low, start) is not None


def _inside(mention: DateMention, periods: Sequence[Period]) -> bool:
    last = bisect_left(periods, mention.start + 1, key=_start)
    return any(mention.end <= period.end for period in periods[max(last - _SIDE_BY_SIDE, 0) : last])


def time_mentions(
    tokens: Tokens,
    sentences: Sequence[tuple[int, int]],
    mentions: Sequence[Mention],
    expressions: TimeExpressions,
    reference: date | None,
) -> list[Timing]:
    """The timing of each mention, in the order of ``mentions``; empty Timings where the note gives none."""
    text = tokens.text
    rows: dict[int, _Sentence] = {}
    for number, mention in enumerate(mentions):
        # In "MRI of the lumbar spine on 3/4/2026" the date is the study's, not the spine's.
        if mention.concept.category != _PART_OF_BODY:
            _row(rows, text, mentions, sentences, mention.sentence).mentions.append(number)
    starts = [start for start, _ in sentences]
    duration_starts = [duration.start for duration in expressions.durations]
    period_starts = [period.start for period in expressions.periods]
    date_starts = [mentioned.start for mentioned in expressions.dates]
    for expression_starts in (duration_starts, period_starts, date_starts):
        for position in expression_starts:
            place = bisect_right(starts, position) - 1
            if place >= 0 and position < sentences[place][1]:
                _row(rows, text, mentions, sentences, place)
    timings = [Timing()] * len(mentions)
    for _, row in sorted(rows.items()):
        # "Onset", "began" say when the thing beside them was; a mention of nothing else takes its time from that.
        verbs = [n for n in row.mentions if _BEGAN.fullmatch(text, mentions[n].start, mentions[n].end)]
        if verbs:
            row.mentions = [n for n in row.mentions if n not in frozenset(verbs)] or row.mentions
        lasting = [n for n in row.mentions if mentions[n].concept.category in _LASTING]
        lasting = _without_purposes(text, mentions, lasting)
        candidates = lasting or _last_problem(mentions, row.start)
        for duration in _within(expressions.durations, duration_starts, row):
            if duration.kind != "length" or not candidates:
                continue
            if not lasting and (not row.speaks_of_length or _OF_A_BENEFIT.search(text, row.start, duration.start)):
                continue
            nearest = _nearest(text, mentions, candidates, duration.start, duration.end, fallback=not lasting)
            if nearest is not None and timings[nearest].value is None:
                timings[nearest] = _with_length(timings[nearest], duration)
        for period in _within(expressions.periods, period_starts, row):
            if not lasting and _VISITS.search(text, row.start, period.end):
                continue
            nearest = _nearest(text, mentions, candidates, period.start, period.end, fallback=not lasting)
            if nearest is not None:
                timings[nearest] = replace(
                    timings[nearest],
                    # Of "August to October" the shortest reading counts: a length must not come out too long.
                    began=period.began_latest,
                    ended=period.ended_earliest,
                    spans=(*timings[nearest].spans, (period.start, period.end)),
                )
        if row.mentions or candidates:
            treatments = [n for n in candidates if mentions[n].concept.category == "treatment"]
            for mentioned in _within(expressions.dates, date_starts, row):
                _place_date(text, mentions, row, candidates, treatments, mentioned, timings, fallback=not lasting)
        if len(row.mentions) > 1:
            _share(text, mentions, row.mentions, timings)
            _share_dates(mentions, row.mentions, timings)
            _share_among_tests(text, mentions, row.mentions, timings)
            _share_with_findings(text, mentions, row, timings)
        for verb in verbs if verbs != row.mentions else ():
            beside = _nearest(text, mentions, row.mentions, mentions[verb].start, mentions[verb].end, fallback=False)
            if beside is not None:
                timings[verb] = timings[beside]
    return [_completed(timing, reference) for timing in timings]


def _without_purposes(
    text: str, mentions: Sequence[Mention], numbers: Sequence[int], of: frozenset[str] = _CARE
) -> list[int]:
    """Without the problems something was done for: in "PT for low back pain, 7 weeks" the weeks are the therapy's.

    ``of`` are the categories of what was done.
    """
    kept = []
    done: Mention | None = None
    for number in numbers:
        mention = mentions[number]
        if mention.concept.category in of:
            done = mention
        elif (
            done is not None
            and mention.concept.category in _WHAT_FOR
            and _PURPOSE.fullmatch(text, done.end, mention.start)
            and not _OWN_LENGTH.match(text, mention.end)
        ):
            continue
        kept.append(number)
    return kept


def _row(
    rows: dict[int, _Sentence],
    text: str,
    mentions: Sequence[Mention],
    sentences: Sequence[tuple[int, int]],
    number: int,
) -> _Sentence:
    row = rows.get(number)
    if row is None:
        row = rows[number] = _Sentence(text, mentions, *sentences[number])
    return row


def _within(items: Sequence[Expression], starts: Sequence[int], row: _Sentence) -> Sequence[Expression]:
    first = bisect_left(starts, row.start)
    return items[first : bisect_left(starts, row.end, lo=first)]


def _start(item: Duration | Period | DateMention | Mention) -> int:
    return item.start


def _last_problem(mentions: Sequence[Mention], position: int) -> list[int]:
    """The problem spoken of last before ``position``: "Symptoms began in July" says when it began."""
    for number in range(bisect_left(mentions, position, key=_start) - 1, -1, -1):
        mention = mentions[number]
        if mention.start < position - _LOOK_BACK:
            break
        if mention.concept.category == "problem":
            return [number]
    return []


def _nearest(
    text: str, mentions: Sequence[Mention], candidates: Sequence[int], start: int, end: int, *, fallback: bool
) -> int | None:
    if fallback:
        return candidates[0] if candidates else None
    first = bisect_left(candidates, start - _FARTHEST - _LOOK_BACK, key=lambda number: mentions[number].start)
    last = bisect_left(candidates, end + _FARTHEST + 1, lo=first, key=lambda number: mentions[number].start)
    candidates = candidates[first:last]
    gaps = sorted(
        (max(start - mentions[number].end, mentions[number].start - end, 0), place)
        for place, number in enumerate(candidates)
    )
    best: tuple[float, int] | None = None
    for gap, place in gaps:
        # The other terms only add to the gap, a link takes _LINKED off: from here on nothing can be nearer.
        if gap - _LINKED > (_FARTHEST if best is None else best[0]):
            break
        mention = mentions[candidates[place]]
        bonus, low, high = 0, start, start
        if mention.end <= start:
            low, high = mention.end, start
            words = text[low:high]
            bonus = _LINKED if _LEADS_BACK.search(words) or _DATED.fullmatch(words) else 0
        elif mention.start >= end:
            low, high = end, mention.start
            bonus = _LINKED if _LEADS_ON.match(text[low:high]) else 0
        distance = gap + _COMMA * text.count(",", low, high) + 3 * _COMMA * text.count(";", low, high) - bonus
        if distance > _FARTHEST or (best is not None and distance > best[0]):
            continue
        if low < high:
            distance += _OTHER_MENTION * sum(low <= mentions[n].start and mentions[n].end <= high for n in candidates)
        if distance <= _FARTHEST and (best is None or (distance, place) < best):
            best = (distance, place)
    return candidates[best[1]] if best else None


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
    treatments: Sequence[int],
    mentioned: DateMention,
    timings: list[Timing],
    *,
    fallback: bool,
) -> None:
    low = max(row.start, mentioned.start - _VERB_REACH)
    if _OF_A_NOTE.search(text, low, mentioned.start):
        return
    before = text[low : mentioned.start].removesuffix("(")
    # A verb beyond a colon, a bracket or a semicolon speaks of something else.
    low += max(map(before.rfind, _CLAUSE_MARKS)) + 1
    test = _test_of_date(text, mentions, row, mentioned)
    if test is not None:
        if timings[test].on is None:
            spans = (*timings[test].spans, (mentioned.start, mentioned.end))
            timings[test] = replace(timings[test], on=mentioned.last, spans=spans)
        return
    began = _last_within(row.began, low, mentioned.start)
    ended = _last_within(row.ended, low, mentioned.start)
    if fallback and _VISITS.search(text, low, mentioned.start):
        return
    if began < 0 and ended < 0:
        number = _nearest(text, mentions, row.done, mentioned.start, mentioned.end, fallback=False)
        if number is not None and timings[number].on is None:
            timings[number] = replace(
                timings[number], on=mentioned.last, spans=(*timings[number].spans, (mentioned.start, mentioned.end))
            )
        return
    if ended > began:
        # What has a last visit is a treatment, not the pain it was for.
        candidates = treatments or candidates
    number = _nearest(text, mentions, candidates, mentioned.start, mentioned.end, fallback=fallback)
    if number is None:
        return
    timing = timings[number]
    spans = (*timing.spans, (mentioned.start, mentioned.end))
    # Of "March 2026" the last day is taken as the beginning: a length must not come out longer than it was.
    if began > ended and timing.began is None:
        timings[number] = replace(timing, began=mentioned.last, spans=spans)
    elif ended > began and timing.ended is None and not fallback:
        timings[number] = replace(timing, ended=mentioned.first, spans=spans)


def _test_of_date(text: str, mentions: Sequence[Mention], row: _Sentence, mentioned: DateMention) -> int | None:
    """The test right before a date, where nothing but words of its own stand between: "knee MRI from 2/16/2026"."""
    before = bisect_left(row.tests, mentioned.start, key=lambda number: mentions[number].start)
    last = next(
        (n for n in reversed(row.tests[max(before - _SIDE_BY_SIDE, 0) : before]) if mentions[n].end <= mentioned.start),
        None,
    )
    if last is None or mentioned.start - mentions[last].end > _LONGEST_JOINT:
        return None
    return last if _OF_THE_TEST.fullmatch(text, mentions[last].end, mentioned.start) else None


def _last_within(spans: Sequence[tuple[int, int]], low: int, high: int) -> int:
    """Where the last of ``spans`` between ``low`` and ``high`` begins; -1 where there is none."""
    place = bisect_right(spans, high, key=_end_of) - 1
    return spans[place][0] if place >= 0 and spans[place][0] >= low else -1


def _end_of(span: tuple[int, int]) -> int:
    return span[1]


def _last_match(pattern: re.Pattern[str], text: str) -> int:
    position = -1
    for match in pattern.finditer(text):
        position = match.start()
    return position


def _share(text: str, mentions: Sequence[Mention], numbers: Sequence[int], timings: list[Timing]) -> None:
    """Treatments that are joined share a length: the later one's if it follows the pair, the earlier one's if it leads."""
    treatments = [n for n in numbers if mentions[n].concept.category == "treatment"]
    pairs = list(pairwise(treatments))
    for first, second in (*pairs, *reversed(pairs)):
        nearby = timings[max(first - _SIDE_BY_SIDE, 0) : second + _SIDE_BY_SIDE + 1]
        if not _JOINED.fullmatch(_without(text, mentions[first].end, mentions[second].start, nearby)):
            continue
        for source, target in ((first, second), (second, first)):
            if timings[source].value is not None and timings[target] == Timing():
                timings[target] = timings[source]


def _share_dates(mentions: Sequence[Mention], numbers: Sequence[int], timings: list[Timing]) -> None:
    """One test named twice in a sentence ("X-ray: knee film of 9/12/2025 ...") has one date, and so have two concepts
    in the same words."""
    dated: dict[str, date] = {}
    for number in numbers:
        on = timings[number].on
        if on is not None:
            dated.setdefault(mentions[number].concept.concept_id, on)
    pairs = list(pairwise(numbers))
    for first, second in (*pairs, *reversed(pairs)):
        if mentions[second].start < mentions[first].end:
            # Two concepts in the same words ("low back pain radiating to the leg") share what is said of their time.
            for source, target in ((first, second), (second, first)):
                if timings[target] == Timing():
                    timings[target] = timings[source]
    for number in numbers:
        on = dated.get(mentions[number].concept.concept_id)
        if timings[number].on is None and on is not None:
            timings[number] = replace(timings[number], on=on)


def _share_among_tests(text: str, mentions: Sequence[Mention], numbers: Sequence[int], timings: list[Timing]) -> None:
    """Tests that are joined were done on one day: "B12 and TSH normal on 3/4/2025"."""
    tests = [n for n in numbers if mentions[n].concept.category == "test"]
    pairs = list(pairwise(tests))
    for first, second in (*pairs, *reversed(pairs)):
        low, high = mentions[first].end, mentions[second].start
        if high - low > _LONGEST_JOINT or not _JOINED.fullmatch(text, low, max(low, high)):
            continue
        for source, target in ((first, second), (second, first)):
            if timings[source].on is not None and timings[target] == Timing():
                timings[target] = Timing(on=timings[source].on)


def _share_with_findings(text: str, mentions: Sequence[Mention], row: _Sentence, timings: list[Timing]) -> None:
    """What is told of a dated test or event is of its day, until the sentence comes to the present: "Angiogram 12/1/2025
    with RCA lesion", "TIA 2/18: right arm weakness"."""
    for number in row.mentions:
        test = mentions[number]
        on, spans = timings[number].on, timings[number].spans
        if test.concept.category not in _DATED_EVENTS or on is None or not spans:
            continue
        after = max(test.end, *(end for _, end in spans))
        leads = _SHOWED.match(text, after, row.end)
        if leads is None:
            continue
        told = _WHAT_FOR if leads.group().rstrip().endswith(":") else {"finding"}
        if test.concept.category != "test" and told is not _WHAT_FOR:
            continue
        within = min(leads.end() + _TOLD_OF, row.end)
        stop = _PRESENT.search(text, leads.end(), within)
        until = stop.start() if stop else within
        first = bisect_left(row.mentions, leads.end(), key=lambda other: mentions[other].start)
        last = bisect_left(row.mentions, until, lo=first, key=lambda other: mentions[other].start)
        for other in row.mentions[first:last]:
            finding = mentions[other]
            if finding.concept.category in told and timings[other] == Timing():
                timings[other] = Timing(on=on)


def _without(text: str, start: int, end: int, timings: Sequence[Timing]) -> str:
    if end - start > _LONGEST_JOINT:
        return ";"
    between = text[start:end]
    for timing in timings:
        for left, right in timing.spans:
            if start <= left and right <= end:
                return ";" + between
    return between


def _completed(timing: Timing, reference: date | None) -> Timing:
    """Length from beginning and end where the note gives those; an open end lasts until the document's date."""
    if timing.value is not None or timing.began is None:
        return timing
    until = timing.ended or reference
    if until is None or until < timing.began:
        return timing
    return replace(timing, value=float((until - timing.began).days), unit="d")


def labelled_dates(text: str, dates: Sequence[DateMention]) -> tuple[date | None, date | None]:
    """Beginning and end of care where a note labels them ("SOC 08/31/2026", "D/C date 10/23/2026"), None where not."""
    began = ended = None
    for mentioned in dates:
        if mentioned.precision != "day":
            continue
        line = max(text.rfind("\n", 0, mentioned.start) + 1, mentioned.start - 40)
        label = text[line : mentioned.start]
        first, last = _last_match(_CARE_BEGAN, label), _last_match(_CARE_ENDED, label)
        if first > last and began is None:
            began = mentioned.first
        elif last > first:
            ended = mentioned.first
    return began, ended


def study_date(text: str, expressions: TimeExpressions) -> date | None:
    """The day a report's study was done, where the report says so: the first full date near "study", "performed" ..."""
    for mentioned in expressions.dates:
        if mentioned.precision == "day" and not mentioned.relative and mentioned.start < 1500:
            around = text[max(0, mentioned.start - 40) : mentioned.start]
            if _STUDY_DATE.search(around):
                return mentioned.first
    return None
