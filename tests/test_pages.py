"""The nurse's pages: the note to the character, evidence in reach, nothing that gives the blind audit away."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from databases import database_in
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from page_reading import without_varying
from serving_cases import NOTE, PATIENT, always, request_body, routed
from signing_in import sign_in

from features.errors import OffsetError
from features.types import Assertion, Cue, Document, Fact
from models.types import Route
from serving.app import create_app
from serving.highlights import NUL_PICTURE, Mark, segments
from serving.marked_text import marked_text
from serving.settings import Settings
from serving.views import due_clock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> \"'&amp; </div> \u202eRTL\u202c \t tab\r\n\0 \U0001f600"
)

SCRIPTS = [
    "/static/signed-in.js",
    "/static/drafts.js",
    "/static/evidence.js",
    "/static/reading_place.js",
    "/static/dwell.js",
    "/static/actions.js",
]


class PageText(HTMLParser):
    """Reads a page as a browser does, far enough: text of the notes, ids, links and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.notes: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self._depth = 0
        # A browser turns bare carriage returns into line feeds before it parses.
        self.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.scripts += [given.get("src") or "inline"] if tag == "script" else []
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if tag == "a" else []
        if given.get("class") == "note-text":
            self.notes.append("")
            self._depth = 1
        elif self._depth:
            self._depth += 1

    def handle_endtag(self, _tag: str) -> None:
        self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.notes[-1] += data


def page_of(
    tmp_path: Path, body: dict[str, Any], triage: Any = routed, *, draw: Callable[[], float] = lambda: 1.0
) -> str:
    with client_of(tmp_path, triage, draw) as client:
        stored = client.post("/v1/authorizations", json=body, headers=PATIENT).json()
        answer = client.get(f"/cases/{stored['authorization_id']}")
        assert answer.status_code == 200
        return answer.text


def client_of(tmp_path: Path, triage: Any = routed, draw: Callable[[], float] = lambda: 1.0) -> TestClient:
    url = database_in(tmp_path)
    client = TestClient(create_app(Settings(database_url=url, model_dir=tmp_path), triage=triage, draw=draw))
    sign_in(client)
    return client


def test_the_text_on_the_page_is_the_note_and_nothing_in_it_runs(tmp_path: Path) -> None:
    page = PageText(page_of(tmp_path, request_body(text=HOSTILE + NOTE + HOSTILE)))

    assert page.notes == [(HOSTILE + NOTE + HOSTILE).replace("\0", NUL_PICTURE)]
    assert page.scripts == SCRIPTS
    assert page.tags.count("img") == 1


def test_titles_from_a_note_s_own_words_stay_inert(tmp_path: Path) -> None:
    def hostile(request: Any) -> Any:
        from dataclasses import replace

        result = routed(request)
        fact = result.facts[0]
        cue = Cue("negated", 0, 2, '"><script>alert(3)</script>')
        return replace(result, facts=(replace(fact, assertion=Assertion(negated=True, cues=(cue,))),))

    page = PageText(page_of(tmp_path, request_body(), hostile))
    assert page.scripts == SCRIPTS


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\r\n\t\0<>&\"'\u202e\u200f"), max_size=120)


@st.composite
def _marked(draw: st.DrawFn) -> tuple[Document, list[Fact]]:
    text = draw(_TEXTS.filter(bool))
    spans = draw(st.lists(st.tuples(st.integers(0, len(text) - 1), st.integers(1, 30)), max_size=8))
    facts = []
    for number, (start, length) in enumerate(spans):
        end = min(len(text), start + length)
        cue = Cue("negated", 0, 1, "no")
        assertion = Assertion(negated=True, cues=(cue,)) if number % 2 else Assertion()
        qualifiers = ((0, len(text)),) if number % 3 == 0 else ()
        category = "treatment" if number % 2 else "body_part"
        facts.append(
            Fact(
                f"f{number}",
                "x_ray",
                category,
                "d1",
                start,
                end,
                text[start:end],
                "plan",
                assertion,
                qualifiers=qualifiers,
            )
        )
    return Document("d1", text), facts


@settings(max_examples=300, deadline=None)
@given(_marked())
def test_any_text_with_any_overlapping_facts_stays_the_text(case: tuple[Document, list[Fact]]) -> None:
    document, facts = case
    html = marked_text(document, facts, {"f0", "f3"})
    page = PageText(f'<div class="note-text">{html}</div>')

    assert page.notes == [document.text.replace("\0", NUL_PICTURE)]
    assert sorted(page.ids) == sorted(f"fact-{fact.fact_id}" for fact in facts)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), max_size=10))
def test_segments_are_disjoint_cover_the_text_and_know_who_covers_them(
    length: int, spans: list[tuple[int, int]]
) -> None:
    marks = [Mark(start, start + size, str(n)) for n, (start, size) in enumerate(spans) if start + size <= length]
    found = segments(length, marks)

    assert [position for segment in found for position in range(segment.start, segment.end)] == list(range(length))
    for segment in found:
        covering = {mark.key for mark in marks if mark.start <= segment.start and segment.end <= mark.end}
        assert {mark.key for mark in segment.marks} == covering
    assert sorted(mark.key for segment in found for mark in segment.opens) == sorted(mark.key for mark in marks)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 6)])
