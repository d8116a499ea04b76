"""Laws that must hold of any text: exact offsets, and answers that do not hang on the order or company of documents."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from building import VISIT, document, request
from hypothesis import given, settings
from hypothesis import strategies as st

from features import extract
from features.request import parse_request
from features.types import Document, DocumentType, Fact, Status
from models import triage
from models.types import TriageResult

EXPECTATIONS = ("expected_route", "expected_why", "trap")


def assert_offsets(facts: list[Fact], text: str) -> None:
    for number, fact in enumerate(facts, 1):
        assert fact.fact_id == f"f{number}"
        assert 0 <= fact.start < fact.end <= len(text)
        assert text[fact.start : fact.end] == fact.text
        for start, end in fact.qualifiers:
            assert 0 <= start < end <= len(text)
        for cue in fact.assertion.cues:
            assert 0 <= cue.start < cue.end <= len(text)
        flags = ("negated", "uncertain", "historical", "hypothetical", "family")
        assert {flag for flag in flags if getattr(fact.assertion, flag)} == {cue.flag for cue in fact.assertion.cues}


@pytest.mark.parametrize(("kind", "day"), [("progress_note", VISIT), ("imaging", None), ("therapy_note", VISIT)])
def test_every_fact_of_every_real_note_stands_where_it_says(
    kind: DocumentType, day: date | None, real_notes: list[str]
) -> None:
    assert len(real_notes) == 420
    facts = 0
    for text in real_notes:
        found = extract([Document("d1", text, kind, day)])
        assert_offsets(found, text)
        facts += len(found)
    assert facts > 2000


def test_real_notes_go_through_triage_without_an_error(real_notes: list[str]) -> None:
    for text in real_notes[::12]:
        result = triage(request(document(text)), bundle=None)
        assert "system_error" not in {reason.code for reason in result.reasons}


# Words the lexicon knows, glued together by what breaks offsets: letters whose lower case is longer, combining marks,
# directions, line ends of every kind, NUL, characters outside the basic plane.
WORDS = st.sampled_from(
    [
        *("low back pain", "PT", "for 8 weeks", "denies", "no", "BMI 31", "AHI 22", "Lachman", "positive", "left knee"),
        *("PLAN:", "from 6/1 to 7/20", "İstanbul", "ǰ", "ß", "ﬁ", "e\u0301", "\u202eright\u202c", "\x00", "\r\n"),
        *("\u2028", "\x85", "😀", "½"),
    ]
)
ANY = st.characters(exclude_categories=["Cs"])
TEXTS = st.one_of(
    st.text(ANY, max_size=300), st.lists(st.one_of(WORDS, st.text(ANY, max_size=5)), max_size=30).map(" ".join)
)


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.sampled_from(["progress_note", "therapy_note", "imaging"]))
def test_offsets_are_exact_in_any_text(text: str, kind: Any) -> None:
    assert_offsets(extract([Document("d1", text, kind, VISIT)]), text)


@settings(max_examples=50, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_line_ends_of_either_kind_are_read_alike(words: list[str], line_end: str) -> None:
    plain = [word for word in words if word.isprintable()]
    one = extract([Document("d1", "\n".join(plain), "progress_note", VISIT)])
    other = extract([Document("d1", line_end.join(plain), "progress_note", VISIT)])
    assert [(f.concept, f.assertion.negated, f.value) for f in one] == [
        (f.concept, f.assertion.negated, f.value) for f in other
    ]


def samples(sample_bodies: list[dict[str, Any]]) -> list[Any]:
    return [parse_request({f: v for f, v in s.items() if f not in EXPECTATIONS}) for s in sample_bodies]


def statuses(result: TriageResult) -> dict[str, Status]:
    return {criterion.criterion_id: criterion.status for criterion in result.criteria}


def changed(asked: Any, documents: tuple[Document, ...]) -> TriageResult:
    return triage(replace(asked, documents=documents), bundle=None)


def test_the_order_of_documents_changes_no_status_and_no_reason(sample_bodies: list[dict[str, Any]]) -> None:
    for asked in samples(sample_bodies):
        plain, turned = triage(asked, bundle=None), changed(asked, tuple(reversed(asked.documents)))
        assert statuses(plain) == statuses(turned)
        assert {reason.code for reason in plain.reasons} == {reason.code for reason in turned.reasons}


UNRELATED = "Seen for seasonal allergies. Sneezing and itchy eyes. Cetirizine 10 mg daily."


def test_a_document_about_something_else_changes_no_status(sample_bodies: list[dict[str, Any]]) -> None:
    assert extract([document(UNRELATED)]) == []
    for asked in samples(sample_bodies):
        more = changed(asked, (*asked.documents, document(UNRELATED, "unrelated")))
        assert statuses(more) == statuses(triage(asked, bundle=None))


def test_more_evidence_never_turns_met_into_not_documented(sample_bodies: list[dict[str, Any]]) -> None:
    asked_for = samples(sample_bodies)
    for asked, other in pairwise(asked_for):
        extra = tuple(
            Document(f"other-{d.document_id}", d.text, d.type, d.date, d.content_type) for d in other.documents
        )
        before, after = statuses(triage(asked, bundle=None)), statuses(changed(asked, (*asked.documents, *extra)))
        lost = {
            name for name, status in before.items() if status is Status.MET and after[name] is Status.NOT_DOCUMENTED
        }
        assert lost == set()


LONG = {
    "one sentence again and again": "He has had low back pain for three months and takes naproxen. " * 1_500,
    "one sentence without an end": "low back pain for three months with knee pain " * 1_500,
    "one treatment without an end": "PT and " * 6_000,
    "sides without an end": "left knee right knee " * 2_500,
    "denials without an end": "no " * 20_000,
    "values without an end": "AHI 22 BMI 31 " * 4_000,
    "dates without an end": "PT 6/1/2026 to 7/20/2026 " * 2_000,
    "headings without an end": "PLAN:\nPT\n" * 4_000,
    "one character": "a" * 200_000,
    "open brackets": "(" * 100_000,
    "digits": "1234567890" * 20_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_long_text_holds_up_the_service(text: str) -> None:
    began = time.process_time()
    result = triage(request(document(text)), bundle=None)
    # An ordinary note of this length takes about a second; what grows with the square of it takes minutes.
    assert time.process_time() - began < 15
    assert "system_error" not in {reason.code for reason in result.reasons}


UNRELATED = (
    "The month's data were recorded at night, as every week.\n"
    "Copies go by post to the base, where it keeps the files.\n"
    "Each scale of the map shows a field with its number 88.\n"
    "\n"
)
"""Says nothing of a patient, in words that dear patterns are tried around."""


def moved(fact: Fact, by: int) -> Fact:
    cues = tuple(replace(cue, start=cue.start + by, end=cue.end + by) for cue in fact.assertion.cues)
    return replace(
        fact,
        section="",  # a title opens a section only where the document begins
        start=fact.start + by,
        end=fact.end + by,
        assertion=replace(fact.assertion, cues=cues),
        qualifiers=tuple((start + by, end + by) for start, end in fact.qualifiers),
    )


@settings(max_examples=25, deadline=None)
@given(number=st.integers(0, 419), before=st.integers(0, 100), after=st.integers(0, 100))
def test_facts_do_not_change_in_the_middle_of_a_long_document(
    number: int, before: int, after: int, real_notes: list[str]
) -> None:
    note, lead = real_notes[number], UNRELATED * before
    alone = extract([Document("d1", note, "progress_note", VISIT)])
    within = extract([Document("d1", f"{lead}{note}\n\n{UNRELATED * after}", "progress_note", VISIT)])
    assert [moved(fact, 0) for fact in within] == [moved(fact, len(lead)) for fact in alone]
