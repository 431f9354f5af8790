"""Admission: what the declaration of a flow, its parameters and its starter say about a new run's turn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, cast

from engine.core.canonical import canonical, digest
from engine.flow import Call, Flow, Key
from engine.model.errors import NotKeyable, UsageError
from engine.model.limits import AGEING, NORMAL, QUEUE, checked_name, checked_priority, rank
from engine.model.run import NewRun, RunRecord

LONG: Final = 200
"""Characters of a key that are kept as they are; of a longer one the end becomes a digest."""


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
    lane = lane_of(call)
    if parent is not None and lane is not None and lane == parent.lane:
        raise UsageError(
            f"run {parent.id} of {parent.flow} awaits a run of {call.flow.name} in its own lane {lane!r}, "
            "which could start only when it has ended itself"
        )
    return replace(
        new,
        priority=checked_priority(chosen),
        rank=rank(since=since, priority=chosen),
        queue=checked_name(_first(queue, options.queue, None if parent is None else parent.queue, QUEUE), "queue"),
        requires=tuple(sorted(needs)) or (() if parent is None else parent.requires),
        lane=lane,
        # An awaited run has a result of its own to give: it is never answered by another one's.
        occupied="queue" if options.singleton is None or parent is not None else options.singleton,
    )


def lane_of(call: Call[Any]) -> str | None:
    """The lane of a run: one for the whole flow, one for each key, or none. Raises UsageError, NotKeyable."""
    options = call.flow.options
    if options.singleton is not None and options.key is None:
        return call.flow.name
    key = options.lane or options.key
    text = None if key is None else key_text(call, key, "lane=" if options.lane else "key=")
    return None if text is None else f"{call.flow.name}:{text}"


def key_text(call: Call[Any], key: Key, what: str) -> str | None:
    """What a function of the parameters says, as text; None stays None. Raises UsageError, NotKeyable."""
    flow = call.flow
    values = flow.parameters.decode(call.params)
    try:
        chosen = {name: values[name] for name in _taken(key, flow) if name in values}
        found = cast("Callable[..., object]", key)(**chosen)
    except Exception as error:
        raise UsageError(
            f"flow {flow.name}: the function given as {what} raised {type(error).__name__}: {error}"
        ) from error
    if found is None:
        return None
    try:
        text = found if isinstance(found, str) else canonical(found)
    except NotKeyable as error:
        raise NotKeyable(f"flow {flow.name}: what {what} answers cannot be a key: {error}") from None
    return text if len(text) <= LONG else f"{text[: LONG // 2]}…{digest(text)}"


def _taken(key: Key, flow: Flow[..., Any]) -> list[str]:
    """The parameters of the flow that a function asks for, by name."""
    asked = inspect.signature(key).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in asked):
        return flow.parameters.names
    return [parameter.name for parameter in asked]


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
