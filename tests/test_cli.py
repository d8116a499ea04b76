"""The command line: its exit code and its two streams."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from serving_cases import NOTE, request_body
from typer.testing import CliRunner

from serving.cli import app

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
SAMPLES = ROOT / "data_samples" / "requests.jsonl"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def greenlane(*arguments: str | Path, stdin: bytes = b"") -> Done:
    """Run a command in this process (fast), without a model."""
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], input=stdin, env={"GREENLANE_MODEL_DIR": "no-models-here"}
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return Done(result.exit_code, result.stdout, result.stderr)


def process(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> Done:
    """Run the command line as a process of its own; nothing of this machine's settings reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GREENLANE_")}
    done = subprocess.run(
        [sys.executable, "-m", "serving.cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), "GREENLANE_MODEL_DIR": "no-models-here", **environment},
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def requests_file(tmp_path: Path) -> Path:
    """Two good requests around two that are refused."""
    lines = [
        request_body("PA-1"),
        {**request_body("PA-2"), "note": "secretword"},
        request_body("PA-3", member={"birth_date": "secretword"}),
        {**request_body("PA-4"), "expected_route": "nurse_review", "expected_why": "w", "trap": "none"},
    ]
    path = tmp_path / "requests.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n{broken\n")
    return path


def test_help_answers_without_loading_anything_heavy() -> None:
    code = (
        "import sys; from serving.cli import app; import click.testing, typer.main; "
        "r = click.testing.CliRunner().invoke(typer.main.get_command(app), ['--help']); "
        "heavy = {'spacy', 'medspacy', 'sklearn', 'mlflow', 'numpy', 'fastapi', 'sqlalchemy', 'pydantic'}; "
        "print(r.exit_code, 'triage' in r.output, heavy & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "0 True set()"


def test_version_is_the_pipeline_s() -> None:
    done = process("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"greenlane \S+lexicon\.\S+", done.stdout.strip())


def test_triage_prints_results_names_what_failed_and_exits_1(requests_file: Path) -> None:
    done = process("triage", requests_file)

    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [result["external_id"] for result in results] == ["PA-1", "PA-4"]
    assert {result["route"] for result in results} == {"nurse_review"}
    assert f"{requests_file}:2: note: is not a field" in done.stderr
    assert f"{requests_file}:3: member.birth_date: " in done.stderr
    assert f"{requests_file}:6: " in done.stderr
    assert "secretword" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shape", ["object", "indented object", "list", "lines"])
def test_triage_reads_every_shape_from_standard_input(shape: str) -> None:
    body = request_body()
    content = {
        "object": json.dumps(body),
        "indented object": json.dumps(body, indent=2),
        "list": json.dumps([body]),
        "lines": json.dumps(body) + "\n" + json.dumps(request_body("PA-2")),
    }[shape]
    done = greenlane("triage", "-", stdin=content.encode())
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == (2 if shape == "lines" else 1)


def test_triage_tables_show_request_service_route_reason_and_due() -> None:
    done = greenlane("triage", "-", "--format", "table", stdin=json.dumps(request_body()).encode())
    heading, row, *_ = done.stdout.splitlines()
    assert heading.split()[:3] == ["Request", "Service", "Route"]
    assert row.startswith("PA-1")
    assert "nurse review" in row
    assert "2026-11-27 15:04" in row


def test_triage_prints_one_json_list_when_asked() -> None:
    done = greenlane("triage", "-", "--format", "json", stdin=json.dumps(request_body()).encode())
    assert [result["external_id"] for result in json.loads(done.stdout)] == ["PA-1"]


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["triage"], b""),
        (["triage", "no-such-file.jsonl"], b""),
        (["triage", "-"], b""),
        (["triage", "-"], b"\xff\xfe"),
        (["triage", "-"], b'{"external_id": 1}'),
        (["triage", "-", "--format", "nonsense"], b"{}"),
        (["extract", "no-such-file.txt"], b""),
        (["extract", "-"], b"caf\xe9"),
        (["evaluate", "cases", "no-such-file.jsonl"], b""),
        (["evaluate", "cases", "-"], json.dumps(request_body()).encode()),
        (["evaluate", "assertions", "no-such-file.tsv"], b""),
        (["policies", "show", "nonsense"], b""),
        (["policies", "lint", "no-such-directory"], b""),
        (["serve", "--port", "eight"], b""),
        (["nonsense"], b""),
    ],
)
def test_what_cannot_be_used_at_all_exits_2_without_a_traceback(arguments: list[str], stdin: bytes) -> None:
    done = greenlane(*arguments, stdin=stdin)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_extract_prints_facts_whose_text_is_the_note_s(tmp_path: Path) -> None:
    note = "Denies fever.\r\n\tCompleted 8 weeks of physical therapy. \U0001f600 No chest pain."
    path = tmp_path / "note.txt"
    path.write_bytes(note.encode())

    facts = json.loads(greenlane("extract", path).stdout)

    assert {"fever", "physical_therapy"} <= {fact["concept"] for fact in facts}
    for fact in facts:
        assert note[fact["start"] : fact["end"]] == fact["text"]
    assert next(fact for fact in facts if fact["concept"] == "fever")["assertion"]["negated"]


def test_extract_takes_several_notes_and_notes_from_json_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(NOTE)
    several = greenlane("extract", "a.txt", "b.txt", "missing.txt")
    assert several.returncode == 1
    assert [json.loads(line)["note"] for line in several.stdout.splitlines()] == ["a.txt", "b.txt"]
    assert several.stderr.startswith("missing.txt: cannot be read")

    lines = "\n".join(json.dumps(line) for line in ({"text": NOTE}, {"text": 5}, {"text": "Denies fever."}))
    bulk = greenlane("extract", "--jsonl", "text", "-", stdin=lines.encode())
    assert bulk.returncode == 1
    assert [json.loads(line)["note"] for line in bulk.stdout.splitlines()] == ["-:1", "-:3"]
    assert bulk.stderr.strip() == "-:2: text: must be there and be text"


