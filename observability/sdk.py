"""The engine's spans through the SDK: slower, for programs whose processors or exporters are not ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from observability.names import SCHEMA_URL, SCOPE
from observability.post import Accepted, Answer
from observability.record import SpanRecord

_SCOPE = InstrumentationScope(SCOPE, None, SCHEMA_URL)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class SdkSink:
    """Hands finished spans to a provider's processors. What becomes of them there is not ours to know."""

    url = "the OpenTelemetry SDK"

    def __init__(self, provider: TracerProvider) -> None:
        # The only way to give a provider a span that it did not start; the SDK has no public one.
        self._processor: SpanProcessor = provider._active_span_processor
        self._resource = provider.resource

    def batch(self, records: Sequence[SpanRecord]) -> Callable[[float], Answer]:
        spans = [readable(record, self._resource) for record in records]

        def send(_: float) -> Answer:
            for span in spans:
                self._processor.on_end(span)
            return Accepted()

        return send

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass


def readable(record: SpanRecord, resource: Resource) -> ReadableSpan:
    """A record as the SDK would have it."""

    def context(trace: bytes, span: int) -> SpanContext:
        return SpanContext(int.from_bytes(trace, "big"), span, is_remote=False, trace_flags=_SAMPLED)

    return ReadableSpan(
        record.name,
        context(record.trace, record.span),
        context(record.trace, record.parent) if record.parent else None,
        resource,
        record.attributes(),
        [Event(event.name, dict(event.attributes), event.at) for event in record.events],
        [Link(context(link.trace, link.span), dict(link.attributes)) for link in record.links],
        status=Status(StatusCode.UNSET) if record.error is None else Status(StatusCode.ERROR, record.error),
        start_time=record.started,
        end_time=record.ended,
        instrumentation_scope=_SCOPE,
    )
