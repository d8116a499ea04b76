"""What the page of the queue shows, as frozen values: the template only lays them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.fact_words import spoken
from serving.job_list import MOST_LISTED, ListedJob
from serving.jobs import JobState, QueueDepth
from serving.views import DueClock, due_clock
from serving.work import Work

NOTICES = {"again": "It is tried again now."}
"""What the page says of what was just done, by the name in its address."""

_ERRORS = {
    "process_ended": "the process that read it died",
    "ReaderEndedError": "its reader died or took too long",
}


@dataclass(frozen=True, slots=True)
class JobLine:
    """A job. ``name`` is the case's id at the intake system, or ours for those who may not read cases."""

    job_id: int
    name: str
    case: str
    expedited: bool
    state: str
    attempts: int
    error: str
    due: DueClock
    since: str
    can_retry: bool


@dataclass(frozen=True, slots=True)
class QueueView:
    """The page. ``more`` are jobs beyond those listed."""

    waiting: int
    leased: int
    dead: int
    oldest: str
    given_up: tuple[JobLine, ...]
    to_do: tuple[JobLine, ...]
    more: int


def queue_view(
    depth: QueueDepth, to_do: Sequence[ListedJob], given_up: Sequence[ListedJob], *, names_cases: bool, now: datetime
) -> QueueView:
    """The page of the queue. ``names_cases``: the viewer may read cases, so they are named and linked."""
    return QueueView(
        waiting=depth.waiting,
        leased=depth.leased,
        dead=depth.dead,
        oldest=_span(now - depth.oldest) if depth.oldest else "",
        given_up=tuple(_line(job, names_cases, now) for job in given_up),
        to_do=tuple(_line(job, names_cases, now) for job in to_do),
        more=max(0, depth.waiting + depth.leased - MOST_LISTED),
    )


def _line(job: ListedJob, names_cases: bool, now: datetime) -> JobLine:
    return JobLine(
        job_id=job.job_id,
        name=job.external_id if names_cases else job.authorization_id,
        case=f"/cases/{job.authorization_id}" if names_cases else "",
        expedited=job.urgency == "expedited",
        state=_state(job, now),
        attempts=job.attempts,
        error=_ERRORS.get(job.error, spoken(job.error)) if job.error else "",
        due=due_clock(job.due_at, now),
        since=_span(now - (job.ended_at or job.created_at)),
        can_retry=job.state is JobState.WAITING or (job.state is JobState.DEAD and job.work is Work.OPEN),
    )


def _state(job: ListedJob, now: datetime) -> str:
    if job.state is JobState.LEASED:
        return "being read"
    if job.state is JobState.DEAD:
        return "with a nurse"
    return f"tried again in {_span(job.run_after - now)}" if job.run_after > now else "waiting"


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
