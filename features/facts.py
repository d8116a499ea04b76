"""A reader of notes: the pipeline's spans become facts with value, time, side, course and exact offsets."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate

from features.acute_values import OF_THE_DAY, find_acute_values, is_of_arrival
from features.assertion import AssertionEngine, Target, packaged_engine
from features.care_calendar import ORDERED, find_care_calendar
from features.checkboxes import Checkbox, answered_no, blank_unticked, find_checkboxes, unticked
from features.concepts import ConceptMatcher, Mention
from features.courses import CourseReader, packaged_courses
from features.dates import DateMention
from features.doses import DRUG_DOSE, Dose, find_doses, follows, stands_before
from features.durations import SessionCount, find_session_counts, to_days
from features.field_limits import FIELD_UNITS, find_field_values
from features.laterality import SideMention, find_laterality, side_among
from features.lexicon import Lexicon, load_lexicon
from features.measurements import Measurement, find_measurements
from features.numbers import lowered
from features.sections import Section, find_sections
from features.sentences import split_sentences
from features.sign_results import read_results
from features.timing import (
    TimeExpressions,
    Timing,
    find_time_expressions,
    labelled_dates,
    study_date,
    time_mentions,
)
from features.tokens import Tokens, tokenize
from features.types import Assertion, Course, Cue, Document, Fact, Laterality

_REPORTS = frozenset({"imaging", "lab", "other", "form"})
_DATED_BY_STUDY = frozenset({"test", "measurement"})
_MEASUREMENT = "measurement"
_EYES: dict[str, Laterality] = {"right_eye": "right", "left_eye": "left", "both_eyes": "bilateral"}
_AHEAD = frozenset({"hypothetical", "uncertain"})
_CERTIFIES_WITHIN = 140
_CERTIFIES = re.compile(r"\b(?:re-?)?cert(?:\.|\b|ification|ified|ify)|\bplan of care\b|\bpoc\b", re.IGNORECASE)
_CERTIFICATION = re.compile(r"[Cc][Ee][Rr][Tt]")
"""Stands in all that :data:`_CERTIFIED_UNTIL` finds."""
_CERTIFIED_UNTIL = re.compile(
    r"\b(?:re-?)?cert(?:ification|ified)?\b[^.\n]{0,60}?"
    r"\b(?:through|thru|until|till|to|ends?|ending|expires?|expired|valid|end date)\b[\s:]{0,3}(?:on\s)?$",
    re.IGNORECASE,
)
_DOSE_BEGINS_WITHIN = 25
_DOSE_REACH = 110
_AMOUNT = re.compile(r"\d|\b(?:one|two|three|four|half)\b", re.IGNORECASE)
_DONE_ON = re.compile(r"[a-z ]{0,40}(?<![a-z])(?:on|from|of|dated|in) (?:early |late |mid )?", re.IGNORECASE)
"""What ties something on record to the past day right behind it."""
_NEARBY_SIDE = 400
_DATE_REACH = 36
_DATE_LEADS_TO_VALUE = re.compile(r"[^,;\d]*")
"""Words between a date and the value it dates: no other number, no comma."""
_VALUE_LEADS_TO_DATE = re.compile(r"[^,;.\d\n]*(?:\b(?:on|in|from|dated|measured|obtained|done)\s+|\(\s*)")
_VALUE_AND_DATE = re.compile(r",\s{0,2}")
_ENDS_WITH_DATE = re.compile(r"\s*(?:[.;)|\n]|$)")
"""A date that closes what a value opened: "BMI 37.8, 9/9/2024."; before another value it may be that one's."""
_SINCE = re.compile(r"\b(?:since|until|till|from|by|dx|dob|born)\b\W*$", re.IGNORECASE)
_FIELD_DATE_REACH = 160
_DATED_AHEAD = frozenset({"record", "test", "procedure", "care"})
_APPOINTED = re.compile(
    r",?\s{1,2}(?:is |has been |was )?(?:(?:set|scheduled|booked|planned) )?(?:on|for) ", re.IGNORECASE
)
"""What ties something to the day right behind it on which it is to be: "dietitian evaluation on 10/9"."""
_FEWEST_LISTED_VISITS = 4
_BETWEEN_VISITS = re.compile(r"[\s,;&|/]{0,4}(?:and\s)?")
_SOON_AFTER = 250
"""Characters within which a note that says something is gone may go on that it came back."""
_FEW_VISITS = 2
"""A treatment of so few visits was not carried out, whatever else is said of it."""
_COUNTS_AROUND = 150
"""Characters around a treatment, within its sentence, in which its visits are counted."""
_COURSE_WINDOW = 40
"""Words around a treatment in which its course is looked for: further than any course reaches."""
_PRESCRIBING_SECTIONS = frozenset({"plan", "assessment_and_plan", "orders", "instructions"})


