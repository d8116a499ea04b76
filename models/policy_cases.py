"""A policy's own cases: requests its author wrote, with the route each should take, run without a model.

They stand beside the policies, ``cases/<policy_id>.jsonl``, one request a line with ``expected_route`` and, for people,
``expected_why`` and ``trap``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from features.errors import PolicyError, RequestRefusedError
from features.policy import PolicySet
from features.reading import read
from features.request import parse_request
from models.case_evaluation import ExpectedCase
from models.routing import route
from models.types import Route

FEWEST_MET = 4
FEWEST_HELD = 8
"""A policy with fewer cases of either kind is not tested."""

_FOR_PEOPLE = ("expected_route", "expected_why", "trap")


@dataclass(frozen=True, slots=True)
class PolicyCaseReport:
    """What one policy's cases came to. ``otherwise`` names each case that came out otherwise, and why."""

    policy_id: str
    met: int
    met_as_expected: int
    held: int
    held_as_expected: int
    otherwise: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there are enough cases and all came out as expected."""
        return not self.otherwise

    def summary(self) -> str:
        """One line."""
        return (
            f"{self.policy_id}: {self.met_as_expected} of {self.met} met cases let through, "
            f"{self.held_as_expected} of {self.held} others held back"
        )


def run_cases(policy_id: str, policies: PolicySet, directory: Path | None = None) -> PolicyCaseReport:
    """Run the cases of ``policy_id`` that stand in ``directory`` (the packaged ones by default).

    Raises PolicyError naming file and line for a case that can not be read.
    """
    counts = {Route.FAST_TRACK: [0, 0], Route.NURSE_REVIEW: [0, 0]}
    otherwise: list[str] = []
    for case in load_cases(policy_id, directory):
        reading = read(case.request, policies)
        # A score that always suffices: only criteria and guards decide.
        taken, reasons = route(reading, score=1.0, threshold=0.0, model_loaded=True)
        counts[case.expected][1] += 1
        if reading.policy is not None and reading.policy.policy_id != policy_id:
            otherwise.append(f"{case.request.external_id}: is judged by {reading.policy.policy_id}")
        elif taken is case.expected:
            counts[case.expected][0] += 1
        elif case.expected is Route.FAST_TRACK:
            otherwise += [f"{case.request.external_id}: is held back: {reason.message}" for reason in reasons]
        else:
            otherwise.append(f"{case.request.external_id}: is let through, although: {case.why}")
    met, held = counts[Route.FAST_TRACK], counts[Route.NURSE_REVIEW]
    if met[1] < FEWEST_MET or held[1] < FEWEST_HELD:
        otherwise.append(f"has too few cases: {FEWEST_MET} that are met and {FEWEST_HELD} that are not are needed")
    return PolicyCaseReport(policy_id, met[1], met[0], held[1], held[0], tuple(otherwise))


def load_cases(policy_id: str, directory: Path | None = None) -> Iterator[ExpectedCase]:
    """The cases of a policy; none where it has no file. Raises PolicyError naming file and line."""
    folder: Traversable | Path = directory or resources.files("features") / "policies"
    file = folder / "cases" / f"{policy_id}.jsonl"
    if not file.is_file():
        return
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"cases/{policy_id}.jsonl line {number}"
        try:
            content = json.loads(line)
            expected = Route(content.get("expected_route", ""))
        except (ValueError, AttributeError):
            raise PolicyError(f"{where}: must be a request with expected_route fast_track or nurse_review") from None
        try:
            request = parse_request({key: value for key, value in content.items() if key not in _FOR_PEOPLE})
        except RequestRefusedError as error:
            raise PolicyError(f"{where}: {error}") from None
        yield ExpectedCase(request, expected, content.get("expected_why", ""), content.get("trap", ""))
