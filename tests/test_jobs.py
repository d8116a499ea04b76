"""The queue: nothing is taken twice, nothing is lost, nothing is tried for ever; on each database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving_cases import request_body, routed
from sqlalchemy import delete, select, text
from stored_requests import accepted, kept

from features.request import parse_request
from features.types import Document
from serving.database import migration_config, open_engine
from serving.job_tables import JobRow
from serving.jobs import LEASE, Job, JobQueue, JobState
from serving.lease_owner import is_gone, owner_name
from serving.records import ReceivedDocument
from serving.store import Store
from serving.stored_case import StoredRequest
from serving.tables import AuthorizationRow, DocumentRow, ResultRow

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture
def store(any_store: Store) -> Store:
    return any_store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(store: Store, clock: Clock) -> JobQueue:
    return JobQueue(store, clock=clock, jitter=lambda: 1.0)


def accept(
    store: Store,
    external_id: str = "PA-1",
    *,
    urgency: str = "standard",
    due_at: datetime = START,
    leased_by: str | None = None,
) -> StoredRequest:
    request = parse_request(request_body(external_id, urgency=urgency))
    return accepted(store, request, now=START, due_at=due_at, lease_for=lambda _request: leased_by)


def keep(store: Store, stored: StoredRequest, *, dead: str | None = None) -> bool:
    result = routed(stored.request)
    return kept(store, stored, result, now=START, dead=dead)


def states(store: Store) -> list[tuple[str, int, str | None]]:
    with store.reading() as session:
        rows = session.scalars(select(JobRow).order_by(JobRow.job_id))
        return [(row.state, row.attempts, row.error) for row in rows]


def test_an_accepted_request_has_its_job_and_the_result_ends_it(store: Store, queue: JobQueue) -> None:
    stored = accept(store)
    assert states(store) == [("waiting", 0, None)]
    assert queue.take() == Job("default", stored.authorization_id, 1, 1)
    assert states(store) == [("leased", 1, None)]
    assert keep(store, stored)
    assert states(store) == [("done", 1, None)]
    assert queue.take() is None


def test_where_the_job_cannot_be_stored_the_request_is_not_either(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no job")

    monkeypatch.setattr("serving.store.add_job", fail)
    with pytest.raises(RuntimeError, match="no job"):
        accept(store)
    assert store.cases(limit=1) == ()


def test_where_the_job_cannot_be_ended_the_result_is_not_stored(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no end")

    stored = accept(store)
    monkeypatch.setattr("serving.store.end_job", fail)
    with pytest.raises(RuntimeError, match="no end"):
        keep(store, stored)
    assert store.result(stored.authorization_id) is None
    assert states(store) == [("waiting", 0, None)]


def test_expedited_requests_come_first_and_then_what_is_due_sooner(store: Store, queue: JobQueue) -> None:
    for name, urgency, days in (
        ("d", "standard", 3),
        ("b", "expedited", 9),
        ("c", "standard", 1),
        ("a", "expedited", 2),
    ):
        accept(store, name, urgency=urgency, due_at=START + timedelta(days=days))
    taken = []
    while job := queue.take():
        taken.append(store.request(job.authorization_id).request.external_id)
    assert taken == ["a", "b", "c", "d"]


def test_twenty_takers_never_get_one_job(store: Store) -> None:
    for number in range(40):
        accept(store, f"PA-{number}")
    queues = [JobQueue(store.of_tenant(f"t{number}")) for number in range(20)]
    taken: list[Job] = []
    together = threading.Barrier(len(queues))

    def take_all(queue: JobQueue) -> None:
        together.wait()
        while job := queue.take():
            taken.append(job)

    threads = [threading.Thread(target=take_all, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len({job.authorization_id for job in taken}) == 40
    assert {job.attempts for job in taken} == {1}


def test_a_job_leased_at_acceptance_is_nobody_else_s_until_the_lease_ends(
    store: Store, queue: JobQueue, clock: Clock
) -> None:
    stored = accept(store, leased_by="somebody")
    assert queue.take() is None
    assert queue.take_of(stored.authorization_id) is None
    clock.pass_(LEASE)
    assert queue.take() == Job("default", stored.authorization_id, 1, 2)


def test_a_renewed_lease_does_not_end(store: Store, queue: JobQueue, clock: Clock) -> None:
    accept(store)
    job = queue.take()
    assert job is not None
    with queue.in_hand(job):
        for _ in range(5):
            clock.pass_(LEASE * 0.9)
            queue.renew()
            assert JobQueue(store, clock=clock).take() is None
    clock.pass_(LEASE * 0.9)
    queue.renew()
    clock.pass_(LEASE * 0.2)
    assert JobQueue(store, clock=clock).take() is not None


def test_what_is_handed_back_was_not_attempted(store: Store, queue: JobQueue) -> None:
    accept(store)
    for _ in range(10):
        job = queue.take()
        assert job is not None
        assert job.attempts == 1
        queue.hand_back(job)


def test_whoever_lost_a_lease_changes_nothing_any_more(store: Store, queue: JobQueue, clock: Clock) -> None:
    accept(store)
    slow = queue.take()
    assert slow is not None
    clock.pass_(LEASE)
    other = JobQueue(store, clock=clock)
    assert other.take() is not None
    queue.hand_back(slow)
    queue.put_off(slow, "Late")
    assert states(store) == [("leased", 2, None)]
    with queue.in_hand(slow):
        queue.renew()
    clock.pass_(LEASE)
    assert queue.take() is not None


def test_a_job_that_failed_waits_longer_each_time_and_never_more_than_five_minutes(
    store: Store, queue: JobQueue, clock: Clock
) -> None:
    accept(store)
    waits = []
    for _ in range(6):
        job = queue.take()
        assert job is not None
        queue.put_off(job, "ReaderEndedError")
        begin = clock.now
        while queue.take_of(job.authorization_id) is None:
            clock.pass_(timedelta(seconds=1))
        waits.append((clock.now - begin).total_seconds())
        clock.pass_(LEASE)
    assert waits == [2, 32, 300, 300, 300, 300]
    assert states(store)[0][2] == "ReaderEndedError"


def test_waits_are_spread_so_that_what_failed_together_is_not_tried_together(store: Store, clock: Clock) -> None:
    accept(store)
    least = JobQueue(store, clock=clock, jitter=lambda: 0.0)
    job = least.take()
    assert job is not None
    least.put_off(job, "x")
    clock.pass_(timedelta(seconds=1))
    assert least.take() is not None


def test_added_documents_have_a_job_of_their_own_and_the_earlier_one_is_over(store: Store, queue: JobQueue) -> None:
    stored = accept(store)
    store.add_documents(stored.authorization_id, [ReceivedDocument(Document("d2", "More."), b"More.")], now=START)
    assert [state for state, *_ in states(store)] == ["done", "waiting"]
    job = queue.take()
    assert job is not None
    assert job.revision == 2
    assert queue.take() is None


def test_a_dead_job_says_why_and_a_result_stored_before_is_no_death(store: Store) -> None:
    first, second = accept(store, "PA-1"), accept(store, "PA-2")
    assert keep(store, first, dead="ReaderEndedError")
    assert keep(store, second)
    assert not keep(store, second, dead="ReaderEndedError")
    assert states(store) == [("dead", 0, "ReaderEndedError"), ("done", 0, None)]


def test_the_depth_of_the_queue_is_counted_for_all_and_for_one_tenant(store: Store, queue: JobQueue) -> None:
    accept(store, "PA-1", urgency="expedited")
    accept(store, "PA-2")
    accept(store.of_tenant("other"), "PA-3", due_at=START + timedelta(days=1))
    assert queue.take() is not None
    keep(store, accept(store, "PA-4"), dead="x")
    depth = queue.depth()
    assert (depth.waiting, depth.leased, depth.dead, depth.oldest) == (2, 1, 1, START)
    assert queue.depth("other").waiting == 1
    assert queue.depth("nobody").oldest is None


def test_what_a_process_held_that_died_is_taken_at_once(store: Store, queue: JobQueue) -> None:
    mine = queue.owner.split("/")
    died = "/".join([mine[0], mine[1], "1", mine[3]])
    elsewhere = "/".join(["another-machine:1", mine[1], "1", mine[3]])
    assert is_gone(died)
    assert not is_gone(elsewhere)
    assert not is_gone(owner_name())
    accept(store, "PA-1", leased_by=died)
    accept(store, "PA-2", leased_by=elsewhere)
    assert queue.reclaim() == 1
    assert queue.reclaim() == 0
    job = queue.take()
    assert job is not None
    assert job.attempts == 2
    assert queue.take() is None


def test_a_request_that_waits_without_a_job_is_given_one(store: Store, queue: JobQueue) -> None:
    orphan, done = accept(store, "PA-1"), accept(store, "PA-2")
    keep(store, done)
    with store.writing() as session:
        session.execute(delete(JobRow).where(JobRow.authorization_id == orphan.authorization_id))
    assert queue.take() is None
    assert queue.adopt() == 1
    assert queue.adopt() == 0
    assert queue.take() == Job("default", orphan.authorization_id, 1, 1)


STEPS = st.lists(
    st.sampled_from(["accept", "take", "take too", "keep", "hand back", "put off", "forget", "time"]), max_size=40
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_every_request_is_in_one_hand_at_most_and_ends_with_one_result(
    store: Store, steps: list[str]
) -> None:
    with store.writing() as session:
        for table in (JobRow, ResultRow, DocumentRow, AuthorizationRow):
            session.execute(delete(table))
    clock = Clock()
    queues = [JobQueue(store, clock=clock), JobQueue(store, clock=clock)]
    in_hand: dict[str, tuple[JobQueue, Job, datetime]] = {}
    accepted: set[str] = set()

    def first() -> tuple[JobQueue, Job] | None:
        for queue, job, _ in in_hand.values():
            del in_hand[job.authorization_id]
            return queue, job
        return None

    for step in steps:
        if step == "accept":
            accepted.add(accept(store, f"PA-{len(accepted)}").authorization_id)
        elif step in ("take", "take too"):
            queue = queues[step == "take too"]
            if job := queue.take():
                held = in_hand.get(job.authorization_id)
                assert held is None or held[2] <= clock.now
                in_hand[job.authorization_id] = (queue, job, clock.now + LEASE)
        elif step == "time":
            clock.pass_(LEASE)
        elif found := first():
            queue, job = found
            if step == "keep":
                keep(store, store.request(job.authorization_id))
            elif step == "hand back":
                queue.hand_back(job)
            elif step == "put off":
                queue.put_off(job, "x")
    clock.pass_(timedelta(hours=1))
    while job := queues[0].take():
        keep(store, store.request(job.authorization_id))
    assert {state for state, *_ in states(store)} <= {"done"}
    assert all(len(store.history(case)) == 1 for case in accepted)


def test_what_waited_before_there_was_a_queue_is_in_it_afterwards(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/greenlane.db")
    config = migration_config()

    def run(step: Callable[..., None], revision: str) -> None:
        with engine.execution_options(writes=True).begin() as connection:
            config.attributes["connection"] = connection
            step(config, revision)

    run(command.upgrade, "head")
    store = Store(engine)
    waiting, done = accept(store, "PA-1", urgency="expedited"), accept(store, "PA-2")
    keep(store, done)
    run(command.downgrade, "0008")
    run(command.upgrade, "head")
    with store.reading() as session:
        rows = session.execute(text("SELECT authorization_id, revision, state, priority, attempts FROM jobs")).all()
    assert [tuple(row) for row in rows] == [(waiting.authorization_id, 1, JobState.WAITING.value, 0, 0)]
    assert JobQueue(store).take() == Job("default", waiting.authorization_id, 1, 1)
    engine.dispose()
