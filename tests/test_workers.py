"""Workers: what waits is read, what fails is tried again and at last a nurse's, and nothing is taken along when they stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from serving_cases import request_body, routed
from sqlalchemy import select, update

from features.types import AuthorizationRequest
from models.types import Route, TriageResult
from serving.documents.pool import ReadingPool
from serving.errors import JobRefusedError, ReaderEndedError, ServiceStoppingError, StoreUnavailableError
from serving.job_list import dead_jobs, open_jobs, retry
from serving.job_tables import JobRow
from serving.jobs import JobQueue, JobState
from serving.metrics import Metrics
from serving.prefer import Preference
from serving.records import dumps
from serving.service import AuthorizationService
from serving.settings import Settings
from serving.store import Store
from serving.stored_case import Received
from serving.tables import AuthorizationRow
from serving.trail_chain import verify
from serving.work import Work
from serving.workers import Workers

LATER = Preference(respond_async=True)


class Shop:
    """A store with its queue, a service whose triage a test can change, and workers."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.queue = JobQueue(store)
        self.metrics = Metrics()
        self.triage: Callable[[AuthorizationRequest], TriageResult] = routed
        self.documents = ReadingPool.of(Settings())
        self.service = AuthorizationService(
            store,
            lambda request: self.triage(request),
            audit_share=0,
            metrics=self.metrics,
            documents=self.documents,
            queue=self.queue,
            sync_characters=10_000,
        )
        self.ended = threading.Event()
        self.workers = Workers(self.service, self.queue, count=2, end_readers=self.ended.set)

    def send(self, name: str = "PA-1", service: AuthorizationService | None = None) -> str:
        submission = (service or self.service).submit(dumps(request_body(name)).encode(), LATER)
        assert isinstance(submission.result, Received)
        return submission.authorization_id

    def hurry(self) -> None:
        """Let everything be taken at once that waits for its next attempt."""
        with self.store.writing() as session:
            session.execute(
                update(JobRow).where(JobRow.state == JobState.WAITING.value).values(run_after=datetime.now(UTC))
            )
        self.queue.announce()

    def states(self) -> list[str]:
        with self.store.reading() as session:
            return list(session.scalars(select(JobRow.state).order_by(JobRow.job_id)))

    def until(self, states: list[str], *, hurried: bool = False) -> None:
        deadline = time.monotonic() + 20
        while self.states() != states:
            assert time.monotonic() < deadline, self.states()
            if hurried:
                self.hurry()
            time.sleep(0.02)


@pytest.fixture
def shop(any_store: Store) -> Iterator[Shop]:
    shop = Shop(any_store)
    yield shop
    shop.workers.stop(0)
    shop.documents.close()


def test_what_waits_is_read_for_every_tenant(shop: Shop) -> None:
    other = shop.service.of_tenant("other")
    ours, theirs = shop.send(), shop.send(service=other)
    assert shop.service.document(ours, 1).text
    shop.workers.start()
    shop.until(["done", "done"])
    assert '"route":"fast_track"' in shop.service.result(ours)
    assert '"route":"fast_track"' in other.result(theirs)
    assert 'greenlane_job_attempts_total{end="done"} 2.0' in shop.metrics.text().decode()


def test_an_error_of_the_machinery_is_tried_again(shop: Shop) -> None:
    failures = iter([ReaderEndedError("x"), ReaderEndedError("x")])

    def shaky(request: AuthorizationRequest) -> TriageResult:
        if (failure := next(failures, None)) is not None:
            raise failure
        return routed(request)

    shop.triage = shaky
    case = shop.send()
    shop.workers.start()
    shop.until(["done"], hurried=True)
    assert '"route":"fast_track"' in shop.service.result(case)


def test_between_two_attempts_lies_a_pause(shop: Shop) -> None:
    def broken(_request: AuthorizationRequest) -> TriageResult:
        raise ReaderEndedError("x")

    shop.triage = broken
    shop.send()
    before = datetime.now(UTC)
    shop.workers.start()
    time.sleep(0.7)
    (job,) = open_jobs(shop.store)
    assert (job.attempts, job.error) == (1, "ReaderEndedError")
    assert job.run_after > before + timedelta(seconds=0.9)


def give_up_on(shop: Shop) -> str:
    def broken(_request: AuthorizationRequest) -> TriageResult:
        raise ReaderEndedError("x")

    shop.triage = broken
    case = shop.send()
    shop.workers.start()
    shop.until(["dead"], hurried=True)
    shop.triage = routed
    return case


def test_after_three_attempts_a_nurse_has_the_case_and_the_job_is_among_the_dead(shop: Shop) -> None:
    case = give_up_on(shop)
    assert '"code":"system_error"' in shop.service.result(case)
    (job,) = dead_jobs(shop.store)
    assert (job.authorization_id, job.attempts, job.error) == (case, 3, "ReaderEndedError")
    text = shop.metrics.text().decode()
    assert 'greenlane_job_attempts_total{end="dead"} 1.0' in text
    assert 'greenlane_job_attempts_total{end="put_off"} 2.0' in text


