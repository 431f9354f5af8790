"""Spans of the user's own and of libraries: who exports them, and what of ours stands on them."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache
from typing import Final
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from engine.ports.telemetry import RunIdentity
from observability.current import current_run
from observability.record import Attributes, Value
from observability.settings import Destination
from observability.spans import identity_of

log = logging.getLogger("headrace.telemetry")

QUEUE: Final = 32_768  # spans; with the SDK's 2,048 a burst loses its oldest
DELAY: Final = 1_000  # milliseconds

_lock = threading.Lock()
_marked: WeakSet[TracerProvider] = WeakSet()
_ours: TracerProvider | None = None  # a process has one provider, whatever the number of engines in it


class IdentityProcessor(SpanProcessor):
    """Puts flow and run on every span that is opened inside one, so that SQL and HTTP spans are found by run id."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        run = current_run(parent_context)
        if run is not None:
            span.set_attributes(_attributes(run))


def set_up(to: Destination | None, resource: Attributes) -> None:
    """Export users' spans to `to`, unless the program has a provider of its own: then only mark its spans.

    Idempotent. Imports the SDK's exporter, which takes a fifth of a second: not for the loop's thread.
    """
    global _ours
    with _lock:
        provider = trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            if to is None:
                return
            provider = _ours = _provider(to, resource)
            trace.set_tracer_provider(provider)
        if isinstance(provider, TracerProvider) and provider not in _marked:
            provider.add_span_processor(IdentityProcessor())
            _marked.add(provider)


def flush(timeout: float) -> None:
    """Send what our provider holds. May take longer than `timeout`, which the SDK does not keep to."""
    if _ours is not None:
        _ours.force_flush(int(timeout * 1000))


def sdk_provider(*, ours: bool) -> TracerProvider | None:
    """The process's provider, when it is the SDK's; `ours` allows it to be the one that we have set up."""
    provider = trace.get_tracer_provider()
    return provider if isinstance(provider, TracerProvider) and (ours or provider is not _ours) else None


def _provider(to: Destination, resource: Attributes) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # Its own exit handler would wait without limit for an endpoint that does not answer.
    provider = TracerProvider(resource=Resource.create(dict(resource)), shutdown_on_exit=False)
    compression = Compression.Gzip if to.gzip else Compression.NoCompression
    exporter = OTLPSpanExporter(to.url, headers=dict(to.headers), timeout=to.timeout, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE, schedule_delay_millis=DELAY))
    return provider


@lru_cache(1024)
def _attributes(run: RunIdentity) -> dict[str, Value]:
    return dict(identity_of(run).pairs)
