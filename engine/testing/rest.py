"""Rest: when nothing in an engine can move any more unless the clock, a signal or somebody outside moves it.

It is seen from outside, by looking at what each asyncio task of each run waits for. A task at rest waits for a row of
the store (a sleep, a signal, a deadline, a child run), for another task, or for a lock, queue or event that only code
of the runs can release. Everything else (a socket, a thread, `asyncio.sleep`) is the outside world: it takes real time.
"""

from __future__ import annotations

import asyncio
from types import CodeType, GeneratorType
from typing import Any, Final

from engine.runtime.driving import Driven
from engine.runtime.futures import awaited_by
from engine.runtime.node import Node
from engine.runtime.parking import chain, code_of, veiled
from engine.runtime.scoping import ScopedTask
from engine.runtime.session import Session
from engine.testing.clock import VirtualClock

_ONLY_WITHIN: Final = (
    "asyncio/locks.py",
    "asyncio/queues.py",
    "asyncio/taskgroups.py",
    "asyncio/tasks.py",
    "anyio/_backends/_asyncio.py",
    "engine/mapping.py",
    "engine/runtime/futures.py",
    "engine/runtime/recalling.py",
    "engine/runtime/recording.py",
)
"""Files whose futures are completed by other tasks of the program; see `_REAL_TIME` for what is not so in them."""

_REAL_TIME: Final = frozenset({"sleep", "wait_for", "shield"})
"""Functions in those files that wait for the loop's own clock, or for anything at all."""


def moves(node: Node, clock: VirtualClock) -> bool:
    """True while something in the engine is on its way: look again after another pass of the loop."""
    commit = node.commit
    if commit._scheduled or not commit.idle:
        return True
    if clock.ringing or node.moving:
        return True
    return any(session.closing is not None or session.delivery.pending for session in node.sessions.values())


def runs(node: Node) -> bool:
    """True while code of a flow can go on by itself; one that polls always can."""
    return any(_runnable(task) for session in node.sessions.values() for task in [*session.delivery.tasks])


def outside(node: Node) -> list[asyncio.Task[Any]]:
    """Tasks of runs that wait for the world outside the engine, such as a thread or a socket."""
    return [task for task in _branches(node) if not hangs(task, node)]


def hangs(task: asyncio.Task[Any], node: Node) -> bool:
    """True when only the engine, or another task, can make this task go on."""
    if _runnable(task):
        return False
    waiter: Any = awaited_by(task)
    session = getattr(task, "session", None)
    if isinstance(session, Session) and (waiter in session.waits or session.delivery.is_turn(waiter)):
        return True
    if isinstance(waiter, asyncio.Task):
        return True
    if (inside := veiled(waiter)) and all(isinstance(each, asyncio.Task) for each in inside):
        return True
    code = _innermost(task.get_coro())
    return code is not None and code.co_name not in _REAL_TIME and _file(code).endswith(_ONLY_WITHIN)


def guards(task: asyncio.Task[Any]) -> bool:
    """True when the task only waits for another one, in `asyncio.wait_for`: a limit on the waiting moves no run.

    Before Python 3.12 that function waits for a future of its own; since then it waits for what it was given.
    """
    links = [*chain(task.get_coro())]
    frame = getattr(links[-1], "cr_frame", None) if links else None
    if frame is None or frame.f_code.co_name != "wait_for" or not _file(frame.f_code).endswith("asyncio/tasks.py"):
        return False
    return isinstance(frame.f_locals.get("fut"), asyncio.Task)


def _runnable(task: asyncio.Task[Any]) -> bool:
    waiter = awaited_by(task)
    return not task.done() and (waiter is None or waiter.done())


def _branches(node: Node) -> list[asyncio.Task[Any]]:
    if not node.sessions:
        return []
    loop = asyncio.get_running_loop()
    live = {id(session) for session in node.sessions.values()}
    return [task for task in asyncio.all_tasks(loop) if isinstance(task, ScopedTask) and id(task.session) in live]


def _innermost(coro: Any) -> CodeType | None:
    """The function that waits, through the bodies of tasks, which the engine drives by hand."""
    code: CodeType | None = None
    while coro is not None:
        last: Any = None
        for last in chain(coro):
            code = code_of(last)
        driver: Any = getattr(last, "cr_await", None)
        frame = driver.gi_frame if isinstance(driver, GeneratorType) else None
        driven: Any = frame.f_locals.get("self") if frame is not None else None
        coro = _driven_by(driven)
    return code


def _driven_by(driver: object) -> Any:
    return getattr(driver, "_coroutine", None) if type(driver).__name__ == Driven.__name__ else None


def _file(code: CodeType) -> str:
    return code.co_filename.replace("\\", "/")