def test_a_dead_job_can_be_tried_again_and_its_first_result_stays_in_the_history(shop: Shop) -> None:
    case = give_up_on(shop)
    retry(shop.store, dead_jobs(shop.store)[0].job_id, now=datetime.now(UTC))
    shop.queue.announce()
    shop.until(["done", "done"])
    assert dead_jobs(shop.store) == ()
    assert [result.route for result in shop.store.history(case)] == [Route.NURSE_REVIEW, Route.FAST_TRACK]
    assert verify(shop.store).checked == 1


def test_a_dead_job_whose_case_a_person_worked_on_stays_with_them(shop: Shop) -> None:
    case = give_up_on(shop)
    with shop.store.writing() as session:
        session.execute(update(AuthorizationRow).values(work=Work.DECIDED.value))
    with pytest.raises(JobRefusedError, match="stays with them"):
        retry(shop.store, dead_jobs(shop.store)[0].job_id, now=datetime.now(UTC))
    assert shop.states() == ["dead"]
    assert len(shop.store.history(case)) == 1


def test_a_request_nothing_can_be_made_of_is_not_tried_for_ever(shop: Shop) -> None:
    shop.send()
    with shop.store.writing() as session:
        session.execute(update(AuthorizationRow).values(request="not JSON"))
    shop.workers.start()
    shop.until(["dead"], hurried=True)


def test_a_database_that_does_not_answer_is_no_attempt(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    away = threading.Event()
    away.set()
    keep = Store.keep_result

    def keep_result(store: Store, *arguments: object, **named: object) -> object:
        if away.is_set():
            raise StoreUnavailableError("the database is away")
        return keep(store, *arguments, **named)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Store, "keep_result", keep_result)
    shop.send()
    shop.workers.start()
    time.sleep(0.5)
    away.clear()
    shop.until(["done"])
    with shop.store.reading() as session:
        assert session.scalar(select(JobRow.attempts)) == 1


def test_leases_are_renewed_while_requests_without_a_job_are_still_looked_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, renewed = threading.Event(), threading.Event()
    renew = shop.queue.renew

    def renew_and_tell() -> None:
        renew()
        renewed.set()

    monkeypatch.setattr("serving.workers.LEASE", timedelta(seconds=0.3))
    monkeypatch.setattr(shop.queue, "adopt", lambda: looked.wait(5))
    monkeypatch.setattr(shop.queue, "renew", renew_and_tell)
    shop.workers.start()
    assert renewed.wait(2)
    looked.set()


def test_stopping_waits_for_what_is_in_hand(shop: Shop) -> None:
    begun = threading.Event()

    def slow(request: AuthorizationRequest) -> TriageResult:
        begun.set()
        time.sleep(0.5)
        return routed(request)

    shop.triage = slow
    case = shop.send()
    shop.workers.start()
    assert begun.wait(10)
    shop.workers.stop(20)
    assert shop.states() == ["done"]
    assert '"route":"fast_track"' in shop.service.result(case)


def test_what_cannot_be_finished_in_time_is_handed_back_unattempted(shop: Shop) -> None:
    begun = threading.Event()

    def endless(_request: AuthorizationRequest) -> TriageResult:
        begun.set()
        shop.ended.wait(20)
        raise ServiceStoppingError("the service is stopping")

    shop.triage = endless
    shop.send()
    shop.workers.start()
    assert begun.wait(10)
    shop.workers.stop(0.2)
    (job,) = open_jobs(shop.store)
    assert (job.state, job.attempts) == (JobState.WAITING, 0)
    assert JobQueue(shop.store).take() is not None


def test_nothing_is_taken_after_the_stop(shop: Shop) -> None:
    shop.workers.start()
    shop.workers.stop(5)
    shop.send()
    time.sleep(0.7)
    assert shop.states() == ["waiting"]


def test_workers_know_when_nothing_is_left(shop: Shop) -> None:
    for number in range(5):
        shop.send(f"PA-{number}")
    assert not shop.workers.is_idle()
    shop.workers.start()
    deadline = time.monotonic() + 20
    while not shop.workers.is_idle() or shop.workers.taken < 5:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert shop.states() == ["done"] * 5


def test_added_documents_overtake_a_request_that_still_waits(shop: Shop) -> None:
    case = shop.send()
    more = dumps({"documents": [{"document_id": "d2", "text": "More."}]}).encode()
    assert isinstance(shop.service.add_documents(case, more, LATER).result, Received)
    shop.workers.start()
    shop.until(["done", "done"])
    assert [result.revision for result in shop.store.history(case)] == [2]
