"""``greenlane work``: a process that works on the queue, sends webhooks, and serves nobody."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from serving.deliverer import Deliverer
from serving.documents.pool import ReadingPool
from serving.envelope_keys import envelope_of
from serving.errors import SettingsError
from serving.jobs import JobQueue
from serving.metrics import Metrics
from serving.service import AuthorizationService
from serving.settings import Settings, load_settings
from serving.stderr_log import log_to_stderr
from serving.store import Store
from serving.tracing import Tracing
from serving.triage_pool import TriagePool, default_processes
from serving.workers import Workers

_log = logging.getLogger("greenlane.serving")


def work(*, once: bool, processes: int | None, metrics_at: tuple[str, int] | None = None) -> int:
    """Work until SIGTERM or SIGINT, or with ``once`` until nothing waits; returns how many jobs were taken.

    ``metrics_at``: host and port where Prometheus is answered meanwhile. Raises SettingsError or StoreUnavailableError where
    it cannot start.
    """
    settings = load_settings()
    log_to_stderr(settings.log_format)
    metrics = Metrics(Tracing.of(settings))
    with _metrics_served(metrics, metrics_at):
        return _work(settings, metrics, once=once, processes=processes)


@contextmanager
def _metrics_served(metrics: Metrics, at: tuple[str, int] | None) -> Iterator[None]:
    with ExitStack() as serving:
        if at is not None:
            try:
                serving.enter_context(metrics.served(*at))
            except OSError as error:
                reason = error.strerror or error
                raise SettingsError(f"--metrics-port: cannot listen on {at[0]} port {at[1]}: {reason}") from None
        yield


def _work(settings: Settings, metrics: Metrics, *, once: bool, processes: int | None) -> int:
    store = Store.open(settings.database_url, envelope=envelope_of(settings))
    store.check()
    count = processes or settings.readers or default_processes()
    documents = ReadingPool.of(settings)
    readers = TriagePool(settings, processes=count, timed=metrics.time_triage)
    queue = JobQueue(store)
    metrics.watch_queue(queue.depth)
    service = AuthorizationService(
        store,
        readers.triage,
        audit_share=settings.audit_share,
        metrics=metrics,
        documents=documents,
        queue=queue,
        sync_characters=settings.sync_characters,
    )

    def end_readers() -> None:
        documents.close()
        readers.close()

    # Twice as many as read at once: the result of one is stored while the next is read.
    workers = Workers(service, queue, count=2 * count, end_readers=end_readers)
    stopped = threading.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda _number, _frame: stopped.set())
    readers.start()
    _log.info("working on the queue, %d requests at once", count)
    workers.start()
    delivering = threading.Thread(
        target=Deliverer.of(settings, store, metrics=metrics).run, args=(stopped,), name="webhooks", daemon=True
    )
    if once:
        while not stopped.is_set() and not workers.is_idle():
            stopped.wait(0.2)
    else:
        delivering.start()
        stopped.wait()
        delivering.join(settings.stop_seconds)
    workers.stop(settings.stop_seconds)
    store.close()
    metrics.close()
    return workers.taken
