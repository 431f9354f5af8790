"""The parts of a large run's trace: which one a span is in, and the spans that tie them together."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Final

from engine.model import trace
from engine.model.entry import Entry
from engine.model.trace import part_of, place_of
from engine.ports.telemetry import RunIdentity
from observability import names
from observability.record import Link, Shared, SpanRecord, clip, derived

_PART: Final = Shared(((names.SPAN_KIND, names.PART),))


def trace_of(run: RunIdentity, span: int) -> bytes:
    """The trace that a span of this run is in."""
    return run.trace if span == run.span else place_of(run.trace, run.span, part_of(span))[0]


@lru_cache(1024)
def within(run: RunIdentity, part: int) -> RunIdentity:
    """The run as the spans of one part see it: their trace, and the root they hang under."""
    trace, root = place_of(run.trace, run.span, part)
    return replace(run, trace=trace, span=root, parent=0)


def opening(run: RunIdentity, first: Entry, shared: Shared) -> list[SpanRecord]:
    """What stands where a part begins: its root, linked to the part before, and a span there that is linked to it."""
    part = first.seq // trace.PART
    here, before = within(run, part), within(run, part - 1) if part > 1 else run
    name, at, kinds = names.PREFIXES[names.PART] + clip(run.flow), first.started, (shared, _PART)
    back = Link(before.trace, before.span, ((names.LINK_TYPE, names.CONTINUES),))
    on = Link(here.trace, here.span, ((names.LINK_TYPE, names.CONTINUED_IN),))
    return [
        SpanRecord(here.trace, here.span, 0, name, at, at, kinds, links=(back,)),
        SpanRecord(before.trace, derived(here.span, "before"), before.span, name, at, at, kinds, links=(on,)),
    ]
