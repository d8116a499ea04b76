"""The benchmark runs, answers in its shape, judges its bars, and prints no word of a note. Figures are not tested here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SECRET = "Quillfeather"
NOTES = [
    f"Mrs. {SECRET} denies saddle anesthesia. Completed 8 weeks of physical therapy, BMI 31.",
    f"FAMILY HISTORY: mother of {SECRET} had breast cancer.\nPLAN: MRI lumbar spine.",
]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in NOTES), encoding="utf-8")
    return path


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.extraction", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def child(module: str, *arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert SECRET not in done.stdout + done.stderr
    figures: dict[str, object] = json.loads(done.stdout)
    return figures


def in_benchmarks(code: str) -> str:
    # The package is not installed, and a library brings one of the same name: it is only found from the root.
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
def test_rivals_are_compared_without_a_word_of_a_note(notes: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    names = ("greenlane", "spacy-tokenizer", "edsnlp")
    done = bench(
        *("--notes", str(notes), "--quick", "--only", "rivals", "--json", str(figures), "--rivals", *names),
        *("--edsnlp-python", str(tmp_path / "no-python")),
    )
    assert done.returncode == 0, done.stderr[-500:]
    assert SECRET not in done.stdout + done.stderr + figures.read_text("utf-8")
    report = json.loads(figures.read_text("utf-8"))
    greenlane, tokenizer, edsnlp = report["rivals"]
    assert [rival["name"] for rival in report["rivals"]] == list(names)
    assert greenlane["notes_per_second"] > 0
    assert greenlane["found_per_note"] >= 1
    assert tokenizer["peak_mb"] > 1
    assert edsnlp["missing"] == "its Python cannot be started"
    assert report["phrases"] > 1000


@pytest.mark.slow
def test_medspacy_reads_without_printing_a_word(notes: Path, tmp_path: Path) -> None:
    phrases = tmp_path / "phrases.json"
    phrases.write_text(json.dumps([["saddle anesthesia", "saddle_anesthesia"], ["cancer", "cancer"]]), "utf-8")
    for name in ("medspacy-stock", "medspacy-sentencizer"):
        figures = child("benchmarks.rivals", name, str(notes), str(phrases), "1")
        assert figures["found"] == len(NOTES)


@pytest.mark.parametrize(
    ("trial", "argument", "keys"),
    [
        ("linearity", "4", {"ratio"}),
        ("growth", "2 gapped", {"seconds", "entries", "peak_mb"}),
        pytest.param("workers", "1", {"speedup", "wall_speedup", "peak_mb"}, marks=pytest.mark.slow),
        ("hostile", "500 nested parentheses", {"ratio", "growth"}),
        ("hostile", "500 answered boxes", {"ratio", "growth"}),
    ],
)
def test_a_limit_is_measured(notes: Path, trial: str, argument: str, keys: set[str]) -> None:
    figures = child("benchmarks.limits", trial, str(notes), argument)
    assert set(figures) == keys
    assert all(isinstance(value, int | float) and value > 0 for value in figures.values())


def test_of_an_error_only_its_kind_is_handed_back(notes: Path) -> None:
    assert child("benchmarks.limits", "hostile", str(notes), f"500 {SECRET}") == {"error": "KeyError"}


def test_the_help_of_one_trial_says_what_it_wants() -> None:
    command = [sys.executable, "-m", "benchmarks.limits", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert "{linearity,growth,workers,hostile} notes argument" in " ".join(done.stdout.split())


def test_invented_entries_are_as_many_as_asked_for_and_are_never_found() -> None:
    code = (
        "from benchmarks.limits import grown\n"
        "from features.lexicon import load_lexicon\n"
        "lexicon = load_lexicon()\n"
        "for gapped in (False, True):\n"
        "    large = grown(lexicon, 3, gapped=gapped)\n"
        "    assert len(large.concepts) == 3 * len(lexicon.concepts)\n"
        "    real = {term.segments for concept in lexicon.concepts.values() for term in concept.terms}\n"
        "    new = [c for name, c in large.concepts.items() if name not in lexicon.concepts]\n"
        "    assert not any(term.segments in real for concept in new for term in concept.terms)\n"
        "    assert any(len(term.segments) > 1 for concept in new for term in concept.terms) == gapped\n"
        "print('held')\n"
    )
    assert in_benchmarks(code) == "held"


def test_a_bar_is_met_at_its_value_and_never_without_one() -> None:
    code = (
        "from benchmarks.extraction import Limit\n"
        "cases = [(1.2, 1.2, False), (1.21, 1.2, False), (20.0, 20.0, True), (19.9, 20.0, True), (None, 2.0, False)]\n"
        "print([Limit('x', value, bar, at_least).passed for value, bar, at_least in cases])\n"
    )
    assert in_benchmarks(code) == "[True, False, True, False, False]"


def test_notes_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = bench("--notes", str(tmp_path / "none.jsonl"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("name a JSON Lines file with --notes")
