"""The queue of requests that wait for triage, in the database that holds them.

A job is stored in the same transaction as the request it is about, and ends in the same transaction that stores the result,
so nothing that was acknowledged is lost and nothing is triaged twice in effect: of two results the first stays. Whoever
takes a job holds a lease on it and renews it while it works; when the lease ends, somebody else takes the job.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, bindparam, exists, func, literal_column, select, update
from sqlalchemy.orm import Session

from serving.job_tables import JobRow
from serving.lease_owner import is_gone, owner_name
from serving.tables import AuthorizationRow
from serving.written_once import write_once

if TYPE_CHECKING:
    from serving.store import Store

TRIAGE = "triage"
"""The one kind of job there is."""

LEASE = timedelta(seconds=30)
"""So long a job stays with whoever took it unless the lease is renewed; that happens three times in it."""

MOST_ATTEMPTS = 3
"""After so many attempts that ended with an error that is not the request's, a nurse gets it."""

MOST_LOST = 10
"""After so many attempts of which nobody was left to say anything, too. More of these: a process that is killed takes along
everything it has in hand, also what only waits there for its turn, and notes are read in other processes than these.
"""

_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=5)
_LONGEST_ERROR = 64

_log = logging.getLogger("greenlane.serving")


class JobState(StrEnum):
    """How a job stands. ``dead``: given up; its case is with a nurse as ``system_error``."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Job:
    """A job in hand. ``attempts`` counts this one too; ``error`` is the kind of the last error, None where there was none."""

    tenant: str
    authorization_id: str
    revision: int
    attempts: int = 1
    error: str | None = None


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much there is to do: jobs by state, and since when the oldest waits (None: nothing does)."""

    waiting: int
    leased: int
    dead: int
    oldest: datetime | None


def add_job(session: Session, row: AuthorizationRow, *, leased_by: str | None, now: datetime) -> None:
    """Add the job of the revision that the case is at, in the caller's transaction; ``leased_by`` holds it already.

    What waited for an earlier revision of the request is over.
    """
    if row.revision > 1:
        session.execute(
            update(JobRow)
            .where(
                JobRow.authorization_id == row.authorization_id,
                JobRow.ended_at.is_(None),
                JobRow.state == JobState.WAITING.value,
            )
            .values(state=JobState.DONE.value, ended_at=now)
        )
    write_once(
        session,
        JobRow(
            tenant=row.tenant,
            kind=TRIAGE,
            authorization_id=row.authorization_id,
            revision=row.revision,
            state=(JobState.LEASED if leased_by else JobState.WAITING).value,
            priority=0 if row.urgency == "expedited" else 1,
            due_at=row.due_at,
            attempts=1 if leased_by else 0,
            run_after=now + LEASE if leased_by else now,
            leased_by=leased_by,
            created_at=now,
        ),
    )


def end_job(session: Session, authorization_id: str, revision: int, *, dead: str | None, now: datetime) -> None:
    """End the job of a revision in the caller's transaction; ``dead`` is the kind of error it was given up for."""
    which = {"of_case": authorization_id, "of_revision": revision, "now": now}
    if dead is None:
        session.connection().execute(_DONE, which)
    else:
        session.connection().execute(_DEAD, {**which, "why": dead[:_LONGEST_ERROR]})


def is_dead() -> ColumnElement[bool]:
    """The condition of dead jobs, as their index has it: a bound value would not find the index."""
    return JobRow.state == literal_column("'dead'")


