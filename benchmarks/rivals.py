"""The readers that are compared, each built on the same phrases and timed on the same notes in a process of its own.

``python -m benchmarks.rivals NAME NOTES PHRASES EVERY`` times one and prints its figures as JSON.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.notes import hand_back, load_phrases, load_texts, peak_megabytes

Phrases = Sequence[tuple[str, str]]
Reader = Callable[[str], int]
"""Reads one text and says how many spans or facts it found (tokens, for a tokenizer)."""


def greenlane(phrases: Phrases) -> Reader:
    """Everything on: the whole lexicon with its gapped terms, values, times, sides, courses, assertion.

    Takes no phrases: they are a part of its own lexicon.
    """
    from datetime import date

    from features.facts import FactReader
    from features.types import Document

    reader = FactReader()
    today = date(2026, 11, 10)
    return lambda text: len(reader.facts([Document("d1", text, "progress_note", today)]))


def _medspacy(phrases: Phrases, splitter: str) -> Reader:
    import medspacy
    from medspacy.target_matcher import TargetRule

    stock = {"medspacy_tokenizer"} | ({splitter} if splitter == "medspacy_pyrush" else set())
    nlp = medspacy.load(medspacy_enable=stock)
    if splitter not in nlp.pipe_names:
        nlp.add_pipe(splitter)
    # Results go to a span group: as doc.ents, the default, the cost grows with the square of the hits.
    matcher: Any = nlp.add_pipe("medspacy_target_matcher", config={"result_type": "group", "prune": False})
    matcher.add([TargetRule(phrase, concept) for phrase, concept in phrases])
    nlp.add_pipe("medspacy_context", config={"input_span_type": "group"})
    nlp.add_pipe("medspacy_sectionizer", config={"input_span_type": "group"})
    return lambda text: len(nlp(text).spans["medspacy_spans"])


def medspacy_stock(phrases: Phrases) -> Reader:
    """medspaCy as it comes: its tokenizer, PyRuSH, TargetMatcher, ConText and Sectionizer with their default rules."""
    return _medspacy(phrases, "medspacy_pyrush")


def medspacy_sentencizer(phrases: Phrases) -> Reader:
    """The same with spaCy's sentencizer in place of PyRuSH."""
    return _medspacy(phrases, "sentencizer")


def edsnlp(phrases: Phrases) -> Reader:
    """EDS-NLP: its tokenizer, sentences, matcher and four qualifiers. Its cues are French, so it finds fewer of them."""
    # Not a dependency, and in an environment of its own as a rule: mypy need not find it.
    eds: Any = import_module("edsnlp")
    terms: dict[str, list[str]] = {}
    for phrase, concept in phrases:
        terms.setdefault(concept, []).append(phrase)
    nlp = eds.blank("eds")
    nlp.add_pipe("eds.sentences")
    nlp.add_pipe("eds.matcher", config={"terms": terms, "attr": "LOWER"})
    for qualifier in ("negation", "hypothesis", "family", "history"):
        nlp.add_pipe(f"eds.{qualifier}")
    return lambda text: len(nlp(text).ents)


def spacy_tokenizer(phrases: Phrases) -> Reader:
    """spaCy's blank English tokenizer and nothing else: the floor of whatever builds a ``Doc``. Takes no phrases."""
    import spacy

    nlp = spacy.blank("en")
    return lambda text: len(nlp.make_doc(text))


RIVALS: dict[str, Callable[[Phrases], Reader]] = {
    "greenlane": greenlane,
    "medspacy-stock": medspacy_stock,
    "medspacy-sentencizer": medspacy_sentencizer,
    "edsnlp": edsnlp,
    "spacy-tokenizer": spacy_tokenizer,
}


def time_reader(name: str, notes: Path, phrases: Path, every: int) -> dict[str, float]:
    """CPU seconds (user and system) of reading all notes once, without imports, building and a first note to warm up."""
    texts = load_texts(notes, every)
    read = RIVALS[name](load_phrases(phrases))
    read(texts[0])
    began = time.process_time()
    found = sum(read(text) for text in texts)
    seconds = time.process_time() - began
    return {
        "notes": len(texts),
        "characters": sum(map(len, texts)),
        "seconds": seconds,
        "found": found,
        "peak_mb": peak_megabytes(),
    }


if __name__ == "__main__":
    rival, notes_file, phrases_file, step = sys.argv[1:]
    hand_back(lambda: time_reader(rival, Path(notes_file), Path(phrases_file), int(step)))