@dataclass(frozen=True, slots=True)
class Note:
    """A document after reading: tokens, sentences, sections, mentions and their assertions, in step with each other."""

    document: Document
    tokens: Tokens
    sentences: tuple[tuple[int, int], ...]
    sections: tuple[Section, ...]
    mentions: tuple[Mention, ...]
    assertions: tuple[Assertion, ...]
    measurements: tuple[Measurement, ...]
    expressions: TimeExpressions
    measurement_assertions: tuple[Assertion, ...]
    section_starts: tuple[int, ...]
    """Where the heading of each section begins."""


class FactReader:
    """Reads documents with one lexicon. Keeps nothing of a document but which single words are spelt which way."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon or load_lexicon()
        self.matcher = ConceptMatcher(self.lexicon)
        self.engine: AssertionEngine = packaged_engine()
        self._courses: CourseReader = packaged_courses()

    def facts(self, documents: Sequence[Document]) -> list[Fact]:
        """All facts, numbered through."""
        found: list[Fact] = []
        for document in documents:
            found.extend(self.document_facts(document))
        for number, fact in enumerate(found, 1):
            # Nobody else has seen these facts yet: numbering them in place saves making every one of them twice.
            object.__setattr__(fact, "fact_id", f"f{number}")
        return found

    def read(self, document: Document) -> Note:
        """Sentences, sections, mentions and assertions of one document."""
        text = document.text
        tokens = tokenize(text)
        sentences = split_sentences(text)
        sections = find_sections(tokens)
        mentions = self.matcher.mentions(tokens, sentences)
        expressions = find_time_expressions(text, document.date)
        calendar = find_care_calendar(text, expressions.days, document.date)
        measurements = _not_of_dates(find_measurements(text), expressions.days)
        measurements = [*measurements, *find_acute_values(text, measurements), *calendar]
        targets = [Target(m.start, m.end, m.concept.category, m.concept.ignore) for m in mentions]
        targets += [
            Target(m.start, m.end, _MEASUREMENT, _AHEAD if m.concept in ORDERED else frozenset()) for m in measurements
        ]
        assertions = self.engine.assess_targets(tokens, sentences, sections, targets)
        assertions[: len(mentions)] = _without_own_denials(mentions, assertions[: len(mentions)])
        return Note(
            document,
            tokens,
            tuple(sentences),
            tuple(sections),
            tuple(mentions),
            tuple(assertions[: len(mentions)]),
            tuple(measurements),
            expressions,
            tuple(assertions[len(mentions) :]),
            tuple(section.heading_start for section in sections),
        )

    def document_facts(self, document: Document) -> list[Fact]:
        """Facts of one document, not yet numbered, in the order they stand."""
        note = self.read(document)
        text = document.text
        expressions = note.expressions
        timings = time_mentions(note.tokens, note.sentences, note.mentions, expressions, document.date)
        boxes = find_checkboxes(text)
        answered = blank_unticked(text, boxes) if boxes else text
        sides = _Sides(answered, note)
        regions = _regions(note)
        results = _sign_results(note, answered)
        denied = _Denied([(box.start, box.end, box) for box in unticked(boxes)] + answered_no(text, boxes))
        counts = find_session_counts(text)
        studied = study_date(text, expressions) if document.type in _REPORTS else None
        facts = [
            self._fact(
                note, number, timings[number], sides, regions[number], results.get(number), studied, denied, counts
            )
            for number in range(len(note.mentions))
        ]
        facts = _with_tests_of_results(note, facts)
        facts = _outdated(note, facts)
        facts = _with_listed_visits(note, facts, expressions)
        facts = _with_treatment_of_document(note, facts, expressions)
        facts += _dose_facts(note, facts)
        facts += _certified_periods(note, expressions)
        parts = _Parts(note)
        facts += [
            _measurement_fact(note, number, sides, parts, studied, expressions)
            for number in range(len(note.measurements))
        ]
        facts += _field_facts(note, studied, expressions)
        facts.sort(key=lambda fact: (fact.start, fact.end, fact.concept))
        return facts

    def _fact(
        self,
        note: Note,
        number: int,
        timing: Timing,
        sides: _Sides,
        region: str | None,
        result: tuple[str, int, int] | None,
        studied: date | None,
        denied: _Denied,
        counts: Sequence[SessionCount],
    ) -> Fact:
        mention = note.mentions[number]
        assertion = _with_appointment(_with_boxes(note.assertions[number], mention, denied), mention, note)
        concept = mention.concept
        if concept.category == "treatment":
            timing = _until(timing, note.document.date)
        value: float | str | None = timing.value
        unit = timing.unit
        if concept.needs_result:
            value, unit = None, None
            if result is not None and assertion.negated and mention.start <= result[1] and result[2] <= mention.end:
                # "No varus laxity": a result that is the sign's own name does not outweigh what is said about it.
                value = "negative"
            elif result is not None:
                value = result[0]
                assertion = _with_result(assertion, result, mention, note.document.text)
        course = self._course(note, mention, assertion, timing, counts) if concept.category == "treatment" else None
        on = timing.on or (studied if concept.category in _DATED_BY_STUDY else None)
        if on is None and concept.category == "record":
            on = _past_day(mention, note)
        sentence = note.sentences[mention.sentence]
        return Fact(
            fact_id="",
            concept=concept.concept_id,
            category=concept.category,
            document_id=note.document.document_id,
            start=mention.start,
            end=mention.end,
            text=note.document.text[mention.start : mention.end],
            section=_section(note, mention.start),
            assertion=assertion,
            value=value,
            unit=unit,
            date=on,
            laterality=sides.of(mention.start, mention.end, *sentence),
            region=concept.region or region,
            course=course,
            began=timing.began,
            ended=timing.ended,
            qualifiers=timing.spans,
        )

    def _course(
        self,
        note: Note,
        mention: Mention,
        assertion: Assertion,
        timing: Timing,
        counts: Sequence[SessionCount],
    ) -> Course | None:
        if assertion.negated or assertion.family:
            return None
        if assertion.hypothetical:
            return Course.PLANNED
        if timing.ended and note.document.date and timing.ended > note.document.date:
            return Course.PLANNED
        start, end = note.sentences[mention.sentence]
        first, last = _token_range(note.tokens, start, end)
        first, last = max(first, mention.first - _COURSE_WINDOW), min(last, mention.last + _COURSE_WINDOW)
        near = _counts_near(counts, max(start, mention.start - _COUNTS_AROUND), min(end, mention.end + _COUNTS_AROUND))
        if _few_visits(near):
            return Course.NOT_ATTENDED
        words = self._courses.mentions(note.tokens, first, last)
        course = self._courses.nearest(note.tokens, words, mention.first, mention.last)
        if course is not None:
            return course
        today = note.document.date
        past = [day for day in (timing.began, timing.ended, timing.on) if day is not None]
        if past and today is not None and min(past) < today:
            return Course.STATED
        if any(_overlap(span, (count.start, count.end)) for span in timing.spans for count in near if count.computed):
            # "PT 2x/week x 6 weeks" is how therapy is ordered; nothing says that it took place.
            return None
        if timing.value is not None and _section(note, mention.start) not in _PRESCRIBING_SECTIONS:
            return Course.STATED
        return None


def _counts_near(counts: Sequence[SessionCount], start: int, end: int) -> Sequence[SessionCount]:
    first = bisect_left(counts, start, key=lambda count: count.start)
    return counts[first : bisect_left(counts, end, lo=first, key=lambda count: count.start)]


def _few_visits(counts: Sequence[SessionCount]) -> bool:
    """Whether visits are counted, and there are hardly any: "attended 2 visits", "1 of 12 visits"."""
    attended = [count.count for count in counts if not count.computed]
    return bool(attended) and max(attended) <= _FEW_VISITS


def _until(timing: Timing, today: date | None) -> Timing:
    """Of a treatment that ends after the document was written, the part before: the rest is a plan."""
    if today and timing.began and timing.ended and timing.began < today < timing.ended:
        return replace(timing, ended=None, value=float((today - timing.began).days), unit="d")
    return timing


def _token_range(tokens: Tokens, start: int, end: int) -> tuple[int, int]:
    return bisect_left(tokens.starts, start), bisect_left(tokens.starts, end)


def _section(note: Note, position: int) -> str:
    section = _section_at(note, position)
    return section.name if section else "unlabelled"


def _section_at(note: Note, position: int) -> Section | None:
    place = bisect_right(note.section_starts, position) - 1
    return note.sections[place] if place >= 0 and position < note.sections[place].end else None


def _with_result(assertion: Assertion, result: tuple[str, int, int], mention: Mention, text: str) -> Assertion:
    word, start, end = result
    if word == "negative":
        if assertion.negated:
            return assertion
        return replace(assertion, negated=True, cues=(*assertion.cues, Cue("negated", start, end, "negative result")))
    if mention.start <= start and end <= mention.end:
        # "No varus laxity": the result is a word of the sign itself and says nothing against the negation.
        return assertion
    # A result of its own outweighs a negation that was meant for something else: one beyond a comma, or one that
    # follows ("Lachman positive, McMurray negative").
    cues = tuple(
        cue
        for cue in assertion.cues
        if cue.flag != "negated" or (cue.end <= mention.start and "," not in text[cue.end : mention.start])
    )
    return replace(assertion, negated=any(cue.flag == "negated" for cue in cues), cues=cues)


def _of_a_value(assertion: Assertion, start: int, text: str) -> Assertion:
    """A number that is given is not denied by a denial beyond a comma: "no fracture, KL 0"."""
    if not assertion.negated:
        return assertion
    cues = tuple(c for c in assertion.cues if c.flag != "negated" or c.end > start or "," not in text[c.end : start])
    return replace(assertion, negated=any(cue.flag == "negated" for cue in cues), cues=cues)


def _not_of_dates(measurements: Sequence[Measurement], days: Sequence[DateMention]) -> list[Measurement]:
    """Those whose value is no part of a date: "urine cotinine 3 June 2026 negative" gives none of 3 ng/mL."""
    spans = sorted((day.start, day.end) for day in days if day.year_stated and day.precision == "day")
    begins = [begin for begin, _ in spans]

    def is_of_date(one: Measurement) -> bool:
        place = bisect_right(begins, one.value_start) - 1
        return place >= 0 and one.value_end < spans[place][1]

    return [one for one in measurements if not is_of_date(one)]


def _without_own_denials(mentions: Sequence[Mention], assertions: Sequence[Assertion]) -> list[Assertion]:
    """A word of denial that is part of one name of a concept denies no other name of it.

    "No psychological contraindication, good candidate" and "doesn't vape, cotinine negative" say one thing twice.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    for mention in mentions:
        spans.setdefault(mention.concept.concept_id, []).append((mention.start, mention.end))
    kept = []
    for mention, assertion in zip(mentions, assertions, strict=True):
        if assertion.negated and len(own := spans[mention.concept.concept_id]) > 1:
            cues = tuple(
                cue
                for cue in assertion.cues
                if cue.flag != "negated"
                or not any(
                    start <= cue.start and cue.end <= end
                    for start, end in _near(own, cue.start)
                    if start != mention.start
                )
            )
            assertion = replace(assertion, negated=any(cue.flag == "negated" for cue in cues), cues=cues)
        kept.append(assertion)
    return kept


