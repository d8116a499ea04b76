"""What a lead or an administrator sees of the queue, and what they can do: have a job tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from serving.errors import JobRefusedError, UnknownJobError
from serving.job_tables import JobRow
from serving.jobs import JobState, is_dead
from serving.people import SignedIn
from serving.revisions import begin_revision
from serving.store import Store
from serving.tables import AuthorizationRow
from serving.trail import record
from serving.work import Work

MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A line of the list. ``work`` is where its case stands with people; times are UTC."""

    job_id: int
    authorization_id: str
    external_id: str
    state: JobState
    urgency: str
    attempts: int
    error: str | None
    due_at: datetime
    created_at: datetime
    run_after: datetime
    ended_at: datetime | None
    work: Work


def dead_jobs(store: Store, *, limit: int = MOST_LISTED) -> tuple[ListedJob, ...]:
    """What was given up, the latest first."""
    return _listed(store, _jobs(store).where(is_dead()).order_by(JobRow.ended_at.desc(), JobRow.job_id).limit(limit))


def open_jobs(store: Store, *, limit: int = MOST_LISTED) -> tuple[ListedJob, ...]:
    """What waits or is being read, in the order in which it is taken."""
    order = (JobRow.priority, JobRow.due_at, JobRow.job_id)
    return _listed(store, _jobs(store).where(JobRow.ended_at.is_(None)).order_by(*order).limit(limit))


def retry(store: Store, job_id: int, *, now: datetime, who: SignedIn | None = None) -> str:
    """Have a job tried again now; returns the authorization's id. ``who`` None: somebody at the command line.

    A dead job's request becomes a new revision, since the result that sent it to a nurse stays as it is. Raises
    UnknownJobError, or JobRefusedError where it is not waiting or dead, or a person has decided on the case since.
    """
    with store.writing() as session:
        job = session.get(JobRow, job_id)
        if job is None or job.tenant != store.tenant:
            raise UnknownJobError("job_id: no job has this number")
        # The case first, as everybody locks who changes both.
        case = session.get(AuthorizationRow, job.authorization_id, with_for_update=True)
        session.refresh(job, with_for_update=True)
        if job.state == JobState.WAITING:
            job.run_after = now
        elif job.state == JobState.DEAD and case is not None:
            _begin_again(session, case, job, now)
        else:
            raise JobRefusedError("this job is being worked on, or done")
        session.flush()
        record(
            session,
            store.tenant,
            "triage_retried",
            at=now,
            who=who,
            authorization_id=job.authorization_id,
            details={"job": job_id},
        )
        return job.authorization_id


def _begin_again(session: Session, case: AuthorizationRow, job: JobRow, now: datetime) -> None:
    if case.revision != job.revision:
        raise JobRefusedError("newer documents of this case have come since, and have a job of their own")
    if case.work != Work.OPEN:
        raise JobRefusedError("a person has worked on this case since; it stays with them")
    job.state = JobState.DONE.value
    begin_revision(session, case, leased_by=None, now=now)


def _jobs(store: Store) -> Select[JobRow, AuthorizationRow]:
    return (
        select(JobRow, AuthorizationRow)
        .join(AuthorizationRow, AuthorizationRow.authorization_id == JobRow.authorization_id)
        .where(JobRow.tenant == store.tenant)
    )


def _listed(store: Store, query: Select[JobRow, AuthorizationRow]) -> tuple[ListedJob, ...]:
    with store.reading() as session:
        return tuple(
            ListedJob(
                job_id=job.job_id,
                authorization_id=job.authorization_id,
                external_id=case.external_id,
                state=JobState(job.state),
                urgency=case.urgency,
                attempts=job.attempts,
                error=job.error,
                due_at=job.due_at,
                created_at=job.created_at,
                run_after=job.run_after,
                ended_at=job.ended_at,
                work=Work(case.work),
            )
            for job, case in session.execute(query)
        )
