"""From a line of a run's log to an OTLP log record, with the ids of its trace and span."""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.model.run import LogLine
from engine.ports.telemetry import RunIdentity
from observability import names
from observability.parts import trace_of
from observability.record import Attributes, Shared, clip
from observability.spans import identity_of

MESSAGE: Final = 16_384  # bytes
_SEVERITY: Final = {"DEBUG": 5, "INFO": 9, "WARNING": 13, "ERROR": 17, "CRITICAL": 21}


class LogRecord(NamedTuple):
    """One log line. `at` is in nanoseconds; `severity` is OTLP's number, 0 when the level is not a usual one."""

    trace: bytes
    span: int
    at: int
    severity: int
    level: str
    message: str
    shared: Shared
    own: Attributes


def log_records(run: RunIdentity, line: LogLine) -> list[LogRecord]:
    """The record of one line. A line of no task belongs to the run's root span."""
    own: Attributes = (("logger.name", clip(line.logger)),)
    if line.task:
        own += ((names.TASK_NAME, clip(line.task)), (names.ATTEMPT_NUMBER, line.attempt))
    level = clip(line.level.upper())
    span, severity, message = line.span or run.span, _SEVERITY.get(level, 0), clip(line.message, MESSAGE)
    return [LogRecord(trace_of(run, span), span, line.at, severity, level, message, identity_of(run), own)]