# Built once, past the sessions: every request ends one.
_OF_REVISION = (
    update(JobRow)
    .where(
        JobRow.authorization_id == bindparam("of_case"),
        JobRow.revision == bindparam("of_revision"),
        JobRow.kind == TRIAGE,
        JobRow.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"), leased_by=None)
)
_DONE = _OF_REVISION.values(state=JobState.DONE.value)
_DEAD = _OF_REVISION.values(state=JobState.DEAD.value, error=bindparam("why"))


_READY = select(JobRow).where(JobRow.ended_at.is_(None), JobRow.run_after <= bindparam("now"))
_IN_ORDER = (JobRow.priority, JobRow.due_at, JobRow.job_id)
_FIRST_READY = _READY.order_by(*_IN_ORDER).limit(1)
_READY_OF_CASE = _READY.where(JobRow.authorization_id == bindparam("of_case")).order_by(*_IN_ORDER).limit(1)


class JobQueue:
    """The jobs of all tenants as one process sees them. Safe to share between threads.

    ``jitter`` gives numbers in [0, 1): what failed together is not tried again together.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._jitter = jitter
        self._in_hand: dict[tuple[str, int], Job] = {}
        self._changing = threading.Lock()
        self._news = threading.Condition()
        self.owner = owner_name()

    def take(self) -> Job | None:
        """The most urgent job that may be taken, now leased to this process; None where there is none.

        However many ask at once, each gets another job. Raises StoreUnavailableError.
        """
        return self._take(None)

    def take_of(self, authorization_id: str) -> Job | None:
        """The job of one case, if nobody holds it. Raises StoreUnavailableError."""
        return self._take(authorization_id)

    def renew(self) -> None:
        """Renew the leases of what is in hand. Raises StoreUnavailableError."""
        with self._changing:
            ids = {job.authorization_id for job in self._in_hand.values()}
        if not ids:
            return
        with self._store.writing() as session:
            session.execute(
                update(JobRow)
                .where(
                    JobRow.authorization_id.in_(ids),
                    JobRow.leased_by == self.owner,
                    JobRow.state == JobState.LEASED.value,
                )
                .values(run_after=self._clock() + LEASE)
            )

    def hand_back(self, job: Job) -> None:
        """Give a job back as if it had not been taken. Raises StoreUnavailableError."""
        self._release(job, run_after=self._clock(), attempts=job.attempts - 1, error=job.error)

    def put_off(self, job: Job, error: str) -> None:
        """Let a job that failed wait, longer each time; ``error`` is the kind of error. Raises StoreUnavailableError."""
        wait = min(_FIRST_WAIT * 4 ** (job.attempts - 1), _LONGEST_WAIT)
        after = self._clock() + wait * (0.5 + self._jitter() / 2)
        self._release(job, run_after=after, attempts=job.attempts, error=error[:_LONGEST_ERROR])

    def drop(self, job: Job) -> None:
        """End a job that nothing waits for any more: its request has a newer revision. Raises StoreUnavailableError."""
        with self._store.writing() as session:
            end_job(session, job.authorization_id, job.revision, dead=None, now=self._clock())

    def bury(self, job: Job, error: str) -> None:
        """End a job as dead although its request got no result. Raises StoreUnavailableError."""
        with self._store.writing() as session:
            end_job(session, job.authorization_id, job.revision, dead=error, now=self._clock())

    def reclaim(self) -> int:
        """Let what processes held that died on this machine be taken at once; how many jobs. Raises StoreUnavailableError."""
        held = (JobRow.ended_at.is_(None), JobRow.state == JobState.LEASED.value)
        with self._store.reading() as session:
            owners = session.scalars(select(JobRow.leased_by).where(*held).distinct()).all()
        gone = [owner for owner in owners if owner is not None and is_gone(owner)]
        if not gone:
            return 0
        with self._store.writing() as session:
            changed = session.execute(
                update(JobRow)
                .where(*held, JobRow.leased_by.in_(gone))
                .values(state=JobState.WAITING.value, leased_by=None, run_after=self._clock())
                .returning(JobRow.job_id)
            ).all()
        _log.warning("%d jobs were held by a process that died; they are taken again", len(changed))
        self.announce()
        return len(changed)

    def adopt(self) -> int:
        """Give a job to every request that waits without one: a version from before the queue may have accepted it.

        Returns how many. Raises StoreUnavailableError. It looks through all cases, so it is for a start.
        """
        now = self._clock()
        with_job = exists().where(
            JobRow.authorization_id == AuthorizationRow.authorization_id, JobRow.revision == AuthorizationRow.revision
        )
        orphans = select(AuthorizationRow).where(AuthorizationRow.status == "received", ~with_job)
        with self._store.reading() as session:
            if session.scalar(orphans.limit(1)) is None:
                return 0
        with self._store.writing() as session:
            rows = session.scalars(orphans.with_for_update(skip_locked=True)).all()
            for row in rows:
                add_job(session, row, leased_by=None, now=now)
        if rows:
            _log.warning("%d requests waited without a job; they have one now", len(rows))
            self.announce()
        return len(rows)

    def depth(self, tenant: str | None = None) -> QueueDepth:
        """How much waits, is leased and is dead, of one tenant or of all. Raises StoreUnavailableError."""
        mine = () if tenant is None else (JobRow.tenant == tenant,)
        counts = (
            select(JobRow.state, func.count(), func.min(JobRow.created_at))
            .where(JobRow.ended_at.is_(None), *mine)
            .group_by(JobRow.state)
        )
        dead = select(func.count()).select_from(JobRow).where(is_dead(), *mine)
        with self._store.reading() as session:
            found = {state: (count, oldest) for state, count, oldest in session.execute(counts)}
            waiting, oldest = found.get(JobState.WAITING.value, (0, None))
            leased, _ = found.get(JobState.LEASED.value, (0, None))
            return QueueDepth(waiting, leased, session.scalar(dead) or 0, oldest)

    def announce(self) -> None:
        """Tell those of this process who wait for work that there is some."""
        with self._news:
            self._news.notify_all()

    def wait_for_news(self, seconds: float) -> None:
        """Wait until something is announced in this process, at most so many seconds."""
        with self._news:
            self._news.wait(seconds)

    @contextmanager
    def in_hand(self, job: Job) -> Iterator[None]:
        """While inside, :meth:`renew` renews the job's lease."""
        key = (job.authorization_id, job.revision)
        with self._changing:
            self._in_hand[key] = job
        try:
            yield
        finally:
            with self._changing:
                self._in_hand.pop(key, None)

    def held(self) -> tuple[Job, ...]:
        """What this process has in hand."""
        with self._changing:
            return tuple(self._in_hand.values())

    def is_ready(self) -> bool:
        """Whether there is a job that may be taken now. Raises StoreUnavailableError."""
        with self._store.reading() as session:
            return session.scalar(_FIRST_READY, {"now": self._clock()}) is not None

    def _take(self, authorization_id: str | None) -> Job | None:
        now = self._clock()
        ready = _FIRST_READY if authorization_id is None else _READY_OF_CASE
        asked = {"now": now, "of_case": authorization_id}
        # A look first: who finds nothing takes no writer's turn.
        with self._store.reading() as session:
            if session.scalar(ready, asked) is None:
                return None
        with self._store.writing() as session:
            # PostgreSQL passes over what another transaction is taking; SQLite has one writer at a time.
            row = session.scalar(ready.with_for_update(skip_locked=True), asked)
            if row is None:
                return None
            row.state = JobState.LEASED.value
            row.attempts += 1
            row.leased_by = self.owner
            row.run_after = now + LEASE
            return Job(row.tenant, row.authorization_id, row.revision, row.attempts, row.error)

    def _release(self, job: Job, *, run_after: datetime, attempts: int, error: str | None) -> None:
        with self._store.writing() as session:
            # Only while the lease is ours: somebody else may have the job by now.
            session.execute(
                update(JobRow)
                .where(
                    JobRow.authorization_id == job.authorization_id,
                    JobRow.revision == job.revision,
                    JobRow.kind == TRIAGE,
                    JobRow.state == JobState.LEASED.value,
                    JobRow.leased_by == self.owner,
                )
                .values(
                    state=JobState.WAITING.value, leased_by=None, run_after=run_after, attempts=attempts, error=error
                )
            )
        self.announce()
