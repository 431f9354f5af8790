"""The run this coroutine belongs to, and what can be asked of it: time, chance, waiting.

Everything here works outside an engine as well, as its plain counterpart.
"""

from __future__ import annotations

import asyncio
import random as dice
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload
from uuid import UUID, uuid4

from engine.core.scopes import Scope
from engine.model.errors import HeadraceError

if TYPE_CHECKING:
    from engine.flow import Flow
    from engine.task import Task

T = TypeVar("T")


class Session(Protocol):
    """A run in memory, as the code inside it sees it."""

    def call_task(
        self, task: Task[..., T], scope: RunScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Coroutine[Any, Any, T]:
        """Name the call now; replay or perform it when the coroutine is awaited."""
        ...

    def call_flow(
        self, flow: Flow[..., T], scope: RunScope, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Coroutine[Any, Any, T]:
        """The same for a child run."""
        ...

    def sleep(self, scope: RunScope, delay: timedelta | None, until: datetime | None) -> Coroutine[Any, Any, None]:
        """Wait durably."""
        ...

    def wait_for(self, scope: RunScope, name: str, declared: Any, limit: timedelta | None) -> Coroutine[Any, Any, Any]:
        """Wait for a signal, durably."""
        ...

    def timeout(self, scope: RunScope, limit: timedelta) -> AbstractAsyncContextManager[None]:
        """A durable deadline."""
        ...

    def now(self, scope: RunScope) -> datetime:
        """The recorded time."""
        ...

    def bits(self, scope: RunScope, purpose: str) -> int:
        """63 bits, the same on every replay."""
        ...

    @property
    def trace(self) -> tuple[str, bool]:
        """The run's trace id, 32 hex digits, and whether it is sampled."""
        ...

    def progress_of(self, name: str, total: int | None) -> Callable[[object], None]:
        """A counter of finished calls for whoever watches the run."""
        ...


RunScope = Scope[Session]
"""A scope of a run in memory."""

CURRENT: ContextVar[RunScope | None] = ContextVar("headrace_scope", default=None)
"""Set inside runs only. Worker threads and asyncio tasks made there inherit it."""


async def sleep(delay: timedelta | float) -> None:
    """Wait for a time (timedelta, or seconds) that survives crashes and costs no memory when it is long.

    The end is fixed when the sleep starts: a run that was down meanwhile goes on at once. Raises ValueError when
    the delay is negative; cancelling the caller ends the sleep.
    """
    span = _span(delay)
    scope = CURRENT.get()
    if scope is None:
        await asyncio.sleep(span.total_seconds())
    else:
        await scope.session.sleep(scope, span, None)


async def sleep_until(when: datetime) -> None:
    """Wait until an aware datetime; one that has passed returns at once. Raises ValueError for a naive one."""
    if when.tzinfo is None:
        raise ValueError(
            f"sleep_until({when!r}): the time needs a time zone, for example datetime(..., tzinfo=timezone.utc)"
        )
    scope = CURRENT.get()
    if scope is None:
        await asyncio.sleep(max(0.0, (when - datetime.now(UTC)).total_seconds()))
    else:
        await scope.session.sleep(scope, None, when)


@overload
async def wait_for(signal: str, *, timeout: timedelta | float | None = None) -> Any: ...
@overload
async def wait_for(signal: str, declared: type[T], *, timeout: timedelta | float | None = None) -> T: ...
async def wait_for(signal: str, declared: Any = Any, *, timeout: timedelta | float | None = None) -> Any:
    """Wait for a signal sent to this run, and return its payload as a value of the declared type.

    Signals of a name are received in the order they were sent, each once; one that was sent before anybody waited
    is found. Raises TimeoutError when `timeout` passes first; the time counts from the first call, also over a
    crash. Outside an engine nobody can send a signal: HeadraceError.
    """
    scope = CURRENT.get()
    if scope is None:
        raise HeadraceError(
            f"wait_for({signal!r}): outside an engine there is nobody to send it; use engine.testing in tests"
        )
    return await scope.session.wait_for(scope, signal, declared, None if timeout is None else _span(timeout))


def timeout(limit: timedelta | float) -> AbstractAsyncContextManager[None]:
    """Put a recorded deadline around a block, by `async with`.

    Raises TimeoutError at the end of the block whose time has passed. The deadline counts from when the block was
    first entered, also over a crash.
    """
    scope = CURRENT.get()
    if scope is None:
        return _PlainTimeout(_span(limit))
    return scope.session.timeout(scope, _span(limit))


class _PlainTimeout(AbstractAsyncContextManager[None]):
    def __init__(self, limit: timedelta) -> None:
        self._timeout = asyncio.timeout(limit.total_seconds())

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, stack)


def now() -> datetime:
    """The time as an aware datetime in UTC: read once, the same on every replay."""
    scope = CURRENT.get()
    return datetime.now(UTC) if scope is None else scope.session.now(scope)


def random() -> float:
    """A float in [0, 1): new in every run, the same on every replay. Not for secrets."""
    scope = CURRENT.get()
    if scope is None:
        return dice.random()
    from engine.core.scopes import unit_interval

    return unit_interval(scope.session.bits(scope, "random"))


def uuid() -> UUID:
    """A version 4 UUID: new in every run, the same on every replay."""
    scope = CURRENT.get()
    if scope is None:
        return uuid4()
    high, low = scope.session.bits(scope, "uuid"), scope.session.bits(scope, "uuid")
    return UUID(int=(high << 64 | low << 1) & (1 << 128) - 1, version=4)


def _span(delay: timedelta | float) -> timedelta:
    span = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
    if span < timedelta(0):
        raise ValueError(f"a delay must not be negative: {span}")
    return span


Hook = Callable[..., Any]
"""A function called with one HookEvent, `def` or `async def`."""
