"""Speed and memory of reading notes: greenlane beside the field's other readers, and its own limits.

``python -m benchmarks.extraction`` prints two tables; ``--json FILE`` writes the same figures, ``--strict`` exits 1 where
a bar is missed, ``--help`` lists the rest. benchmarks/README.md says what is measured, and how.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.limits import DENSE_PIECES, HOSTILE_PIECES, NESTED
from benchmarks.notes import BESIDE_THE_REPOSITORY
from benchmarks.rivals import RIVALS

ROOT = Path(__file__).parents[1]
STOCK = "medspacy-stock"
OWN = "greenlane"
TIMES_STOCK = 20.0
_SECONDS_FOR_A_TRIAL = 900
_SECONDS_FOR_HOSTILE = 120
_STARTS = 5


@dataclass(frozen=True, slots=True)
class RivalFigures:
    """Medians over the rounds of one rival; ``missing`` says why there are none."""

    name: str
    notes_per_second: float | None = None
    kchar_per_second: float | None = None
    times_stock: float | None = None
    found_per_note: float | None = None
    peak_mb: float | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure beside its bar. ``value`` is None where the trial gave no answer, which is never a pass."""

    name: str
    value: float | None
    bar: float
    at_least: bool = False
    unit: str = "x"
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether the bar is met; a value at the bar meets it."""
        if self.value is None:
            return False
        return self.value >= self.bar if self.at_least else self.value <= self.bar


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: every n-th note for the rivals, rounds, pages of the long note, characters of the
    hostile and dense documents, how often the workers read all notes."""

    every: int
    rounds: int
    pages: int
    hostile_characters: int
    dense_characters: int
    repeats: int


FULL = Effort(every=2, rounds=3, pages=200, hostile_characters=1_000_000, dense_characters=200_000, repeats=3)
QUICK = Effort(every=14, rounds=1, pages=40, hostile_characters=100_000, dense_characters=50_000, repeats=1)