def test_extract_makes_a_standalone_page_in_which_a_note_stays_inert(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text(NOTE + "<script>alert(1)</script>")
    page = greenlane("extract", tmp_path / "note.txt", "--format", "html").stdout
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'(?:src|href)="', page)
    assert 'title="physical therapy' in page


def test_extract_prints_a_table() -> None:
    done = greenlane("extract", "-", "--format", "table", stdin=NOTE.encode())
    assert "physical therapy" in done.stdout
    assert "saddle anesthesia" in done.stdout


def test_policies_are_listed_shown_and_linted(tmp_path: Path) -> None:
    listed = greenlane("policies", "list").stdout.splitlines()
    assert {"lumbar-spine-mri", "knee-mri", "cpap-osa"} <= {line.split("\t")[0] for line in listed}
    shown = greenlane("policies", "show", "cpap-osa").stdout
    assert "HCPCS E0601" in shown
    assert greenlane("policies", "lint").returncode == 0
    (tmp_path / "broken.yaml").write_text("policy_id: x\nurl: y\n")
    broken = greenlane("policies", "lint", tmp_path)
    assert broken.returncode == 1
    assert broken.stdout.startswith("broken.yaml: ")
    assert '"$schema"' in greenlane("policies", "schema").stdout


def test_evaluate_cases_counts_routes_and_needs_an_expected_route(tmp_path: Path) -> None:
    lines = [
        {**request_body("PA-1"), "expected_route": "nurse_review", "expected_why": "", "trap": "none"},
        {**request_body("PA-2"), "expected_route": "fast_track"},
        {**request_body("PA-3"), "expected_route": "deny"},
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    done = greenlane("evaluate", "cases", path)
    assert done.returncode == 1
    assert "unsafe fast tracks: 0" in done.stdout
    assert "fast-tracked of those expected to be: 0.0%" in done.stdout
    assert "slower  PA-2  " in done.stdout
    assert f"{path}:3: expected_route: must be" in done.stderr


def test_evaluate_assertions_prints_precision_recall_and_f() -> None:
    gold = SHARED / "context_gold_dev.tsv"
    if not gold.exists():
        pytest.skip("needs ../shared/data/context_gold_dev.tsv beside the repository")
    done = greenlane("evaluate", "assertions", gold)
    assert done.returncode == 0
    whole, folds = done.stdout.split("\n\n")
    scores: dict[str, Any] = {line.split()[0]: line.split() for line in whole.splitlines()[2:]}
    assert float(scores["negated"][3]) >= 0.985
    assert float(scores["historical"][3]) >= 0.75
    assert [line.split()[0] for line in folds.splitlines()[1:]] == ["negated", "historical"]


@pytest.mark.slow
def test_facts_of_every_real_note_stand_where_they_say_and_no_word_is_logged() -> None:
    notes = SHARED / "mtsamples_notes.jsonl"
    if not notes.exists():
        pytest.skip("needs ../shared/data/mtsamples_notes.jsonl beside the repository")
    done = process("extract", "--jsonl", "text", notes, LOGURU_LEVEL="TRACE", PYTHONWARNINGS="always")
    texts = [json.loads(line)["text"] for line in notes.read_text("utf-8").splitlines()]

    assert done.returncode == 0
    assert done.stderr == ""
    read = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(read) == len(texts) == 420
    for note, text in zip(read, texts, strict=True):
        for fact in note["facts"]:
            assert text[fact["start"] : fact["end"]] == fact["text"]


@pytest.mark.slow
def test_serve_refuses_a_setting_database_or_port_it_cannot_use_in_one_line(tmp_path: Path) -> None:
    setting = process("serve", cwd=tmp_path, GREENLANE_AUDIT_SHARE="2")
    assert setting.returncode == 2
    assert "GREENLANE_AUDIT_SHARE: " in setting.stderr
    database = process("serve", cwd=tmp_path, GREENLANE_DATABASE_URL="sqlite:////proc/nowhere/g.db")
    assert database.returncode == 2
    assert "cannot make the database's directory" in database.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = process("serve", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert port.returncode == 2
    assert "cannot listen on 127.0.0.1" in port.stderr
    for done in (setting, database, port):
        assert done.stderr.startswith("greenlane: ")
        assert done.stderr.count("\n") == 1


def test_a_setting_that_cannot_be_used_stops_triage_in_one_line() -> None:
    done = process("triage", "-", stdin=json.dumps(request_body()).encode(), GREENLANE_FAST_TRACK="perhaps")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "GREENLANE_FAST_TRACK: " in done.stderr


@pytest.mark.slow
def test_everything_but_serve_works_without_the_packages_of_the_service() -> None:
    code = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        service = {'fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'alembic', 'prometheus_client'}\n"
        "        if name.partition('.')[0] in service | {'mlflow', 'mapie', 'pandas', 'pydantic_settings'}:\n"
        "            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from serving.cli import main\n"
        "main()\n"
    )

    def without(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT, check=False)

    assert without("triage", "-", stdin=json.dumps(request_body())).returncode == 0
    assert without("extract", "-", "--format", "html", stdin=NOTE).returncode == 0
    assert without("policies", "lint").returncode == 0
    serve = without("serve")
    assert serve.returncode == 2
    assert serve.stderr.strip().endswith("pip install 'greenlane[serving]'")
