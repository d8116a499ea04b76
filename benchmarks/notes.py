"""The notes and phrases that every trial reads, and how a trial hands its figures back: one line of JSON, no note text.

Standard library only: a rival may run in an environment that has nothing of greenlane's.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BESIDE_THE_REPOSITORY = Path(__file__).parents[1] / ".." / "shared" / "data" / "mtsamples_notes.jsonl"


def load_texts(path: Path, every: int = 1) -> list[str]:
    """The ``text`` of every ``every``-th line of a JSON Lines file, in order."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for number, line in enumerate(lines) if number % every == 0]


def load_phrases(path: Path) -> list[tuple[str, str]]:
    """Pairs of phrase and concept, as the command wrote them for all rivals."""
    return [(phrase, concept) for phrase, concept in json.loads(path.read_text(encoding="utf-8"))]


def peak_megabytes() -> float:
    """The most memory this process has held so far, in MB (2**20 bytes)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        import resource

        # What a process inherits from the one that started it counts here, so /proc is better where there is one.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    return next(int(line.split()[1]) / 2**10 for line in status.splitlines() if line.startswith("VmHWM"))


def silence_libraries() -> None:
    """No library may print a word of a note: PyRuSH logs them through loguru, to stderr, by default."""
    logging.disable(logging.CRITICAL)
    try:
        from loguru import logger
    except ImportError:
        return
    logger.remove()
    logger.disable("PyRuSH")


def hand_back(trial: Callable[[], Mapping[str, Any]]) -> None:
    """Run ``trial`` and print its figures as one line of JSON; of an error only its kind, for its words may be a note's."""
    silence_libraries()
    try:
        figures = dict(trial())
    except ImportError as error:
        figures = {"missing": error.name or "a library"}
    except Exception as error:
        figures = {"error": type(error).__name__}
    print(json.dumps(figures))
