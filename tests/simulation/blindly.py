"""Rules of effects that must not be repeated blindly: `on_unknown="ask"` and `"fail"`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, cast

from engine.model import entry as kinds
from engine.model.run import RunState
from tests.simulation.ledger import Effect
from tests.simulation.schedule import Schedule
from tests.simulation.unsure import ONCE, fatal

UNKNOWN: Final = "engine.model.errors:UnknownOutcome"


def repeated(s: Schedule) -> Iterator[str]:
    """An effect began twice."""
    before: dict[str, Effect] = {}
    for one in s.ledger.effects:
        first = before.setdefault(one.idempotency, one)
        if one.task in ONCE and first is not one:
            yield f"{one.task} of {one.run} was repeated by {one.process}, after {first.process}"


def unfounded(s: Schedule) -> Iterator[str]:
    """A flow was told, or a run failed because, an outcome is unknown; and no attempt of an earlier owner had begun."""
    begun: dict[tuple[int, str], int] = {}
    for line in s.server.lines:
        entry = line.entry
        if entry.kind == kinds.STARTED and entry.name in ONCE:
            begun[entry.run, entry.key] = entry.epoch
        elif entry.kind == kinds.TASK and (entry.run, entry.key) in begun:
            epoch = begun.pop((entry.run, entry.key))
            if _is_unknown(entry.value) and epoch == entry.epoch:
                yield f"{entry.name} of run {entry.run} has begun in epoch {epoch}, whose owner does not know more"
        elif entry.kind == kinds.TASK and entry.name in ONCE and _is_unknown(entry.value):
            yield f"{entry.name} of run {entry.run} had not begun, and the flow was told that its outcome is unknown"
    doubted = {run for run, _ in begun}
    for num, run in s.server.runs.items():
        if run.state is RunState.FAILED and run.error is not None and _is_unknown(run.error) and num not in doubted:
            yield f"{run.id} failed because of an unknown outcome, and all that had begun has one"


def gone_on(s: Schedule) -> Iterator[str]:
    """A flow went on after an effect whose run was to fail: it was told of the unknown outcome."""
    for line in s.server.lines:
        if line.entry.name == fatal.name and line.entry.kind == kinds.TASK and _is_unknown(line.entry.value):
            yield f"run {line.entry.run} was told that the outcome of {fatal.name} is unknown, and did not fail"


def _is_unknown(record: bytes) -> bool:
    failure: Any = json.loads(record)
    return isinstance(failure, dict) and cast("dict[str, Any]", failure).get("type") == UNKNOWN
