"""Whether a flow waits for nothing but the engine, so that it can leave memory and come back by replay.

Every asyncio task of the flow must hang on something of ours: directly on a wait that is a row in the store, on another
task of the flow, or on a primitive that only code of the flow can trigger (a lock, a queue, a task group). Whatever is
not recognised counts as foreign: the run then stays in memory, which is never wrong.
"""

from __future__ import annotations

import asyncio
import dis
import gc
from collections.abc import Collection, Container, Iterator
from types import AsyncGeneratorType, CodeType, CoroutineType
from typing import Any, Final, Protocol, TypeAlias, TypeGuard

from engine import context as ours
from engine.runtime.futures import awaited_by

_INTERNAL: Final = frozenset(
    {
        ("asyncio/locks.py", None),
        ("asyncio/queues.py", None),
        ("asyncio/taskgroups.py", None),
        ("asyncio/tasks.py", "_wait"),
        ("asyncio/tasks.py", "wait"),
        ("anyio/_backends/_asyncio.py", "__aexit__"),
        ("engine/mapping.py", "wait"),
    }
)
"""Code, by the end of its file's name and by function, that only waits for what other tasks of the flow do."""

_CLOCKED: Final = frozenset(
    {"timeout", "timeout_at", "wait_for", "fail_after", "move_on_after", "fail_at", "move_on_at"}
)
"""Names that put a wall-clock deadline around what is awaited. A flow in one must stay, or the deadline never comes."""

_NO_NAMES: Final = frozenset({"LOAD_CONST", "KW_NAMES", "LOAD_FAST", "STORE_FAST"})
"""Instructions with a text that is no name of a function, or one that was judged where it came from."""

_VEILS: Final = frozenset({"async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper"})
"""Types that stand between a coroutine and what it awaits in `async for` and in `__await__`, and do not tell."""

Suspended: TypeAlias = "CoroutineType[Any, Any, Any] | AsyncGeneratorType[Any, Any]"

_verdicts: dict[CodeType, bool] = {}


class Turns(Protocol):
    """Futures by which a flow waits for its own results."""

    def is_turn(self, future: object) -> bool: ...


def only_ours(tasks: Collection[asyncio.Task[Any]], waits: Container[object], turns: Turns) -> bool:
    """True when nothing but the engine can make any of these tasks move."""
    return all(_ours(task, waits, turns) for task in tasks)


def _ours(task: asyncio.Task[Any], waits: Container[object], turns: Turns) -> bool:
    waiter = awaited_by(task)
    if waiter is None or waiter.done() or _under_a_clock(task.get_coro()):
        return False  # what is done already, a signal that has come, would be lost with the memory it is in
    if waiter in waits or turns.is_turn(waiter) or isinstance(waiter, asyncio.Task):
        return True
    if (inside := veiled(waiter)) and all(isinstance(each, asyncio.Task) or each in waits for each in inside):
        return True
    return _is_internal(_innermost(task.get_coro()))


def veiled(waiter: asyncio.Future[Any]) -> list[object]:
    """What stands behind the future of a `gather` or a `shield`; nothing behind any other."""
    if type(waiter).__name__ == "_GatheringFuture":
        children: list[object] = getattr(waiter, "_children", [])
        return children
    callbacks: list[tuple[Any, Any]] = getattr(waiter, "_callbacks", None) or []
    for callback, _ in callbacks:
        if getattr(callback, "__qualname__", "") == "shield.<locals>._outer_done_callback":
            behind: list[object] = [cell.cell_contents for cell in callback.__closure__]
            return [each for each in behind if isinstance(each, asyncio.Future)]
    return []


def _under_a_clock(coro: object) -> bool:
    return any(_clocked(frame) for frame in chain(coro))


def _clocked(coro: Suspended) -> bool:
    code = code_of(coro)
    if code.co_filename.endswith("engine/runtime/waiting.py") or code.co_filename.endswith("engine/context.py"):
        return False
    known = _verdicts.get(code)
    if known is None:
        frame = coro.cr_frame if isinstance(coro, CoroutineType) else coro.ag_frame
        known = _names_a_clock(code, frame.f_globals if frame is not None else {})
        known = known or (code.co_filename.endswith("asyncio/tasks.py") and code.co_name == "wait_for")
        _verdicts[code] = known
    return known


def _names_a_clock(code: CodeType, scope: dict[str, Any]) -> bool:
    """True when a function uses one of those names and it is not ours: `asyncio.timeout`, where `timeout` may be."""
    if not _CLOCKED.intersection(code.co_names):
        return False
    before: object = None
    for instruction in dis.get_instructions(code):
        name = instruction.argval
        named = scope.get(name) if instruction.opname == "LOAD_GLOBAL" else None
        if isinstance(name, str) and name in _CLOCKED and instruction.opname not in _NO_NAMES:
            found = named if instruction.opname == "LOAD_GLOBAL" else getattr(before, name, None)
            if found is not getattr(ours, name, None):
                return True
        before = named
    return False


def chain(coro: object) -> Iterator[Suspended]:
    """A suspended coroutine, what it awaits, and so on, down to the one that waits for a future."""
    while coro is not None:
        if is_suspended(coro):
            yield coro
        coro = _awaited(coro)


def is_suspended(link: object) -> TypeGuard[Suspended]:
    """True for the links that have frames."""
    return isinstance(link, (CoroutineType, AsyncGeneratorType))


def code_of(coro: Suspended) -> CodeType:
    """The code of one link of a chain."""
    return coro.cr_code if isinstance(coro, CoroutineType) else coro.ag_code


def _awaited(coro: object) -> object | None:
    if isinstance(coro, CoroutineType):
        return coro.cr_await
    if isinstance(coro, AsyncGeneratorType):
        return coro.ag_await
    if type(coro).__name__ in _VEILS:
        return next((inside for inside in gc.get_referents(coro) if _is_link(inside)), None)
    return None


def _is_link(inside: object) -> bool:
    return isinstance(inside, (CoroutineType, AsyncGeneratorType)) or type(inside).__name__ in _VEILS


def _innermost(coro: object) -> CodeType | None:
    code: CodeType | None = None
    for link in chain(coro):
        code = code_of(link)
    return code


def _is_internal(code: CodeType | None) -> bool:
    if code is None:
        return False
    file = code.co_filename.replace("\\", "/")
    return any(file.endswith(end) and name in (None, code.co_name) for end, name in _INTERNAL)
