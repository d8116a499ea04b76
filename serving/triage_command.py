"""What ``greenlane triage`` does: requests from files through triage, each result out as soon as it is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serving.bulk_triage import Triaged, triaged_by, triaged_here
from serving.errors import ExportError
from serving.request_files import entries, lines_in
from serving.result_files import not_written, written

if TYPE_CHECKING:
    from rich.progress import Progress

Write = Callable[[Triaged], None]


def triage_files(files: list[str], *, jobs: int, out: Path | None, resume: bool, output: str) -> tuple[int, int]:
    """Triage the requests of files. Returns how many have a result, those of an earlier run too, and how many failed.

    ``output`` is table, json or jsonl, for standard output where there is no ``out``. Every failure is named on stderr.
    Raises ExportError where ``out`` cannot be written, or is there already without ``resume``.
    """
    held = _held(out, resume)
    wanted = not_written(entries(files), held)
    results = triaged_by(wanted, jobs) if jobs > 1 else triaged_here(wanted)
    done = failed = 0
    with _writing(out, output) as write, _progress(files, len(held)) as advance:
        for triaged in results:
            advance()
            failed += bool(triaged.problems)
            for problem in triaged.problems:
                sys.stderr.write(f"{triaged.place}: {problem}\n")
            if not triaged.problems:
                done += 1
                write(triaged)
    return done + len(held), failed


def _held(out: Path | None, resume: bool) -> frozenset[str]:
    if out is None:
        return frozenset()
    if not resume and out.exists() and out.stat().st_size:
        raise ExportError(f"{out}: is there already; --resume goes on in it")
    return written(out)


@contextmanager
def _writing(out: Path | None, output: str) -> Iterator[Write]:
    if out is not None:
        with _appending(out) as write:
            yield write
    elif output == "table":
        rows: list[Triaged] = []
        yield rows.append
        if rows:
            from serving.terminal import result_table, show

            show(result_table(rows))
    elif output == "json":
        yield from _json_list()
    else:
        yield lambda triaged: _say(f"{triaged.result}\n")


@contextmanager
def _appending(out: Path) -> Iterator[Write]:
    try:
        file = out.open("ab")
    except OSError as error:
        raise ExportError(f"{out}: cannot be written ({error.strerror})") from None

    def write(triaged: Triaged) -> None:
        try:
            file.write(triaged.result.encode() + b"\n")
            # Whoever is stopped goes on after the last whole line.
            file.flush()
        except OSError as error:
            raise ExportError(f"{out}: cannot be written ({error.strerror})") from None

    with file:
        yield write


def _json_list() -> Iterator[Write]:
    """One JSON list, written as its items come."""
    begun: list[bool] = []

    def write(triaged: Triaged) -> None:
        item = json.dumps(json.loads(triaged.result), indent=2).replace("\n", "\n  ")
        _say(f"{',' if begun else '['}\n  {item}")
        begun.append(True)

    yield write
    if begun:
        _say("\n]\n")


def _say(text: str) -> None:
    sys.stdout.write(text)


@contextmanager
def _progress(files: Iterable[str], held: int) -> Iterator[Callable[[], None]]:
    """A bar with rate and time left on stderr, where that is a terminal; the call counts one request."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    total = lines_in(files)
    with _bar() as bar:
        task = bar.add_task("Reading requests", total=None if total is None else max(0, total - held))
        yield lambda: bar.advance(task)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Requests a second."""

        def render(self, task: object) -> Text:
            speed = getattr(task, "speed", None)
            return Text(f"{speed:.1f}/s" if speed else "")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