def _near(spans: Sequence[tuple[int, int]], position: int) -> Sequence[tuple[int, int]]:
    """The few of these spans, in order of their starts, that could hold a position."""
    place = bisect_left(spans, (position + 1, 0))
    return spans[max(place - 3, 0) : place]


def _with_boxes(assertion: Assertion, mention: Mention, denied: _Denied) -> Assertion:
    """What stands beside an empty box, or is answered no, is denied."""
    box = None if assertion.negated else denied.box_of(mention.start)
    if box is None:
        return assertion
    cue = Cue("negated", box.box_start, box.box_end, "empty box" if not box.ticked else "answered no")
    return replace(assertion, negated=True, cues=(*assertion.cues, cue))


def _with_appointment(assertion: Assertion, mention: Mention, note: Note) -> Assertion:
    """What is tied to a day after the note was written is planned, whatever its words: "RD evaluation on 10/9/2026"."""
    today, dates = note.document.date, note.expressions.dates
    concept = mention.concept
    if (
        today is None
        or assertion.hypothetical
        or concept.category not in _DATED_AHEAD
        or "hypothetical" in concept.ignore
    ):
        return assertion
    place = bisect_left(dates, mention.end, key=lambda named: named.start)
    day = dates[place] if place < len(dates) else None
    if day is None or day.first <= today or not day.year_stated or day.relative:
        return assertion
    if not _APPOINTED.fullmatch(note.document.text, mention.end, day.start):
        return assertion
    cue = Cue("hypothetical", day.start, day.end, "a day to come")
    return replace(assertion, hypothetical=True, cues=(*assertion.cues, cue))


