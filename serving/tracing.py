"""OpenTelemetry traces, where a deployment wants them: one span for a request and one for each stage of it.

A span can hold what is allowed here and nothing else: no path, no query, no statement, no exception. So nothing is
instrumented by itself; libraries that do that write down addresses and parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from models.versions import pipeline_version
from serving.errors import SettingsError
from serving.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span

ALLOWED = frozenset(
    {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "greenlane.request_id",
        "greenlane.authorization_id",
    }
)
"""What a span may say beside its name and its times."""


class Tracing:
    """Makes spans; of no provider it makes none. Safe to share between threads."""

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("greenlane") if provider is not None else None

    @classmethod
    def of(cls, settings: Settings) -> Tracing:
        """What a deployment has set. Raises SettingsError where the packages for it are not installed."""
        if settings.otlp_endpoint is None:
            return cls()
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise SettingsError("GREENLANE_OTLP_ENDPOINT: needs pip install 'greenlane[tracing]'") from None
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
        return cls.sending_to(BatchSpanProcessor(exporter))

    @classmethod
    def sending_to(cls, processor: SpanProcessor) -> Tracing:
        """Spans go to this processor."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        # Not Resource.create: it adds what it finds of the machine, the process and its environment.
        provider = TracerProvider(
            resource=Resource({"service.name": "greenlane", "service.version": pipeline_version()}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(processor)
        return cls(provider)

    @contextmanager
    def span(self, name: str, *, traceparent: str | None = None) -> Iterator[OpenSpan]:
        """A span around what happens inside, under the one that is open here; ``traceparent`` is the caller's own (W3C)."""
        if self._tracer is None:
            yield OpenSpan(None)
            return
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        # Its tracestate is left out: that is free text.
        carrier = {"traceparent": traceparent} if traceparent else {}
        context = TraceContextTextMapPropagator().extract(carrier) if carrier else None
        # An exception's message may hold note text.
        with self._tracer.start_as_current_span(
            name, context, record_exception=False, set_status_on_exception=False
        ) as span:
            yield OpenSpan(span)

    def close(self) -> None:
        """Send what is left."""
        if self._provider is not None:
            self._provider.shutdown()


class OpenSpan:
    """A span that is open; None stands for none."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    def say(self, attributes: Mapping[str, str | int | float]) -> None:
        """Add attributes to the span. Raises ValueError for one that is not allowed."""
        unknown = attributes.keys() - ALLOWED
        if unknown:
            raise ValueError(f"a span may not hold {', '.join(sorted(unknown))}")
        if self._span is not None:
            self._span.set_attributes(dict(attributes))
