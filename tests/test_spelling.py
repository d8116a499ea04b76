"""Misspelled words of the lexicon: found where they stand, and no word of its own is taken for one."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from features import extract
from features.concepts import ConceptMatcher
from features.cues import load_cues
from features.errors import LexiconError
from features.lexicon import load_lexicon
from features.spelling import Spelling, SpellingGuard, is_one_edit, packaged_spelling_guard, parse_spelling_guard
from features.tokens import tokenize
from features.types import Document

NOTES = Path(__file__).parents[1] / ".." / "shared" / "data" / "mtsamples_notes.jsonl"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@cache
def spelling() -> Spelling:
    """The spelling of the packaged lexicon, filled as the matcher fills it."""
    filled = Spelling()
    for concept in load_lexicon().concepts.values():
        for term in concept.terms:
            for word in {word for segment in term.segments for variant in segment.variants for word in variant}:
                filled.add(word, restorable=term.written is None)
    return filled


@cache
def matcher() -> ConceptMatcher:
    return ConceptMatcher(load_lexicon())


@cache
def restorable() -> list[str]:
    spelled = spelling()
    terms = (term for concept in load_lexicon().concepts.values() for term in concept.terms if term.written is None)
    words = {word for term in terms for segment in term.segments for variant in segment.variants for word in variant}
    cues = {rule.words[0] for rule in load_cues() if len(rule.words) == 1}
    return sorted(w for w in words if len(w) >= 8 and w.isalpha() and w not in cues and spelled.meant(w) is None)


MISSPELLED = """
rheumatiod arthritis > rheumatoid arthritis
osteoarthrits > osteoarthritis
osteoarthritiss of the knee > osteoarthritis of the knee
radiculopthy > radiculopathy
radiculopahty > radiculopathy
radicolopathy > radiculopathy
myelopthy > myelopathy
spondylolisthisis > spondylolisthesis
spondylolithesis > spondylolisthesis
spinal stenossis > spinal stenosis
physcial therapy > physical therapy
phyiscal therapy > physical therapy
physiotherpy > physiotherapy
naproxin > naproxen
ibuproffen > ibuprofen
ibuprofin > ibuprofen
gabapentn > gabapentin
gabapentine 300 mg > gabapentin 300 mg
meloxicamm > meloxicam
diclofenec > diclofenac
methotrexat > methotrexate
methotrexatte > methotrexate
adalimumb > adalimumab
prednsone > prednisone
predinsone > prednisone
semaglutde > semaglutide
metformn > metformin
accupuncture > acupuncture
chiropracter > chiropractor
hypertenison > hypertension
hypertenson > hypertension
migrane headaches > migraine headaches
migriane headaches > migraine headaches
pnuemonia > pneumonia
pnemonia > pneumonia
colonoscpy > colonoscopy
atrial fibrilation > atrial fibrillation
emphyzema > emphysema
obstuctive sleep apnea > obstructive sleep apnea
narcolepsey > narcolepsy
somnolance > somnolence
blepheroptosis > blepharoptosis
laminectmy > laminectomy
total knee arthroplsty > total knee arthroplasty
menisectomy > meniscectomy
menicsus tear > meniscus tear
chondromalcia > chondromalacia
schizophernia > schizophrenia
parkinsn disease > parkinson disease
urinary incontinance > urinary incontinence
saddle anaesthsia > saddle anaesthesia
saddle anesthsia > saddle anesthesia
osteomyelitus > osteomyelitis
malignency > malignancy
metastsis > metastasis
vertebral compresion fracture > vertebral compression fracture
polysomnogrphy > polysomnography
""".strip().splitlines()


def differing(misspelled: str, right: str) -> str:
    (word,) = set(misspelled.split()) - set(right.split())
    return word


@pytest.mark.parametrize("line", MISSPELLED)
def test_a_misspelled_word_is_found_where_it_stands(line: str) -> None:
    misspelled, right = line.split(" > ")
    before = "Seen for "
    text = f"{before}{misspelled}. "
    found = matcher().mentions(tokenize(text), [(0, len(text))])
    meant = matcher().mentions(tokenize(f"{before}{right}."), [(0, len(before) + len(right) + 1)])
    assert meant
    assert [mention.concept.concept_id for mention in found] == [mention.concept.concept_id for mention in meant]
    word = differing(misspelled, right)
    start = text.index(word)
    assert any((start, start + len(word)) == span for m in found for span in spans(text, m.start, m.end))


def spans(text: str, start: int, end: int) -> list[tuple[int, int]]:
    return [(start + match.start(), start + match.end()) for match in re.finditer(r"\w+", text[start:end])]


OF_THEIR_OWN = """
adduction abduction dysphagia dysphasia dysplasia hypothyroidism hyperthyroidism hypotension hypertension peroneal perineal
perineum prostrate cervicals palpitation radical sciatic fibrosus arthritic arteritis asymptomatic symptomatic infraction
inflection injection infarction structure construction enophthalmos ectropion entropion hepatoma simulator
simulation ingestion colotomy ileotomy thoracostomy ostectomy osteotome refluxes
relaxes sprained staining stained slurring gustation decease deceased meditation mediation medially precious
pervious prescribed proscribed perforating preforming reaction refection redaction retraction resented
interval internal infernal inspection sedition sudation election erection selection section
anesthetic cariogenic friction faction affection evacuation evacuated
addition vertebrae patella trachea bursae radiates radiated exercised radiography endoscope
hydrogen pancreatin spurling sparring humphry hoffman goldman barrette surgicel intraocular
infraocular microglossia macroglossia preoperative postdural negtive postive anormal
contant internval relavant distruction medicina contraste naproxeno
arthrits3 l5arthritis mylopathy stenosys positivo completó knee osteophyte osteophytes tearing
"""


@pytest.mark.parametrize("word", sorted(OF_THEIR_OWN.split()))
def test_a_word_of_its_own_is_left_alone(word: str) -> None:
    assert spelling().meant(word) is None


@pytest.mark.parametrize(
    ("text", "concept_word"),
    [
        ("Annulus fibrosus intact.", "fibrosis"),
        ("Sciatic nerve.", "sciatica"),
        ("Hip adduction 4/5.", "abduction"),
        ("Peroneal nerve.", "perineal"),
        ("Structure seen.", "stricture"),
        ("She is asymptomatic.", "symptomatic"),
    ],
)
def test_a_near_word_brings_no_mention_of_the_lexicons_word(text: str, concept_word: str) -> None:
    assert concept_word not in spelling().restore(tokenize(text)).words


def test_short_words_are_never_corrected() -> None:
    short = Spelling(["fever", "tendon", "tendons", "therapy"])
    assert [short.meant(word) for word in ("fevr", "tendn", "tendosn", "threapy", "therapyy")] == [None] * 5


def test_a_word_that_could_be_either_of_two_is_left() -> None:
    both = Spelling(["quillwort", "quillwart"])
    assert both.meant("quillwrt") is None
    assert Spelling(["quillwort"]).meant("quillwrt") == "quillwort"


def test_a_word_added_later_is_known_and_its_misspellings_are_restored() -> None:
    words = Spelling(["quillwort"])
    before = tokenize("quilwort quillwart")
    assert words.restore(before).words == ("quillwort", "quillwort")
    words.add("quillwart")
    assert words.restore(before).words == ("quillwort", "quillwart")


def test_an_abbreviation_and_a_word_that_is_a_cue_alone_are_not_guessed() -> None:
    words = Spelling()
    words.add("quillwort", restorable=False)
    words.add("negative")
    assert words.meant("quilwort") is None
    assert words.meant("negativve") is None


def test_no_word_of_the_cue_lexicon_is_corrected() -> None:
    words = {word for rule in load_cues() for word in rule.words}
    assert {word: meant for word in words if (meant := spelling().meant(word))} == {}


def test_no_english_word_of_the_lexicon_files_is_taken_for_another() -> None:
    found = {}
    for entry in (resources.files("features") / "lexicon").iterdir():
        for word in tokenize(entry.read_text("utf-8")).words:
            meant = spelling().meant(word)
            if meant:
                found[word] = meant
    # British spellings of one meaning may be restored.
    assert {word: meant for word, meant in found.items() if word.replace("oe", "e").replace("ae", "e") != meant} == {}


def edits(word: str, kind: str, index: int, letter: str) -> str:
    if kind == "missing":
        return word[:index] + word[index + 1 :]
    if kind == "extra":
        return word[:index] + letter + word[index:]
    if kind == "other":
        return word[:index] + letter + word[index + 1 :]
    return word[:index] + word[index + 1 : index + 2] + word[index : index + 1] + word[index + 2 :]


KINDS = ["missing", "extra", "other", "swapped"]


@given(st.data())
def test_an_edit_of_a_word_is_restored_to_it_or_left(data: st.DataObject) -> None:
    word = data.draw(st.sampled_from(restorable()))
    index = data.draw(st.integers(1, len(word) - 1))
    edited = edits(word, data.draw(st.sampled_from(KINDS)), index, data.draw(st.sampled_from(LETTERS)))
    assert edited == word or is_one_edit(edited, word)
    assert spelling().meant(edited) in (word, None)


def test_nine_in_ten_edits_behind_the_first_letter_are_restored() -> None:
    outcomes = [
        spelling().meant(edited) == word
        for number, word in enumerate(restorable())
        for kind in KINDS
        for index in [1 + number * 7 % (len(word) - 1)]
        if (edited := edits(word, kind, index, LETTERS[number % 26])) != word
    ]
    assert len(outcomes) > 5000
    assert sum(outcomes) / len(outcomes) > 0.9


@given(st.text(alphabet=LETTERS, max_size=12), st.text(alphabet=LETTERS, max_size=12))
def test_one_edit_is_symmetric(one: str, other: str) -> None:
    assert is_one_edit(one, other) == is_one_edit(other, one)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*MISSPELLED, "no", "denies", ",", ".", "\n", "İ", "left knee", "for 6 weeks"]), max_size=12
    )
)
def test_correcting_changes_no_text_and_no_offset(parts: list[str]) -> None:
    text = " ".join(part.split(" > ")[0] for part in parts)
    tokens = tokenize(text)
    restored = spelling().restore(tokens)
    assert restored.text is tokens.text
    assert (restored.starts, restored.ends) == (tokens.starts, tokens.ends)
    assert len(restored.words) == len(tokens.words)
    for fact in extract([Document("d", text, "progress_note")]):
        assert text[fact.start : fact.end] == fact.text


@given(st.text(max_size=200))
def test_any_text_goes_through(text: str) -> None:
    tokens = tokenize(text)
    for before, after in zip(tokens.words, spelling().restore(tokens).words, strict=True):
        assert before == after or (len(before) >= 7 and before.isalpha() and is_one_edit(before, after))


def test_a_denied_finding_stays_denied_when_it_is_misspelled() -> None:
    (fact,) = [f for f in extract([Document("d", "Denies radiculopthy.", "progress_note")]) if "radicul" in f.text]
    assert fact.text == "radiculopthy"
    assert fact.assertion.negated


def test_the_packaged_guard_lists_no_word_of_the_lexicon_and_none_twice() -> None:
    listed = yaml.safe_load((resources.files("features") / "lexicon" / "spelling.yaml").read_bytes())["words"].split()
    assert len(listed) == len(set(listed)) == len(packaged_spelling_guard().words)
    assert listed == sorted(listed)
    assert not set(listed) & set(restorable())


@pytest.mark.parametrize(
    ("one", "other"), [("exercise", "exercised"), ("infraorbital", "intraorbital"), ("colotomy", "colostomy")]
)
def test_endings_and_parts_make_two_words(one: str, other: str) -> None:
    assert packaged_spelling_guard().are_two_words(one, other)
    assert packaged_spelling_guard().are_two_words(other, one)


def test_a_missing_s_is_a_slip_where_the_word_is_no_plural() -> None:
    guard = SpellingGuard(frozenset(), (), ())
    assert guard.are_two_words("osteophyte", "osteophytes")
    assert not guard.are_two_words("arthriti", "arthritis")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("words: [", "not valid YAML"),
        ("words: a", "takes endings, beginnings and words"),
        ("{endings: [[a]], beginnings: [], words: a}", "endings must be a list of pairs"),
        ("{endings: [], beginnings: 3, words: a}", "beginnings must be a list of pairs"),
        ("{endings: [], beginnings: [], words: [a]}", "words must be one text"),
    ],
)
def test_a_broken_guard_file_is_named_in_one_line(content: str, message: str) -> None:
    with pytest.raises(LexiconError, match=rf"^guard\.yaml.*{message}"):
        parse_spelling_guard(content, "guard.yaml")


@pytest.mark.skipif(not NOTES.exists(), reason="the shared notes are not beside the repository")
def test_in_420_real_notes_nothing_but_misspellings_is_corrected() -> None:
    found: dict[str, str] = {}
    for line in NOTES.read_text("utf-8").splitlines():
        tokens = tokenize(json.loads(line)["text"])
        found |= {b: a for b, a in zip(tokens.words, spelling().restore(tokens).words, strict=True) if a != b}
    assert found == {
        "artifical": "artificial",
        "esophageus": "esophagus",
        "fascitis": "fasciitis",
        "levaeuin": "levaquin",
        "paraesthesia": "paresthesia",
        "postioning": "positioning",
    }


def test_a_lexicon_beyond_the_memory_does_not_settle_every_word_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    from features import spelling

    monkeypatch.setattr(spelling, "_MOST_SETTLED", 10)
    restorer = spelling.Spelling(["radiculopathy"])
    restorer.restore(tokenize("Zebrafinch quokkasaurus"))
    settled = restorer._settled
    restorer.restore(tokenize("Another marsupials"))
    assert restorer._settled is settled