def _past_day(mention: Mention, note: Note) -> date | None:
    """The past day that something on record is tied to: "psych evaluation with clearance was on 11/14/2024"."""
    today, dates = note.document.date, note.expressions.dates
    place = bisect_left(dates, mention.end, key=lambda named: named.start)
    day = dates[place] if place < len(dates) else None
    if today is None or day is None or day.last > today or day.relative or not day.year_stated:
        return None
    # "Clearance was on" may be one term, so its last words count as well.
    return day.last if _DONE_ON.fullmatch(note.document.text, max(mention.start, mention.end - 4), day.start) else None


class _Denied:
    """Stretches of text that a box denies, to be asked for the first that holds a position."""

    def __init__(self, stretches: Sequence[tuple[int, int, Checkbox]]) -> None:
        ordered = sorted(enumerate(stretches), key=lambda item: item[1][0])
        self._stretches = [(rank, end, box) for rank, (_, end, box) in ordered]
        self._starts = [start for _, (start, _, _) in ordered]
        self._reach = list(accumulate((end for _, end, _ in self._stretches), max))

    def box_of(self, position: int) -> Checkbox | None:
        place = bisect_right(self._starts, position) - 1
        best: tuple[int, Checkbox] | None = None
        while place >= 0 and self._reach[place] > position:
            rank, end, box = self._stretches[place]
            if end > position and (best is None or rank < best[0]):
                best = (rank, box)
            place -= 1
        return best[1] if best else None


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _sign_results(note: Note, text: str) -> dict[int, tuple[str, int, int]]:
    by_sentence: dict[int, list[int]] = {}
    for number, mention in enumerate(note.mentions):
        if mention.concept.needs_result:
            by_sentence.setdefault(mention.sentence, []).append(number)
    found: dict[int, tuple[str, int, int]] = {}
    for sentence, numbers in by_sentence.items():
        spans = [(note.mentions[n].start, note.mentions[n].end) for n in numbers]
        for number, result in zip(numbers, read_results(text, spans, *note.sentences[sentence]), strict=True):
            if result is not None:
                found[number] = (result.result, result.start, result.end)
    return found


