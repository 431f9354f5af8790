"""Headrace: durable flows, event triggers and supervised streams on one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.context import now, random, sleep, sleep_until, timeout, uuid, wait_for
from engine.current import Current, current
from engine.flow import Call, Flow, flow
from engine.mapping import TaskMap
from engine.model.errors import (
    HeadraceError,
    PermanentError,
    RetryLater,
    RunCancelled,
    RunDiverged,
    RunFailed,
    TaskFailed,
    UnknownOutcome,
)
from engine.model.limits import Pool, Rate
from engine.model.retry import Retry
from engine.model.unkeyed import unkeyed
from engine.settings import NodeSettings
from engine.shell import ShellError, ShellResult, shell
from engine.task import Task, task
from engine.trigger import every, on_schedule

if TYPE_CHECKING:
    from engine.client import Client, RunHandle
    from engine.runtime.hooks import HookEvent
    from engine.wiring import Engine

__all__ = [
    "Call",
    "Client",
    "Current",
    "Engine",
    "Flow",
    "HeadraceError",
    "HookEvent",
    "NodeSettings",
    "PermanentError",
    "Pool",
    "Rate",
    "Retry",
    "RetryLater",
    "RunCancelled",
    "RunDiverged",
    "RunFailed",
    "RunHandle",
    "ShellError",
    "ShellResult",
    "Task",
    "TaskFailed",
    "TaskMap",
    "UnknownOutcome",
    "current",
    "every",
    "flow",
    "now",
    "on_schedule",
    "random",
    "shell",
    "sleep",
    "sleep_until",
    "task",
    "timeout",
    "unkeyed",
    "uuid",
    "wait_for",
]

_LATE = {
    "Client": "engine.client",
    "Engine": "engine.wiring",
    "HookEvent": "engine.runtime.hooks",
    "RunHandle": "engine.client",
}
"""Names whose modules load drivers: found when first asked for, so that declaring flows stays quick."""


def __getattr__(name: str) -> Any:
    module = _LATE.get(name)
    if module is None:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE})
