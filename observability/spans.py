"""From journal lines to spans: which line makes which span, and what stands on it."""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from engine.model import entry as kinds
from engine.model import trace
from engine.model.entry import Entry
from engine.model.run import RunRecord
from engine.model.trace import part_of
from engine.ports.telemetry import RunIdentity
from observability import names
from observability.failure import Failure
from observability.parts import opening, within
from observability.record import (
    DESCRIPTION,
    Attributes,
    Event,
    Link,
    Shared,
    SpanRecord,
    Value,
    attempt_span,
    clip,
    derived,
)

OPEN_RETRIES: Final = 10_000  # tasks between two attempts whose next start we remember


Retries: TypeAlias = "MutableMapping[int, int]"
"""By the span of a task: when its next attempt begins. The line that ends the task does not say."""


def entry_spans(
    run: RunIdentity, entries: Sequence[Entry], retries: Retries, *, one_trace: bool = False
) -> list[SpanRecord]:
    """The spans of some lines of one run, in their order. `retries` is kept from call to call.

    `one_trace`: however large the run is, do not go on in further ones.
    """
    spans: list[SpanRecord] = []
    for entry in entries:
        if entry.seq % trace.PART == 0 and entry.seq and not one_trace:
            spans += opening(run, entry, identity_of(run))
        make = _MAKERS.get(entry.kind)
        if make is None or not entry.epoch:
            continue
        part = 0 if one_trace else part_of(entry.span)
        if part == 0:
            make(run, entry, retries, spans)
        else:
            here = within(run, part)
            make(here, entry._replace(parent=here.span) if entry.parent == run.span else entry, retries, spans)
    return spans


def queue_span(run: RunIdentity, record: RunRecord, started: int) -> list[SpanRecord]:
    """From the run's creation to its first start. Made at once, so that a run under way can be found."""
    return [
        SpanRecord(
            run.trace,
            derived(run.span, "queue"),
            run.span,
            names.PREFIXES[names.QUEUE] + clip(run.flow),
            record.created,
            max(started, record.created),
            (identity_of(run), _QUEUE),
        )
    ]


def run_span(
    run: RunIdentity, record: RunRecord, started: int, ended: int, outcome: str, error: bytes | None
) -> list[SpanRecord]:
    """The root of a run, whole: it is made only when the run has ended."""
    own: list[tuple[str, Value]] = [(names.RUN_OUTCOME, outcome), (names.RUN_RECOVERIES, record.crashes)]
    if record.rerun_of:
        own.append((names.RUN_RERUN_OF, clip(record.rerun_of)))
    failure = Failure.read(error or b"") if outcome == "failed" else None
    if failure is not None:
        own.append((names.ERROR_TYPE, failure.type))
    return [
        SpanRecord(
            run.trace,
            run.span,
            run.parent,
            names.PREFIXES[names.RUN] + clip(run.flow),
            started,
            max(ended, started),
            (identity_of(run), _RUN),
            tuple(own),
            clip(failure.message, DESCRIPTION) if failure else None,
            (failure.event(ended),) if failure else (),
        )
    ]


def _task(run: RunIdentity, entry: Entry, retries: Retries, spans: list[SpanRecord]) -> None:
    own: Attributes = ((names.TASK_KEY, clip(entry.key)),)
    error: str | None = None
    events: tuple[Event, ...] = ()
    if entry.outcome == kinds.ERROR:
        failure = Failure.read(entry.value)
        own += ((names.ERROR_TYPE, failure.type),)
        error, events = clip(failure.message, DESCRIPTION), (failure.event(entry.ended),)
    if entry.attempt > 1:
        spans.append(_last_attempt(run, entry, own, error, events, retries.pop(entry.span, 0)))
        events = ()  # an exception is told once, where it happened
    name, shared = _task_of(entry.name, entry.attempt, entry.outcome)
    spans.append(
        SpanRecord(
            run.trace,
            entry.span,
            entry.parent or run.span,
            name,
            entry.started,
            max(entry.ended, entry.started),
            (identity_of(run), shared),
            own,
            error,
            events,
        )
    )


def _last_attempt(
    run: RunIdentity,
    entry: Entry,
    own: Attributes,
    error: str | None,
    events: tuple[Event, ...],
    next_start: int,
) -> SpanRecord:
    """The attempt that ended the task: it has no line of its own."""
    started = max(entry.started, next_start)
    name, shared = _attempt_of(entry.name, entry.attempt)
    return SpanRecord(
        run.trace,
        attempt_span(entry.span, entry.attempt),
        entry.span,
        name,
        started,
        max(entry.ended, started),
        (identity_of(run), shared),
        own,
        error,
        events,
        _retry_of(run, entry.span, entry.attempt),
    )