def _with_tests_of_results(note: Note, facts: list[Fact]) -> list[Fact]:
    """A result has date and side of its test: the last one named before it, else the next one in its sentence."""
    shared: list[Fact] = []
    in_sentence: dict[tuple[str, int], Fact] = {}
    for number, fact in enumerate(facts):
        if fact.date or fact.laterality:
            in_sentence.setdefault((fact.concept, note.mentions[number].sentence), fact)
    last: dict[str, Fact] = {}
    for number, fact in enumerate(facts):
        concept = note.mentions[number].concept
        if fact.date or fact.laterality:
            last[fact.concept] = fact
        if concept.result_of is None:
            shared.append(fact)
            continue
        sentence = note.mentions[number].sentence
        test = in_sentence.get((concept.result_of, sentence)) or last.get(concept.result_of)
        shared.append(
            replace(fact, date=fact.date or test.date, laterality=fact.laterality or test.laterality) if test else fact
        )
    return shared


def _outdated(note: Note, facts: list[Fact]) -> list[Fact]:
    """What lasted until something else the note soon tells is past: "pain gone after surgery ... now it came back"."""
    awaited = {concept for mention in note.mentions for concept in mention.concept.until}
    if not awaited:
        return facts
    ends: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.concept in awaited and fact.assertion.is_patients_own:
            ends.setdefault(fact.concept, []).append(fact)
    dated = []
    for mention, fact in zip(note.mentions, facts, strict=True):
        for concept in mention.concept.until if not fact.assertion.historical else ():
            later = ends.get(concept, [])
            place = bisect_left(later, fact.end, key=lambda end: end.start)
            if place < len(later) and later[place].start - fact.end <= _SOON_AFTER:
                cue = Cue("historical", later[place].start, later[place].end, concept)
                assertion = replace(fact.assertion, historical=True, cues=(*fact.assertion.cues, cue))
                fact = replace(fact, assertion=assertion)
                break
        dated.append(fact)
    return dated


def _regions(note: Note) -> list[str | None]:
    """The part of the body each mention is about: the nearest one named in its sentence, None where none is."""
    parts: dict[int, list[Mention]] = {}
    for mention in note.mentions:
        if mention.concept.category == "body_part":
            parts.setdefault(mention.sentence, []).append(mention)
    regions: list[str | None] = []
    for mention in note.mentions:
        nearby = parts.get(mention.sentence, [])
        place = bisect_left(nearby, mention.start, key=lambda part: part.start)
        nearby = nearby[max(place - 1, 0) : place + 1]
        nearest = min(nearby, key=lambda part: abs(part.start - mention.start), default=None)
        regions.append(nearest.concept.region if nearest else None)
    return regions


