"""A document's text as HTML with its facts marked: for the case page and for ``greenlane extract --format html``.

The text between the tags is the document's text, to the character (see :mod:`serving.highlights` for the two that HTML
cannot hold). What a mark means stands in its title, the tag behind it and the number of a page in attributes that CSS
shows, so nothing is ever added to the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from features.types import Document, Fact
from serving.fact_words import BODY_PART, FLAGS, assertion_tag, category_class, fact_words
from serving.highlights import Mark, Segment, html_text, lanes, segments

_LAST_LANE = 3
"""More lines than this under one word cannot be told apart; what lies deeper shares the last lane."""


@dataclass(frozen=True, slots=True)
class _MarkedFact:
    """A fact with what every piece of it repeats."""

    fact: Fact
    words: str
    line: str
    tag: str
    is_evidence: bool

    @property
    def is_body_part(self) -> bool:
        return self.fact.category == BODY_PART


def marks_of(facts: Iterable[Fact]) -> list[Mark]:
    """The marks of facts: their words, the words of their value or dates, and the cues that set their assertion."""
    marks: list[Mark] = []
    for fact in facts:
        marks.append(Mark(fact.start, fact.end, fact.fact_id))
        marks.extend(Mark(start, end, fact.fact_id, "qualifier") for start, end in fact.qualifiers)
        marks.extend(Mark(cue.start, cue.end, fact.fact_id, "cue") for cue in fact.assertion.cues)
    return marks


def marked_text(
    document: Document, facts: Collection[Fact], linked: Collection[str] = (), page_starts: Sequence[int] = (0,)
) -> Markup:
    """The document's text with ``facts`` (all of this document) marked.

    Each fact's first segment carries ``id="fact-<fact_id>"``. Each segment names the facts that cover it in
    ``data-facts``, and what each is, in the same order, on the lines of its title; ``data-of`` names the facts whose
    cue or value it is. Facts in ``linked`` are links to ``#about-<fact_id>``. Where there is more than one page, an
    empty element at each of ``page_starts`` carries "Page n of m" in ``data-page``.

    Raises OffsetError where a fact or the start of a page lies outside the text.
    """
    marked = _marked_facts(facts, linked)
    pages = {start: number for number, start in enumerate(page_starts, 1)} if len(page_starts) > 1 else {}
    text = document.text
    parts: list[str] = []
    for segment in segments(len(text), marks_of(facts), pages):
        if segment.start in pages:
            parts.append(f'<span class="page" data-page="Page {pages[segment.start]} of {len(pages)}"></span>')
        parts.append(_segment_html(segment, html_text(text[segment.start : segment.end]), marked))
    return Markup("".join(parts))  # noqa: S704  (html_text escapes every character that is not plain text)


def _marked_facts(facts: Collection[Fact], linked: Collection[str]) -> dict[str, _MarkedFact]:
    findings = (Mark(fact.start, fact.end, fact.fact_id) for fact in facts if fact.category != BODY_PART)
    lane_of = lanes(findings)
    evidence = frozenset(linked)
    found: dict[str, _MarkedFact] = {}
    for fact in facts:
        lane = min(lane_of.get(fact.fact_id, 0), _LAST_LANE)
        classes = ["fact", category_class(fact.category), *(flag for flag in FLAGS if getattr(fact.assertion, flag))]
        classes += [f"lane-{lane}"] if lane else []
        found[fact.fact_id] = _MarkedFact(
            fact,
            html_text(" ".join(fact_words(fact).split())),
            " ".join(classes),
            assertion_tag(fact.assertion),
            fact.fact_id in evidence,
        )
    return found


def _segment_html(segment: Segment, content: str, facts: dict[str, _MarkedFact]) -> str:
    if not segment.marks:
        return content
    covering = [facts[mark.key] for mark in segment.marks if mark.kind == "fact"]
    belongs = _of(segment.marks)
    if not covering:
        return f'<span class="{_dependent_class(segment.marks, facts)}"{belongs}>{content}</span>'
    # Evidence wins over what no criterion uses, a finding over the part of the body it is in, then the longer one.
    shown = max(
        covering,
        key=lambda one: (one.is_evidence, not one.is_body_part, one.fact.end - one.fact.start, one.fact.fact_id),
    )
    findings = [one for one in covering if not one.is_body_part]
    tags = _tags(shown, findings, segment)
    own_tag = tags.pop(shown.tag, "") if shown.fact.end == segment.end else ""
    for beneath in findings:
        if beneath is not shown:
            content = f'<span class="{beneath.line} under"{tags.pop(beneath.tag, "")}>{content}</span>'
    opening = [mark.key for mark in segment.opens if mark.kind == "fact"]
    own_id = f' id="fact-{html_text(opening[0])}"' if opening else ""
    classes = shown.line + (" overlap" if len(findings) > 1 else "")
    named = html_text(" ".join(one.fact.fact_id for one in covering))
    said = "\n".join(one.words for one in covering)
    attributes = f'{own_id} data-facts="{named}"{belongs}{own_tag} title="{said}"'
    if shown.is_evidence:
        html = f'<a class="{classes}" href="#about-{html_text(shown.fact.fact_id)}"{attributes}>{content}</a>'
    else:
        html = f'<mark class="{classes}"{attributes}>{content}</mark>'
    for key in opening[1:]:
        html = f'<span class="anchor" id="fact-{html_text(key)}">{html}</span>'
    return html


def _tags(shown: _MarkedFact, findings: Sequence[_MarkedFact], segment: Segment) -> dict[str, str]:
    """The tags of the facts that end here, each once."""
    ending = (one for one in (shown, *findings) if one.tag and one.fact.end == segment.end)
    return {one.tag: f' data-tag="{one.tag}"' for one in ending}


def _of(marks: Sequence[Mark]) -> str:
    keys = dict.fromkeys(mark.key for mark in marks if mark.kind != "fact")
    return f' data-of="{html_text(" ".join(keys))}"' if keys else ""


def _dependent_class(marks: Sequence[Mark], facts: dict[str, _MarkedFact]) -> str:
    for mark in marks:
        if mark.kind == "qualifier":
            return f"qualifier {category_class(facts[mark.key].fact.category)}"
    return "cue"