def test_a_mark_outside_the_text_is_refused(start: int, end: int) -> None:
    with pytest.raises(OffsetError):
        segments(5, [Mark(start, end, "f1")])


def test_each_criterion_links_to_its_evidence_and_back(tmp_path: Path) -> None:
    html = page_of(tmp_path, request_body())
    page = PageText(html)
    targets = {link[1:] for link in page.links if link.startswith("#")}

    assert {"fact-f1", "fact-f2", "about-f1", "about-f2"} <= targets
    assert targets <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "saddle anesthesia: negated by “denies”" in html


def test_a_case_of_the_blind_audit_looks_like_any_other(tmp_path: Path) -> None:
    drawn = page_of(tmp_path / "a", request_body(), routed, draw=lambda: 0.0)
    cautious = page_of(tmp_path / "b", request_body(), always(Route.NURSE_REVIEW, "score_below_threshold"))

    assert without_varying(drawn) == without_varying(cautious)
    for telling in ("selected", "audit", "fast_track", "Fast track", "0.973", "0.941"):
        assert telling not in drawn


def test_reasons_about_the_score_never_stand_beside_reasons_from_the_note(tmp_path: Path) -> None:
    triage = always(Route.NURSE_REVIEW, "criterion_not_documented", "score_below_threshold")
    html = page_of(tmp_path, request_body(), triage)
    assert "Because of criterion_not_documented." in html
    assert "Because of score_below_threshold." not in html


def test_a_document_that_is_not_text_says_so(tmp_path: Path) -> None:
    scanned = {"document_id": "d1", "content_type": "application/pdf", "data": "JVBERi0="}
    assert "could not be read" in page_of(tmp_path, request_body(documents=[scanned]))


def test_added_documents_leave_the_earlier_result_visible(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        stored = client.post("/v1/authorizations", json=request_body()).json()
        more = {"documents": [{"document_id": "d2", "text": "More."}]}
        client.post(f"/v1/authorizations/{stored['authorization_id']}/documents", json=more)
        page = client.get(f"/cases/{stored['authorization_id']}").text
    assert "Earlier results" in page
    assert PageText(page).notes == [NOTE, "More."]


def test_an_unknown_case_is_a_page_with_a_way_back(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        for path in ("/cases/01JD3K8Q5T6V7W8X9Y0Z1A2B3C", "/cases/Jane-Roe", "/nowhere"):
            answer = client.get(path, headers={"accept": "text/html"})
            assert answer.status_code == 404
            assert 'href="/"' in answer.text
            assert "Jane" not in answer.text


def test_pages_need_nothing_from_elsewhere_and_hold_no_inline_script_or_style(tmp_path: Path) -> None:
    with client_of(tmp_path) as client:
        stored = client.post("/v1/authorizations", json=request_body()).json()
        for path in ("/", f"/cases/{stored['authorization_id']}"):
            html = client.get(path).text
            assert '<html lang="en">' in html
            assert 'class="skip" href="#main"' in html
            assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
            assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=", html)
            for asset in set(re.findall(r'"(/static/[^"]+)"', html)):
                assert client.get(asset).status_code == 200


@pytest.mark.parametrize(
    ("left", "words", "level"),
    [
        (timedelta(days=6, hours=5), "due in 6 d", "calm"),
        (timedelta(hours=71, minutes=59), "due in 71 h", "calm"),
        (timedelta(hours=31), "due in 31 h", "calm"),
        (timedelta(hours=23), "due in 23 h", "soon"),
        (timedelta(minutes=40), "due in 40 min", "soon"),
        (timedelta(hours=-3, minutes=-10), "overdue by 3 h", "late"),
        (timedelta(days=-10), "overdue by 10 d", "late"),
    ],
)
def test_due_clocks_count_in_words(left: timedelta, words: str, level: str) -> None:
    clock = due_clock(NOW + left, NOW)
    assert (clock.words, clock.level) == (words, level)


def test_text_and_ground_of_every_colour_pair_keep_the_contrast_of_wcag_aa() -> None:
    css = (Path(__file__).parents[1] / "serving/static/greenlane.css").read_text()
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part))
        for part in re.split("prefers-color-scheme", css, maxsplit=1)
    )
    tints = ("treatment", "finding", "problem", "exam-sign", "test", "measurement", "device", "other", "target")
    pairs = [("ink", tint) for tint in tints] + [("muted", tint) for tint in tints[:-1]]
    pairs += [(text, ground) for text in ("ink", "muted", "link", "soon", "late") for ground in ("paper", "ground")]
    pairs += [
        ("paper", "brand"),
        ("ink", "met-ground"),
        ("met", "met-ground"),
        ("not-met", "not-met-ground"),
        ("open", "open-ground"),
        ("conflict", "conflict-ground"),
    ]
    for theme in (light, dark):
        for text, ground in pairs:
            assert _contrast(theme[text], theme[ground]) >= 4.5, (text, ground)


def _contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
