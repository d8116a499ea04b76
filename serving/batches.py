"""Many requests in one call: each line is stored as it comes and stands for itself.

The lines of a piece of the batch are stored in one transaction together with what became of each, so whatever breaks off
leaves whole pieces. To send a batch again is safe: what was stored is found by its external id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from features.errors import RequestRefusedError
from models.types import Route
from serving.batch_tables import BatchLineRow, BatchRow
from serving.errors import AuthorizationErasedError, ContentConflictError, UnknownBatchError, UnreadableBodyError
from serving.line_reader import ReceivedLine
from serving.new_request import NewRequest
from serving.records import dumps
from serving.service import AuthorizationService
from serving.store import Store
from serving.tables import AuthorizationRow, ResultRow
from serving.ulid import UlidSource

MOST_LINES = 100_000
"""Requests in one batch."""
LINES_AT_ONCE = 100
"""Lines that are stored in one transaction."""
BYTES_AT_ONCE = 8_000_000
"""Fewer lines are, where these many bytes have come: so much is held in memory, and one line."""

_LINES_READ = 200

Problems = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How a batch stands. ``received`` are stored and not triaged yet; ``complete`` is false while lines come, and where the
    call broke off."""

    batch_id: str
    complete: bool
    accepted: int
    repeated: int
    refused: int
    received: int
    routes: dict[Route, int]

    @property
    def lines(self) -> int:
        """Lines that are not blank."""
        return self.accepted + self.repeated + self.refused


@dataclass(frozen=True, slots=True)
class _Line:
    """A line as it is to be stored: the request, or why it is none."""

    number: int
    new: NewRequest | None
    problems: Problems = ()


class Batches:
    """The batches of one tenant. Safe to share between threads."""

    def __init__(self, store: Store, service: AuthorizationService) -> None:
        self._store = store
        self._service = service
        self._next_id = UlidSource()

    def begin(self, now: datetime) -> str:
        """Begin a batch; returns its id. Raises StoreUnavailableError."""
        batch_id = self._next_id()
        with self._store.writing() as session:
            session.add(
                BatchRow(batch_id=batch_id, tenant=self._store.tenant, begun_at=now, accepted=0, repeated=0, refused=0)
            )
        return batch_id

    def take(self, batch_id: str, lines: Sequence[ReceivedLine], now: datetime) -> None:
        """Store these lines. None of them stops the others. Raises StoreUnavailableError."""
        self._take(batch_id, [self._parsed(line, now) for line in lines], now)
        self._service.announce()

    def end(self, batch_id: str, now: datetime) -> None:
        """Every line has come."""
        with self._store.writing() as session:
            self._row(session, batch_id).ended_at = now

    def counts(self, batch_id: str) -> BatchCounts:
        """How the batch stands now. Raises UnknownBatchError."""
        with self._store.reading() as session:
            row = self._row(session, batch_id)
            found = session.execute(
                select(AuthorizationRow.status, AuthorizationRow.route, func.count())
                .join(BatchLineRow, BatchLineRow.authorization_id == AuthorizationRow.authorization_id)
                .where(BatchLineRow.batch_id == batch_id)
                .group_by(AuthorizationRow.status, AuthorizationRow.route)
            ).all()
            return BatchCounts(
                batch_id=batch_id,
                complete=row.ended_at is not None,
                accepted=row.accepted,
                repeated=row.repeated,
                refused=row.refused,
                received=sum(count for status, _, count in found if status == "received"),
                routes={
                    each: sum(count for status, route, count in found if status != "received" and route == each.value)
                    for each in Route
                },
            )

    def problems(self, batch_id: str, *, after: int = 0) -> Iterator[str]:
        """The refused lines after a line number, in order: JSON of the line's number and its problems."""
        while True:
            with self._store.reading() as session:
                self._row(session, batch_id)
                rows = session.execute(
                    select(BatchLineRow.line, BatchLineRow.problem)
                    .where(
                        BatchLineRow.batch_id == batch_id, BatchLineRow.line > after, BatchLineRow.problem.is_not(None)
                    )
                    .order_by(BatchLineRow.line)
                    .limit(_LINES_READ)
                ).all()
            for row in rows:
                yield dumps({"line": row.line, "errors": json.loads(row.problem or "[]")})
            if len(rows) < _LINES_READ:
                return
            after = rows[-1].line

    def results(self, batch_id: str, *, after: int = 0) -> Iterator[str]:
        """The results of the lines after a line number that are triaged by now, in order: JSON of number and result."""
        while True:
            with self._store.reading() as session:
                self._row(session, batch_id)
                rows = session.execute(
                    select(BatchLineRow.line, ResultRow.result)
                    .join(AuthorizationRow, AuthorizationRow.authorization_id == BatchLineRow.authorization_id)
                    .join(
                        ResultRow,
                        and_(
                            ResultRow.authorization_id == AuthorizationRow.authorization_id,
                            ResultRow.revision == AuthorizationRow.revision,
                        ),
                    )
                    .where(
                        BatchLineRow.batch_id == batch_id,
                        BatchLineRow.line > after,
                        AuthorizationRow.erased_at.is_(None),
                    )
                    .order_by(BatchLineRow.line)
                    .limit(_LINES_READ)
                ).all()
            for row in rows:
                yield f'{{"line":{row.line},"result":{row.result}}}'
            if len(rows) < _LINES_READ:
                return
            after = rows[-1].line

    def _parsed(self, line: ReceivedLine, now: datetime) -> _Line:
        if line.content is None:
            return _Line(line.number, None, (("line", "is larger than one request may be"),))
        try:
            return _Line(line.number, self._service.new_request(line.content, now))
        except RequestRefusedError as error:
            return _Line(line.number, None, error.problems)
        except UnreadableBodyError as error:
            return _Line(line.number, None, (("line", str(error).removeprefix("the body ")),))

    def _take(self, batch_id: str, lines: Sequence[_Line], now: datetime) -> None:
        with self._store.writing() as session:
            row = self._row(session, batch_id, to_change=True)
            for line in lines:
                authorization_id, created, problems = self._accepted(session, line, now)
                row.accepted += created
                row.repeated += authorization_id is not None and not created
                row.refused += authorization_id is None
                session.add(
                    BatchLineRow(
                        batch_id=batch_id,
                        line=line.number,
                        authorization_id=authorization_id,
                        problem=_told(problems) if problems else None,
                    )
                )

    def _accepted(self, session: Session, line: _Line, now: datetime) -> tuple[str | None, bool, Problems]:
        if line.new is None:
            return None, False, line.problems
        try:
            stored, created = self._store.accept_within(session, line.new, now=now)
        except ContentConflictError as error:
            field, _, message = str(error).partition(": ")
            return None, False, ((field, message),)
        except AuthorizationErasedError as error:
            return None, False, (("external_id", str(error)),)
        return stored.authorization_id, created, ()

    def _row(self, session: Session, batch_id: str, *, to_change: bool = False) -> BatchRow:
        row = session.get(BatchRow, batch_id, with_for_update=to_change)
        if row is None or row.tenant != self._store.tenant:
            raise UnknownBatchError("batch_id: no batch has this id")
        return row


def _told(problems: Problems) -> str:
    return dumps([{"field": field, "message": message} for field, message in problems])