def _attempt(run: RunIdentity, entry: Entry, retries: Retries, spans: list[SpanRecord]) -> None:
    failure = Failure.read(entry.value)
    own: Attributes = ((names.TASK_KEY, clip(entry.key)), (names.ERROR_TYPE, failure.type))
    if failure.next_start:
        own += ((names.ATTEMPT_DELAY, max(0, failure.next_start - entry.ended) / 1e9),)
    name, shared = _attempt_of(entry.name, entry.attempt)
    spans.append(
        SpanRecord(
            run.trace,
            attempt_span(entry.parent, entry.attempt),  # what ran within it has this as its parent
            entry.parent,
            name,
            entry.started,
            max(entry.ended, entry.started),
            (identity_of(run), shared),
            own,
            clip(failure.message, DESCRIPTION),
            (failure.event(entry.ended),),
            _retry_of(run, entry.parent, entry.attempt),
        )
    )
    if len(retries) >= OPEN_RETRIES and entry.parent not in retries:
        del retries[next(iter(retries))]
    retries[entry.parent] = failure.next_start


def _wait(run: RunIdentity, entry: Entry, retries: Retries, spans: list[SpanRecord]) -> None:
    own: Attributes = ()
    error: str | None = None
    if entry.outcome == kinds.ERROR:
        failure = Failure.read(entry.value)
        own, error = ((names.ERROR_TYPE, failure.type),), clip(failure.message, DESCRIPTION)
    name, shared = _wait_of(entry.kind, waited_for(entry))
    spans.append(
        SpanRecord(
            run.trace,
            entry.span or derived(run.span, str(entry.seq)),
            entry.parent or run.span,
            name,
            entry.started,
            max(entry.ended, entry.started),
            (identity_of(run), shared),
            own,
            error,
        )
    )


def waited_for(entry: Entry) -> str:
    """What a wait is called: the signal's own name where there is one, else `sleep`, `timeout` and the like."""
    if not entry.args.startswith("signal="):
        return entry.name
    try:
        return str(json.loads(entry.args.removeprefix("signal=")))
    except ValueError:  # the journal keeps only the beginning of a very long one
        return entry.name


_Maker: TypeAlias = Callable[[RunIdentity, Entry, Retries, "list[SpanRecord]"], None]
_MAKERS: Final[dict[str, _Maker]] = {
    kinds.TASK: _task,
    kinds.ATTEMPT: _attempt,
    kinds.SLEEP: _wait,
    kinds.SIGNAL: _wait,
    kinds.DEADLINE: _wait,
    # kinds.CHILD is not here: the child's own root span hangs in its place.
}

_RUN: Final = Shared(((names.SPAN_KIND, names.RUN),))
_QUEUE: Final = Shared(((names.SPAN_KIND, names.QUEUE),))


def _retry_of(run: RunIdentity, task: int, number: int) -> tuple[Link, ...]:
    if number < 2:
        return ()
    return (Link(run.trace, attempt_span(task, number - 1), ((names.LINK_TYPE, names.RETRY_OF),)),)


@lru_cache(1024)
def identity_of(run: RunIdentity) -> Shared:
    """What stands on every span of a run."""
    return Shared(
        (
            (names.FLOW_NAME, clip(run.flow)),
            (names.FLOW_VERSION, clip(run.version)),
            (names.RUN_ID, clip(run.run_id)),
            (names.RUN_ROOT_ID, clip(run.root_id or run.run_id)),
            (names.TRIGGER_TYPE, clip(run.trigger)),
        )
    )


# The name and the attributes that the spans of one task have in common: few, and used again and again.


@lru_cache(1024)
def _task_of(name: str, attempts: int, outcome: str) -> tuple[str, Shared]:
    short = clip(name)
    return names.PREFIXES[names.TASK] + short, Shared(
        (
            (names.SPAN_KIND, names.TASK),
            (names.TASK_NAME, short),
            (names.TASK_ATTEMPTS, attempts),
            (names.TASK_OUTCOME, outcome),
        )
    )


@lru_cache(1024)
def _attempt_of(name: str, number: int) -> tuple[str, Shared]:
    short = clip(name)
    return names.PREFIXES[names.ATTEMPT] + short, Shared(
        ((names.SPAN_KIND, names.ATTEMPT), (names.TASK_NAME, short), (names.ATTEMPT_NUMBER, number))
    )


@lru_cache(1024)
def _wait_of(kind: str, name: str) -> tuple[str, Shared]:
    short = clip(name)
    return names.PREFIXES[names.WAIT] + short, Shared(
        ((names.SPAN_KIND, names.WAIT), (names.WAIT_TYPE, kind), (names.WAIT_NAME, short))
    )
