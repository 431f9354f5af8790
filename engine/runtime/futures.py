"""Futures that may have been cancelled by the time somebody wants to resolve them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

S = TypeVar("S")
T = TypeVar("T")


def resolve(future: asyncio.Future[T], value: T) -> None:
    """Set the result, unless the future is done already: whoever waited has gone."""
    if not future.done():
        future.set_result(value)


def awaited_by(task: asyncio.Task[Any]) -> asyncio.Future[Any] | None:
    """The future a task waits for; None while it can run. An attribute of asyncio's own, there since its first days."""
    waiting: asyncio.Future[Any] | None = getattr(task, "_fut_waiter", None)
    return waiting


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, S]) -> tuple[T, S]:
    """The results of two coroutines that run at once. When one fails or the caller is cancelled, so is the other."""
    other = asyncio.ensure_future(second)
    try:
        return await first, await other
    finally:
        if not other.done():
            other.cancel()
            await asyncio.wait([other])
        elif not other.cancelled():
            other.exception()  # raised above, unless the first has failed as well


async def outwait(future: asyncio.Future[Any], *, unless: Callable[[], bool] = lambda: False) -> None:
    """Return when a future is done, however often the waiting is cancelled; what it came to is the caller's to read.

    `unless` is asked before each waiting, and ends it.
    """
    while not future.done() and not unless():
        with suppress(asyncio.CancelledError):
            await finished(future)


async def finished(future: asyncio.Future[Any]) -> None:
    """Return when a future is done, whatever it came to. Cancelling leaves the future alone, as `shield` does."""
    waiter: asyncio.Future[None] = future.get_loop().create_future()
    wake = waker(waiter)
    future.add_done_callback(wake)
    try:
        await waiter
    except asyncio.CancelledError:
        future.remove_done_callback(wake)
        raise


def waker(future: asyncio.Future[None]) -> Callable[..., None]:
    """A callback that resolves the future, whatever it is called with."""

    def wake(*_: Any) -> None:
        resolve(future, None)

    return wake