class _Sides:
    """Which side of the body something is on: named in its sentence, else the side its section last spoke of, else the
    only side the whole document names."""

    def __init__(self, text: str, note: Note) -> None:
        self._text = text
        self._note = note
        self._mentions: list[SideMention] = find_laterality(text)
        self._starts = [mention.start for mention in self._mentions]
        named = {mention.side for mention in self._mentions}
        self._only = self._mentions[0].side if len(named) == 1 else None

    def of(self, start: int, end: int, sentence_start: int, sentence_end: int) -> Laterality | None:
        if not self._mentions:
            return None
        # A sentence without an end (a table, a list of words) is read only as far as a side is likely to be meant.
        lo, hi = max(sentence_start, start - _NEARBY_SIDE), min(sentence_end, end + _NEARBY_SIDE)
        first, last = bisect_left(self._starts, lo), bisect_left(self._starts, hi)
        if first < last:
            return side_among(self._mentions[first:last], self._text, start, end, lo, hi)
        section = _section_at(self._note, start)
        earliest = max(section.heading_start if section else 0, start - _NEARBY_SIDE)
        before = bisect_left(self._starts, start) - 1
        return self._mentions[before].side if before >= 0 and self._starts[before] >= earliest else self._only


def _dated_value(
    expressions: TimeExpressions, text: str, measurement: Measurement, lo: int, today: date | None
) -> date | None:
    """The date that stands right before or behind a value: "PSG in 2016: AHI 6", "86% on room air on 9/2"."""
    dates = expressions.dates
    place = bisect_left(dates, measurement.end, key=lambda named: named.start)
    following = dates[place] if place < len(dates) else None
    if following is not None and following.start - measurement.end <= _DATE_REACH:
        between = text[measurement.end : following.start]
        # "PTP 34% (2021 model)" names no day.
        whole = not between.rstrip().endswith("(") or text[following.end : following.end + 1] in ("", ")", ",", ";")
        tied = _VALUE_LEADS_TO_DATE.fullmatch(between) or (
            following.precision == "day"
            and _VALUE_AND_DATE.fullmatch(between)
            and _ENDS_WITH_DATE.match(text, following.end)
        )
        if whole and tied and not following.relative:
            return following.last if today is None or following.last < today else None
    place = bisect_left(dates, measurement.start, key=lambda named: named.start) - 1
    if place < 0 or dates[place].start < lo or dates[place].relative:
        return None
    named = dates[place]
    between = text[named.end : measurement.start]
    if len(between) > _DATE_REACH or not _DATE_LEADS_TO_VALUE.fullmatch(between):
        return None
    if _SINCE.search(text[max(lo, named.start - 12) : named.start]):
        return None
    return named.last if today is None or named.last < today else None


class _Parts:
    """Which part of the body a stretch of text is about: the nearest one named in its sentence."""

    def __init__(self, note: Note) -> None:
        self._parts = sorted(
            (mention for mention in note.mentions if mention.concept.category == "body_part"), key=lambda m: m.start
        )
        self._starts = [part.start for part in self._parts]

    def of(self, start: int, end: int, sentence: tuple[int, int]) -> str | None:
        place = bisect_left(self._starts, start)
        near = [part for part in self._parts[max(place - 1, 0) : place + 1] if sentence[0] <= part.start < sentence[1]]
        nearest = min(near, key=lambda part: max(start - part.end, part.start - end), default=None)
        return nearest.concept.region if nearest else None


def _measurement_fact(
    note: Note, number: int, sides: _Sides, parts: _Parts, studied: date | None, expressions: TimeExpressions
) -> Fact:
    measurement = note.measurements[number]
    text = note.document.text
    place = bisect_left(note.sentences, measurement.start + 1, key=lambda sentence: sentence[0]) - 1
    sentence = note.sentences[place] if place >= 0 else (0, len(text))
    context = measurement.context
    if measurement.comparator != "=":
        context = "limit"
    elif measurement.concept in OF_THE_DAY and is_of_arrival(text, measurement.start, sentence[0]):
        context = "arrival"
    elif measurement.computed:
        context = "computed"
    return Fact(
        fact_id="",
        concept=measurement.concept,
        category=_MEASUREMENT,
        document_id=note.document.document_id,
        start=measurement.start,
        end=measurement.end,
        text=text[measurement.start : measurement.end],
        section=_section(note, measurement.start),
        assertion=_of_a_value(note.measurement_assertions[number], measurement.start, text),
        value=measurement.value,
        unit=measurement.unit,
        date=_dated_value(expressions, text, measurement, sentence[0], note.document.date) or studied,
        laterality=_EYES.get(measurement.context or "") or sides.of(measurement.start, measurement.end, *sentence),
        region=parts.of(measurement.start, measurement.end, sentence),
        context=context,
    )


