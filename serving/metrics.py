"""What Prometheus reads: counts and times, labelled by route, reason code and path template only. No PHI."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.types import ModelReference, Route, TriageResult
from models.versions import pipeline_version
from serving.errors import StoreUnavailableError
from serving.jobs import QueueDepth
from serving.tracing import OpenSpan, Tracing

_ATTEMPTS = ("done", "put_off", "handed_back", "dead")
STAGES = ("parse", "store", "documents", "read", "keep")
"""What becomes of a request, in order: its body is understood, it is stored, its files are read, its notes are read and
judged (with the wait for a process that does), its result is stored."""
_TRIAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class _QueueGauges(Collector):
    """The queue as it stands when it is asked for: every process that answers says the same of the one database."""

    def __init__(self, depth: Callable[[], QueueDepth]) -> None:
        self._depth = depth

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What :meth:`collect` gives, without values."""
        yield GaugeMetricFamily("greenlane_jobs", "Jobs of all tenants, by state.", labels=["state"])
        yield GaugeMetricFamily("greenlane_jobs_oldest_waiting_seconds", "Age of the oldest job that nobody has taken.")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Nothing where the database cannot be asked: a scrape still gets everything else."""
        try:
            depth = self._depth()
        except StoreUnavailableError:
            return
        jobs, oldest = self.describe()
        for state, count in (("waiting", depth.waiting), ("leased", depth.leased), ("dead", depth.dead)):
            jobs.add_metric([state], count)
        seconds = (datetime.now(UTC) - depth.oldest).total_seconds() if depth.oldest else 0.0
        oldest.add_metric([], max(0.0, seconds))
        yield from (jobs, oldest)


class Metrics:
    """One registry per application, so that two in a process do not add up."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self._tracing = tracing or Tracing()
        self._registry = CollectorRegistry()
        self._routed = Counter("greenlane_triaged", "Results stored, by route.", ["route"], registry=self._registry)
        self._reasons = Counter(
            "greenlane_reasons",
            "Reasons of stored results, by route and code.",
            ["route", "code"],
            registry=self._registry,
        )
        self._triage = Histogram(
            "greenlane_triage_seconds",
            "Reading and routing one request.",
            buckets=_TRIAGE_SECONDS,
            registry=self._registry,
        )
        self._documents = Histogram(
            "greenlane_document_seconds",
            "Reading one file that is not plain text.",
            ["readable"],
            buckets=_TRIAGE_SECONDS,
            registry=self._registry,
        )
        self._http = Histogram(
            "greenlane_http_seconds",
            "Answering one HTTP request.",
            ["method", "path", "status"],
            registry=self._registry,
        )
        self._attempts = Counter(
            "greenlane_job_attempts", "Attempts to triage a stored request, by end.", ["end"], registry=self._registry
        )
        self._webhook_attempts = Counter(
            "greenlane_webhook_attempts",
            "Attempts to deliver an event to a webhook: delivered, retried later, failed for good.",
            ["outcome"],
            registry=self._registry,
        )
        self._deliveries = Gauge(
            "greenlane_webhook_deliveries",
            "Deliveries of events to webhooks that wait, or that failed for a day.",
            ["state"],
            registry=self._registry,
        )
        self._oldest_delivery = Gauge(
            "greenlane_webhook_oldest_seconds",
            "For how long the oldest delivery that waits has waited; 0 where none does.",
            registry=self._registry,
        )
        self._stages = Histogram(
            "greenlane_stage_seconds",
            "One stage of a request.",
            ["stage"],
            buckets=(0.001, 0.0025, *_TRIAGE_SECONDS, 60, 120),
            registry=self._registry,
        )
        self._held = Counter(
            "greenlane_held_for_audit", "Would-be fast tracks drawn for the blind audit.", registry=self._registry
        )
        self._model = Gauge(
            "greenlane_model_info",
            "The model that gave the latest result.",
            ["name", "version"],
            registry=self._registry,
        )
        self._model_shown: ModelReference | None = None
        build = Gauge("greenlane_build_info", "What this process is.", ["pipeline_version"], registry=self._registry)
        build.labels(pipeline_version()).set(1)
        for stage in STAGES:
            self._stages.labels(stage)
        for route in Route:
            self._routed.labels(route.value)
        for end in _ATTEMPTS:
            self._attempts.labels(end)

    def watch_queue(self, depth: Callable[[], QueueDepth]) -> None:
        """Give the queue's depth with every scrape."""
        self._registry.register(_QueueGauges(depth))

    def watch(self, gauges: Collector) -> None:
        """Give these too with every scrape."""
        self._registry.register(gauges)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record how long what happens inside takes, also where it fails, and trace it; ``name`` is one of STAGES."""
        begin = time.perf_counter()
        try:
            with self._tracing.span(name):
                yield
        finally:
            self._stages.labels(name).observe(time.perf_counter() - begin)

    def request_span(self, traceparent: str | None) -> AbstractContextManager[OpenSpan]:
        """Trace the answer to one HTTP request."""
        return self._tracing.span("request", traceparent=traceparent)

    def close(self) -> None:
        """Send what is left of the traces."""
        self._tracing.close()

    def count_attempt(self, end: str) -> None:
        """Count an attempt that ended: ``done``, ``put_off``, ``handed_back`` or ``dead``."""
        self._attempts.labels(end).inc()

    def count_result(self, result: TriageResult, *, held_for_audit: bool) -> None:
        """Count a result that was stored just now."""
        self._held.inc(held_for_audit)
        self._show_model(result.model)
        self._routed.labels(result.route.value).inc()
        for reason in result.reasons:
            self._reasons.labels(result.route.value, reason.code).inc()

    def _show_model(self, model: ModelReference | None) -> None:
        if model == self._model_shown:
            return
        self._model.clear()
        if model is not None:
            self._model.labels(model.name, model.version).set(1)
        self._model_shown = model

    def time_triage(self, seconds: float) -> None:
        """Record how long one request took to read and route."""
        self._triage.observe(seconds)

    def time_document(self, seconds: float, *, readable: bool) -> None:
        """Record how long one file took to read, and whether anything could be read."""
        self._documents.labels("yes" if readable else "no").observe(seconds)

    def time_http(self, method: str, path: str, status: int, seconds: float) -> None:
        """Record one answer; ``path`` is the route's template and ``method`` one of few, never what was called."""
        self._http.labels(method, path, str(status)).observe(seconds)

    def count_deliveries(self, *, delivered: int, retried: int, failed: int) -> None:
        """Count a round of attempts to deliver events."""
        self._webhook_attempts.labels("delivered").inc(delivered)
        self._webhook_attempts.labels("retried").inc(retried)
        self._webhook_attempts.labels("failed").inc(failed)

    def show_deliveries(self, *, waiting: int, failed: int, oldest_seconds: float) -> None:
        """What the database says of deliveries, asked for when Prometheus reads."""
        self._deliveries.labels("waiting").set(waiting)
        self._deliveries.labels("failed").set(failed)
        self._oldest_delivery.set(oldest_seconds)

    def text(self) -> bytes:
        """The Prometheus exposition."""
        return generate_latest(self._registry)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[int]:
        """Answer http with the exposition, at whatever path, while the block lasts; gives the port (0: any that is free).

        Raises OSError where nothing can listen there.
        """
        server, thread = start_http_server(port, host, registry=self._registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
