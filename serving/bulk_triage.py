"""Triage of many requests from files, nothing stored: here, or by several processes, the order kept and memory flat."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from serving.request_files import Entry, request_entry

if TYPE_CHECKING:
    from features.types import AuthorizationRequest
    from models.types import TriageResult
    from serving.documents.pool import ReadingPool
    from serving.reading import Reader

ENDED = "ended the process that read it"

_AHEAD = 8
"""So many requests wait for each process: enough that none stands still behind a long note."""

_log = logging.getLogger("greenlane.serving")


@dataclass(frozen=True, slots=True)
class Triaged:
    """What became of one entry: the contract's result as JSON text and what a table shows of it, or else ``problems``."""

    place: str
    external_id: str
    service: str
    route: str
    reason: str
    due_at: datetime
    result: str
    problems: tuple[str, ...] = ()


def triaged_here(entries: Iterable[Entry]) -> Iterator[Triaged]:
    """Every entry in this process, in order. Reader and model are loaded with the first entry that is a request."""
    with _reading_pool() as pool:
        reader: Reader | None = None
        for entry in entries:
            read = request_entry(entry, pool)
            if read.request is None:
                yield _failed(entry, read.problems)
                continue
            reader = reader or _reader()
            yield _triaged(entry, read.request, reader)


def triaged_by(entries: Iterable[Entry], jobs: int) -> Iterator[Triaged]:
    """Every entry, in order, by ``jobs`` processes that are started for it and ended with it.

    An entry that ends its process is named as failed; those that were read beside it are read again.
    """
    waiting: deque[tuple[Entry, Future[Triaged]]] = deque()
    processes = _processes(jobs)
    try:
        for entry in entries:
            try:
                waiting.append((entry, processes.submit(_triaged_by_worker, entry)))
            except BrokenProcessPool:
                waiting.append((entry, _broken()))
            if len(waiting) < jobs * _AHEAD:
                continue
            yield from _first(waiting)
            if not waiting:
                processes.shutdown()
                processes = _processes(jobs)
        while waiting:
            yield from _first(waiting)
    finally:
        processes.shutdown(cancel_futures=True)


def _first(waiting: deque[tuple[Entry, Future[Triaged]]]) -> Iterator[Triaged]:
    """The next result; where a process died, all that wait, so that ``waiting`` is empty after it."""
    entry, future = waiting.popleft()
    try:
        yield future.result()
    except BrokenProcessPool:
        # Whoever was being read may have done it: each again in a process of its own, so that only one is named.
        suspects = [entry, *(other for other, _ in waiting)]
        waiting.clear()
        yield from _one_by_one(suspects)


def _one_by_one(entries: Iterable[Entry]) -> Iterator[Triaged]:
    processes = _processes(1)
    try:
        for entry in entries:
            try:
                yield processes.submit(_triaged_by_worker, entry).result()
            except BrokenProcessPool:
                processes.shutdown()
                processes = _processes(1)
                yield _failed(entry, (ENDED,))
    finally:
        processes.shutdown(cancel_futures=True)


def _broken() -> Future[Triaged]:
    future: Future[Triaged] = Future()
    future.set_exception(BrokenProcessPool())
    return future


def _processes(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), initializer=_alone_on_a_core)


def _alone_on_a_core() -> None:
    # Set before scikit-learn is imported: its own threads would fight those of the other processes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _triaged_by_worker(entry: Entry) -> Triaged:
    read = request_entry(entry, _worker_pool())
    return _failed(entry, read.problems) if read.request is None else _triaged(entry, read.request, _reader_of_worker())


@cache
def _worker_pool() -> ReadingPool:
    return _reading_pool(processes=1)


@cache
def _reader_of_worker() -> Reader:
    return _reader()


def _reading_pool(processes: int | None = None) -> ReadingPool:
    from serving.documents.pool import ReadingPool
    from serving.settings import load_settings

    settings = load_settings()
    return ReadingPool.of(settings.model_copy(update={"document_processes": processes or settings.document_processes}))


def _reader() -> Reader:
    from serving.reading import Reader
    from serving.settings import load_settings

    return Reader.load(load_settings())


def _triaged(entry: Entry, request: AuthorizationRequest, reader: Reader) -> Triaged:
    from models.result import result_text

    result = _result(request, reader)
    return Triaged(
        place=entry.place,
        external_id=request.external_id,
        service=f"{request.service.system} {request.service.code}",
        route=result.route.value,
        reason=result.reasons[0].message,
        due_at=result.due_at,
        result=result_text(result),
    )


def _result(request: AuthorizationRequest, reader: Reader) -> TriageResult:
    """Triage, and whatever goes wrong in it is a nurse's case, as in the service."""
    from models.triage import system_error_result

    try:
        return reader.triage(request)
    except Exception as error:
        # The message may hold note text; the kind of error does not.
        _log.error("triage failed with %s", type(error).__name__)
        return system_error_result(request)


def _failed(entry: Entry, problems: tuple[str, ...]) -> Triaged:
    return Triaged(entry.place, "", "", "", "", datetime.fromtimestamp(0, UTC), "", problems)
