"""Spans of calls for an OpenTelemetry collector: the extra `tracing`, imported only when it is wanted.

A span is made straight where calls are answered: an aio interceptor would have every call pay, sampled or
not. How many are sampled, and where they go, is for OpenTelemetry's own variables to say (OTEL_…).
"""

import asyncio
import os
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.call_ids import TRACE_KEY
from server.daemon_thread import abandon, run_in_daemon_thread
from server.errors import StartError

# Of the time for an orderly end, which delivery needs as well.
_CLOSES_WITHIN_S = 2.0
# What the semantic conventions count as the server's failure; other codes are the caller's.
_SERVER_ERRORS = frozenset(
    {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "UNIMPLEMENTED", "DATA_LOSS", "DEADLINE_EXCEEDED"}
)


class CallSpan:
    """The span of one call.

    Attributes:
        trace_id: Id of the call's trace.
    """

    __slots__ = ("_span", "trace_id")

    def __init__(self, span: Span) -> None:
        """Wraps a span that has begun."""
        self._span = span
        self.trace_id = format_trace_id(span.get_span_context().trace_id)

    def end(self, code: str, attributes: Mapping[str, str]) -> None:
        """Ends the span, by the name of the call's status code; to leave it open exports nothing."""
        span = self._span
        span.set_attribute("rpc.response.status_code", code)
        for name, value in attributes.items():
            span.set_attribute(name, value)
        if code in _SERVER_ERRORS:
            span.set_attribute("error.type", code)
            span.set_status(Status(StatusCode.ERROR))
        span.end()


class Tracer:
    """Makes the spans of calls, and sends them in the background."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """Sends by OTLP over gRPC unless told otherwise.

        The queue is bounded: when the collector is slow or away, spans are dropped, and no call waits.

        Raises:
            StartError: When OpenTelemetry's variables make no sense.
        """
        # Not `Resource.create`, whose detectors can be told to send the command line.
        resource = Resource({"service.name": "playthrough", "process.pid": os.getpid()})
        resource = resource.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        try:
            self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        except (ValueError, RuntimeError) as error:
            raise StartError(f"tracing: {error}") from error
        self._tracer = self._provider.get_tracer("playthrough.server")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, method: str, metadata: Mapping[str, str | bytes]) -> CallSpan | None:
        """Begins the span of a call, and returns None when the call is not sampled.

        Args:
            method: Full name of the method, for example "playthrough.v1.PredictionService/Predict".
            metadata: What the caller sent; its `traceparent` names the trace, and whether that is sampled.
        """
        # Not `tracestate`: what a caller has put there would be exported, and logged where it is malformed.
        known = {TRACE_KEY: metadata[TRACE_KEY]} if TRACE_KEY in metadata else {}
        parent = self._propagator.extract(known, Context())
        attributes = {"rpc.system.name": "grpc", "rpc.method": method}
        span = self._tracer.start_span(method, parent, SpanKind.SERVER, attributes)
        return CallSpan(span) if span.is_recording() else None

    async def close(self, grace_s: float) -> None:
        """Sends what waits, for at most two seconds; a collector that does not take it is left alone."""
        closing = run_in_daemon_thread(self._provider.shutdown)
        try:
            await asyncio.wait([closing], timeout=min(grace_s, _CLOSES_WITHIN_S))
        finally:
            abandon(closing)
