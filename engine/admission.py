"""Admission: what the declaration of a flow, its parameters and its starter say about a new run's turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from engine.core.keys import key_text
from engine.flow import Call
from engine.model.limits import AGEING, NORMAL, QUEUE, Key, Rate, checked_name, checked_priority, rank
from engine.model.run import NewRun, RunRecord

ASKED_FOR: Final = "asked for: "
"""Before the name of a flow's rate: the line that says when a run of it that is made now shall be due. In the line of
that name itself each run takes a place once more when it is taken up, in one line with the attempts of that rate, since
many of the places it was made with may lie behind by then.
"""


def admitted(
    new: NewRun,
    call: Call[Any],
    *,
    priority: int | None = None,
    queue: str | None = None,
    requires: Iterable[str] = (),
    parent: RunRecord | None = None,
) -> NewRun:
    """The run with its priority, queue, requirements and lane.

    What the starter gives goes before what the flow declares, and requirements add up. A child run has from its
    parent what its own flow does not say, and its parent's place among those that wait: what was begun is finished
    first. Raises UsageError, NotKeyable.
    """
    options = call.flow.options
    since = max(new.created, new.due) if parent is None else parent.rank + parent.priority * AGEING
    chosen = _first(priority, options.priority, None if parent is None else parent.priority, NORMAL)
    needs = {*options.requires, *(checked_name(name, "tag") for name in requires)}
    return new._replace(
        priority=checked_priority(chosen),
        rank=rank(since=since, priority=chosen),
        queue=checked_name(_first(queue, options.queue, None if parent is None else parent.queue, QUEUE), "queue"),
        requires=tuple(sorted(needs)) or (() if parent is None else parent.requires),
        lane=lane_of(call),
        # An awaited run has a result of its own to give: it is never answered by another one's.
        occupied="queue" if options.singleton is None or parent is not None else options.singleton,
    )


def lane_of(call: Call[Any]) -> str | None:
    """The lane of a run: one for the whole flow, one for each key, or none. Raises UsageError, NotKeyable."""
    options = call.flow.options
    if options.singleton is not None and options.key is None:
        return call.flow.name
    key = options.lane or options.key
    text = None if key is None else key_of(call, key, "lane=" if options.lane else "key=")
    return None if text is None else f"{call.flow.name}:{text}"


def key_of(call: Call[Any], key: Key, what: str) -> str | None:
    """What a function of the run's parameters answers, as text. Raises UsageError, NotKeyable."""
    flow = call.flow
    return key_text(key, flow.parameters.decode(call.params), f"flow {flow.name}, {what}")


def rate_of(call: Call[Any]) -> tuple[Rate, str] | None:
    """The rate at which runs like this one start, and its full name. Raises UsageError, NotKeyable."""
    rate = call.flow.options.rate
    if rate is None or rate.key is None:
        return None if rate is None else (rate, rate.name)
    text = key_of(call, rate.key, "rate=")
    return None if text is None else (rate, f"{rate.name}:{text}")


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
