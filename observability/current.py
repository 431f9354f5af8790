"""The span of a task as OpenTelemetry's current one, for whoever opens a span of their own inside it.

Imports the API only, and is itself imported only when the program has the API loaded.
"""

from __future__ import annotations

from opentelemetry import context, trace

from engine.ports.telemetry import RunIdentity
from observability.parts import trace_of

RUN: str = context.create_key("headrace-run")
_SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)
_NOT_SAMPLED = trace.TraceFlags(trace.TraceFlags.DEFAULT)


class TaskSpan(trace.NonRecordingSpan):
    """Stands for a span that is made when the task ends. Its SpanContext is built when somebody looks."""

    def __init__(self, run: RunIdentity, span: int) -> None:
        self._run = run
        self._span = span

    def get_span_context(self) -> trace.SpanContext:
        run = self._run
        flags = _SAMPLED if run.sampled else _NOT_SAMPLED
        ids = int.from_bytes(trace_of(run, self._span), "big"), self._span
        return trace.SpanContext(*ids, is_remote=False, trace_flags=flags)

    def __repr__(self) -> str:
        return f"TaskSpan({self.get_span_context()!r})"


def attach(run: RunIdentity, span: int) -> object:
    """Make it current. What else stands in the context (baggage, a user's own values) stays."""
    return context.attach(context.set_value(RUN, run, trace.set_span_in_context(TaskSpan(run, span))))


def current_run(within: context.Context | None) -> RunIdentity | None:
    """The run that a new span belongs to: by the context it was given, else by the one it was opened in."""
    run = context.get_value(RUN, within) or context.get_value(RUN)
    return run if isinstance(run, RunIdentity) else None
