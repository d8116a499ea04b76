"""A reader of notes: the pipeline's spans become facts with value, time, side, course and exact offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from features.assertion import AssertionEngine, Target, packaged_engine
from features.concepts import ConceptMatcher, Mention
from features.courses import CourseReader, packaged_courses
from features.durations import to_days
from features.laterality import SideMention, find_laterality
from features.lexicon import Lexicon, load_lexicon
from features.measurements import Measurement, find_measurements
from features.sections import Section, find_sections
from features.sentences import split_sentences
from features.sign_results import read_results
from features.timing import TimeExpressions, Timing, find_time_expressions, study_date, time_mentions
from features.tokens import Tokens, tokenize
from features.types import Assertion, Course, Cue, Document, Fact, Laterality

_REPORTS = frozenset({"imaging", "lab", "other", "form", "consultation"})
_DATED_BY_STUDY = frozenset({"test", "measurement"})
_MEASUREMENT = "measurement"
_NEARBY_SIDE = 400
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
    measurement_assertions: tuple[Assertion, ...]


class FactReader:
    """Reads documents with one lexicon. Holds no state between documents."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon or load_lexicon()
        self._matcher = ConceptMatcher(self.lexicon)
        self._engine: AssertionEngine = packaged_engine()
        self._courses: CourseReader = packaged_courses()

    def facts(self, documents: Sequence[Document]) -> list[Fact]:
        """All facts, numbered through."""
        found: list[Fact] = []
        for document in documents:
            found.extend(self.document_facts(document))
        return [replace(fact, fact_id=f"f{number}") for number, fact in enumerate(found, 1)]

    def read(self, document: Document) -> Note:
        """Sentences, sections, mentions and assertions of one document."""
        text = document.text
        tokens = tokenize(text)
        sentences = split_sentences(text)
        sections = find_sections(tokens)
        mentions = self._matcher.mentions(tokens, sentences)
        measurements = find_measurements(text)
        targets = [Target(m.start, m.end, m.concept.category, m.concept.ignore) for m in mentions]
        targets += [Target(m.start, m.end, _MEASUREMENT) for m in measurements]
        assertions = self._engine.assess_targets(tokens, sentences, sections, targets)
        return Note(
            document,
            tokens,
            tuple(sentences),
            tuple(sections),
            tuple(mentions),
            tuple(assertions[: len(mentions)]),
            tuple(measurements),
            tuple(assertions[len(mentions) :]),
        )

    def document_facts(self, document: Document) -> list[Fact]:
        """Facts of one document, not yet numbered, in the order they stand."""
        note = self.read(document)
        text = document.text
        expressions = find_time_expressions(text, document.date)
        timings = time_mentions(note.tokens, note.sentences, note.mentions, expressions, document.date)
        sides = _Sides(text, note.sections)
        regions = _regions(note)
        results = _sign_results(note)
        studied = study_date(text, expressions) if document.type in _REPORTS else None
        facts = [
            self._fact(note, number, timings[number], sides, regions[number], results.get(number), studied)
            for number in range(len(note.mentions))
        ]
        facts = _with_tests_of_results(note, facts)
        facts = _with_treatment_of_document(note, facts, expressions)
        facts += [
            _measurement_fact(note, number, sides, studied) for number in range(len(note.measurements))
        ]
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
    ) -> Fact:
        mention = note.mentions[number]
        assertion = _without_own_words(note.assertions[number], mention)
        concept = mention.concept
        value: float | str | None = timing.value
        unit = timing.unit
        if concept.needs_result:
            value, unit = None, None
            if result is not None:
                value = result[0]
                assertion = _with_result(assertion, result)
        course = self._course(note, mention, assertion, timing) if concept.category == "treatment" else None
        on = timing.on or (studied if concept.category in _DATED_BY_STUDY else None)
        sentence = note.sentences[mention.sentence]
        return Fact(
            fact_id="",
            concept=concept.concept_id,
            category=concept.category,
            document_id=note.document.document_id,
            start=mention.start,
            end=mention.end,
            text=note.document.text[mention.start : mention.end],
            section=_section(note.sections, mention.start),
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

    def _course(self, note: Note, mention: Mention, assertion: Assertion, timing: Timing) -> Course | None:
        if assertion.negated or assertion.family:
            return None
        if assertion.hypothetical:
            return Course.PLANNED
        start, end = note.sentences[mention.sentence]
        first, last = _token_range(note.tokens, start, end)
        words = self._courses.mentions(note.tokens, first, last)
        course = self._courses.nearest(note.tokens, words, mention.first, mention.last)
        if course is not None:
            return course
        today = note.document.date
        past = [day for day in (timing.began, timing.ended, timing.on) if day is not None]
        if past and today is not None and min(past) < today:
            return Course.STATED
        if timing.value is not None and _section(note.sections, mention.start) not in _PRESCRIBING_SECTIONS:
            return Course.STATED
        return None


def _without_own_words(assertion: Assertion, mention: Mention) -> Assertion:
    """Cues that are words of the term itself are no cues: "absent ankle reflex" is a finding, not a denied one."""
    if not assertion.cues:
        return assertion
    cues = tuple(
        cue for cue in assertion.cues if not any(start <= cue.start and cue.end <= end for start, end in mention.words)
    )
    if len(cues) == len(assertion.cues):
        return assertion
    flags = {cue.flag for cue in cues}
    return Assertion(
        "negated" in flags, "uncertain" in flags, "historical" in flags, "hypothetical" in flags, "family" in flags, cues
    )


def _token_range(tokens: Tokens, start: int, end: int) -> tuple[int, int]:
    from bisect import bisect_left

    return bisect_left(tokens.starts, start), bisect_left(tokens.starts, end)


def _section(sections: Sequence[Section], position: int) -> str:
    for section in sections:
        if section.heading_start <= position < section.end:
            return section.name
    return "unlabelled"


def _with_result(assertion: Assertion, result: tuple[str, int, int]) -> Assertion:
    word, start, end = result
    if word == "negative":
        if assertion.negated:
            return assertion
        return replace(assertion, negated=True, cues=(*assertion.cues, Cue("negated", start, end, "negative result")))
    # A stated positive result outweighs a negation that was meant for something else in the sentence.
    return replace(assertion, negated=False, cues=tuple(cue for cue in assertion.cues if cue.flag != "negated"))


def _sign_results(note: Note) -> dict[int, tuple[str, int, int]]:
    by_sentence: dict[int, list[int]] = {}
    for number, mention in enumerate(note.mentions):
        if mention.concept.needs_result:
            by_sentence.setdefault(mention.sentence, []).append(number)
    found: dict[int, tuple[str, int, int]] = {}
    for sentence, numbers in by_sentence.items():
        spans = [(note.mentions[n].start, note.mentions[n].end) for n in numbers]
        for number, result in zip(numbers, read_results(note.document.text, spans, *note.sentences[sentence]), strict=True):
            if result is not None:
                found[number] = (result.result, result.start, result.end)
    return found


def _with_tests_of_results(note: Note, facts: list[Fact]) -> list[Fact]:
    """A result has date and side of its test: the last one named before it, else the next one in its sentence."""
    shared: list[Fact] = []
    for number, fact in enumerate(facts):
        concept = note.mentions[number].concept
        if concept.result_of is None:
            shared.append(fact)
            continue
        sentence = note.mentions[number].sentence
        before = [f for f in facts[:number] if f.concept == concept.result_of]
        same = [f for n, f in enumerate(facts) if f.concept == concept.result_of and note.mentions[n].sentence == sentence]
        test = next((f for f in (*same, *reversed(before)) if f.date or f.laterality), None)
        shared.append(
            replace(fact, date=fact.date or test.date, laterality=fact.laterality or test.laterality) if test else fact
        )
    return shared


def _regions(note: Note) -> list[str | None]:
    """The part of the body each mention is about: the nearest one named in its sentence, None where none is."""
    parts: dict[int, list[Mention]] = {}
    for mention in note.mentions:
        if mention.concept.category == "body_part":
            parts.setdefault(mention.sentence, []).append(mention)
    regions: list[str | None] = []
    for mention in note.mentions:
        nearby = parts.get(mention.sentence, [])
        nearest = min(nearby, key=lambda part: abs(part.start - mention.start), default=None)
        regions.append(nearest.concept.region if nearest else None)
    return regions


class _Sides:
    """Which side of the body something is on: named in its sentence, else the side its section last spoke of, else the
    only side the whole document names."""

    def __init__(self, text: str, sections: Sequence[Section]) -> None:
        self._text = text
        self._sections = sections
        self._mentions: list[SideMention] = find_laterality(text)
        named = {mention.side for mention in self._mentions}
        self._only = self._mentions[0].side if len(named) == 1 else None

    def of(self, start: int, end: int, sentence_start: int, sentence_end: int) -> Laterality | None:
        from features.laterality import side_of

        if not self._mentions:
            return None
        if any(sentence_start <= mention.start < sentence_end for mention in self._mentions):
            return side_of(self._text, start, end, sentence_start, sentence_end)
        section = next((s for s in self._sections if s.heading_start <= start < s.end), None)
        earliest = max(section.heading_start if section else 0, start - _NEARBY_SIDE)
        before = [mention for mention in self._mentions if earliest <= mention.start < start]
        return before[-1].side if before else self._only


def _measurement_fact(note: Note, number: int, sides: _Sides, studied: date | None) -> Fact:
    measurement = note.measurements[number]
    text = note.document.text
    sentence = next(((s, e) for s, e in note.sentences if s <= measurement.start < e), (0, len(text)))
    limit = measurement.comparator != "="
    return Fact(
        fact_id="",
        concept=measurement.concept,
        category=_MEASUREMENT,
        document_id=note.document.document_id,
        start=measurement.start,
        end=measurement.end,
        text=text[measurement.start : measurement.end],
        section=_section(note.sections, measurement.start),
        assertion=note.measurement_assertions[number],
        value=measurement.value,
        unit=measurement.unit,
        date=studied,
        laterality=sides.of(measurement.start, measurement.end, *sentence),
        context="limit" if limit else ("computed" if measurement.computed else measurement.context),
    )


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
        if value is None and fact.value is not None:
            value, unit = fact.value, fact.unit
    if began and ended and began < ended:
        value, unit = float((ended - began).days), "d"
    course = next((f.course for f in own if f.course in (Course.COMPLETED, Course.FAILED, Course.ONGOING)), None)
    if course is None and (ended or value is not None):
        course = Course.STATED
    if began is None and ended and isinstance(value, float) and unit:
        began = ended - timedelta(days=round(to_days(value, unit)))
    whole = replace(
        subject,
        value=value,
        unit=unit,
        began=began,
        ended=ended,
        course=course or subject.course,
        region=subject.region or (max(set(regions), key=regions.count) if regions else None),
        qualifiers=tuple(dict.fromkeys((*subject.qualifiers, *spans))),
    )
    return [whole if fact is subject else fact for fact in facts]


def _span_of_document(
    note: Note, expressions: TimeExpressions
) -> tuple[date | None, date | None, float | None, str | None, list[tuple[int, int]]]:
    spans: list[tuple[int, int]] = []
    began = ended = None
    value: float | None = None
    unit: str | None = None
    for period in expressions.periods:
        if period.ended and period.began < period.ended:
            began, ended = period.began, period.ended
            spans.append((period.start, period.end))
            break
    lengths = [d for d in expressions.durations if d.kind == "length" and d.least_days >= 7]
    if lengths and began is None:
        length = lengths[0]
        value, unit = length.value, length.unit
        spans.append((length.start, length.end))
    return began, ended, value, unit, spans
