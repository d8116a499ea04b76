"""The lexicon's notation and files: what a term stands for, and that a broken file is named in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import LexiconError
from features.lexicon import CATEGORIES, load_lexicon, parse_term

FILE = "category: treatment\nconcepts:\n  physical_therapy:\n    terms: [physical therapy]\n"


def variants(term: str) -> list[set[tuple[str, ...]]]:
    return [set(segment.variants) for segment in parse_term(term)]


def test_alternatives_and_optional_words_are_written_out() -> None:
    assert variants("low|lower back? pain") == [
        {("low", "back", "pain"), ("lower", "back", "pain"), ("low", "pain"), ("lower", "pain")}
    ]


def test_a_gap_parts_a_term_into_segments() -> None:
    segments = parse_term("pain <3> leg|calf")
    assert [(segment.gap, set(segment.variants)) for segment in segments] == [
        (0, {("pain",)}),
        (3, {("leg",), ("calf",)}),
    ]


def test_hyphens_in_a_term_are_optional() -> None:
    assert variants("x-ray") == [{("x", "ray")}]


@pytest.mark.parametrize("term", ["", "pain?", "a?|b?", "<3> pain", "|", "pain || leg"])
def test_a_term_without_a_fixed_first_word_is_refused(term: str) -> None:
    with pytest.raises(LexiconError, match=r"^here: term"):
        parse_term(term, "here")


def test_a_term_that_stands_for_too_many_is_refused() -> None:
    with pytest.raises(LexiconError, match="variants"):
        parse_term(" ".join(["a|b|c|d"] * 6))


BROKEN = {
    "no YAML": ("category: [", "not valid YAML near line"),
    "an unknown category": (FILE.replace("treatment", "magic"), "category must be one of"),
    "an unknown key": (FILE + "    colour: red\n", "physical_therapy: unknown key colour"),
    "no terms": ("category: treatment\nconcepts:\n  nothing:\n    name: Nothing\n", "nothing: needs at least one term"),
    "an unknown flag": (FILE + "    ignore: [denied]\n", "physical_therapy: ignore takes"),
    "a term without a word": (FILE.replace("physical therapy", "'| |'"), "physical_therapy: term"),
    "a broken abbreviation": (FILE + "    abbreviations: [{term: PT, near: [x]}]\n", "a term has"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_named_with_its_entry_in_one_line(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(LexiconError) as refused:
        load_lexicon(tmp_path)
    assert str(refused.value).startswith("mine.yaml: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_concept_is_defined_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(FILE, encoding="utf-8")
    with pytest.raises(LexiconError, match=r"^b\.yaml: concept physical_therapy is defined twice$"):
        load_lexicon(tmp_path)


def test_the_hash_changes_with_every_word_of_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FILE, encoding="utf-8")
    hashes = {load_lexicon(tmp_path).hash}
    (tmp_path / "a.yaml").write_text(FILE.replace("physical therapy", "physiotherapy"), encoding="utf-8")
    hashes.add(load_lexicon(tmp_path).hash)
    (tmp_path / "cues.yaml").write_text("cues: []\n", encoding="utf-8")
    hashes.add(load_lexicon(tmp_path).hash)
    assert len(hashes) == 3


def test_the_packaged_lexicon_is_sound() -> None:
    lexicon = load_lexicon()
    assert lexicon is load_lexicon()
    for concept in lexicon.concepts.values():
        assert concept.name
        assert concept.category in CATEGORIES
        assert concept.result_of is None or lexicon.concepts[concept.result_of].category == "test"
        assert concept.until <= lexicon.concepts.keys()
        for term in concept.terms:
            assert all(any(segment.variants) for segment in term.segments)