def _field_facts(note: Note, studied: date | None, expressions: TimeExpressions) -> list[Fact]:
    """The upper visual fields at rest and taped, and what they gain, each of the day named last before it."""
    text = note.document.text
    dates = expressions.dates

    def of(start: int) -> date | None:
        place = bisect_right(dates, start, key=lambda named: named.start) - 1
        near = place >= 0 and start - dates[place].end <= _FIELD_DATE_REACH
        return dates[place].last if near else studied

    return [
        Fact(
            fact_id="",
            concept=one.concept,
            category=_MEASUREMENT,
            document_id=note.document.document_id,
            start=one.start,
            end=one.end,
            text=text[one.start : one.end],
            section=_section(note, one.start),
            assertion=Assertion(),
            value=one.value,
            unit=FIELD_UNITS[one.concept],
            date=of(one.start),
            laterality=_EYES.get(one.eye or ""),
            context=one.eye,
        )
        for one in find_field_values(lowered(text))
    ]


def _certified_periods(note: Note, expressions: TimeExpressions) -> list[Fact]:
    """From when to when a plan of care is certified: a period, or an end alone, behind words of certifying in its line."""
    text = note.document.text
    found: list[Fact] = []
    for period in expressions.periods:
        if period.ended is not None and _CERTIFIES.search(_line_before(text, period.start)):
            found.append(_certified(note, period.start, period.end, period.began, period.ended_earliest))
    said = [match.start() for match in _CERTIFICATION.finditer(text)]
    for day in expressions.dates if said else ():
        if day.precision != "day" or day.relative:
            continue
        place = bisect_left(said, day.start) - 1
        near = place >= 0 and day.start - said[place] <= _CERTIFIES_WITHIN
        if near and _CERTIFIED_UNTIL.search(_line_before(text, day.start)):
            found.append(_certified(note, day.start, day.end, None, day.first))
    return found


def _line_before(text: str, position: int) -> str:
    window = text[max(0, position - _CERTIFIES_WITHIN) : position]
    return window[window.rfind("\n\n") + 1 :]


def _certified(note: Note, start: int, end: int, began: date | None, ended: date | None) -> Fact:
    return Fact(
        fact_id="",
        concept="certification_period",
        category="record",
        document_id=note.document.document_id,
        start=start,
        end=end,
        text=note.document.text[start:end],
        section=_section(note, start),
        began=began,
        ended=ended,
    )


def _dose_facts(note: Note, facts: Sequence[Fact]) -> list[Fact]:
    """The doses that stand directly behind each drug, with how the drug is asserted; ``context`` is the drug's concept.

    ``facts`` are those of the note's mentions, in their order. How often it is taken is in the fact's words.
    """
    text = note.document.text
    found: dict[tuple[str, int], Fact] = {}
    for mention, drug in zip(note.mentions, facts, strict=True):
        if mention.concept.category != "treatment" or not _AMOUNT.search(
            text, mention.end, mention.end + _DOSE_BEGINS_WITHIN
        ):
            continue
        stop = min(note.sentences[mention.sentence][1], mention.end + _DOSE_REACH)
        for dose in _doses_of(text, mention.end, stop):
            # Of two names of one drug ("naproxen (Naprosyn) 500 mg") the later stands nearer.
            found[mention.concept.concept_id, dose.start] = replace(
                drug,
                concept=DRUG_DOSE,
                category=_MEASUREMENT,
                start=dose.start,
                end=dose.end,
                text=text[dose.start : dose.end],
                value=dose.amount,
                unit=dose.unit,
                date=None,
                laterality=None,
                region=None,
                course=None,
                context=mention.concept.concept_id,
                began=None,
                ended=None,
                qualifiers=((mention.start, mention.end),),
            )
    return list(found.values())


def _doses_of(text: str, start: int, stop: int) -> list[Dose]:
    """The dose directly behind a drug's name that ends at ``start``, and those that are joined to it."""
    own: list[Dose] = []
    for dose in find_doses(text, start, stop):
        if not own:
            if dose.start > start + _DOSE_BEGINS_WITHIN or not stands_before(text, start, dose):
                break
        elif not follows(text, own[-1], dose):
            break
        own.append(dose)
    return own


