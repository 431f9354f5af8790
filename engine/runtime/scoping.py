"""The task factory: every asyncio task created inside a run gets a scope, and the same one on every replay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from types import CodeType
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary, ref

from engine.context import CURRENT, RunScope
from engine.core.canonical import canonical, digest
from engine.model.errors import NotKeyable
from engine.runtime.delivery import Delivery

Factory = Callable[..., "asyncio.Future[Any]"]

STEP_CODES: Final[set[CodeType]] = set()
"""Coroutines of the engine's own: they were named when they were called, so they need no scope."""

_WRAPPERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "TaskHandle._run_coro": lambda local: getattr(local.get("self"), "_coro", None),  # anyio from 4.13
    "TaskGroup._run_wrapped_task": lambda local: local.get("coro"),  # anyio before that
}
"""Library coroutines that only carry a user's: the one inside gives the branch its name."""


_users: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, int]] = WeakKeyDictionary()
"""How many nodes need the factory of a loop: a program may embed several engines."""


class Tasks:
    """The asyncio tasks of one run that are still there, wherever in it they were created, and not kept by this."""

    __slots__ = ("_forget", "_refs")

    def __init__(self) -> None:
        self._refs: set[ref[ScopedTask]] = set()
        self._forget = self._refs.discard  # called by the interpreter itself, as cheap as it gets

    def add(self, task: ScopedTask) -> None:
        self._refs.add(ref(task, self._forget))

    def of(self, loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
        """Those of this loop that have not ended."""
        there = [task for each in list(self._refs) if (task := each()) is not None]
        return [task for task in there if not task.done() and task.get_loop() is loop]


class Branching(Protocol):
    """A run in memory, as the factory sees it."""

    branched: bool
    """Whether it has created a task but its own."""

    @property
    def ended(self) -> bool:
        """Whether it is out of memory: what its code creates from then on is not its own."""
        ...

    @property
    def tasks(self) -> Tasks:
        """Where its tasks are noted."""
        ...

    @property
    def delivery(self) -> Delivery:
        """Who counts the steps that have not asked yet."""
        ...

    def branch_created(self, task: asyncio.Task[Any]) -> None:
        """The flow itself has a branch more."""

    def never_asked(self, _: object) -> None:
        """A step was cancelled before it began, and has ended."""


class ScopedTask(asyncio.Task[Any]):
    """A task that hashes by its place in the flow: sets of tasks (`done.pop()`) have the same order on replay.

    `counted` is a step of the flow's own, which its session counts until it asks.
    """

    __slots__ = ("_counted", "_place", "session")

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        place: int,
        session: Branching,
        counted: bool = False,
        **options: Any,
    ) -> None:
        self.session = session
        self._counted = counted
        self._place = place  # first, because asyncio puts the task into a weak set while initialising it
        super().__init__(coro, **options)
        session.tasks.add(self)

    def __hash__(self) -> int:
        return self._place

    def cancel(self, msg: Any | None = None) -> bool:
        """As any task. A step that is cancelled before it has begun never asks: it is counted off when it ends."""
        told = super().cancel(msg)
        if told and self._counted:
            coro = self.get_coro()
            if iscoroutine(coro) and getcoroutinestate(coro) == CORO_CREATED:
                self._counted = False
                self.add_done_callback(self.session.never_asked)
        return told


def install(loop: asyncio.AbstractEventLoop) -> None:
    """Put the factory in front of the loop's own, for one more user."""
    previous = loop.get_task_factory()
    _users[loop] = _users.get(loop, 0) + 1
    if not getattr(previous, "headrace", False):
        loop.set_task_factory(_factory(previous))


def uninstall(loop: asyncio.AbstractEventLoop) -> None:
    """One user fewer; after the last one the loop gets its own back, unless somebody put another in front of ours."""
    current = loop.get_task_factory()
    _users[loop] = _users.get(loop, 1) - 1
    if _users[loop] > 0:
        return
    del _users[loop]
    if getattr(current, "headrace", False):
        loop.set_task_factory(current.previous)  # type: ignore[union-attr]


def _factory(previous: Factory | None) -> Factory:
    def create(loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Future[Any]:
        context = options.get("context")
        scope = CURRENT.get() if context is None else context.get(CURRENT)
        if scope is None:
            return asyncio.Task(coro, loop=loop, **options) if previous is None else previous(loop, coro, **options)
        here: Any = scope.session  # of the code in the run it is a Session, as `context` has it
        session: Branching = here
        if session.ended:
            return asyncio.Task(coro, loop=loop, **options) if previous is None else previous(loop, coro, **options)
        step = getattr(coro, "cr_code", None) in STEP_CODES
        if step:
            place = scope.place()
        else:
            branch = scope.branch(_base(coro))
            place = branch.salt
            context = context.copy() if context is not None else copy_context()
            context.run(CURRENT.set, branch)
            options["context"] = context
        if "eager_start" in options:  # a branch must not run before its creator has gone on
            del options["eager_start"]  # noqa: RUF051 - each task passes here, and next to none has it
        session.branched = True
        own = scope.body is None
        task = ScopedTask(coro, place=place, session=session, counted=own and step, loop=loop, **options)
        if own:
            if step:
                session.delivery.unstarted += 1
            else:
                session.branch_created(task)
        return task

    create.headrace = True  # type: ignore[attr-defined]
    create.previous = previous  # type: ignore[attr-defined]
    return create


def _base(coro: Coroutine[Any, Any, Any]) -> str:
    """`qualname@digest of the declared arguments`; closure cells and addresses never take part."""
    coro = _unwrapped(coro)
    code: CodeType | None = getattr(coro, "cr_code", None)
    frame = getattr(coro, "cr_frame", None)
    name = getattr(coro, "__qualname__", type(coro).__name__)
    if code is None or frame is None:
        return f"{name}@"
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if not names:
        return f"{name}@"
    values = frame.f_locals
    return f"{name}@{digest(','.join([_text(name, values[name]) for name in names if name in values]))}"


def _text(name: str, value: object) -> str:
    try:
        return f"{name}={canonical(value)}"
    except NotKeyable:
        return f"{name}=<{type(value).__qualname__}>"


def _unwrapped(coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
    for _ in range(8):
        inside = _WRAPPERS.get(getattr(coro, "__qualname__", ""))
        frame = getattr(coro, "cr_frame", None)
        inner = inside(frame.f_locals) if inside is not None and frame is not None else None
        if inner is None:
            break
        coro = inner
    return coro


def root_task(
    loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], scope: RunScope, name: str
) -> asyncio.Task[Any]:
    """The asyncio task of a flow's own body, in a context where the scope is set."""
    context = copy_context()
    context.run(CURRENT.set, scope)
    session: Any = scope.session
    return ScopedTask(coro, place=scope.salt, session=session, loop=loop, name=name, context=context)
