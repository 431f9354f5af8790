"""The engine's telemetry port on OpenTelemetry: the loop's thread hands over, other threads encode and send."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord
from engine.ports.telemetry import WHOLE, RunIdentity, Telemetry
from observability.exporter import Exporter
from observability.logs import LogRecord, log_records
from observability.null import NullTelemetry
from observability.otlp import logs_request, spans_request
from observability.record import SpanRecord
from observability.settings import Environment, destination, resource
from observability.sink import OtlpSink
from observability.spans import Retries, entry_spans, queue_span, run_span
from observability.user_spans import UserSpans

log = logging.getLogger("headrace.telemetry")

CAUGHT_UP: Final = "; the next engine on this store sends them"
"""What becomes of spans that were not sent at the end: the store knows how far each run was exported."""

Attach: TypeAlias = Callable[[RunIdentity, int], object]


def telemetry_from_environment(environment: Environment = os.environ, *, node: str = "") -> Telemetry:
    """What the OTEL_* variables ask for. Nothing asked for, or an endpoint that cannot be one: a NullTelemetry.

    Spans go by OTLP. `HEADRACE_SPANS=sdk`, or a program that has set up the SDK but no endpoint, sends them
    through the SDK's processors instead.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return NullTelemetry()
    traces_to, logs_to = destination("traces", environment), destination("logs", environment)
    speaker = resource(environment, node=node)
    users = UserSpans(traces_to, speaker)
    try:
        if traces_to is None or environment.get("HEADRACE_SPANS", "").strip().lower() == "sdk":
            spans = users.exporter(asked=traces_to is not None)
        else:
            spans = Exporter("spans", OtlpSink(traces_to, spans_request, speaker), later=CAUGHT_UP)
        logs = Exporter("log lines", OtlpSink(logs_to, logs_request, speaker)) if logs_to else None
    except ValueError as error:
        log.error("No telemetry: %s", error)
        return NullTelemetry()
    return OTelTelemetry(spans, logs, users) if spans or logs else NullTelemetry()


class OTelTelemetry:
    """See `engine.ports.telemetry`. On the loop's thread nothing is encoded and no span is built."""

    def __init__(
        self,
        spans: Exporter[SpanRecord] | None,
        logs: Exporter[LogRecord] | None = None,
        users: UserSpans | None = None,
    ) -> None:
        self._spans = spans
        self._logs = logs
        self._users = users
        self._retries: Retries = {}  # the exporter's thread reads and writes it, nobody else
        self._attach: Attach | None = None
        self._find(starting=True)

    def started(self, run: RunIdentity, record: RunRecord) -> None:
        if self._spans is not None and run.sampled and record.exported < 0:  # else the backend has it already
            started = record.started or record.ended or time.time_ns()  # cancelled in the queue, it never started
            self._spans.put(queue_span, (run, record, started), run.num, -1, 1)

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        if self._spans is not None and run.sampled and entries:
            self._spans.put(entry_spans, (run, entries, self._retries), run.num, entries[-1].seq, len(entries))

    def ended(
        self, run: RunIdentity, record: RunRecord, *, started: int, ended: int, outcome: str, error: bytes | None
    ) -> None:
        if self._spans is not None and run.sampled:
            self._spans.put(run_span, (run, record, started, ended, outcome, error), run.num, WHOLE, 1)

    def logged(self, run: RunIdentity, line: LogLine) -> None:
        if self._logs is not None:
            self._logs.put(log_records, (run, line), run.num, -1, 1)

    def attach(self, run: RunIdentity, span: int) -> object:
        attach = self._attach or self._find()
        return attach(run, span) if attach is not None else None

    def exported(self) -> Sequence[tuple[int, int]]:
        return self._spans.reached() if self._spans is not None else ()

    async def close(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        await asyncio.gather(*(exporter.close(timeout) for exporter in (self._spans, self._logs) if exporter))
        if self._users is not None:  # last, for it may hold what the exporter has just handed to the SDK
            await self._users.flush(max(0.0, deadline - time.monotonic()))

    def _find(self, *, starting: bool = False) -> Attach | None:
        """OpenTelemetry's context, once the program has loaded it: before that nobody can look at a current span."""
        if "opentelemetry.trace" not in sys.modules:
            return None
        from observability import current

        self._attach = current.attach
        if self._users is not None:
            self._users.set_up(wait=starting)
        return self._attach
