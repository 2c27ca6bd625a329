"""One trace per job, through every process: W3C trace context in the headers of HTTP, gRPC and NATS.

with tracing.received("detector", message.headers):    # continues the sender's trace, or begins one
    with tracing.span("infer detector"):
        send(headers=tracing.headers())

Every job has a trace id, which the logs contain. Spans are made and exported, and the SDK is imported, only if an OTLP
endpoint is set.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR: Final = TraceContextTextMapPropagator()


def configure(service: str, endpoint: str) -> None:
    """Export the spans of this process to an OTLP collector over gRPC, `http://host:4317`; empty: make none."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": service, "service.namespace": "platelane"})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)


@contextmanager
def received(name: str, headers: Mapping[str, str] | None, kind: SpanKind = SpanKind.CONSUMER) -> Iterator[None]:
    """A span for the work caused by a request or message with these headers."""
    parent = _PROPAGATOR.extract(headers or {}, Context())
    with trace.get_tracer("platelane").start_as_current_span(name, parent, kind) as span:
        if span.get_span_context().is_valid:
            yield
        else:
            with trace.use_span(_unrecorded_span()):
                yield


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.CLIENT) -> Iterator[None]:
    """A span for a part of the current work."""
    with trace.get_tracer("platelane").start_as_current_span(name, kind=kind):
        yield


def headers() -> dict[str, str]:
    """The headers that pass the current trace on to the receiver of a message; empty outside of a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier


def log_trace_id(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor that adds the trace id."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def _unrecorded_span() -> NonRecordingSpan:
    """The beginning of a trace that is not recorded, but appears in the logs."""
    return NonRecordingSpan(SpanContext(secrets.randbits(128), secrets.randbits(64), False, TraceFlags(0)))
