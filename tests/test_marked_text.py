"""The note on the page: its text to the character, every highlight where its fact is, whatever overlaps whatever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_reading import NoteReader, ReadNote, facts_by_character

from features import extract
from features.types import Assertion, Cue, Document, Fact
from serving.highlights import NUL_PICTURE, Mark, lanes
from serving.marked_text import marked_text
from serving.page_breaks import page_at, page_starts

_CHARACTERS = st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\t\f\0<>&\"'\u202e\u200f\u2028\U0001f600")
_TEXTS = st.text(_CHARACTERS, min_size=1, max_size=120)
_CATEGORIES = ("treatment", "body_part", "problem", "record")


@st.composite
def _documents(draw: st.DrawFn) -> tuple[Document, list[Fact]]:
    text = draw(_TEXTS)
    spans = st.tuples(st.integers(0, len(text) - 1), st.integers(1, 30))
    facts: list[Fact] = []
    for number, (start, length) in enumerate(draw(st.lists(spans, max_size=9))):
        end = min(len(text), start + length)
        first, size = draw(spans)
        cue = Cue("negated", first, min(len(text), first + size), '"><script>')
        assertion = draw(st.sampled_from([Assertion(), Assertion(negated=True, cues=(cue,))]))
        qualifiers = draw(st.sampled_from([(), ((0, len(text)),)]))
        fact_id = f"f{number}"
        category = draw(st.sampled_from(_CATEGORIES))
        facts.append(
            Fact(fact_id, "x", category, "d1", start, end, text[start:end], "plan", assertion, qualifiers=qualifiers)
        )
    return Document("d1", text), facts


def read(document: Document, facts: list[Fact], linked: set[str]) -> ReadNote:
    html = marked_text(document, facts, linked, page_starts(document.text))
    (note,) = NoteReader(f'<div class="note-text">{html}</div>').notes
    return note


@settings(max_examples=400, deadline=None)
@given(_documents(), st.sets(st.sampled_from(["f0", "f1", "f2", "f3"])))
def test_any_text_stays_the_text_and_every_character_names_the_facts_that_cover_it(
    case: tuple[Document, list[Fact]], linked: set[str]
) -> None:
    document, facts = case
    note = read(document, facts, linked)

    assert note.text == document.text.replace("\0", NUL_PICTURE)
    spans = [(fact.fact_id, fact.start, fact.end) for fact in facts]
    assert note.facts == facts_by_character(len(document.text), spans)
    starts = page_starts(document.text)
    expected = [(start, f"Page {number} of {len(starts)}") for number, start in enumerate(starts, 1)]
    assert note.pages == (expected if len(starts) > 1 else [])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), max_size=12))
def test_marks_that_overlap_never_share_a_lane_and_none_is_higher_than_it_must_be(spans: list[tuple[int, int]]) -> None:
    marks = [Mark(start, start + size, str(number)) for number, (start, size) in enumerate(spans)]
    lane_of = lanes(marks)

    assert lane_of.keys() == {mark.key for mark in marks}
    for one in marks:
        overlapping = {lane_of[m.key] for m in marks if m is not one and m.start < one.end and one.start < m.end}
        assert lane_of[one.key] not in overlapping
        assert set(range(lane_of[one.key])) <= overlapping


def test_each_fact_of_an_overlap_has_its_own_line() -> None:
    text = "pain in the left leg today"
    facts = [
        Fact("f1", "leg_pain", "problem", "d1", 0, 20, text[:20], "plan"),
        Fact("f2", "leg", "body_part", "d1", 12, 20, text[12:20], "plan"),
        Fact("f3", "today", "finding", "d1", 17, 26, text[17:], "plan", Assertion(negated=True)),
    ]
    note = read(Document("d1", text), facts, {"f1"})

    assert note.lanes[0] == ("lane-0",)
    assert sorted(note.lanes[18]) == ["lane-0", "lane-1"]
    assert note.lanes[22] == ("lane-1",)


def test_a_mark_says_how_a_fact_is_asserted_once_and_where_it_ends() -> None:
    text = "no fever"
    cue = Cue("negated", 0, 2, "no")
    facts = [
        Fact(name, "fever", "finding", "d1", 3, 8, "fever", "plan", Assertion(negated=True, cues=(cue,)))
        for name in ("f1", "f2")
    ]
    html = marked_text(Document("d1", text), facts)
    assert html.count('data-tag="no"') == 1
    assert '<span class="cue" data-of="f1 f2">no</span>' in html


@pytest.mark.parametrize(
    ("text", "starts"),
    [("", (0,)), ("one", (0,)), ("one\ftwo\f\fthree", (0, 4, 8, 9)), ("one\f", (0,)), ("\fone", (0, 1))],
)
def test_pages_begin_after_form_feeds(text: str, starts: tuple[int, ...]) -> None:
    assert page_starts(text) == starts


def test_an_offset_has_a_page() -> None:
    assert [page_at((0, 4, 9), offset) for offset in (0, 3, 4, 8, 9, 50)] == [1, 1, 2, 2, 3, 3]


def test_fifty_real_notes_stay_themselves_and_every_highlight_is_where_its_fact_is(real_notes: list[str]) -> None:
    found = 0
    for number, text in enumerate(real_notes[::8][:50]):
        document = Document("d1", f"{text}\f{text[:200]}" if number % 5 == 0 else text, "progress_note")
        facts = extract([document])
        note = read(document, facts, {fact.fact_id for fact in facts[::2]})
        assert note.text == document.text
        spans = [(fact.fact_id, fact.start, fact.end) for fact in facts]
        assert note.facts == facts_by_character(len(document.text), spans)
        found += len(facts)
    assert found > 500
