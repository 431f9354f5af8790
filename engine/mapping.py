"""A task called once per item: lazy, bounded, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sized,
)
from typing import Any, Generic, Protocol, TypeVar

from engine.context import CURRENT

R_co = TypeVar("R_co", covariant=True)


class Mapped(Protocol):
    """A task, as a map sees it."""

    @property
    def name(self) -> str:
        """For progress."""
        ...

    def __call__(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Name one call."""
        ...


class TaskMap(Generic[R_co]):
    """The calls of one `task.map`. Await it, or iterate it, once."""

    def __init__(
        self,
        task: Mapped,
        items: Iterable[Any] | AsyncIterable[Any],
        *,
        concurrency: int,
        collect: bool,
        fixed: Mapping[str, Any],
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"{task.name}.map(concurrency={concurrency}): at least one call must be allowed at a time")
        self._task = task
        self._items = items
        self._concurrency = concurrency
        self._collect = collect
        self._fixed = dict(fixed)

    def __await__(self) -> Generator[Any, None, list[R_co]]:
        return self._all().__await__()

    async def _all(self) -> list[R_co]:
        return [result async for result in self]

    async def __aiter__(self) -> AsyncIterator[R_co]:
        """Results in the order of the items. At most twice `concurrency` calls are running or waiting to be taken.

        Leaving the loop early cancels what is running. The calls belong to the asyncio task that iterates.
        """
        window: deque[asyncio.Task[Any]] = deque()
        gate = _Gate(self._concurrency)
        report = _reporter(self._task.name, self._items)
        source = _drawn(self._items)
        more = True
        try:
            while more or window:
                while more and gate.open and len(window) < 2 * self._concurrency:
                    try:
                        item = await anext(source)
                    except StopAsyncIteration:
                        more = False
                        break
                    gate.enter()
                    call = asyncio.create_task(self._task(item, **self._fixed))
                    call.add_done_callback(gate.leave)
                    window.append(call)
                if not self._collect and gate.failed is not None:
                    gate.failed.result()
                if window and window[0].done():
                    head = window.popleft()
                    report(head)
                    yield await self._outcome(head)
                elif window:
                    await gate.wait()
        finally:
            await _call_off(window)
            await source.aclose()

    async def _outcome(self, call: asyncio.Task[Any]) -> Any:
        try:
            return await call
        except Exception as error:
            if self._collect:
                return error
            raise


class _Gate:
    """Counts running calls, and wakes the one that waits for fewer."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._waiter: asyncio.Future[None] | None = None
        self.failed: asyncio.Task[Any] | None = None

    @property
    def open(self) -> bool:
        return self._free > 0

    def enter(self) -> None:
        self._free -= 1

    def leave(self, call: asyncio.Task[Any]) -> None:
        self._free += 1
        if self.failed is None and not call.cancelled() and call.exception() is not None:
            self.failed = call
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Return when at least one call has ended since."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


async def _drawn(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def _call_off(window: deque[asyncio.Task[Any]]) -> None:
    for call in window:
        call.cancel()
    if window:
        await asyncio.gather(*window, return_exceptions=True)


def _reporter(name: str, items: object) -> Callable[[asyncio.Task[Any]], None]:
    """Counts finished calls for whoever watches the run; does nothing outside one."""
    scope = CURRENT.get()
    if scope is None:
        return lambda _: None
    total = len(items) if isinstance(items, Sized) else None
    return scope.session.progress_of(name, total)
