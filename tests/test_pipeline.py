"""The medspaCy door: the same answers as triage's own reading, medspaCy's rules and attributes, nothing leaked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from features.facts import FactReader
from features.types import Document

if TYPE_CHECKING:
    # spaCy is only imported where a test needs it.
    from spacy.language import Language

NOTES = Path(__file__).parents[1] / ".." / "shared" / "data" / "mtsamples_notes.jsonl"
NOTE = (
    "HISTORY:  Low back pain for 3 months.\r\nDenies saddle anesthesia.\tCompleted 8 weeks of PT.\n\n"
    "FAMILY HISTORY: Mother had breast cancer.\nPLAN: will start physical therapy. İstanbul \u200f mark."
)


@pytest.fixture(scope="module")
def nlp() -> Language:
    from features.pipeline import build_pipeline

    return build_pipeline()


def test_text_of_the_doc_is_the_note(nlp: Language) -> None:
    for text in (NOTE, " leading", "trailing  ", "a\n\n b", "", "\t"):
        assert nlp(text).text == text


def test_spans_carry_medspacys_attributes(nlp: Language) -> None:
    doc = nlp(NOTE)
    spans = {span.label_: span for span in doc.spans["medspacy_spans"]}
    assert spans["saddle_anesthesia"]._.is_negated
    assert spans["cancer"]._.is_family
    assert not spans["low_back_pain"]._.is_negated


def facts_by_both_doors(nlp: Language, text: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    doc = nlp(text)
    by_doc = sorted(
        (m.concept.concept_id, m.start, m.end, *(sorted({c.flag for c in a.cues})))
        for m, a in zip(doc.user_data["greenlane.mentions"], doc.user_data["greenlane.assertions"], strict=True)
        if not m.concept.needs_result
    )
    reader = FactReader()
    direct = sorted(
        (f.concept, f.start, f.end, *(sorted({c.flag for c in f.assertion.cues})))
        for f in reader.document_facts(Document("d1", text))
        if f.category not in ("measurement", "exam_sign")
    )
    return by_doc, direct


@pytest.mark.slow
def test_both_doors_give_the_same_mentions_and_assertions(nlp: Language) -> None:
    texts = [NOTE]
    if NOTES.exists():
        texts += [json.loads(line)["text"] for line in NOTES.read_text("utf-8").splitlines()[:40]]
    for text in texts:
        by_doc, direct = facts_by_both_doors(nlp, text)
        assert by_doc == direct


def test_a_target_rule_and_a_context_rule_can_be_added() -> None:
    from medspacy.context import ConTextRule
    from medspacy.target_matcher import TargetRule

    from features.pipeline import build_pipeline

    nlp = build_pipeline()
    nlp.get_pipe("greenlane_concepts").add([TargetRule("zebra orthosis", "treatment")])
    nlp.get_pipe("greenlane_context").add([ConTextRule("contrary to", "NEGATED_EXISTENCE", direction="FORWARD")])
    doc = nlp("Contrary to zebra orthosis.")
    assert [(span.label_, span._.is_negated) for span in doc.spans["medspacy_spans"]] == [("zebra_orthosis", True)]


@pytest.mark.slow
def test_importing_it_silences_no_warning_and_logs_no_word() -> None:
    code = (
        "import warnings, logging, sys\n"
        "logging.basicConfig(level=0)\n"
        "from loguru import logger\n"
        "logger.remove(); logger.add(sys.stderr, level=0)\n"
        "from features.pipeline import build_pipeline\n"
        "assert not any(f[0] == 'ignore' and f[2] is Warning for f in warnings.filters[:3]), warnings.filters[:3]\n"
        "build_pipeline()('Xylophonic quokka denies fever.')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "quokka" not in done.stdout + done.stderr
    assert "Xylophonic" not in done.stdout + done.stderr
