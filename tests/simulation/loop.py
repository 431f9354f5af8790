"""An event loop whose time jumps to the next timer, and processes on it that can be killed and frozen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

from anyio._backends import _asyncio

_task_states: Any = vars(_asyncio)["_task_states"]

PROCESS: ContextVar[Process | None] = ContextVar("simulated process", default=None)
"""Whose code is running. None is the world outside: the store's server, the network, the clients."""

OUTSIDE = Context()
"""The context of what belongs to no process."""


class Stuck(Exception):
    """Nothing is ready and no timer is set: time would pass for ever."""


class Process:
    """Code that shares one fate. Dead: none of it runs again. Frozen: it goes on where it was when it thaws."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.loop = loop
        self.name = name
        self.dead = False
        self.frozen = False
        self.stopped = False
        self.tasks: list[asyncio.Task[Any]] = []
        self.on_death: Callable[[], object] | None = None
        self._shelf: list[_Handle] = []
        self.context = Context()
        self.context.run(PROCESS.set, self)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin with this."""
        task: asyncio.Task[Any] = self.loop.create_task(work, name=f"{self.name} main", context=self.context.copy())
        return task

    def kill(self) -> None:
        """As `kill -9` does it: no code of the process learns of it."""
        if not self.dead:
            self.loop.stopped += not self.stopped
            self.dead = self.stopped = True
            self._shelf.clear()
            if self.on_death is not None:
                self.on_death()

    def freeze(self) -> None:
        """As SIGSTOP does it."""
        self.loop.stopped += not self.stopped
        self.frozen = self.stopped = True

    def thaw(self) -> None:
        """As SIGCONT does it: timers that are over ring now, in order."""
        if self.dead:
            return
        self.loop.stopped -= self.stopped
        self.frozen = self.stopped = False
        shelf, self._shelf = self._shelf, []
        self.loop._ready.extend(shelf)

    def shelve(self, handle: _Handle) -> None:
        """Keep what would run now for when the process thaws; a dead one needs nothing."""
        if not self.dead:
            self._shelf.append(handle)


def bury(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Throw the coroutines of the dead away without a word."""
    for task in tasks:
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            _close(task.get_coro())
        elif not task.cancelled():
            task.exception()  # asked for, so that nobody is told that nobody asked
        _task_states.pop(task, None)  # else anyio remembers what never ends for ever


def _close(coroutine: Any) -> None:
    for _ in range(20):  # `finally` blocks that await something have to be told again
        try:
            coroutine.close()
        except BaseException:  # noqa: BLE001 - what a dead process says while it is thrown away is not heard
            continue
        return


class NumberedTask(asyncio.Task[Any]):
    """A task that hashes by a number, so that sets of tasks have one order whatever their addresses are.

    It has its number from the first time that somebody asks.
    """

    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            number: int = next(self._loop._numbers)  # type: ignore[attr-defined]
            self._number = number
            return number


class NumberedFuture(asyncio.Future[Any]):
    """A future that hashes by a number."""

    __slots__ = ("_number",)
    _number: int

    def __hash__(self) -> int:
        try:
            return self._number
        except AttributeError:
            number: int = next(self._loop._numbers)  # type: ignore[attr-defined]
            self._number = number
            return number


class _Handle(list[Any]):
    """A callback to come: its context, itself and its arguments; a list, because nothing else is made as fast."""

    __slots__ = ()

    def cancel(self) -> None:
        """It is dropped when its time comes. What it held is free now."""
        self[:] = _CANCELLED

    def cancelled(self) -> bool:
        return self[1] is None


_CANCELLED: Final = (OUTSIDE, None, ())


class VirtualLoop(asyncio.BaseEventLoop):
    """Deterministic: no sockets, no threads, no time but its own. Seconds begin at 0."""

    _ready: Any
    _task_factory: Any

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._timers: list[tuple[float, int, _Handle]] = []
        self._numbers = count(1)
        self._order = 0
        self.complaints: list[str] = []
        self.burying = False
        self.outsiders: list[asyncio.Task[Any]] = []
        self.stopped = 0  # of the processes, so many are dead or frozen
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        return self._seconds

    def create_future(self) -> asyncio.Future[Any]:
        return NumberedFuture(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None, **options: Any) -> Any:
        """A task belongs to the process that makes it, also when it is given a context without one."""
        if self.burying:
            coro.close()
            return self.create_future()
        process = PROCESS.get()
        if context is not None:
            if process is not None and PROCESS not in context:
                context.run(PROCESS.set, process)
            process = context.get(PROCESS)
        task: Any = self._task_factory(self, coro, name=name, context=context, **options)
        (self.outsiders if process is None else process.tasks).append(task)
        return task

    def _numbered(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return NumberedTask(coro, loop=loop, **options)

    def outside(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """Call back after a delay, on behalf of no process."""
        self.call_at(self._seconds + delay, callback, *args, context=OUTSIDE)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody caught is a finding."""
        self.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")

    def timers_of(self, process: Process) -> list[_Handle]:
        """Timers that a process has set and not called off."""
        return [timer for _, _, timer in self._timers if not timer.cancelled() and timer[0].get(PROCESS) is process]

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        handle = _Handle((copy_context() if context is None else context, callback, args))
        self._ready.append(handle)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        """Timers of one moment ring in the order in which they were set."""
        timer = _Handle((copy_context() if context is None else context, callback, args))
        self._order += 1
        heappush(self._timers, (when, self._order, timer))
        return timer

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """Pass after pass, until somebody stops the loop."""
        ready, timers, now = self._ready, self._timers, self._seconds
        while True:
            if not ready:
                if self._stopping:  # type: ignore[attr-defined]
                    return
                while timers and timers[0][2][1] is None:
                    heappop(timers)
                if not timers:
                    raise Stuck
                if timers[0][0] > now:
                    self._seconds = now = timers[0][0]
            while timers and timers[0][0] <= now:
                ready.append(heappop(timers)[2])
            try:
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    context, callback, args = handle
                    if callback is None:
                        continue
                    if self.stopped and (process := context.get(PROCESS)) is not None and process.stopped:
                        process.shelve(handle)
                        continue
                    context.run(callback, *args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as every event loop does
                self.call_exception_handler({"message": "in a callback", "exception": error})
            if self._stopping:  # type: ignore[attr-defined]
                return

    def _write_to_self(self) -> None:
        """Nobody sleeps here, so nobody needs to be woken."""

    def _process_events(self, event_list: Any) -> None:
        """There are none."""
