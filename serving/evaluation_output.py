"""What ``greenlane evaluate`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from features.assertion_evaluation import evaluate_assertion_folds, evaluate_assertions
from models.case_evaluation import CaseOutcome, CaseReport, ExpectedCase
from models.types import Route
from serving.request_files import RequestEntry


def assertion_lines(file: Path) -> Iterator[str]:
    """A table of precision, recall and F a flag. Raises FeaturesError for a file that is not in the format."""
    report = evaluate_assertions(file)
    yield f"{report.findings} findings"
    yield f"{'':12} {'P':>6} {'R':>6} {'F':>6} {'right':>6} {'added':>6} {'missed':>6}"
    for score in report.scores:
        yield (
            f"{score.flag:12} {score.precision:6.3f} {score.recall:6.3f} {score.f1:6.3f} "
            f"{score.true_positives:6d} {score.false_positives:6d} {score.false_negatives:6d}"
        )
    yield from _fold_lines(file)


def _fold_lines(file: Path) -> Iterator[str]:
    """How much F varies over five parts of the file: what to expect of notes that nobody has looked at."""
    folds = evaluate_assertion_folds(file)
    yield ""
    yield f"F in each of {len(folds)} folds"
    for number, score in enumerate(folds[0].scores):
        values = [fold.scores[number] for fold in folds]
        counted = [value.f1 for value in values if value.true_positives + value.false_negatives]
        if len(counted) == len(folds):
            yield f"{score.flag:12} " + " ".join(f"{value:6.3f}" for value in counted)


def expected_cases(entries: Sequence[RequestEntry]) -> tuple[list[ExpectedCase], list[tuple[str, tuple[str, ...]]]]:
    """The entries as expected cases, and (place, problems) of those that are none."""
    cases: list[ExpectedCase] = []
    failed: list[tuple[str, tuple[str, ...]]] = []
    for entry in entries:
        if entry.request is None:
            failed.append((entry.place, entry.problems))
            continue
        try:
            expected = Route(entry.expected.get("expected_route", ""))
        except ValueError:
            failed.append((entry.place, ("expected_route: must be fast_track or nurse_review",)))
            continue
        cases.append(
            ExpectedCase(
                entry.request, expected, entry.expected.get("expected_why", ""), entry.expected.get("trap", "")
            )
        )
    return cases, failed


def case_lines(report: CaseReport) -> Iterator[str]:
    """Expected against taken routes, what was unsafe, and what could have been faster."""
    yield f"{len(report.outcomes)} requests"
    yield f"{'':24} {'to fast track':>14} {'to nurse':>10}"
    for expected in Route:
        counts = [report.count(expected, got) for got in (Route.FAST_TRACK, Route.NURSE_REVIEW)]
        yield f"{'expected ' + expected.value:24} {counts[0]:14d} {counts[1]:10d}"
    share = report.fast_track_share
    yield f"fast-tracked of those expected to be: {'none expected' if share is None else f'{share:.1%}'}"
    yield f"unsafe fast tracks: {len(report.unsafe)}"
    for outcome in report.unsafe:
        yield _outcome("UNSAFE", outcome)
    for outcome in report.missed:
        yield _outcome("slower", outcome)


def _outcome(word: str, outcome: CaseOutcome) -> str:
    case, reason = outcome.case, outcome.result.reasons[0]
    trap = f" [{case.trap}]" if case.trap and case.trap != "none" else ""
    return f"{word}  {case.request.external_id}{trap}  {reason.code}: {reason.message}"
