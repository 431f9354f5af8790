"""Whether a flow waits for nothing but the engine, so that it can leave memory and come back by replay.

Every asyncio task of the flow must hang on something of ours: directly on a wait that is a row in the store, on another
task of the flow, or on a primitive that only code of the flow can trigger (a lock, a queue, a task group). Whatever is
not recognised counts as foreign: the run then stays in memory, which is never wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Container
from types import CodeType, CoroutineType
from typing import Any, Final, Protocol

from engine import context as ours

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

_CLOCKED: Final = frozenset({"timeout", "timeout_at", "wait_for", "fail_after", "move_on_after", "fail_at", "move_on_at"})
"""Names that put a wall-clock deadline around what is awaited. A flow in one must stay, or the deadline never comes."""

_verdicts: dict[CodeType, bool] = {}


class Turns(Protocol):
    """Futures by which a flow waits for its own results."""

    def is_turn(self, future: object) -> bool: ...


def only_ours(tasks: Collection[asyncio.Task[Any]], waits: Container[object], turns: Turns) -> bool:
    """True when nothing but the engine can make any of these tasks move."""
    return all(_ours(task, waits, turns) for task in tasks)


def _ours(task: asyncio.Task[Any], waits: Container[object], turns: Turns) -> bool:
    waiter = task._fut_waiter  # type: ignore[attr-defined]
    if waiter is None or _under_a_clock(task.get_coro()):
        return False
    if waiter in waits or turns.is_turn(waiter) or isinstance(waiter, asyncio.Task):
        return True
    if type(waiter).__name__ == "_GatheringFuture":
        return all(isinstance(child, asyncio.Task) or child in waits for child in waiter._children)
    return _is_internal(_innermost(task.get_coro()))


def _under_a_clock(coro: object) -> bool:
    while isinstance(coro, CoroutineType):
        if _clocked(coro):
            return True
        coro = coro.cr_await
    return False


def _clocked(coro: CoroutineType[Any, Any, Any]) -> bool:
    code = coro.cr_code
    if code.co_filename.endswith("engine/runtime/waiting.py") or code.co_filename.endswith("engine/context.py"):
        return False
    known = _verdicts.get(code)
    if known is None:
        names = _CLOCKED.intersection(code.co_names)
        scope = coro.cr_frame.f_globals if coro.cr_frame is not None else {}
        known = any(scope.get(name) is not getattr(ours, name, None) for name in names)
        known = known or (code.co_filename.endswith("asyncio/tasks.py") and code.co_name == "wait_for")
        _verdicts[code] = known
    return known


def _innermost(coro: object) -> CodeType | None:
    code: CodeType | None = None
    while coro is not None:
        code = getattr(coro, "cr_code", None) or getattr(coro, "ag_code", None) or code
        coro = getattr(coro, "cr_await", None) or getattr(coro, "ag_await", None)
    return code


def _is_internal(code: CodeType | None) -> bool:
    if code is None:
        return False
    file = code.co_filename.replace("\\", "/")
    return any(file.endswith(end) and name in (None, code.co_name) for end, name in _INTERNAL)
