"""A document's text as HTML with its facts marked: for the case page and for ``greenlane extract --format html``.

The text between the tags is the document's text, to the character (see :mod:`serving.highlights` for the two that HTML
cannot hold). What a mark means stands in its title, so nothing is ever added to the text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from markupsafe import Markup

from features.types import Document, Fact
from serving.fact_words import FLAGS, category_class, fact_words
from serving.highlights import Mark, Segment, html_text, segments

_BODY_PART = "body_part"


def marks_of(facts: Iterable[Fact]) -> list[Mark]:
    """The marks of facts: their words, the words of their value or dates, and the cues that set their assertion."""
    marks: list[Mark] = []
    for fact in facts:
        marks.append(Mark(fact.start, fact.end, fact.fact_id))
        marks.extend(Mark(start, end, fact.fact_id, "qualifier") for start, end in fact.qualifiers)
        marks.extend(Mark(cue.start, cue.end, fact.fact_id, "cue") for cue in fact.assertion.cues)
    return marks


def marked_text(document: Document, facts: Collection[Fact], linked: Collection[str] = ()) -> Markup:
    """The document's text with ``facts`` (all of this document) marked.

    Each fact's first segment carries ``id="fact-<fact_id>"``, and each of its segments names it in ``data-facts``.
    Facts in ``linked`` are links to ``#about-<fact_id>``. Raises OffsetError where a fact lies outside the text.
    """
    by_id = {fact.fact_id: fact for fact in facts}
    parts = [
        _segment_html(segment, document.text[segment.start : segment.end], by_id, linked)
        for segment in segments(len(document.text), marks_of(facts))
    ]
    return Markup("").join(parts)


def _segment_html(segment: Segment, text: str, facts: Mapping[str, Fact], linked: Collection[str]) -> Markup:
    content = Markup(html_text(text))  # noqa: S704  (html_text escapes every character that is not plain text)
    if not segment.marks:
        return content
    covering = [mark for mark in segment.marks if mark.kind == "fact"]
    if not covering:
        marks = segment.marks
        kind = "cue" if all(mark.kind == "cue" for mark in marks) else f"qualifier {_category(marks, facts)}"
        return Markup('<span class="{}" title="{}">{}</span>').format(kind, _title(marks, facts), content)
    # Evidence wins over what no criterion uses, a finding over the part of the body it is in, then the longer one.
    shown = max(
        (facts[mark.key] for mark in covering),
        key=lambda fact: (fact.fact_id in linked, fact.category != _BODY_PART, fact.end - fact.start, fact.fact_id),
    )
    findings = {mark.key for mark in covering if facts[mark.key].category != _BODY_PART}
    classes = ["fact", category_class(shown.category), *(flag for flag in FLAGS if getattr(shown.assertion, flag))]
    classes += ["overlap"] if len(findings) > 1 else []
    classes += ["last"] if segment.end == shown.end else []
    title = _title(covering, facts)
    keys = " ".join(dict.fromkeys(mark.key for mark in covering))
    if shown.fact_id in linked:
        html = Markup('<a class="{}" href="#about-{}" data-facts="{}" title="{}">{}</a>').format(
            " ".join(classes), shown.fact_id, keys, title, content
        )
    else:
        html = Markup('<mark class="{}" data-facts="{}" title="{}">{}</mark>').format(
            " ".join(classes), keys, title, content
        )
    for mark in segment.opens:
        if mark.kind == "fact":
            html = Markup('<span class="anchor" id="fact-{}">{}</span>').format(mark.key, html)
    return html


def _title(marks: Iterable[Mark], facts: Mapping[str, Fact]) -> str:
    lines: list[str] = []
    for mark in marks:
        fact = facts[mark.key]
        line = f"belongs to {fact_words(fact)}" if mark.kind != "fact" else fact_words(fact)
        if line not in lines:
            lines.append(line)
    return "; ".join(lines)


def _category(marks: Iterable[Mark], facts: Mapping[str, Fact]) -> str:
    return next(category_class(facts[mark.key].category) for mark in marks if mark.kind == "qualifier")
