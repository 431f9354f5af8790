"""Hooks: functions of the user's that hear how a task or a run ended."""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass
from typing import Any

from engine.context import Hook

_log = logging.getLogger("headrace.hooks")


@dataclass(frozen=True, slots=True)
class HookEvent:
    """What a hook is told. `task` is empty when it is the run that ended; `error` is None on success."""

    run_id: str
    flow: str
    task: str
    key: str
    attempt: int
    error: BaseException | None


async def run(hook: Hook, event: HookEvent) -> None:
    """Call a hook, `def` in a thread or `async def` on the loop. Its own failure is logged and changes nothing."""
    try:
        if inspect.iscoroutinefunction(hook):
            await hook(event)
        else:
            answer: Any = await asyncio.to_thread(hook, event)
            if inspect.isawaitable(answer):
                await answer
    except Exception:  # noqa: BLE001 - a hook is the user's, and must not decide the outcome it is told of
        _log.exception("hook %r of run %s failed", getattr(hook, "__qualname__", hook), event.run_id)
