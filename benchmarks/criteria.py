"""What judging a request's criteria costs beside reading its notes: ``python -m benchmarks.criteria [FILE ...]``.

The requests are the policies' own cases, the samples, and those of any JSON Lines files named.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from features.criteria import context_of, evaluate, human_review
from features.errors import RequestRefusedError
from features.extract import extract
from features.guards import requested_side
from features.lexicon import load_lexicon
from features.policy import load_policies
from features.reading import judge
from features.request import parse_request
from features.types import AuthorizationRequest
from models.policy_cases import load_cases

ROUNDS = 3
MOST = 0.1
SAMPLES = Path(__file__).parents[1] / "data_samples" / "requests.jsonl"
_ANSWERS = frozenset({"expected_route", "expected_why", "trap"})


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one request: reading its notes, judging its criteria, and all that comes after reading."""

    reading: float
    judging: float
    whole: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What one process measures: these parts of the sets, after reading ``before`` to warm up. A part is a set's name, or
    for the policies' cases also every second policy's (``cases/0``, ``cases/1``)."""

    measured: str
    before: tuple[str, ...]


def trials(files: Sequence[str]) -> dict[str, tuple[Trial, ...]]:
    """The processes each set takes. None reads a note before it is measured, and all have read others."""
    found = {
        "policy cases": (Trial("cases/0", ("cases/1", str(SAMPLES))), Trial("cases/1", ("cases/0", str(SAMPLES)))),
        "samples": (Trial(str(SAMPLES), ("cases/0", "cases/1")),),
    }
    return found | {Path(file).name: (Trial(file, ("cases/0", "cases/1", str(SAMPLES))),) for file in files}


def requests_of(part: str) -> list[AuthorizationRequest]:
    """The requests of a part; those of a file that cannot be read as requests are left out."""
    if part.startswith("cases/"):
        policies = load_policies().policies[int(part.removeprefix("cases/")) :: 2]
        return [case.request for policy in policies for case in load_cases(policy.policy_id)]
    requests = []
    for line in Path(part).read_text(encoding="utf-8").splitlines():
        said = {field: value for field, value in json.loads(line).items() if field not in _ANSWERS}
        try:
            requests.append(parse_request(said, now=datetime.now(UTC)))
        except RequestRefusedError:
            continue
    return requests


def costs(trial: Trial) -> list[Cost]:
    """What each request costs, each read for the first time, in a process that is warm."""
    for request in (request for part in trial.before for request in requests_of(part)):
        cost_of(request)
    policies = load_policies()
    measured = requests_of(trial.measured)
    for policy in filter(None, map(policies.covering, measured)):
        # A policy is made ready once, by the first request it covers.
        evaluate(policy, (), context_of(measured[0], None, load_lexicon()))
    return [cost_of(request) for request in measured]


def cost_of(request: AuthorizationRequest) -> Cost:
    """One request read and judged."""
    policies, lexicon = load_policies(), load_lexicon()
    begin = time.process_time()
    facts = tuple(extract(request.documents))
    read = time.process_time()
    policy = policies.covering(request)
    if policy is not None:
        context = context_of(request, requested_side(request), lexicon)
        evaluate(policy, facts, context)
        human_review(policy, facts, context)
    judged = time.process_time()
    judge(request, facts, policies)
    return Cost(read - begin, judged - read, time.process_time() - judged)


def ratio(found: Iterable[Cost]) -> float:
    """What judging costs in all beside what reading costs in all."""
    kept = list(found)
    return sum(cost.judging for cost in kept) / sum(cost.reading for cost in kept)


def main(files: Sequence[str]) -> int:
    """Print medians and ratios of every set. Exit code 1 where judging costs more than a tenth of reading."""
    spawn = multiprocessing.get_context("spawn")
    too_dear = False
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn, max_tasks_per_child=1) as processes:
        for name, parts in trials(files).items():
            rounds = [[cost for trial in processes.map(costs, parts) for cost in trial] for _ in range(ROUNDS)]
            ratios = sorted(map(ratio, rounds))
            every = [cost for found in rounds for cost in found]
            reading, judging, whole = (
                statistics.median(times) * 1e3
                for times in zip(*((cost.reading, cost.judging, cost.whole) for cost in every), strict=True)
            )
            print(
                f"{name}: {len(rounds[0])} requests, reading {reading:.2f} ms, criteria {judging:.2f} ms, "
                f"with guards and features {whole:.2f} ms; ratio {statistics.median(ratios):.3f} "
                f"({ratios[0]:.3f} to {ratios[-1]:.3f})"
            )
            too_dear |= statistics.median(ratios) > MOST
    return int(too_dear)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
