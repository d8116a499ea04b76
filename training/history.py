"""A plan's own past requests as training data: read, checked, labelled, weighted and split by member and time.

The file is read twice, a few rows at a time: first without its notes' contents, to check every row and to place it in a
split, then to read the notes. Nothing is written unless every row is sound.

- **Label**: 1 where the first decision was to approve as requested, 0 otherwise; an outcome overturned by the cut-off
  counts as what it was overturned to.
- **Weight**: fast-tracked requests were decided by nobody and carry no label. Those of them that the blind audit drew do,
  and each stands for one over the probability of the draw.
- **Split**: consecutive in time, earliest to train on, latest to test on. A member belongs to the split of her latest
  request; her earlier requests that fall into another split are dropped. So nobody stands on both sides, and the later
  splits are as requests come, returning members included.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from models.decisions import DecisionSource, Outcome
from training.config import SETTLED_AFTER_DAYS, SPLIT_SHARES, Split
from training.dataset import HISTORY_FILE, Dataset, LabelledCase, Progress, write_table
from training.errors import DatasetError
from training.history_schema import HistoryRow, RowProblem, check_columns, parse_row

FORMATS = (".jsonl", ".csv", ".parquet")
_BATCH = 100
_MOST_NAMED = 20
_LARGEST_CELL = 2**31 - 1


class HistoryRefusedError(DatasetError):
    """The file cannot be trained on; ``problems`` are lines, each naming row and column."""

    def __init__(self, path: Path, problems: list[str], more: bool = False) -> None:
        self.problems = tuple(f"{path}: {problem}" for problem in problems)
        last = (f"{path}: there may be more; these are the first {len(problems)}",) if more else ()
        super().__init__("\n".join((*self.problems, *last)))


@dataclass(frozen=True, slots=True)
class HistorySummary:
    """What became of a file's rows. ``left_out`` counts rows by the reason for which they carry no label."""

    rows: int
    used: int
    known_by: str
    splits: Mapping[str, int]
    split_from: Mapping[str, str]
    left_out: Mapping[str, int]
    overturned: int
    audited: int
    late_documents: int

    def lines(self) -> Iterator[str]:
        """The summary for people."""
        yield f"{self.used} of {self.rows} rows carry a label known by {self.known_by}"
        for reason, count in self.left_out.items():
            yield f"  {count} left out: {reason}"
        if self.overturned:
            yield f"  {self.overturned} labelled by what they were overturned to"
        if self.audited:
            yield f"  {self.audited} from the blind audit, weighted by one over their probability"
        if self.late_documents:
            yield f"  {self.late_documents} documents left out: they came after the decision"
        for name, count in self.splits.items():
            yield f"  {name}: {count} requests from {self.split_from[name]}"


@dataclass(slots=True)
class _Placed:
    """A usable row without its request."""

    row: int
    external_id: str
    member: str
    received_at: datetime
    label: int
    weight: float
    scenario: str
    audited: bool
    overturned: bool
    late_documents: int


@dataclass(slots=True)
class _Survey:
    rows: int = 0
    placed: list[_Placed] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """A file whose rows are all sound: which of them carry a label, which weight, and in which split they stand."""

    path: Path
    summary: HistorySummary
    used: Mapping[int, _Placed] = field(repr=False)
    splits: Mapping[int, Split] = field(repr=False)

    def cases(self) -> Iterator[LabelledCase]:
        """The usable rows, in the file's order, a few at a time. Raises DatasetError where the file changed meanwhile."""
        for number, row in history_rows(self.path, now=datetime.now(UTC)):
            placed = self.used.get(number)
            if placed is None:
                continue
            place = f"{self.path}: row {number}"
            if row.external_id != placed.external_id:
                raise DatasetError(f"{place}: the file changed while it was read; run prepare again")
            yield LabelledCase(
                place, row.request, placed.label, self.splits[number], placed.scenario, placed.weight, placed.member
            )


def plan_history(
    path: Path, *, known_by: datetime | None = None, settled_after: timedelta = timedelta(days=SETTLED_AFTER_DAYS)
) -> HistoryPlan:
    """Check every row of own history and decide which count, without reading a note.

    ``known_by`` is the cut-off: labels known later do not count (by default the latest decision in the file), and
    requests received less than ``settled_after`` before it are left out. Raises HistoryRefusedError where a row is
    unsound, and DatasetError where no label, one class only or too short a time to split would be left.
    """
    now = datetime.now(UTC)
    cutoff = known_by or latest_decision(path, now)
    survey = _survey(path, cutoff, settled_after, now)
    splits, used = _split(path, survey)
    summary = HistorySummary(
        rows=survey.rows,
        used=len(used),
        known_by=_shown(cutoff),
        splits={name: sum(splits[placed.row] == name for placed in used) for name in SPLIT_SHARES},
        split_from=_first_days(used, splits),
        left_out=dict(survey.left_out),
        overturned=sum(placed.overturned for placed in used),
        audited=sum(placed.audited for placed in used),
        late_documents=sum(placed.late_documents for placed in used),
    )
    return HistoryPlan(path, summary, {placed.row: placed for placed in used}, splits)


