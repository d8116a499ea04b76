"""Not one word of a note reaches stdout, stderr, logging, loguru or a warning, however verbose everything is set."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from building import document, request

from models import triage
from models.types import Route

ROOT = Path(__file__).parents[1]
SECRETS = ("Zyxwvutsrq", "Quillfeather", "Bramblethorn")
SECRET_NOTE = (
    f"{SECRETS[0]} {SECRETS[1]}, DOB 04/12/1968, is a 58-year-old man from {SECRETS[2]} with low back pain for three months. "
    f"He completed eight weeks of physical therapy with {SECRETS[1]} from 8/31/2026 to 10/26/2026 without relief."
)

# Run in a process of its own, so that everything libraries do at import and at exit is seen as well.
READ_ALL = """
import json, logging, sys, warnings
warnings.simplefilter("always")
logging.basicConfig(level=1, stream=sys.stderr, format="%(name)s %(message)s %(args)s %(pathname)s")
logging.captureWarnings(True)
logging.getLogger().setLevel(1)
try:
    from loguru import logger
except ImportError:
    pass
else:
    logger.remove()
    logger.add(sys.stderr, level=0, backtrace=True, diagnose=True)
    logger.enable("")
from datetime import date, datetime, timezone
from features import extract
from features.types import AuthorizationRequest, Diagnosis, Document, Member, Service
from models import triage
import features.facts
notes = json.load(sys.stdin)
for number, text in enumerate(notes):
    documents = (Document("d1", text, "progress_note", date(2026, 11, 10)),)
    extract(documents)
    asked = AuthorizationRequest(
        f"PA-{number}", Member(date(1968, 4, 12), "M-1", "male"), Service("CPT", "72148"),
        (Diagnosis("ICD-10-CM", "M54.16"),), documents, datetime(2026, 11, 20, tzinfo=timezone.utc),
    )
    triage(asked, bundle=None)
if "--pipeline" in sys.argv:
    from features.pipeline import build_pipeline
    nlp = build_pipeline()
    for text in notes:
        nlp(text)
if "--broken" in sys.argv:
    def broken(self, document):
        raise ValueError(document.text)
    features.facts.FactReader.document_facts = broken
    for text in notes:
        documents = (Document("d1", text, "progress_note", date(2026, 11, 10)),)
        assert triage(
            AuthorizationRequest("PA-1", Member(date(1968, 4, 12)), Service("CPT", "72148"), (), documents,
            datetime(2026, 11, 20, tzinfo=timezone.utc)), bundle=None,
        ).reasons[0].code == "system_error"
"""


def read_verbosely(notes: list[str], *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-X", "dev", "-c", READ_ALL, *arguments],
        input=json.dumps(notes),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "GREENLANE_LOG_LEVEL": "DEBUG"},
        check=False,
    )
    assert run.returncode == 0, "reading failed; its output is not shown here because it may quote a note"
    return run.stdout + run.stderr


def words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[^\W\d_]{5,}", text)}


def vocabulary() -> set[str]:
    """Words that may stand in a log because they are ours: names of modules, files and messages of this repository."""
    own = [path for room in ("features", "models") for path in (ROOT / room).rglob("*.py")]
    return words(" ".join(path.read_text(encoding="utf-8") for path in own)) | words(sys.prefix) | words(str(ROOT))


def leaked(output: str, notes: list[str]) -> set[str]:
    return words(output) & (words(" ".join(notes)) - vocabulary())


def test_no_word_of_a_note_is_logged_while_it_is_read(real_notes: list[str]) -> None:
    notes = [SECRET_NOTE, *real_notes[::60]]
    output = read_verbosely(notes)
    assert leaked(output, notes) == set()
    assert not any(secret.lower() in output.lower() for secret in SECRETS)


@pytest.mark.slow
def test_no_word_of_a_note_is_logged_by_the_medspacy_pipeline(real_notes: list[str]) -> None:
    notes = [SECRET_NOTE, *real_notes[::60]]
    output = read_verbosely(notes, "--pipeline")
    assert leaked(output, notes) == set()


def test_an_exception_that_quotes_a_note_is_not_logged() -> None:
    output = read_verbosely([SECRET_NOTE], "--broken")
    assert "ValueError" in output
    assert leaked(output, [SECRET_NOTE]) == set()


def test_the_search_for_leaks_finds_one() -> None:
    assert leaked(f"DEBUG read: {SECRET_NOTE[:60]}", [SECRET_NOTE]) >= {"zyxwvutsrq", "quillfeather"}


def test_a_system_error_logs_the_kind_of_error_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(SECRET_NOTE)

    monkeypatch.setattr("features.facts.FactReader.document_facts", broken)
    with caplog.at_level(logging.DEBUG):
        result = triage(request(document(SECRET_NOTE), external_id=SECRETS[0]), bundle=None)
    assert result.route is Route.NURSE_REVIEW
    assert [record.getMessage() for record in caplog.records] == [
        "triage failed with ValueError; the request goes to a nurse"
    ]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_reason_or_question_never_quotes_a_document() -> None:
    result = triage(request(document(SECRET_NOTE)), bundle=None)
    said = (
        [r.message for r in result.reasons] + [m.ask for m in result.missing] + [c.explanation for c in result.criteria]
    )
    assert not words(" ".join(said)) & {secret.lower() for secret in SECRETS}
