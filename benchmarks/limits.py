"""What greenlane's own reading may cost: how it grows, on two processes, in memory, on hostile input.

``python -m benchmarks.limits TRIAL NOTES ARGUMENT`` runs one trial in this process and prints its figures as JSON.
Everything is CPU time (user and system), so that other work on the machine does not count; only the trial with two
processes also gives wall time.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.notes import hand_back, load_texts, peak_megabytes, silence_libraries

if TYPE_CHECKING:
    from features.facts import FactReader
    from features.lexicon import Lexicon, Segment, Term
    from features.types import Document, Fact

PAGE = 3_000
"""Characters on a page of notes: 500 words, single-spaced."""
SHORT_NOTE_PAGES = 2
HOSTILE_PIECES = {
    "one letter": "a",
    "one digit": "1",
    "blanks": " ",
    "line breaks": "\n",
    "full stops": ".",
    "hyphens": "-",
    "slashes": "/",
    "underscores": "_",
    "opening parentheses": "(",
    "numbers": "1 ",
    "decimals": "1.5 ",
    "no no no": "no ",
    "empty boxes": "[ ] ",
    "dates": "1/2 ",
    "full dates": "1/2/2026 ",
    "headings": "HISTORY: ",
    "headings on lines": "HISTORY:\n",
    "mother": "mother ",
    "left right": "left right ",
    "no pain": "no pain ",
    "pain or": "pain or ",
    "bullets": "- ",
    "outline numbers": "1.1.1.",
    "numbered items": "1. ",
    "numbered lines": "1. a\n",
    "boxes on lines": "[ ]\n",
    "boxes without a gap": "[]",
    "answers": "[ ] no ",
    "colons": ": ",
    "question marks": "? ",
    "quotation marks": '"',
    "apostrophes": "'",
    "carriage returns": "\r\n",
    "combining marks": "\u0301",
    "accented letters": "e\u0301",
    "a capital that grows in lower case": "\u0130",
    "zero-width spaces": "\u200b",
    "one word without an end": "pneumono",
    "units before numbers": "mg 5 ",
    "spine levels": "L4-5 ",
    "page numbers": "page 1 of 3 ",
    "percentages": "5% ",
    "ratios": "1:1 ",
    "names of values": "BP ",
    "since since": "since ",
    "history of": "history of ",
}
"""Nothing to find, or next to nothing: each must cost less than twice what ordinary notes do."""
DENSE_PIECES = {
    "left knee pain": "left knee pain ",
    "weeks of PT": "6 weeks of PT ",
    "planned PT": "will start PT. ",
    "failed PT": "PT failed ",
    "listed PT": "PT, ",
    "since a date": "since 1/2/2026 PT ",
    "family history": "family history of cancer ",
    "blood pressures": "120/80 ",
    "acuities": "20/50 ",
    "post-op days": "POD 3 ",
    "answered boxes": "MRI: [ ] yes [x] no\n",
    "ticked boxes on a line": "[x] no ",
    "PT": "PT ",
    "denied lists": "denies fever, chills, ",
    "ages": "5 yo ",
    "lengths": "6 weeks ",
    "times ago": "3 weeks ago ",
    "days of May": "May 3 ",
    "grades": "grade 4/5 ",
    "values": "BMI 35 ",
    "heights and weights": "5 ft 10 in, 180 lb ",
    "doses": "naproxen 500 mg BID ",
    "misspelled words": "hypertensoin ",
    "symptoms and a length": "Back pain. " + "6 weeks " * 40,
}
"""A finding every few letters, which may cost what findings cost, but no more per letter the more of them there are."""
NESTED = "nested parentheses"
"""Beside the pieces that repeat: one half opens, the other closes."""
_CHUNK = 10
_SYLLABLES = ("ba", "ci", "du", "fe", "gho", "ki", "lo", "mu", "nar", "pel", "qui", "ros", "tam", "vex", "wol", "zyn")
_TODAY = date(2026, 11, 10)


def document(text: str) -> Document:
    """A progress note of one fixed day, so that times are worked out as well."""
    from features.types import Document

    return Document("d1", text, "progress_note", _TODAY)


def cpu_seconds(reader: FactReader, documents: Sequence[Document]) -> float:
    """What reading ``documents``, each by itself, costs."""
    began = time.process_time()
    for one in documents:
        reader.facts([one])
    return time.process_time() - began


def warm_reader(lexicon: Lexicon | None = None) -> FactReader:
    """A reader that has read once, so that what is loaded with the first note is loaded."""
    from features.facts import FactReader

    reader = FactReader(lexicon)
    reader.facts([document("Denies low back pain since 1/2/2026. Completed 6 weeks of PT, BMI 31.")])
    return reader


def linearity(notes: Path, pages: int) -> dict[str, float]:
    """The same characters as one note of ``pages`` pages and as notes of two, three times in turn."""
    texts = load_texts(notes)
    whole = "\n\n".join(texts)
    whole = (whole * (pages * PAGE // len(whole) + 1))[: pages * PAGE]
    size = SHORT_NOTE_PAGES * PAGE
    short = [document(whole[start : start + size]) for start in range(0, len(whole), size)]
    long = [document(whole)]
    reader = warm_reader()
    ratios = [cpu_seconds(reader, long) / cpu_seconds(reader, short) for _ in range(3)]
    return {"ratio": statistics.median(ratios)}


def _invented_words(seed: int) -> Iterator[str]:
    source = random.Random(seed)
    while True:
        yield "".join(source.choices(_SYLLABLES, k=4))


def _invented(term: Term, words: Iterator[str], *, gapped: bool) -> Term:
    """A term that begins like ``term`` and ends in an invented word: it is looked at as often, and never found."""
    from features.lexicon import Segment

    def ending(segment: Segment) -> Segment:
        return Segment.of(segment.gap, tuple((*words_of[:-1], next(words)) for words_of in segment.variants))

    first, *others = term.segments
    if not others:
        return replace(term, segments=(ending(first),))
    if gapped:
        return replace(term, segments=(*term.segments[:-1], ending(term.segments[-1])))
    plain = tuple((*variant, next(words)) for variant in first.variants)
    return replace(term, segments=(Segment.of(0, plain),))


def grown(lexicon: Lexicon, times: int, *, gapped: bool) -> Lexicon:
    """``lexicon`` with ``times`` as many entries. Invented ones begin with the words of real ones, which is the harder
    case for a matcher; with ``gapped`` their gaps stay too, without it what has a gap becomes a phrase."""
    words = _invented_words(20261122)
    concepts = dict(lexicon.concepts)
    for number in range(1, times):
        for concept in lexicon.concepts.values():
            copy_id = f"{concept.concept_id}_{number}"
            terms = tuple(_invented(term, words, gapped=gapped) for term in concept.terms)
            concepts[copy_id] = replace(concept, concept_id=copy_id, terms=terms)
    return replace(lexicon, concepts=concepts)


def growth(notes: Path, shape: str) -> dict[str, float]:
    """All notes once, with the lexicon as it is (``"1"``) or ten times as large (``"10 phrases"``, ``"10 gapped"``)."""
    from features.lexicon import load_lexicon

    times, _, kind = shape.partition(" ")
    lexicon = grown(load_lexicon(), int(times), gapped=kind == "gapped")
    entries = sum(len(concept.terms) for concept in lexicon.concepts.values())
    reader = warm_reader(lexicon)
    seconds = cpu_seconds(reader, [document(text) for text in load_texts(notes)])
    return {"seconds": seconds, "entries": entries, "peak_mb": peak_megabytes()}


def hostile_text(kind: str, characters: int) -> str:
    """``characters`` characters of one piece of :data:`HOSTILE_PIECES` or :data:`DENSE_PIECES`, or of :data:`NESTED`."""
    if kind == NESTED:
        return "(" * (characters // 2) + ")" * (characters - characters // 2)
    piece = (HOSTILE_PIECES | DENSE_PIECES)[kind]
    return (piece * (characters // len(piece) + 1))[:characters]


def hostile(notes: Path, argument: str) -> dict[str, float]:
    """``"CHARACTERS KIND"``: one document of that many characters. ``ratio``: its cost for a character beside that of
    ordinary notes; ``growth``: beside that of ten documents a tenth as long."""
    count, _, kind = argument.partition(" ")
    characters = int(count)
    ordinary, total = [], 0
    for text in load_texts(notes):
        if total < characters:
            ordinary.append(document(text))
            total += len(text)
    reader = warm_reader()
    before = cpu_seconds(reader, ordinary)
    tenths = cpu_seconds(reader, [document(hostile_text(kind, characters // 10))] * 10)
    cost = cpu_seconds(reader, [document(hostile_text(kind, characters))])
    after = cpu_seconds(reader, ordinary)
    return {"ratio": cost / characters / ((before + after) / 2 / total), "growth": cost / tenths}


_worker_reader: FactReader
_worker_began: float


def _start_worker(all_here: Any) -> None:
    global _worker_reader, _worker_began
    silence_libraries()
    _worker_reader = warm_reader()
    all_here.wait()
    _worker_began = time.process_time()


def _read_chunk(texts: list[str]) -> tuple[int, float, float, list[list[Fact]]]:
    facts = [_worker_reader.facts([document(text)]) for text in texts]
    return os.getpid(), time.process_time() - _worker_began, peak_megabytes(), facts


def _pool(texts: Sequence[str], processes: int) -> dict[str, float]:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # Spawned, not forked: what a worker holds must be its own.
    context = multiprocessing.get_context("spawn")
    chunks = [list(texts[start : start + _CHUNK]) for start in range(0, len(texts), _CHUNK)]
    with ProcessPoolExecutor(processes, context, _start_worker, (context.Barrier(processes),)) as pool:
        # Workers start one by one as work comes in, and each waits until all are there.
        for started in [pool.submit(_read_chunk, []) for _ in range(processes)]:
            started.result()
        wall, own = time.perf_counter(), time.process_time()
        busy: dict[int, float] = {}
        peak = 0.0
        for pid, cpu, megabytes, _ in pool.map(_read_chunk, chunks):
            busy[pid] = max(cpu, busy.get(pid, 0.0))
            peak = max(peak, megabytes)
        wall, own = time.perf_counter() - wall, time.process_time() - own
    # On two free cores the work takes as long as its busiest process, or as all together need on two cores.
    free = max(*busy.values(), own, (sum(busy.values()) + own) / 2)
    return {"wall": wall, "free": free, "peak_mb": peak}


def workers(notes: Path, repeats: int) -> dict[str, float]:
    """All notes ``repeats`` times through a pool of one worker process and through one of two; facts come back."""
    texts = load_texts(notes) * repeats
    one, two = _pool(texts, 1), _pool(texts, 2)
    return {
        "speedup": one["free"] / two["free"],
        "wall_speedup": one["wall"] / two["wall"],
        "peak_mb": max(one["peak_mb"], two["peak_mb"]),
    }


def run(trial: str, notes: Path, argument: str) -> Mapping[str, float]:
    """The figures of one trial."""
    if trial == "linearity":
        return linearity(notes, int(argument))
    if trial == "growth":
        return growth(notes, argument)
    if trial == "workers":
        return workers(notes, int(argument))
    return hostile(notes, argument)


def main() -> None:
    """One trial, as the command line names it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("trial", choices=["linearity", "growth", "workers", "hostile"])
    parser.add_argument("notes", type=Path, help="JSON Lines whose lines have a text")
    parser.add_argument(
        "argument",
        help='PAGES; "1", "10 phrases" or "10 gapped"; REPEATS; "CHARACTERS KIND", in the order of the trials',
    )
    given = parser.parse_args()
    hand_back(lambda: run(given.trial, given.notes, given.argument))


if __name__ == "__main__":
    main()