def prepare_history(
    path: Path,
    table: Path,
    *,
    known_by: datetime | None = None,
    settled_after: timedelta = timedelta(days=SETTLED_AFTER_DAYS),
    processes: int = 2,
    progress: Progress | None = None,
) -> tuple[Dataset, HistorySummary]:
    """Read own history and write ``table`` (Parquet), which ``train`` takes like any other, and history.json beside it.

    Parameters and errors as :func:`plan_history`; where it refuses, nothing is written.
    """
    plan = plan_history(path, known_by=known_by, settled_after=settled_after)
    dataset = write_table(plan.cases(), plan.summary.used, table, processes=processes, progress=progress)
    table.with_name(HISTORY_FILE).write_text(json.dumps(asdict(plan.summary), indent=2) + "\n")
    return dataset, plan.summary


def history_rows(path: Path, *, now: datetime) -> Iterator[tuple[int, HistoryRow]]:
    """Every row of the file with its number, counted from 1. Raises HistoryRefusedError at the first unsound one."""
    for number, raw in raw_rows(path):
        try:
            yield number, parse_row(raw, now=now)
        except RowProblem as problem:
            raise HistoryRefusedError(path, [f"row {number}: {problem}"]) from None


def raw_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every row of a .jsonl, .csv or .parquet file as its columns, a few at a time.

    Raises HistoryRefusedError where a column is missing or unknown, or the file cannot be read.
    """
    readers: dict[str, Callable[[Path], Iterator[tuple[int, dict[str, Any]]]]] = {
        ".jsonl": _json_lines,
        ".csv": _csv_rows,
        ".parquet": _parquet_rows,
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise DatasetError(f"{path}: must end in {', '.join(FORMATS)}")
    try:
        yield from reader(path)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: is not there") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8") from error
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror or type(error).__name__})") from error


def latest_decision(path: Path, now: datetime) -> datetime:
    """The latest moment at which anything was decided in the file: what was known when it was written."""
    latest: datetime | None = None
    for _, row in checked_rows(path, now=now):
        for moment in (row.decided_at, row.overturned_at):
            if moment is not None and (latest is None or moment > latest):
                latest = moment
    if latest is None:
        raise DatasetError(f"{path}: nothing in it was decided yet; there is nothing to learn from")
    return latest


def checked_rows(path: Path, *, now: datetime) -> Iterator[tuple[int, HistoryRow]]:
    """Every row with its number, checked also against the others; problems are told together, at the end.

    Raises HistoryRefusedError where a row is unsound: what was yielded before is not to be used then.
    """
    problems: list[str] = []
    seen: dict[str, int] = {}
    keys: dict[str, str] = {}
    rows = 0
    for number, raw in raw_rows(path):
        rows += 1
        try:
            row = parse_row(raw, now=now)
            _refuse_repeats(row, number, seen, keys)
        except RowProblem as problem:
            problems.append(f"row {number}: {problem}")
            if len(problems) == _MOST_NAMED:
                raise HistoryRefusedError(path, problems, more=True) from None
            continue
        if not problems:
            yield number, row
    if problems:
        raise HistoryRefusedError(path, problems)
    if rows == 0:
        raise DatasetError(f"{path}: holds no row")


def _refuse_repeats(row: HistoryRow, number: int, seen: dict[str, int], keys: dict[str, str]) -> None:
    first = seen.setdefault(row.external_id, number)
    if first != number:
        raise RowProblem("request.external_id", f"is the same as in row {first}; a request must stand once")
    if row.member_id is not None and keys.setdefault(row.member_id, row.member) != row.member:
        raise RowProblem("member_key", "this member.member_id stands under another member_key in an earlier row")


def _survey(path: Path, cutoff: datetime, settled_after: timedelta, now: datetime) -> _Survey:
    """Which rows carry a label at the cut-off, and why the others do not."""
    survey = _Survey()
    audited = unaudited = 0
    for number, row in checked_rows(path, now=now):
        survey.rows += 1
        if row.source is DecisionSource.FAST_TRACK:
            unaudited += 1
        reason = _no_label(row, cutoff, settled_after)
        if reason:
            survey.left_out[reason] += 1
            continue
        outcome = row.outcome_by(cutoff)
        weight = 1.0
        if row.source is DecisionSource.BLIND_AUDIT and row.audit_probability:
            weight, audited = 1.0 / row.audit_probability, audited + 1
        survey.placed.append(
            _Placed(
                row=number,
                external_id=row.external_id,
                member=row.member,
                received_at=row.received_at,
                label=int(outcome is Outcome.APPROVED_AS_REQUESTED),
                weight=weight,
                scenario=f"{row.source}:{row.outcome}",
                audited=row.source is DecisionSource.BLIND_AUDIT,
                overturned=outcome is not row.outcome,
                late_documents=row.left_out,
            )
        )
    if unaudited and not audited:
        raise DatasetError(
            f"{path}: {unaudited} requests were fast-tracked and none of the blind audit's is decided; without it nobody "
            "knows how those would have gone"
        )
    return survey


def _no_label(row: HistoryRow, cutoff: datetime, settled_after: timedelta) -> str | None:
    if row.received_at > cutoff - settled_after:
        return f"received less than {settled_after.days} days before the cut-off (only quick decisions would count)"
    if row.source is DecisionSource.FAST_TRACK:
        if row.audit_probability:
            return "fast-tracked, so nobody decided (the blind audit stands for them)"
        return "fast-tracked while the blind audit drew nothing (no case stands for them)"
    if row.outcome is None or row.outcome_by(cutoff) is None:
        return "not decided by the cut-off"
    if row.outcome_by(cutoff) is Outcome.WITHDRAWN:
        return "withdrawn"
    return None


def _split(path: Path, survey: _Survey) -> tuple[dict[int, Split], list[_Placed]]:
    """The split of each used row, by row number, and the used rows in the file's order."""
    if not survey.placed:
        raise DatasetError(f"{path}: no row carries a label ({_reasons(survey)})")
    labels = {placed.label for placed in survey.placed}
    if len(labels) == 1:
        only = "approved as requested" if labels == {1} else "not approved as requested"
        raise DatasetError(f"{path}: all {len(survey.placed)} labelled requests were {only}; both kinds are needed")
    times = sorted(placed.received_at for placed in survey.placed)
    names: tuple[Split, ...] = tuple(SPLIT_SHARES)
    begins: list[datetime] = []
    share = 0.0
    for name in names:
        begins.append(times[min(int(share * len(times)), len(times) - 1)])
        share += SPLIT_SHARES[name]
    place = {
        placed.row: max(n for n in range(len(names)) if begins[n] <= placed.received_at) for placed in survey.placed
    }
    latest: dict[str, int] = {}
    for placed in survey.placed:
        latest[placed.member] = max(latest.get(placed.member, 0), place[placed.row])
    used = [placed for placed in survey.placed if place[placed.row] == latest[placed.member]]
    dropped = len(survey.placed) - len(used)
    if dropped:
        survey.left_out["earlier requests of members who stand in a later split"] += dropped
    splits = {placed.row: names[place[placed.row]] for placed in used}
    empty = [name for name in names if name not in splits.values()]
    if empty:
        raise DatasetError(
            f"{path}: no request is left for the {empty[0]} split; {len(used)} labelled requests from "
            f"{times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d} cannot be split by time"
        )
    return splits, used


