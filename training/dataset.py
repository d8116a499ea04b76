"""From generated requests to a table of features: each request read exactly as the service reads it.

The table is one Parquet file: a row a request, ``f_<name>`` columns in the schema's order, label, family, split,
eligibility. The feature schema and the versions of whatever can change a feature stand in the file's metadata.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
from numpy.typing import NDArray

from features.types import FeatureSchema, FeatureSpec, Reading
from models.estimator import Labels, Matrix
from models.routing import route
from models.types import Route
from training.config import SPLIT_SHARES, Split
from training.errors import DatasetError

_CHUNK = 50
_PREFIX = "f_"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Read cases. ``features`` is (cases, features) in the schema's order; every other array has one entry a case.

    ``eligible``: every criterion met and no guard, so that only the score stands between the case and the fast lane.
    ``hash`` is the SHA-256 of the table's content.
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

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: NDArray[np.bool_]) -> Dataset:
        """The chosen cases, in order, with a hash of their own."""
        features, labels = self.features[chosen], self.labels[chosen]
        external_ids = self.external_ids[chosen]
        return Dataset(
            schema=self.schema,
            features=features,
            labels=labels,
            families=self.families[chosen],
            splits=self.splits[chosen],
            eligible=self.eligible[chosen],
            external_ids=external_ids,
            scenarios=self.scenarios[chosen],
            versions=self.versions,
            hash=_content_hash(self.schema, features, labels, external_ids),
        )

    def split(self, name: Split) -> Dataset:
        """The cases of one split. Raises DatasetError where there are none."""
        part = self.where(self.splits == name)
        if not len(part):
            raise DatasetError(f"no case in the {name} split; generate or export more cases")
        return part


def is_eligible(reading: Reading) -> bool:
    """Whether policy and guards would let the request through, so that only the score can still hold it back.

    Asked of routing itself, with the best score there is, so that training and service never disagree about it.
    """
    decided, _ = route(reading, score=1.0, threshold=0.0, model_loaded=True)
    return decided is Route.FAST_TRACK


def prepare(
    cases: Path, table: Path, *, processes: int = 2, progress: Callable[[int, int], None] | None = None
) -> Dataset:
    """Read every case of the JSON Lines file ``cases`` and write ``table`` (Parquet).

    ``progress`` is called with (cases read, cases in all). Raises DatasetError naming file and line where a line is no
    case, and where a member stands on both sides of a split.
    """
    try:
        with cases.open(encoding="utf-8") as file:
            total = sum(1 for _ in file)
    except OSError as error:
        raise DatasetError(f"{cases}: cannot be read ({error.strerror}); run generate first") from error
    if total == 0:
        raise DatasetError(f"{cases}: holds no case")
    rows: list[dict[str, Any]] = []
    for chunk in _read_chunks(cases, processes):
        rows.extend(chunk)
        if progress is not None:
            progress(len(rows), total)
    _refuse_members_on_both_sides(cases, rows)
    table.parent.mkdir(parents=True, exist_ok=True)
    _write(rows, table)
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
        external_ids = np.asarray(content["external_id"].to_pylist(), dtype=np.str_)
        text = {name: np.asarray(content[name].to_pylist(), dtype=np.str_) for name in ("family", "split", "scenario")}
        eligible = np.asarray(content["eligible"], dtype=np.bool_)
    except FileNotFoundError as error:
        raise DatasetError(f"{table}: is not there; run prepare first") from error
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{table}: is not a prepared table; run prepare again") from error
    if not np.isin(labels, (0, 1)).all():
        raise DatasetError(f"{table}: label must be 0 or 1 in every row")
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
        external_ids=external_ids,
        scenarios=text["scenario"],
        versions=versions,
        hash=_content_hash(schema, features, labels, external_ids),
    )


def _read_chunks(cases: Path, processes: int) -> Iterator[list[dict[str, Any]]]:
    if processes <= 1:
        for chunk in _chunks(cases):
            yield _read_chunk(chunk)
        return
    # Spawned, not forked: the progress bar's thread runs beside, and a fork would copy its locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from pool.map(_read_chunk, _chunks(cases))


def _chunks(cases: Path) -> Iterator[tuple[str, int, list[str]]]:
    with cases.open(encoding="utf-8") as file:
        first = 1
        while lines := list(islice(file, _CHUNK)):
            yield str(cases), first, lines
            first += len(lines)


def _read_chunk(chunk: tuple[str, int, Sequence[str]]) -> list[dict[str, Any]]:
    """Rows of some lines, in a worker process: facts never leave it, only numbers do."""
    from datetime import UTC, datetime

    from features.errors import FeaturesError, RequestRefusedError
    from features.reading import read
    from features.request import parse_request

    name, first, lines = chunk
    rows = []
    for number, line in enumerate(lines, start=first):
        try:
            case = json.loads(line)
            label, split = case["label"], case["split"]
            # Read as of the day it was received, as the service did: features must not depend on when we train.
            request = parse_request(case["request"], now=datetime.now(UTC))
        except RequestRefusedError as error:
            raise DatasetError(f"{name}:{number}: {error}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{name}:{number}: is not a case (a JSON object with request, label, split)") from error
        if label not in (0, 1) or isinstance(label, bool):
            raise DatasetError(f"{name}:{number}: label must be 0 or 1")
        try:
            reading = read(request)
        except FeaturesError as error:  # a broken lexicon or policy says which file and entry
            raise DatasetError(f"{name}:{number}: could not be read: {error}") from error
        except Exception as error:  # the message may quote a note, so only the kind of error is told
            raise DatasetError(f"{name}:{number}: could not be read ({type(error).__name__})") from error
        rows.append(
            {
                "external_id": request.external_id,
                "member_id": request.member.member_id or "",
                "label": label,
                "split": split,
                "scenario": str(case.get("scenario", "")),
                "family": reading.policy.family if reading.policy else "",
                "eligible": is_eligible(reading),
                "values": reading.vector.values,
                "schema": reading.vector.schema,
            }
        )
    return rows


def _refuse_members_on_both_sides(cases: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    sides: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        member = row["member_id"]
        if member and sides.setdefault(member, row["split"]) != row["split"]:
            raise DatasetError(f"{cases}:{number}: this member already stands in another split; split by member")


def _write(rows: Sequence[Mapping[str, Any]], table: Path) -> None:
    from features.lexicon import load_lexicon
    from features.policy import load_policies
    from models.versions import pipeline_version

    versions = {"lexicon": load_lexicon().hash, "policies": load_policies().hash, "pipeline": pipeline_version()}
    schema: FeatureSchema = rows[0]["schema"]
    values = np.asarray([row["values"] for row in rows], dtype=np.float64)
    columns: dict[str, Any] = {
        name: pa.array([row[name] for row in rows])
        for name in ("external_id", "label", "split", "scenario", "family", "eligible")
    }
    for position, spec in enumerate(schema.features):
        columns[_PREFIX + spec.name] = pa.array(values[:, position])
    metadata = {"greenlane.schema": json.dumps(asdict(schema)), "greenlane.versions": json.dumps(versions)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), table)


def _schema_from_json(text: str) -> FeatureSchema:
    stated = json.loads(text)
    return FeatureSchema(
        name=stated["name"],
        version=stated["version"],
        features=tuple(FeatureSpec(**spec) for spec in stated["features"]),
        hash=stated["hash"],
    )


def _content_hash(schema: FeatureSchema, features: Matrix, labels: Labels, external_ids: NDArray[np.str_]) -> str:
    digest = hashlib.sha256(schema.hash.encode())
    digest.update(np.ascontiguousarray(features).tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    digest.update("\n".join(external_ids.tolist()).encode())
    return digest.hexdigest()
