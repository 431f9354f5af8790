"""Tasks: the steps of a flow whose results are remembered."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import CoroutineType
from typing import Any, Concatenate, Final, Generic, Literal, ParamSpec, Protocol, TypeVar, overload

from engine.context import CURRENT, Hook
from engine.core.arguments import Arguments, resolve_hints
from engine.core.codec import Codec
from engine.core.scopes import salt_of
from engine.mapping import TaskMap
from engine.model.errors import UsageError
from engine.model.limits import Pool, Rate
from engine.model.retry import ONCE, Retry

P = ParamSpec("P")
R = TypeVar("R")
Item = TypeVar("Item")
Rest = ParamSpec("Rest")

OnUnknown = Literal["retry", "ask", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """What a task declares about itself; see `task` for the meaning of each."""

    retry: Retry = ONCE
    timeout: timedelta | None = None
    pool: Pool | None = None
    rate: Rate | None = None
    key: str | Callable[..., str] | None = None
    version: str = ""
    pure: bool = False
    on_unknown: OnUnknown = "retry"
    tags: tuple[str, ...] = ()
    on_success: Hook | None = None
    on_failure: Hook | None = None
    on_cancel: Hook | None = None


PLAIN: Final = TaskOptions()


class Task(Generic[P, R]):
    """A function whose calls a run records. Made by `task`; `fn` is the function as it was written."""

    def __init__(
        self, fn: Callable[P, Coroutine[Any, Any, R]] | Callable[P, R], name: str, options: TaskOptions
    ) -> None:
        self.fn: Callable[..., Any] = fn
        self.name: Final = f"{name}@{options.version}" if options.version else name
        self.options: Final = options
        self.is_async: Final = inspect.iscoroutinefunction(fn)
        self.arguments: Final = Arguments(fn, f"task {name}")
        self.codec: Final = Codec(resolve_hints(fn).get("return", Any), f"task {name}")
        self.bits: Final = salt_of(self.name, 0)
        self.simple: Final = options == PLAIN and self.is_async
        functools.update_wrapper(self, fn, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> CoroutineType[object, None, R]:
        """Inside a run: a coroutine that replays the recorded result or performs the task, named at this very call.

        Outside one: a coroutine that calls the function, in a thread when it is a plain `def`, with neither retries
        nor a journal. Raises OutsideRun when called from a thread of a run or after its end, and NotKeyable when an
        argument has no stable identity. Cancelling the coroutine cancels the function and waits for it.
        """
        scope = CURRENT.get()
        # Any rather than a cast: this is called for every step, and a cast is a call.
        called: Any = (
            self._plain(*args, **kwargs) if scope is None else scope.session.call_task(self, scope, args, kwargs)
        )
        return called  # type: ignore[no-any-return]

    async def _plain(self, *args: Any, **kwargs: Any) -> Any:
        if self.is_async:
            return await self.fn(*args, **kwargs)
        return await asyncio.to_thread(self.fn, *args, **kwargs)

    @overload
    def map(
        self: Task[Concatenate[Item, Rest], R],
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        concurrency: int = ...,
        errors: Literal["raise"] = ...,
        fixed: Mapping[str, Any] | None = ...,
    ) -> TaskMap[R]: ...
    @overload
    def map(
        self: Task[Concatenate[Item, Rest], R],
        items: Iterable[Item] | AsyncIterable[Item],
        *,
        concurrency: int = ...,
        errors: Literal["collect"],
        fixed: Mapping[str, Any] | None = ...,
    ) -> TaskMap[R | Exception]: ...
    def map(
        self,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        concurrency: int = 16,
        errors: Literal["raise", "collect"] = "raise",
        fixed: Mapping[str, Any] | None = None,
    ) -> TaskMap[Any]:
        """Call the task once per item, at most `concurrency` at a time, items drawn as there is room for them.

        `await` the answer for a list, or `async for` over it for the results as they come, in the order of the
        items either way. With `errors="raise"` the first failure cancels the rest; with `"collect"` failures stand
        in their places as exceptions. `fixed` are further arguments, the same for every item. Items are told apart
        by their content, so a list that was reordered, cut or extended finds its recorded results again.
        Raises ValueError when `concurrency` is below 1.
        """
        return TaskMap(self, items, concurrency=concurrency, collect=errors == "collect", fixed=fixed or {})

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    @property
    def __headrace_name__(self) -> str:
        """How a task that is itself an argument is identified."""
        return self.name

    def __get__(self, instance: object, owner: type | None = None) -> Task[P, R]:
        if instance is not None:
            raise UsageError(
                f"task {self.name} is a method: the instance would be an argument without an identity. "
                f"Make it a function, or a @staticmethod"
            )
        return self


class TaskDecorator(Protocol):
    """What `task(...)` with options returns."""

    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = ...,
    retry: Retry = ...,
    timeout: timedelta | None = ...,
    pool: Pool | None = ...,
    rate: Rate | None = ...,
    key: str | Callable[..., str] | None = ...,
    version: str = ...,
    pure: bool = ...,
    on_unknown: OnUnknown = ...,
    tags: Iterable[str] = ...,
    on_success: Hook | None = ...,
    on_failure: Hook | None = ...,
    on_cancel: Hook | None = ...,
) -> TaskDecorator: ...
def task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry = ONCE,
    timeout: timedelta | None = None,
    pool: Pool | None = None,
    rate: Rate | None = None,
    key: str | Callable[..., str] | None = None,
    version: str = "",
    pure: bool = False,
    on_unknown: OnUnknown = "retry",
    tags: Iterable[str] = (),
    on_success: Hook | None = None,
    on_failure: Hook | None = None,
    on_cancel: Hook | None = None,
) -> Any:
    """Make a function a task: `@task` or `@task(retry=Retry(attempts=5), timeout=timedelta(seconds=30))`.

    name        what it is called in journals, traces and diffs; the function's qualified name by default
    retry       when a failed attempt is followed by another; one attempt by default
    timeout     for one attempt; the function is cancelled and TimeoutError is its failure
    pool        a slot of this pool is held while an attempt runs
    rate        how many attempts may start in a time, over all nodes; one beyond it waits, and its run may leave memory
    key         identifies the call instead of the arguments: a text, or a function of the arguments
    version     part of the identity: a new one makes old records not apply
    pure        has no effect outside: its result may be recorded behind, and it may run again after a crash
    on_unknown  an attempt had started when its process died: "retry" it, "ask" (UnknownOutcome, which the flow may
                catch) or "fail" the run
    tags        for people
    on_success, on_failure, on_cancel    called once with a HookEvent when the outcome is known

    A plain `def` runs in a worker thread; it cannot be cancelled, only left alone. Raises UsageError for a function
    that cannot be a task.
    """
    options = TaskOptions(
        retry=retry,
        timeout=timeout,
        pool=pool,
        rate=rate,
        key=key,
        version=version,
        pure=pure,
        on_unknown=on_unknown,
        tags=tuple(tags),
        on_success=on_success,
        on_failure=on_failure,
        on_cancel=on_cancel,
    )

    def declare(function: Callable[..., Any]) -> Task[..., Any]:
        _refuse_generators(function)
        return Task(function, name or function.__qualname__, options)

    return declare if fn is None else declare(fn)


def _refuse_generators(function: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(
            f"task {function.__qualname__} yields: a task has one result. Return a list, or map one over items"
        )
    if not callable(function):
        raise UsageError(f"@task needs a function, not {function!r}")
