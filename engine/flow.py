"""Flows: durable async functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import CoroutineType
from typing import Any, Final, Generic, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from engine.context import CURRENT, Hook
from engine.core.arguments import resolve_hints
from engine.core.codec import Codec
from engine.core.parameters import Parameters
from engine.model.errors import UsageError
from engine.model.limits import Key, Occupied, Pool, Rate, checked_name, checked_priority
from engine.trigger import Trigger

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

OnDivergence = Literal["stop", "rerun", "reuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowOptions:
    """What a flow declares about itself; see `flow` for the meaning of each."""

    on: tuple[Trigger, ...] = ()
    timeout: timedelta | None = None
    version: str = "1"
    tags: tuple[str, ...] = ()
    on_divergence: OnDivergence = "stop"
    priority: int | None = None
    queue: str | None = None
    requires: tuple[str, ...] = ()
    pool: Pool | None = None
    rate: Rate | None = None
    lane: Key | None = None
    singleton: Occupied | None = None
    key: Key | None = None
    on_success: Hook | None = None
    on_failure: Hook | None = None
    on_cancel: Hook | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[R_co]):
    """A flow with validated parameters, ready to be started. `params` is a JSON object."""

    flow: Flow[..., R_co]
    params: bytes


class Flow(Generic[P, R]):
    """A function whose runs are durable. Made by `flow`; `fn` is the function as it was written."""

    def __init__(self, fn: Callable[P, Coroutine[Any, Any, R]], name: str, options: FlowOptions) -> None:
        self.fn: Callable[..., Coroutine[Any, Any, R]] = fn
        self.name: Final = name
        self.options: Final = options
        self.parameters: Final = Parameters(fn, name)
        self.codec: Final = Codec(resolve_hints(fn).get("return", Any), f"flow {name}")
        functools.update_wrapper(self, fn, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> CoroutineType[object, None, R]:
        """Inside a run: a child run, awaited; its id follows from the parent's, so that a replay finds it again.

        Outside one: the plain coroutine of the function, with its parameters validated. Raises ParameterError.
        Cancelling the coroutine cancels the child run.
        """
        scope = CURRENT.get()
        if scope is None:
            values = self.parameters.bind(args, kwargs)
            return cast("CoroutineType[object, None, R]", self.fn(**values))
        return cast("CoroutineType[object, None, R]", scope.session.call_flow(self, scope, args, kwargs))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """The flow with these parameters, checked now rather than in the node. Raises ParameterError."""
        values = self.parameters.bind(args, kwargs)
        return Call(self, self.parameters.encode(values))

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    @property
    def __headrace_name__(self) -> str:
        """How a flow that is itself an argument is identified."""
        return self.name


class FlowDecorator(Protocol):
    """What `flow(...)` with options returns."""

    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Flow[P, R]: ...


@overload
def flow(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Flow[P, R]: ...
@overload
def flow(
    *,
    name: str | None = ...,
    on: Trigger | Iterable[Trigger] = ...,
    timeout: timedelta | None = ...,
    version: str = ...,
    tags: Iterable[str] = ...,
    on_divergence: OnDivergence = ...,
    priority: int | None = ...,
    queue: str | None = ...,
    requires: Iterable[str] = ...,
    pool: Pool | None = ...,
    rate: Rate | None = ...,
    lane: Key | None = ...,
    singleton: Occupied | None = ...,
    key: Key | None = ...,
    on_success: Hook | None = ...,
    on_failure: Hook | None = ...,
    on_cancel: Hook | None = ...,
) -> FlowDecorator: ...
def flow(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    on: Trigger | Iterable[Trigger] = (),
    timeout: timedelta | None = None,
    version: str = "1",
    tags: Iterable[str] = (),
    on_divergence: OnDivergence = "stop",
    priority: int | None = None,
    queue: str | None = None,
    requires: Iterable[str] = (),
    pool: Pool | None = None,
    rate: Rate | None = None,
    lane: Key | None = None,
    singleton: Occupied | None = None,
    key: Key | None = None,
    on_success: Hook | None = None,
    on_failure: Hook | None = None,
    on_cancel: Hook | None = None,
) -> Any:
    """Make an async function a flow: `@flow` or `@flow(on=every(timedelta(hours=1)), timeout=timedelta(hours=2))`.

    name           what runs, traces and commands call it; the function's name by default
    on             the triggers that start it
    timeout        for the whole run, waiting included, counted from its first start; RunTimeout is its failure
    version        a new one for code that would not replay old runs: while nodes of both run, each goes on with its own
                   runs. The code's own fingerprint is kept besides, for people and `upgrade-check`
    tags           for people
    on_divergence  what to do when replay asks for something else than was recorded: "stop" with a diff, "rerun"
                   what differs, or "reuse" the record that stands in its place
    priority       0 (waits gladly) to 9 (urgent) for its runs, 5 unless said otherwise; a minute of waiting is worth
                   a step, so that nothing waits for ever
    queue          nodes take the runs of their queues; "default" unless said otherwise
    requires       tags that a node must have to take a run
    pool           a slot of this pool is held while a run is in memory, counted over all nodes
    rate           how many of its runs may start in a time, over all nodes; a start beyond it is put off
    lane           a function of parameters, by name, that answers a key: runs of one key go one after the other, in
                   the order of start, over all nodes. None is no lane
    singleton      one unfinished run at a time, of the flow or of each `key`: another start is answered with the one
                   there is ("skip"), waits its turn ("queue"), or cancels those before it ("replace")
    key            of singleton: a function of parameters, by name
    on_success, on_failure, on_cancel    called with a HookEvent when the run ends, recorded like a task

    Raises UsageError for a function that is not `async def`, and for options that contradict each other.
    """
    if lane is not None and singleton is not None:
        raise UsageError("a flow has either lane= or singleton=: a singleton is a lane of its own")
    if key is not None and singleton is None:
        raise UsageError("key= says of what there is one run at a time: it belongs to singleton=; lane= takes its own")
    if singleton not in (None, "skip", "queue", "replace"):
        raise UsageError(f'singleton={singleton!r}: give "skip", "queue" or "replace"')
    triggers = (on,) if isinstance(on, Trigger) else tuple(on)
    options = FlowOptions(
        on=triggers,
        timeout=timeout,
        version=version,
        tags=tuple(tags),
        on_divergence=on_divergence,
        priority=None if priority is None else checked_priority(priority),
        queue=None if queue is None else checked_name(queue, "queue"),
        requires=tuple(sorted({checked_name(name, "tag") for name in requires})),
        pool=pool,
        rate=rate,
        lane=lane,
        singleton=singleton,
        key=key,
        on_success=on_success,
        on_failure=on_failure,
        on_cancel=on_cancel,
    )

    def declare(function: Callable[..., Any]) -> Flow[..., Any]:
        if not inspect.iscoroutinefunction(function):
            raise UsageError(f"flow {function.__qualname__} must be `async def`: flows await their tasks")
        return Flow(function, name or function.__name__, options)

    return declare if fn is None else declare(fn)
