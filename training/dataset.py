"""From labelled requests to a table of features: each request read exactly as the service reads it.

The table is one Parquet file: a row a request, ``f_<name>`` columns in the schema's order, label, weight, family, split,
eligibility, and what reports compare by. The feature schema and the versions of whatever can change a feature stand in
the file's metadata. A table appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from features.types import AuthorizationRequest, FeatureSchema, FeatureSpec, Reading, Status
from models.estimator import Labels, Matrix
from models.near_duplicates import CODE as NEAR_DUPLICATE
from models.near_duplicates import NEAR_DUPLICATE_SPAN, likeness
from models.routing import route
from models.types import Route
from training.config import SPLIT_SHARES, Split
from training.errors import DatasetError

Progress = Callable[[int, int], None]
"""Called with (requests read, requests in all)."""

GROUPS = ("age_band", "sex", "line_of_business")
"""What reports compare groups of members by. None of it is a feature."""

HISTORY_FILE = "history.json"
"""What became of the rows of own history, beside the table that was prepared from it."""

_CHUNK = 50
_AHEAD = 2
_PREFIX = "f_"
_TEXT = ("external_id", "family", "split", "scenario", "reasons", "service", "diagnoses", *GROUPS)


@dataclass(frozen=True, slots=True)
class LabelledCase:
    """A request with its label. ``place`` names it to people (``cases.jsonl:4``); ``request`` follows the contract.

    ``weight`` is how many requests the case stands for: one over the probability with which it got its label.
    ``member`` is any key of the person that is the same on all her requests; empty where nobody can tell.
    """

    place: str
    request: Mapping[str, Any]
    label: int
    split: Split
    scenario: str = ""
    weight: float = 1.0
    member: str = ""


@dataclass(frozen=True, slots=True)
class ReadCase:
    """What is kept of a request that was read: numbers and codes, no words of its notes.

    ``reasons`` are the codes that would hold it back whatever its score, ``missing`` whether a needed criterion is not
    documented, ``diagnoses`` the request's codes; ``values`` are the features in the order of ``schema``. ``likeness`` is
    equal for requests of one member for one service.
    """

    external_id: str
    family: str
    eligible: bool
    reasons: tuple[str, ...]
    missing: bool
    service: str
    diagnoses: tuple[str, ...]
    groups: Mapping[str, str]
    values: tuple[float, ...]
    schema: FeatureSchema
    likeness: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """Read cases. ``features`` is (cases, features) in the schema's order; every other array has one entry a case.

    ``eligible``: every criterion met and no guard, so that only the score stands between the case and the fast lane.
    ``hash`` is the SHA-256 of the table's content. ``weights``: how many requests a case stands for (ones where each
    stands for itself, which is also the default). ``groups`` hold age band, sex and line of business for reports;
    ``reasons`` the codes that held a case back before the score, separated by spaces; ``services`` and ``diagnoses`` its
    codes, diagnoses separated by spaces; ``missing`` whether a needed criterion is not documented.
    """

    schema: FeatureSchema
    features: Matrix
    labels: Labels
    families: NDArray[np.str_]
    splits: NDArray[np.str_]
    eligible: NDArray[np.bool_]
    external_ids: NDArray[np.str_]
    scenarios: NDArray[np.str_]
    versions: Mapping[str, str]
    hash: str
    weights: Matrix = field(default_factory=lambda: np.empty(0))
    groups: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    reasons: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype=np.str_))
    services: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype=np.str_))
    diagnoses: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype=np.str_))
    missing: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        n = len(self.labels)
        unknown: dict[str, Any] = {
            "weights": np.ones(n),
            "reasons": np.full(n, "", dtype=np.str_),
            "services": np.full(n, "", dtype=np.str_),
            "diagnoses": np.full(n, "", dtype=np.str_),
            "missing": np.zeros(n, dtype=np.bool_),
        }
        for name, values in unknown.items():
            given = len(getattr(self, name))
            if given == 0:
                object.__setattr__(self, name, values)
            elif given != n:
                raise ValueError(f"{name} has {given} entries for {n} cases")
        if set(self.groups) != set(GROUPS):
            object.__setattr__(self, "groups", {name: np.full(n, "unknown") for name in GROUPS})

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: NDArray[np.bool_]) -> Dataset:
        """The chosen cases, in order, with a hash of their own."""
        features, labels, weights = self.features[chosen], self.labels[chosen], self.weights[chosen]
        external_ids = self.external_ids[chosen]
        return replace(
            self,
            features=features,
            labels=labels,
            families=self.families[chosen],
            splits=self.splits[chosen],
            eligible=self.eligible[chosen],
            external_ids=external_ids,
            scenarios=self.scenarios[chosen],
            hash=_content_hash(self.schema, features, labels, weights, external_ids),
            weights=weights,
            groups={name: values[chosen] for name, values in self.groups.items()},
            reasons=self.reasons[chosen],
            services=self.services[chosen],
            diagnoses=self.diagnoses[chosen],
            missing=self.missing[chosen],
        )

    def split(self, name: Split) -> Dataset:
        """The cases of one split. Raises DatasetError where there are none."""
        part = self.where(self.splits == name)
        if not len(part):
            raise DatasetError(f"no case in the {name} split; generate or export more cases")
        return part

    def share(self, chosen: NDArray[Any]) -> float:
        """The share of requests, by weight, for which ``chosen`` (cases,) of 0 and 1 is 1."""
        return float(np.average(chosen, weights=self.weights))

    def evenly_weighted(self) -> Dataset:
        """A part of the cases in which each stands for the same number of requests, for tests that know no weights.

        A case is kept with the probability weight / largest weight, drawn from its external id alone: never from its
        label, and the same each time. What is kept is distributed as the requests were, so an exact test on it is valid.
        All cases where all weights are equal.
        """
        if not len(self) or np.ptp(self.weights) == 0:
            return self
        drawn = np.array([_uniform(external_id) for external_id in self.external_ids.tolist()])
        part = self.where(np.asarray(drawn < self.weights / self.weights.max(), dtype=np.bool_))
        return replace(part, weights=np.ones(len(part)))


def held_back_by(reading: Reading) -> tuple[str, ...]:
    """The codes of what keeps the request from the fast lane whatever its score; empty where it is eligible.

    Asked of routing itself, with the best score there is, so that training and service never disagree about it.
    """
    decided, reasons = route(reading, score=1.0, threshold=0.0, model_loaded=True)
    return () if decided is Route.FAST_TRACK else tuple(dict.fromkeys(reason.code for reason in reasons))


def prepare(cases: Path, table: Path, *, processes: int = 2, progress: Progress | None = None) -> Dataset:
    """Read every generated case of the JSON Lines file ``cases`` and write ``table`` (Parquet).

    Raises DatasetError naming file and line where a line is no case, and where a member stands on both sides of a split.
    """
    try:
        with cases.open(encoding="utf-8") as file:
            total = sum(1 for _ in file)
    except OSError as error:
        raise DatasetError(f"{cases}: cannot be read ({error.strerror}); run generate first") from error
    if total == 0:
        raise DatasetError(f"{cases}: holds no case")
    dataset = write_table(_generated(cases), total, table, processes=processes, progress=progress)
    # It tells of own history, which the table no longer holds.
    table.with_name(HISTORY_FILE).unlink(missing_ok=True)
    return dataset


def write_table(
    cases: Iterable[LabelledCase], total: int, table: Path, *, processes: int = 2, progress: Progress | None = None
) -> Dataset:
    """Read ``cases`` (``total`` of them, for the progress) and write ``table``, which appears whole or not at all.

    Cases are held in memory a few at a time. Raises DatasetError where there is none, where one cannot be read, and
    where a member stands in two splits.
    """
    table.parent.mkdir(parents=True, exist_ok=True)
    pending = table.with_name(f"{table.name}.pending")
    writer: Any = None
    done = 0
    try:
        latest: dict[str, datetime] = {}
        for labelled, found in read_cases(_one_split_a_member(cases), processes):
            read = [_held_if_near_duplicate(case, latest) for case in found]
            content = _table_of(labelled, read)
            if writer is None:
                writer = pq.ParquetWriter(pending, content.schema)
            writer.write_table(content)
            done += len(labelled)
            if progress is not None:
                progress(done, total)
        if writer is None:
            raise DatasetError("there is no case to read")
        writer.close()
        pending.replace(table)
    except BaseException:
        if writer is not None:
            writer.close()
        pending.unlink(missing_ok=True)
        raise
    return load(table)


def load(table: Path) -> Dataset:
    """The prepared table. Raises DatasetError where it is missing or not one of ours."""
    try:
        content = pq.read_table(table)
        metadata = {key.decode(): value.decode() for key, value in (content.schema.metadata or {}).items()}
        schema = _schema_from_json(metadata["greenlane.schema"])
        versions: dict[str, str] = json.loads(metadata["greenlane.versions"])
        columns = [np.asarray(content[_PREFIX + spec.name], dtype=np.float64) for spec in schema.features]
        features = np.column_stack(columns)
        labels = np.asarray(content["label"], dtype=np.int64)
        weights = np.asarray(content["weight"], dtype=np.float64)
        text = {name: np.asarray(content[name].to_pylist(), dtype=np.str_) for name in _TEXT}
        eligible = np.asarray(content["eligible"], dtype=np.bool_)
        missing = np.asarray(content["missing"], dtype=np.bool_)
    except FileNotFoundError as error:
        raise DatasetError(f"{table}: is not there; run prepare first") from error
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{table}: is not a prepared table; run prepare again") from error
    if not np.isin(labels, (0, 1)).all():
        raise DatasetError(f"{table}: label must be 0 or 1 in every row")
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise DatasetError(f"{table}: weight must be above 0 in every row")
    unknown = set(text["split"].tolist()) - set(SPLIT_SHARES)
    if unknown:
        raise DatasetError(f"{table}: unknown split; expected one of {', '.join(SPLIT_SHARES)}")
    return Dataset(
        schema=schema,
        features=features,
        labels=labels,
        families=text["family"],
        splits=text["split"],
        eligible=eligible,
        external_ids=text["external_id"],
        scenarios=text["scenario"],
        versions=versions,
        hash=_content_hash(schema, features, labels, weights, text["external_id"]),
        weights=weights,
        groups={name: text[name] for name in GROUPS},
        reasons=text["reasons"],
        services=text["service"],
        diagnoses=text["diagnoses"],
        missing=missing,
    )


def read_cases(
    cases: Iterable[LabelledCase], processes: int
) -> Iterator[tuple[Sequence[LabelledCase], Sequence[ReadCase]]]:
    """The cases, some at a time and in order, with what was read of each; in ``processes`` worker processes.

    Raises DatasetError, naming the case's place, where a request does not follow the contract or cannot be read.
    """
    if processes <= 1:
        for chunk in _chunks(cases):
            yield chunk, _read_chunk(chunk)
        return
    # Spawned, not forked: the progress bar's thread runs beside, and a fork would copy its locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        # Only so many chunks are under way that notes of a large file never pile up in memory.
        running: deque[tuple[list[LabelledCase], Future[list[ReadCase]]]] = deque()
        try:
            for chunk in _chunks(cases):
                running.append((chunk, pool.submit(_read_chunk, chunk)))
                if len(running) >= processes * _AHEAD:
                    first, reading = running.popleft()
                    yield first, reading.result()
            while running:
                first, reading = running.popleft()
                yield first, reading.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _held_if_near_duplicate(case: ReadCase, latest: dict[str, datetime]) -> ReadCase:
    """Held back as the service holds it: a like request came not long before. ``latest`` keeps when, by likeness."""
    before = latest.get(case.likeness)
    latest[case.likeness] = case.received_at
    if before is None or abs(case.received_at - before) > NEAR_DUPLICATE_SPAN:
        return case
    return replace(case, eligible=False, reasons=(*case.reasons, NEAR_DUPLICATE))


def _chunks(cases: Iterable[LabelledCase]) -> Iterator[list[LabelledCase]]:
    remaining = iter(cases)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _generated(cases: Path) -> Iterator[LabelledCase]:
    with cases.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            place = f"{cases}:{number}"
            try:
                case = json.loads(line)
                label, split, request = case["label"], case["split"], case["request"]
                scenario = str(case.get("scenario", ""))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DatasetError(f"{place}: is not a case (a JSON object with request, label, split)") from error
            if label not in (0, 1) or isinstance(label, bool):
                raise DatasetError(f"{place}: label must be 0 or 1")
            if split not in SPLIT_SHARES:
                raise DatasetError(f"{place}: unknown split; expected one of {', '.join(SPLIT_SHARES)}")
            member = request.get("member") if isinstance(request, dict) else None
            key = str(member.get("member_id") or "") if isinstance(member, dict) else ""
            yield LabelledCase(place, request, label, split, scenario, member=key)


def _one_split_a_member(cases: Iterable[LabelledCase]) -> Iterator[LabelledCase]:
    splits: dict[str, str] = {}
    for case in cases:
        if case.member and splits.setdefault(case.member, case.split) != case.split:
            raise DatasetError(f"{case.place}: this member already stands in another split; split by member")
        yield case


def _read_chunk(chunk: Sequence[LabelledCase]) -> list[ReadCase]:
    """Some cases read, in a worker process: facts never leave it, only numbers and codes do."""
    from features.errors import FeaturesError, PolicyError, RequestRefusedError
    from features.plan_settings import load_plan_settings, plan_settings_path
    from features.policy import load_policies
    from features.reading import read
    from features.request import parse_request

    policies = load_policies()
    try:
        plans = load_plan_settings(plan_settings_path(), policies)
    except PolicyError as error:
        raise DatasetError(str(error)) from error
    rows = []
    for case in chunk:
        try:
            # Read as of the day it was received, as the service did: features must not depend on when we train.
            request = parse_request(case.request, now=datetime.now(UTC))
        except RequestRefusedError as error:
            raise DatasetError(f"{case.place}: {error}") from error
        try:
            rows.append(_kept(request, read(request, policies, plans)))
        except FeaturesError as error:  # a broken lexicon or policy says which file and entry
            raise DatasetError(f"{case.place}: could not be read: {error}") from error
        except Exception as error:  # the message may quote a note, so only the kind of error is told
            raise DatasetError(f"{case.place}: could not be read ({type(error).__name__})") from error
    return rows


def _kept(request: AuthorizationRequest, reading: Reading) -> ReadCase:
    reasons = held_back_by(reading)
    parents = {result.parent for result in reading.criteria}
    return ReadCase(
        external_id=request.external_id,
        family=reading.policy.family if reading.policy else "",
        eligible=not reasons,
        reasons=reasons,
        missing=any(
            result.needed and result.status is Status.NOT_DOCUMENTED and result.criterion_id not in parents
            for result in reading.criteria
        ),
        service=f"{request.service.system}:{request.service.code.upper()}",
        diagnoses=tuple(diagnosis.code.upper() for diagnosis in request.diagnoses),
        groups={
            "age_band": _age_band(request),
            "sex": request.member.sex,
            "line_of_business": request.coverage.line_of_business or "unknown",
        },
        values=reading.vector.values,
        schema=reading.vector.schema,
        likeness=likeness(request),
        received_at=request.received_at,
    )


def _age_band(request: AuthorizationRequest) -> str:
    born, day = request.member.birth_date, request.received_at.date()
    age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    for below, band in ((18, "0-17"), (40, "18-39"), (65, "40-64"), (80, "65-79")):
        if age < below:
            return band
    return "80+"


def _table_of(labelled: Sequence[LabelledCase], read: Sequence[ReadCase]) -> Any:
    from features.lexicon import load_lexicon
    from features.policy import load_policies
    from models.versions import pipeline_version

    versions = {"lexicon": load_lexicon().hash, "policies": load_policies().hash, "pipeline": pipeline_version()}
    schema = read[0].schema
    values = np.asarray([row.values for row in read], dtype=np.float64)
    columns: dict[str, Any] = {
        "external_id": pa.array([row.external_id for row in read], pa.string()),
        "label": pa.array([case.label for case in labelled], pa.int64()),
        "weight": pa.array([case.weight for case in labelled], pa.float64()),
        "split": pa.array([case.split for case in labelled], pa.string()),
        "scenario": pa.array([case.scenario for case in labelled], pa.string()),
        "family": pa.array([row.family for row in read], pa.string()),
        "eligible": pa.array([row.eligible for row in read], pa.bool_()),
        "reasons": pa.array([" ".join(row.reasons) for row in read], pa.string()),
        "missing": pa.array([row.missing for row in read], pa.bool_()),
        "service": pa.array([row.service for row in read], pa.string()),
        "diagnoses": pa.array([" ".join(row.diagnoses) for row in read], pa.string()),
        **{name: pa.array([row.groups[name] for row in read], pa.string()) for name in GROUPS},
    }
    for position, spec in enumerate(schema.features):
        columns[_PREFIX + spec.name] = pa.array(values[:, position])
    metadata = {"greenlane.schema": json.dumps(asdict(schema)), "greenlane.versions": json.dumps(versions)}
    return pa.table(columns).replace_schema_metadata(metadata)


def _schema_from_json(text: str) -> FeatureSchema:
    stated = json.loads(text)
    return FeatureSchema(
        name=stated["name"],
        version=stated["version"],
        features=tuple(FeatureSpec(**spec) for spec in stated["features"]),
        hash=stated["hash"],
    )


def _uniform(key: str) -> float:
    """A number in [0, 1) that looks random and is the same for the same key."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:7], "big") / float(1 << 56)


def _content_hash(
    schema: FeatureSchema, features: Matrix, labels: Labels, weights: Matrix, external_ids: NDArray[np.str_]
) -> str:
    digest = hashlib.sha256(schema.hash.encode())
    digest.update(np.ascontiguousarray(features).tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    digest.update(np.ascontiguousarray(weights).tobytes())
    digest.update("\n".join(external_ids.tolist()).encode())
    return digest.hexdigest()