def _with_treatment_of_document(note: Note, facts: list[Fact], expressions: TimeExpressions) -> list[Fact]:
    """A therapist's note is about one treatment: lengths and dates that name none belong to it.

    "IE 9/8/26, last seen 10/27/26. 14 visits (2x/wk, 7 wks)" under the heading "PT DISCHARGE SUMMARY" is seven weeks of
    physical therapy from September 8 to October 27, completed.
    """
    document = note.document
    if document.type != "therapy_note":
        return facts
    subject = next((f for f in facts if f.category == "treatment" and f.assertion.is_patients_own), None)
    if subject is None:
        return facts
    own = [f for f in facts if f.concept == subject.concept and f.assertion.is_patients_own]
    regions = [m.concept.region for m in note.mentions if m.concept.category == "body_part"]
    began, ended, value, unit, spans = _span_of_document(note, expressions)
    for fact in own:
        began = began or fact.began
        ended = ended or fact.ended
        if value is None and isinstance(fact.value, float):
            value, unit = fact.value, fact.unit
    if began and ended and began < ended:
        value, unit = float((ended - began).days), "d"
    course: Course | None = next(
        (f.course for f in own if f.course in (Course.COMPLETED, Course.FAILED, Course.ONGOING)), None
    )
    if course is None and (ended or value is not None):
        course = Course.STATED
    counts = [count for count in find_session_counts(document.text) if not count.computed]
    attended = [c for c in counts if "attend" in document.text[c.start : c.end].lower()] or counts
    if attended and max(count.count for count in attended) <= _FEW_VISITS:
        course = Course.NOT_ATTENDED
    if not counts and Course.NOT_ATTENDED in {
        words.course for words in packaged_courses().mentions(note.tokens, 0, len(note.tokens))
    }:
        course = Course.NOT_ATTENDED
    if began is None and ended and isinstance(value, float) and unit:
        began = ended - timedelta(days=round(to_days(value, unit)))
    whole = replace(
        subject,
        value=value,
        unit=unit,
        began=began,
        ended=ended,
        course=course or subject.course,
        region=subject.region or (max(regions, key=regions.count) if regions else None),
        qualifiers=tuple(dict.fromkeys((*subject.qualifiers, *spans))),
    )
    return [whole if fact is subject else fact for fact in facts]


def _with_listed_visits(note: Note, facts: list[Fact], expressions: TimeExpressions) -> list[Fact]:
    """A treatment followed in its sentence by the dates of its visits, one after the other, went from first to last.

    "Supervised program, visits 4/13, 5/11, 6/8, 7/13, 8/10" is from April 13 to August 10.
    """
    text, today = note.document.text, note.document.date
    dates = [d for d in expressions.dates if d.precision == "day" and not d.relative]
    if len(dates) < _FEWEST_LISTED_VISITS:
        return facts
    starts = [d.start for d in dates]
    found = list(facts)
    for number, (fact, mention) in enumerate(zip(facts, note.mentions, strict=True)):
        if fact.category != "treatment" or not fact.assertion.is_patients_own or (fact.began and fact.ended):
            continue
        stop = note.sentences[mention.sentence][1]
        listed: list[DateMention] = []
        for one in dates[bisect_left(starts, mention.end) :]:
            if one.start >= stop or (listed and not _BETWEEN_VISITS.fullmatch(text[listed[-1].end : one.start])):
                break
            listed.append(one)
        days = [d.first for d in listed]
        if len(days) < _FEWEST_LISTED_VISITS or days != sorted(set(days)) or (today is not None and days[-1] > today):
            continue
        found[number] = replace(
            fact,
            value=float((days[-1] - days[0]).days),
            unit="d",
            date=None,
            began=days[0],
            ended=days[-1],
            course=Course.STATED if fact.course is None else fact.course,
            qualifiers=tuple(dict.fromkeys((*fact.qualifiers, *((d.start, d.end) for d in listed)))),
        )
    return found


def _span_of_document(
    note: Note, expressions: TimeExpressions
) -> tuple[date | None, date | None, float | None, str | None, list[tuple[int, int]]]:
    """When the treatment a therapist's note is about began and ended, and how long it lasted.

    From a period the note names, else from dates labelled as beginning and end, else from the first and last of the
    visits it lists. A length counts only where it is not a prescription ("2x/wk x 6 wks").
    """
    text, today = note.document.text, note.document.date
    for period in expressions.periods:
        if period.ended and period.began < period.ended and (today is None or period.ended <= today):
            return period.began_latest, period.ended_earliest, None, None, [(period.start, period.end)]
    began, ended = labelled_dates(text, expressions.dates)
    if not (began and ended):
        visits = [
            d
            for d in expressions.dates
            if d.precision == "day" and not d.relative and (today is None or d.first <= today)
        ]
        if len({d.first for d in visits}) >= _FEWEST_LISTED_VISITS:
            return (
                min(d.first for d in visits),
                max(d.first for d in visits),
                None,
                None,
                [(d.start, d.end) for d in visits],
            )
    prescribed = [(c.start, c.end) for c in find_session_counts(text) if c.computed]
    for length in expressions.durations:
        span = (length.start, length.end)
        if length.kind == "length" and length.least_days >= 7 and not any(_overlap(span, c) for c in prescribed):
            if _section(note, length.start) in _PRESCRIBING_SECTIONS:
                continue
            return began, ended, length.value, length.unit, [span]
    return began, ended, None, None, []