def run_trial(python: str, module: str, *arguments: str, seconds: int = _SECONDS_FOR_A_TRIAL) -> dict[str, Any]:
    """The figures of one trial in a process of its own, or ``{"error": kind}`` or ``{"missing": library}``.

    What the process writes to stderr is thrown away: it may hold words of notes.
    """
    try:
        done = subprocess.run(
            [python, "-m", module, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer in {seconds} s"}
    except OSError:
        return {"error": "its Python cannot be started"}
    lines = done.stdout.splitlines()
    try:
        figures: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"error": f"exit code {done.returncode}"}
    return figures


def literal_phrases() -> list[tuple[str, str]]:
    """Every phrase the matcher starts from, with its concept: all variants of the first run of words of each term.

    A rival gets these as literals. What follows a gap in a term only greenlane looks for.
    """
    from features.lexicon import load_lexicon

    return list(
        dict.fromkeys(
            (" ".join(words), concept.concept_id)
            for concept in load_lexicon().concepts.values()
            for term in concept.terms
            for words in term.segments[0].variants
        )
    )


def compare(names: Sequence[str], notes: Path, effort: Effort, edsnlp_python: str) -> tuple[list[RivalFigures], int]:
    """All rivals in turn, round after round, and how many phrases each was given."""
    phrases = literal_phrases()
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "phrases.json"
        file.write_text(json.dumps(phrases), encoding="utf-8")
        for number in range(effort.rounds):
            for name in names:
                if any("missing" in figures for figures in rounds[name]):
                    continue
                _progress(f"round {number + 1} of {effort.rounds}: {name}")
                python = edsnlp_python if name == "edsnlp" else sys.executable
                arguments = (name, str(notes), str(file), str(effort.every))
                rounds[name].append(run_trial(python, "benchmarks.rivals", *arguments))
    stock = _speed(rounds.get(STOCK, []))
    return [_medians(name, figures, stock) for name, figures in rounds.items()], len(phrases)


def _speed(rounds: Sequence[dict[str, Any]]) -> float | None:
    speeds = [figures["notes"] / figures["seconds"] for figures in rounds if "seconds" in figures]
    return statistics.median(speeds) if speeds else None


def _medians(name: str, rounds: Sequence[dict[str, Any]], stock: float | None) -> RivalFigures:
    speed = _speed(rounds)
    if speed is None:
        missing = f"{rounds[0]['missing']} is not installed" if "missing" in rounds[0] else str(rounds[0]["error"])
        return RivalFigures(name, missing=missing)
    read = [figures for figures in rounds if "seconds" in figures]
    characters = read[0]["characters"] / read[0]["notes"]
    return RivalFigures(
        name,
        speed,
        speed * characters / 1000,
        speed / stock if stock else None,
        read[0]["found"] / read[0]["notes"],
        statistics.median(figures["peak_mb"] for figures in read),
    )


def limits(notes: Path, effort: Effort) -> Iterator[Limit]:
    """Greenlane's own limits, in the order they are printed."""

    def trial(name: str, argument: str, seconds: int = _SECONDS_FOR_A_TRIAL) -> dict[str, Any]:
        _progress(f"{name} {argument}")
        return run_trial(sys.executable, "benchmarks.limits", name, str(notes), argument, seconds=seconds)

    pages = trial("linearity", str(effort.pages))
    yield Limit(f"cost of a {effort.pages}-page note, per character", pages.get("ratio"), 1.2, detail="of 2-page notes")
    yield from _growth_limits(trial, effort.rounds)
    yield from _worker_limits([trial("workers", str(effort.repeats)) for _ in range(effort.rounds)])
    for kind in (NESTED, *HOSTILE_PIECES):
        figures = trial("hostile", f"{effort.hostile_characters} {kind}", _SECONDS_FOR_HOSTILE)
        yield Limit(f"hostile: {kind}", figures.get("ratio"), 2.0, detail=figures.get("error", "of ordinary notes"))
    for kind in DENSE_PIECES:
        figures = trial("hostile", f"{effort.dense_characters} {kind}", _SECONDS_FOR_HOSTILE)
        times = f"of ten documents a tenth as long; {figures.get('ratio', 0):.1f} times ordinary notes"
        yield Limit(f"dense: {kind}", figures.get("growth"), 1.5, detail=figures.get("error", times))
    for name, code, arguments in (
        ("import features", "import features", ()),
        ("greenlane --help", "from serving.cli import main; main()", ("--help",)),
    ):
        _progress(name)
        cpu, clock = _start_up(code, arguments)
        yield Limit(name, cpu, 0.5, unit="s", detail=f"CPU, with Python's own start; by the clock here {clock:.2f} s")


def _worker_limits(pools: Sequence[dict[str, Any]]) -> Iterator[Limit]:
    def middle(key: str) -> float | None:
        values = [pool[key] for pool in pools if key in pool]
        return statistics.median(values) if values else None

    wall = middle("wall_speedup")
    detail = f"on free cores, from CPU time; by the clock here {wall:.2f}" if wall else "no answer"
    yield Limit("two worker processes", middle("speedup"), 1.8, at_least=True, detail=detail)
    yield Limit("peak memory of a worker", middle("peak_mb"), 350.0, unit="MB")


def _growth_limits(trial: Any, rounds: int) -> Iterator[Limit]:
    shapes = ("1", "10 phrases", "10 gapped")
    figures = [{shape: trial("growth", shape) for shape in shapes} for _ in range(rounds)]
    for shape, what in (("10 phrases", "phrases"), ("10 gapped", "terms with the lexicon's own gaps")):
        answered = [one for one in figures if "seconds" in one["1"] and "seconds" in one[shape]]
        ratios = [one[shape]["seconds"] / one["1"]["seconds"] for one in answered]
        detail = "no answer"
        if answered:
            entries = f"{answered[0]['1']['entries']:,} to {answered[0][shape]['entries']:,} entries"
            detail = f"{entries}, {answered[0][shape]['peak_mb']:.0f} MB"
        yield Limit(f"10 times the lexicon: {what}", statistics.median(ratios) if ratios else None, 1.3, detail=detail)


def _start_up(code: str, arguments: Sequence[str]) -> tuple[float, float]:
    """Median CPU and wall seconds of a fresh Python that runs ``code``."""
    cpu, clock = [], []
    for _ in range(_STARTS):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock.append(time.perf_counter() - began)
        cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(cpu), statistics.median(clock)


def speed_limit(rivals: Sequence[RivalFigures]) -> Limit | None:
    """Greenlane's speed in times of stock medspaCy's, where both were measured."""
    own = next((rival for rival in rivals if rival.name == OWN), None)
    if own is None or not any(rival.name == STOCK for rival in rivals):
        return None
    return Limit("notes/s, times stock medspaCy's", own.times_stock, TIMES_STOCK, at_least=True)


def rival_table(rivals: Sequence[RivalFigures]) -> str:
    """The rivals, one a line."""
    lines = [f"{'':22}{'notes/s':>9}{'kchar/s':>9}{'x stock':>9}{'found/note':>12}{'peak MB':>9}"]
    for rival in rivals:
        if rival.missing:
            lines.append(f"{rival.name:22}  skipped: {rival.missing}")
            continue
        times = f"{rival.times_stock:.1f}" if rival.times_stock else "-"
        lines.append(
            f"{rival.name:22}{rival.notes_per_second:9.1f}{rival.kchar_per_second:9.0f}{times:>9}"
            f"{rival.found_per_note:12.1f}{rival.peak_mb:9.0f}"
        )
    return "\n".join(lines)


def limit_line(limit: Limit) -> str:
    """One limit: its name, figure, bar, whether it is met, and what it was measured against."""
    value = "none" if limit.value is None else f"{limit.value:.2f}"
    bar = f"{'>=' if limit.at_least else '<='} {limit.bar:g} {limit.unit}"
    return f"{limit.name:52}{value:>8}  {bar:10} {'pass' if limit.passed else 'FAIL'}  {limit.detail}".rstrip()


def _progress(what: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--notes", type=Path, default=BESIDE_THE_REPOSITORY, help="JSON Lines with a text each")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument("--rounds", type=int, help="alternating rounds, medians of them are shown (default 3, quick 1)")
    parser.add_argument("--quick", action="store_true", help="fewer notes, shorter hostile documents, one round")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--only", choices=["rivals", "limits"], help="one of the two tables")
    parser.add_argument("--rivals", nargs="+", choices=list(RIVALS), default=list(RIVALS), metavar="NAME")
    parser.add_argument(
        "--edsnlp-python",
        default=sys.executable,
        metavar="PYTHON",
        help="the Python that has EDS-NLP, where it does not resolve beside medspaCy",
    )
    arguments = parser.parse_args(given)
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not arguments.notes.is_file():
        parser.error(f"no notes at {arguments.notes}; name a JSON Lines file with --notes")
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    """Measure, print, write. Returns the exit code."""
    arguments = _arguments(given)
    effort = QUICK if arguments.quick else FULL
    if arguments.rounds:
        effort = Effort(**{**asdict(effort), "rounds": arguments.rounds})
    notes = arguments.notes.resolve()
    rivals: list[RivalFigures] = []
    phrases = 0
    found: list[Limit] = []
    if arguments.only != "limits":
        rivals, phrases = compare(arguments.rivals, notes, effort, arguments.edsnlp_python)
        _progress("")
        print(f"One note in {effort.every}, {phrases:,} phrases in each, CPU time, median of {effort.rounds} rounds\n")
        print(rival_table(rivals) + "\n")
        speed = speed_limit(rivals)
        found += [speed] if speed else []
    if arguments.only != "rivals":
        found += limits(notes, effort)
    _progress("")
    print("\n".join(map(limit_line, found)))
    if arguments.json:
        report = {
            "machine": {"python": platform.python_version(), "system": platform.system(), "cpus": os.cpu_count()},
            "effort": asdict(effort),
            "phrases": phrases,
            "rivals": [asdict(rival) for rival in rivals],
            "limits": [{**asdict(limit), "passed": limit.passed} for limit in found],
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(arguments.strict and not all(limit.passed for limit in found))


if __name__ == "__main__":
    sys.exit(main())