def _first_days(used: list[_Placed], splits: Mapping[int, str]) -> dict[str, str]:
    first: dict[str, datetime] = {}
    for placed in used:
        name = splits[placed.row]
        first[name] = min(first.get(name, placed.received_at), placed.received_at)
    return {name: f"{moment:%Y-%m-%d}" for name, moment in first.items()}


def _reasons(survey: _Survey) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in survey.left_out.items())


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                raise HistoryRefusedError(path, [f"row {number}: is not JSON"]) from None
            if not isinstance(row, dict):
                raise HistoryRefusedError(path, [f"row {number}: is not a JSON object"])
            wrong = check_columns(list(row))
            if wrong:
                raise HistoryRefusedError(path, [f"row {number}: {wrong}"])
            yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    allowed = csv.field_size_limit(_LARGEST_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.reader(file, strict=True)
            header = next(table, [])
            wrong = check_columns(header) if header else "holds no row"
            if wrong:
                raise HistoryRefusedError(path, [wrong])
            for number, cells in enumerate(table, start=1):
                if len(cells) != len(header):
                    message = f"row {number}: has {len(cells)} cells, the header {len(header)}"
                    raise HistoryRefusedError(path, [message])
                yield number, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise DatasetError(f"{path}: is not a CSV file ({error})") from None
    finally:
        csv.field_size_limit(allowed)


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

    try:
        with pq.ParquetFile(path) as file:
            wrong = check_columns(list(file.schema_arrow.names))
            if wrong:
                raise HistoryRefusedError(path, [wrong])
            number = 0
            for batch in file.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise DatasetError(f"{path}: is not a Parquet file") from error
