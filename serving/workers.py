"""Threads that take jobs and have them triaged. They wait for processes that read, so they cost the service nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from serving.errors import StoreUnavailableError
from serving.jobs import LEASE, Job, JobQueue
from serving.service import AuthorizationService

_LOOK_SECONDS = 0.5
"""So often an idle worker looks for jobs that another process stored."""
_RECLAIM_SECONDS = 5.0
_PATIENCE_SECONDS = 1.0
"""Between two attempts to reach a database that does not answer."""
_GRACE_SECONDS = 5.0

_log = logging.getLogger("greenlane.serving")


class Workers:
    """``count`` threads that work on jobs of all tenants, and one that renews the leases of what this process has in hand.

    ``end_readers`` ends whatever reads at the end of the patience of :meth:`stop`.
    """

    def __init__(
        self, service: AuthorizationService, queue: JobQueue, *, count: int, end_readers: Callable[[], None]
    ) -> None:
        self._service = service
        self._queue = queue
        self._count = count
        self._end_readers = end_readers
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._services: dict[str, AuthorizationService] = {}
        self._counting = threading.Lock()
        self._busy = 0
        self._taken = 0

    def start(self) -> None:
        """Start working. To be called once."""
        for number in range(self._count):
            self._threads.append(threading.Thread(target=self._run, name=f"worker-{number}", daemon=True))
        heart = threading.Thread(target=self._keep_leases, name="leases", daemon=True)
        # In a thread of its own: it looks through all cases, and leases must be renewed meanwhile.
        adopting = threading.Thread(target=self._adopt, name="adoption", daemon=True)
        for thread in (*self._threads, heart, adopting):
            thread.start()

    def stop(self, seconds: float) -> None:
        """Take nothing more; finish what is in hand, and after ``seconds`` hand it back for another process to take."""
        self._stopping.set()
        self._queue.announce()
        self._await_end(seconds)
        self._end_readers()
        self._await_end(_GRACE_SECONDS if self._queue.held() else 0)
        for job in self._queue.held():
            try:
                self._queue.hand_back(job)
            except StoreUnavailableError:
                _log.error("a job could not be handed back; it is taken again when its lease ends")

    def is_idle(self) -> bool:
        """Whether nothing may be taken now and nobody works. Raises StoreUnavailableError."""
        # In this order: what is not ready any more was taken by somebody who is busy until it is done.
        return not self._queue.is_ready() and not self._busy

    @property
    def taken(self) -> int:
        """How many jobs were taken so far."""
        return self._taken

    def _run(self) -> None:
        reclaimed = float("-inf")
        while not self._stopping.is_set():
            try:
                if self._take_one():
                    continue
                if time.monotonic() - reclaimed > _RECLAIM_SECONDS:
                    reclaimed = time.monotonic()
                    self._queue.reclaim()
                self._queue.wait_for_news(_LOOK_SECONDS)
            except StoreUnavailableError as error:
                _log.error("the queue cannot be asked: %s", error.logged)
                self._stopping.wait(_PATIENCE_SECONDS)
            except Exception as error:
                # A worker that ended would leave the queue to nobody. The message may hold what was being read.
                _log.error("a worker met %s", type(error).__name__)
                self._stopping.wait(_PATIENCE_SECONDS)

    def _take_one(self) -> bool:
        with self._counting:
            self._busy += 1
        try:
            job = self._queue.take()
            if job is None:
                return False
            with self._counting:
                self._taken += 1
            self._work(job)
            return True
        finally:
            with self._counting:
                self._busy -= 1

    def _work(self, job: Job) -> None:
        service = self._services.get(job.tenant) or self._service.of_tenant(job.tenant)
        self._services[job.tenant] = service
        try:
            service.work(job)
        except StoreUnavailableError as error:
            _log.error("a job is handed back: %s", error.logged)
            self._hand_back(job)

    def _hand_back(self, job: Job) -> None:
        """As soon as the database answers: that it did not is no attempt of the request's."""
        give_up_at = time.monotonic() + LEASE.total_seconds()
        while True:
            try:
                self._queue.hand_back(job)
            except StoreUnavailableError:
                if time.monotonic() > give_up_at or self._stopping.wait(_PATIENCE_SECONDS):
                    return
            else:
                return

    def _keep_leases(self) -> None:
        # Beyond the stop: what is in hand is ours until it is handed back.
        while not (self._stopping.wait(LEASE.total_seconds() / 3) and not self._queue.held()):
            try:
                self._queue.renew()
            except StoreUnavailableError as error:
                _log.error("leases cannot be renewed: %s", error.logged)
            except Exception as error:
                _log.error("the renewal of leases met %s", type(error).__name__)
            if self._stopping.is_set():
                time.sleep(_PATIENCE_SECONDS)

    def _adopt(self) -> None:
        try:
            self._queue.adopt()
        except Exception as error:
            # Another process that starts just now may have been quicker.
            _log.error("requests without a job could not be looked for: %s", type(error).__name__)

    def _await_end(self, seconds: float) -> None:
        """Until no thread works and nothing is in hand, at most so many seconds."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        while self._queue.held() and time.monotonic() < deadline:
            time.sleep(0.05)
