"""``greenlane triage`` of many requests: several real processes, results in a file, and going on after a stop."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_cases import request_body
from test_cli import Done, greenlane, process

from serving.bulk_triage import ENDED, Triaged, triaged_by
from serving.request_files import Entry, entries
from serving.result_files import written


def save(path: Path, bodies: list[Any]) -> Path:
    path.write_bytes(
        b"".join(body if isinstance(body, bytes) else json.dumps(body).encode() + b"\n" for body in bodies)
    )
    return path


def external_ids(text: str) -> list[str]:
    return [json.loads(line)["external_id"] for line in text.splitlines()]


@pytest.fixture
def requests_file(tmp_path: Path) -> Path:
    bodies: list[Any] = [request_body(f"PA-{number}") for number in range(12)]
    bodies.insert(3, b"{broken\n")
    bodies.insert(7, {**request_body("PA-X"), "note": "secretword"})
    return save(tmp_path / "requests.jsonl", bodies)


@pytest.mark.slow
def test_several_processes_give_what_one_gives_in_the_same_order(requests_file: Path) -> None:
    one = process("triage", requests_file)
    two = process("triage", requests_file, "--jobs", "2")
    assert two.stdout == one.stdout
    assert external_ids(two.stdout) == [f"PA-{number}" for number in range(12)]
    assert (one.returncode, two.returncode) == (1, 1)
    for done in (one, two):
        assert f"{requests_file}:4: " in done.stderr
        assert f"{requests_file}:8: note: " in done.stderr
        assert "secretword" not in done.stderr


def test_a_run_that_was_stopped_goes_on_after_the_last_whole_result(requests_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    part = save(tmp_path / "part.jsonl", [request_body(f"PA-{number}") for number in range(3)])
    assert greenlane("triage", part, "--out", out).returncode == 0
    before = out.read_bytes()
    out.write_bytes(before + b'{"external_id": "PA-3", "rou')

    done = greenlane("triage", requests_file, "--out", out, "--resume")
    assert done.returncode == 1
    assert external_ids(out.read_text()) == [f"PA-{number}" for number in range(12)]
    assert out.read_bytes().startswith(before)
    assert done.stdout == f"12 results in {out}, 2 inputs failed\n"
    again = greenlane("triage", part, "--out", out, "--resume")
    assert (again.returncode, len(written(out))) == (0, 12)


def test_results_never_take_the_place_of_others(requests_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    out.write_text("something else\n")
    assert greenlane_failed("triage", requests_file, "--out", out) == 2
    assert greenlane_failed("triage", requests_file, "--out", out, "--resume") == 2
    assert out.read_text() == "something else\n"


@pytest.mark.parametrize(
    "arguments",
    [["--resume"], ["--out", "x.jsonl", "--format", "table"], ["--jobs", "0"], ["--out", "no/such/folder/x"]],
)
def test_what_makes_no_sense_together_is_refused(requests_file: Path, arguments: list[str]) -> None:
    assert greenlane_failed("triage", requests_file, *arguments) == 2


def greenlane_failed(*arguments: str | Path) -> int:
    done: Done = greenlane(*arguments)
    assert "Traceback" not in done.stderr
    return done.returncode


@pytest.mark.slow
def test_processes_that_die_lose_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLANE_MODEL_DIR", "no-models-here")

    def with_a_power_cut() -> Iterator[Entry]:
        for number in range(30):
            if number == 20:
                for child in multiprocessing.active_children():
                    child.kill()
            yield Entry(f"f:{number}", request_body(f"PA-{number}"))

    found: list[Triaged] = list(triaged_by(with_a_power_cut(), 2))
    assert [triaged.external_id for triaged in found] == [f"PA-{number}" for number in range(30)]
    assert not any(triaged.problems for triaged in found)


@pytest.mark.slow
def test_an_entry_that_ends_its_process_is_the_only_one_named() -> None:
    found = list(triaged_by([Entry("f:1", _Deadly()), Entry("f:2", [])], 2))
    assert [triaged.place for triaged in found] == ["f:1", "f:2"]
    assert found[0].problems == (ENDED,)
    assert found[1].problems == ("request: must be a JSON object",)


class _Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> Any:
        import os

        return os._exit, (9,)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """The command's peak of resident memory: 100,000 lines of 2 kB against a thousand."""
    peaks = []
    for count in (1_000, 100_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("wb") as file:
            for number in range(count):
                wrong = b'{"external_id": "PA", "note": "' + b"x" * 2000 + b'"}'
                file.write((json.dumps(request_body(f"PA-{number}")).encode() if number % 2000 == 0 else wrong) + b"\n")
        measured = (
            "import resource, subprocess, sys; "
            "subprocess.run([sys.executable, '-m', 'serving.cli', 'triage', *sys.argv[1:]], stderr=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", measured, str(path), "--jobs", "2", "--out", str(tmp_path / f"{count}.out")],
            stdout=subprocess.PIPE,
            check=True,
        )
        peaks.append(int(done.stdout.split()[-1]) * 1024)
        assert len(written(tmp_path / f"{count}.out")) == (count + 1999) // 2000
    assert peaks[1] - peaks[0] < 60_000_000


def test_json_lines_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = save(tmp_path / "requests.jsonl", [request_body("PA-1"), request_body("PA-2")])
    found = entries([str(path)])
    assert next(found).data["external_id"] == "PA-1"
    with path.open("a") as file:
        file.write(json.dumps(request_body("PA-3")))
    assert [entry.data["external_id"] for entry in found] == ["PA-2", "PA-3"]


def test_blank_lines_before_one_value_keep_the_line_numbers_of_problems(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(b'\n\n{\n"external_id": oops}')
    (entry,) = entries([str(path)])
    assert "line 4" in entry.problems[0]
