"""Sentence boundaries: the forms notes take, the laws of the offsets, and passages labelled by hand.

``data/sentence_boundaries.jsonl`` holds passages of notes as (source file, note id, start, end), where each sentence or
item after the first begins, and a few characters from there so that a moved offset is noticed. They were labelled by
reading, following the conventions of :mod:`features.sentences`.
"""

from __future__ import annotations

import json
import re
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_time import own_seconds

from features.sentences import split_sentences

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
PASSAGES = Path(__file__).parent / "data" / "sentence_boundaries.jsonl"
needs_notes = pytest.mark.skipif(
    not (DATA / "mtsamples_notes.jsonl").exists(),
    reason="the notes of the labelled passages are not beside the repository",
)

FORMS = {
    "sentences": "Pain for 6 weeks.|No fever!|Better today?|Unclear.",
    "title": "Seen by Dr. Smith and Mrs. Jones.|Doing well.",
    "name of one letter": "Discussed with Dr. A. B. Smith today.|Agrees.",
    "frequency": "Takes naproxen 500 mg b.i.d. with food.|Helps.",
    "frequency at the end": "Takes naproxen 500 mg b.i.d.|No side effects.",
    "by mouth": "Given 5 mg p.o. q.d. for pain.|Tolerated.",
    "versus": "Tear vs. strain.|Approx. 3 mm of shift.",
    "patient": "The pt. denies pain.|Told pt. to return.",
    "number sign": "Complains of pain at no. 3 finger.|No swelling.",
    "denial": "Asked about falls, he said no.|He lives alone.",
    "decimals": "BMI 28.5 today, A1c 7.9.|Weight 101.2 kg.",
    "spine levels": "Disc at L4-5.|L5-S1 is normal.",
    "time": "Seen at 3 p.m. on Monday.|Left at 4 p.m.",
    "Latin": "Radicular signs, e.g. weakness, i.e. foot drop.|None seen.",
    "degree": "Read by J. Doe, M.D. and signed.|Final.",
    "numbered lines": "Plan:\n|1. Physical therapy\n|2. MRI of the knee\n|10. Return in 6 weeks",
    "numbered with brackets": "1) Rest\n|2) Ice\n|(3) Brace",
    "numbered in a line": "Diagnoses: |1. Back pain. |2. Sciatica. |3. Obesity.",
    "numbered in a line without stops": "PMH: |1) Hypertension |2) Gout |3) Asthma",
    "a grade is no item": "Sprain of grade 2. |He limps.",
    "bullets": "Exam:\n|- no effusion\n|- full motion\n|* stable",
    "real bullets": "\u2022 Fever\n|\u2022 Chills",
    "lettered": "a) rest\n|b) ice",
    "one finding a line": "No fever\n|No cough\n|Lungs clear\n|Heart regular",
    "one finding a line, no capitals": "no fever\n|no cough\n|lungs clear",
    "hard-wrapped": (
        "The patient has had pain in the low back for about four months and it goes\n"
        "down the left leg to the foot.|  She completed eight weeks of physical therapy\n"
        "without lasting relief."
    ),
    "wrapped before a name": (
        "She was seen last week in the clinic downtown for pain and was told by Dr.\nSmith to start therapy.|  She agreed."
    ),
    "list after no, wrapped": "No fever, chills,\nnausea or vomiting.|Eats well.",
    "blank line": "Knee pain\n\n|Back pain",
    "line that ends open": "Pain in the left knee and\nthe left hip.|No fall.",
    "heading of its own line": "HISTORY OF PRESENT ILLNESS\n|Pain for 6 weeks.",
    "heading with its text": "Lungs: clear.|Heart: regular.",
    "heading, then line": "ASSESSMENT:\n|Knee pain.",
    "run-on": "SUBJECTIVE:,| This 23-year-old has pain.,|MEDICATIONS: ,| Claritin,|ALLERGIES: , |None.",
    "run-on items": "DIAGNOSIS:,|1.  Tear.,|2.  Sprain.,|PLAN: ,|Rest.",
    "run-on paragraph": "Denies fever.,|She has pain.",
    "comma inside": "Pain, swelling, and stiffness.|No locking.",
    "ALL CAPS": "NO FRACTURE.|JOINT SPACES ARE PRESERVED.|IMPRESSION: NORMAL KNEE.",
    "no capitals": "pt reports pain.|no fever.|takes tylenol.",
    "semicolons": "No fever; no chills; no cough.|Eats well.",
    "quotation": 'He said "it hurts."|She agreed.',
    "parentheses": "Pain (7/10).|Stiff (worse a.m.) and sore.",
    "doubt": "Knee pain, ? meniscal tear.|MRI ordered.",
    "ellipsis": "Pain... worse at night.|No fever.",
    "form": "Pacemaker?\n|no\n|Pregnant?\n|no",
    "form in columns": "Have you had cancer?\n|no    |Pacemaker?\n|yes",
    "abbreviated list": "Lasix 40 mg q.d.|Potassium 20 mEq b.i.d.",
    "vitals": "BP 120/80, P 72, T 98.6.|SpO2 98%.",
    "hyphen date": "Seen 10/27/26.|Next visit 11/3.",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_notes_is_cut_where_it_is_marked(form: str) -> None:
    expected = [piece.strip() for piece in FORMS[form].split("|")]
    text = re.sub(r"(?<=[.!?])\|", " ", FORMS[form]).replace("|", "")
    assert [text[start:end] for start, end in split_sentences(text)] == expected


def test_sentences_without_a_space_between_them_are_cut() -> None:
    assert split_sentences("No tenderness.The lungs are clear.") == [(0, 14), (14, 34)]


NOTE_TEXT = st.text(
    alphabet=st.one_of(st.sampled_from(".!?,:;()-* \n\t\u00a0ABCabc123"), st.characters()), max_size=300
)


@given(NOTE_TEXT)
def test_sentences_are_in_order_trimmed_and_cover_everything_but_white_space(text: str) -> None:
    end_before = 0
    for start, end in split_sentences(text):
        assert end_before <= start < end <= len(text)
        assert not text[end_before:start].strip()
        assert text[start:end] == text[start:end].strip()
        end_before = end
    assert not text[end_before:].strip()


@given(NOTE_TEXT)
def test_two_paragraphs_are_cut_as_each_alone(text: str) -> None:
    first = "Knee pain for six weeks.\n\n"
    shifted = [(start + len(first), end + len(first)) for start, end in split_sentences("\n\n" + text)]
    assert split_sentences(first + "\n\n" + text)[1:] == shifted


@pytest.mark.parametrize("text", ["", "   ", "\n\n\n"])
def test_a_text_without_words_has_no_sentences(text: str) -> None:
    assert split_sentences(text) == []


HOSTILE = ("a", ".", "no ", "(", ")", "1", "\n", "1. ", ":,", "a\n", "A. ", "\r\n", "- ")


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_text_makes_it_slow(piece: str) -> None:
    hostile = piece * (100_000 // len(piece))
    split_sentences("a")
    # 100,000 characters of ordinary notes take 15 ms at hand; a quadratic step would take minutes.
    assert own_seconds(lambda: split_sentences(hostile)) < 2


@cache
def notes() -> dict[tuple[str, str], str]:
    """Texts by source file and id; a document of a request has the id "request/document"."""
    texts: dict[tuple[str, str], str] = {}
    with (DATA / "mtsamples_notes.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            note = json.loads(line)
            texts["mtsamples_notes.jsonl", note["note_id"]] = note["text"]
    with (DATA / "example_cases.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            for document in case["documents"]:
                name = f"{case['external_id']}/{document['document_id']}"
                texts["example_cases.jsonl", name] = document["text"]
    return texts


def passages() -> list[tuple[str, set[int]]]:
    """Labelled passages: the text and where each sentence after the first begins in it."""
    found = []
    for line in PASSAGES.read_text("utf-8").splitlines():
        label = json.loads(line)
        text = notes()[label["source"], label["id"]]
        for start, quote in zip(label["starts"], label["quotes"], strict=True):
            assert text.startswith(quote, start), f"{label['id']}: the quote at {start} has moved"
        begin = label["start"]
        found.append((text[begin : label["end"]], {start - begin for start in label["starts"]}))
    return found


def first_character(text: str, position: int) -> int:
    """The first character of a unit: neither white space nor a comma that stands for a line break."""
    while position < len(text) and (text[position].isspace() or text[position] == ","):
        position += 1
    return position


def boundary_score(starts_of: Callable[[str], list[int]]) -> tuple[float, float, float]:
    """Precision, recall and F of the boundaries inside the labelled passages."""
    right = found = labelled = 0
    for text, boundaries in passages():
        starts = {first_character(text, start) for start in starts_of(text)}
        starts -= {first_character(text, 0), len(text)}
        right += len(starts & boundaries)
        found += len(starts)
        labelled += len(boundaries)
    return right / found, right / labelled, 2 * right / (found + labelled)


@needs_notes
def test_the_labelled_passages_are_many_enough() -> None:
    labelled = passages()
    assert len(labelled) >= 80
    assert sum(len(boundaries) for _, boundaries in labelled) >= 600


@needs_notes
def test_boundaries_agree_with_the_labels() -> None:
    _, _, f1 = boundary_score(lambda text: [start for start, _ in split_sentences(text)])
    assert f1 >= 0.99  # measured 0.998; the goal is 0.97


def rivals() -> dict[str, Callable[[str], list[int]]]:
    """The other splitters at hand. PyRuSH writes notes into a log by default; that is switched off first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pysbd
        import spacy
        from loguru import logger
        from medspacy.sentence_splitting import PyRuSHSentencizer  # registers its factory

        logger.disable("PyRuSH")
    assert PyRuSHSentencizer
    sentencizer, pyrush = spacy.blank("en"), spacy.blank("en")
    sentencizer.add_pipe("sentencizer")
    pyrush.add_pipe("medspacy_pyrush")
    segmenter = pysbd.Segmenter(language="en", clean=False, char_span=True)
    return {
        "PyRuSH": lambda text: [sentence.start_char for sentence in pyrush(text).sents],
        "spaCy sentencizer": lambda text: [sentence.start_char for sentence in sentencizer(text).sents],
        "pysbd": lambda text: [span.start for span in segmenter.segment(text)],
    }


@pytest.mark.slow
@needs_notes
def test_no_other_splitter_at_hand_comes_as_close(capsys: pytest.CaptureFixture[str]) -> None:
    splitters = {"greenlane": lambda text: [start for start, _ in split_sentences(text)], **rivals()}
    scores = {name: boundary_score(splitter) for name, splitter in splitters.items()}
    with capsys.disabled():
        sys.stdout.write(f"\n{'splitter':20}{'P':>8}{'R':>8}{'F':>8}\n")
        for name, (precision, recall, f1) in scores.items():
            sys.stdout.write(f"{name:20}{precision:8.3f}{recall:8.3f}{f1:8.3f}\n")
    assert max(scores, key=lambda name: scores[name][2]) == "greenlane"


def test_a_field_of_a_form_ends_with_its_answer_where_another_field_follows() -> None:
    text = "Blood thinner: No    Infection: No    Pregnant: No"
    assert [text[start:end] for start, end in split_sentences(text)] == [
        "Blood thinner: No",
        "Infection: No",
        "Pregnant: No",
    ]
    assert split_sentences("Pain: no  relief with rest") == [(0, 26)]


def test_a_denial_at_the_end_of_a_wrapped_line_goes_on_in_the_next() -> None:
    for denial, denied in (("No", "urinary retention, no fever."), ("Negative", "for saddle anesthesia.")):
        text = f"Low back pain for months. Red flags: none of them so far. {denial}\n{denied}"
        assert [text[start:end] for start, end in split_sentences(text)][-1] == f"{denial}\n{denied}"
    assert [end for _, end in split_sentences("Pacemaker? No\nDiabetes? Yes")][1] == len("Pacemaker? No")
