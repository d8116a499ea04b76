"""Mentions of concepts: which words a term finds, how far a gap reaches, and where an abbreviation means something else."""

from __future__ import annotations

from features.concepts import ConceptMatcher, Mention
from features.lexicon import Concept, Lexicon, Term, parse_term
from features.sentences import split_sentences
from features.tokens import tokenize


def term(source: str, *, written: bool = False, beside: str = "", not_beside: str = "") -> Term:
    return Term(
        source,
        parse_term(source),
        source if written else None,
        frozenset(beside.split()),
        frozenset(not_beside.split()),
    )


def concept(concept_id: str, *terms: Term) -> Concept:
    return Concept(concept_id, concept_id, "finding", terms, {})


def find(text: str, *concepts: Concept) -> list[Mention]:
    matcher = ConceptMatcher(Lexicon({one.concept_id: one for one in concepts}, "hash"))
    return matcher.mentions(tokenize(text), split_sentences(text))


def spelled(text: str, *terms: Term) -> list[str]:
    return [text[mention.start : mention.end] for mention in find(text, concept("c", *terms))]


def test_case_hyphens_and_line_breaks_do_not_matter() -> None:
    back = term("low back pain")
    assert spelled("LOW BACK PAIN, low-back pain and, for many months, low\nback pain.", back) == [
        "LOW BACK PAIN",
        "low-back pain",
        "low\nback pain",
    ]


def test_a_hyphen_between_later_words_of_a_term_does_not_matter_either() -> None:
    second = term("second <1> post_treatment scan")
    text = "Second post-treatment scan, second (post treatment scan), second post, treatment scan."
    assert spelled(text, second) == ["Second post-treatment scan", "second (post treatment scan"]


def test_only_whole_words_are_found() -> None:
    assert spelled("kneeling, knees, a knee.", term("knee")) == ["knee"]


def test_a_gap_reaches_so_many_words_and_never_into_the_next_sentence() -> None:
    pain = term("pain <2> leg")
    assert spelled("Pain in the leg.", pain) == ["Pain in the leg"]
    assert spelled("Pain in the left leg.", pain) == []
    assert spelled("There is pain. Leg is fine.", pain) == []


def test_the_words_of_a_gap_are_not_the_terms_own() -> None:
    (mention,) = find("No pain in the leg.", concept("c", term("pain <2> leg")))
    assert mention.words == ((3, 7), (15, 18))


def test_of_overlapping_mentions_of_a_concept_the_longest_stays() -> None:
    assert spelled("low back pain", term("back pain"), term("low back pain"), term("pain")) == ["low back pain"]


def test_different_concepts_may_overlap() -> None:
    found = find("low back pain", concept("a", term("back")), concept("b", term("back pain")))
    assert [(mention.concept.concept_id, mention.start, mention.end) for mention in found] == [
        ("a", 4, 8),
        ("b", 4, 13),
    ]


def test_an_abbreviation_is_found_as_written() -> None:
    pt = term("PT", written=True)
    assert spelled("PT, Pt and pt.", pt) == ["PT"]


def test_words_nearby_say_that_an_abbreviation_means_something_else() -> None:
    pt = term("PT", written=True, not_beside="inr")
    assert spelled("PT/INR 1.1.", pt) == []
    assert spelled("INR and PT.", pt) == []
    assert spelled("INR was checked today before her PT.", pt) == ["PT"]


def test_words_nearby_may_be_needed() -> None:
    oct_ = term("OCT", written=True, beside="macula retina")
    assert spelled("OCT of the macula.", oct_) == ["OCT"]
    assert spelled("Seen in OCT 2026.", oct_) == []


def test_mentions_stand_in_order_with_their_sentence() -> None:
    found = find("Knee hurts. Back hurts. Knee again.", concept("k", term("knee")), concept("b", term("back")))
    assert [(mention.concept.concept_id, mention.sentence) for mention in found] == [("k", 0), ("b", 1), ("k", 2)]
