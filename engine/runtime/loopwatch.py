"""The loop watch: says which task blocks the event loop, and where, while it does."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from types import CodeType, FrameType

from engine.context import CURRENT, RunScope
from engine.runtime.driving import Driven
from engine.runtime.scoping import ScopedTask

_log = logging.getLogger("headrace.loop")


class LoopWatch:
    """A thread that looks at a counter which the loop moves. It holds no lock the loop needs."""

    def __init__(self, loop: asyncio.AbstractEventLoop, blocked_after: float) -> None:
        self._loop = loop
        self._limit = blocked_after
        self._thread_id = threading.get_ident()
        self._stop = threading.Event()
        self._moved = time.monotonic()
        self._handle: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._watch, name="headrace-loop-watch", daemon=True)
        self.blocked = 0

    def start(self) -> None:
        """Begin; call on the loop's thread."""
        self._tick()
        self._thread.start()

    def stop(self) -> None:
        """End; the thread is gone within a moment."""
        if self._handle is not None:
            self._handle.cancel()
        self._stop.set()

    def _tick(self) -> None:
        self._moved = time.monotonic()
        self._handle = self._loop.call_later(self._limit / 4, self._tick)

    def _watch(self) -> None:
        reported: float | None = None
        while not self._stop.wait(self._limit / 4):
            moved = self._moved
            late = time.monotonic() - moved - self._limit / 4
            if reported is not None and moved != reported:
                _log.warning("the event loop moves again, after standing still for %.1f s", moved - reported)
                reported = None
            elif late > self._limit and reported is None:
                reported = moved
                self.blocked += 1
                self._report(late)

    def _report(self, late: float) -> None:
        frame = sys._current_frames().get(self._thread_id)
        scope = _scope_of(frame)
        stack = _stack_of(frame) if frame is not None else ""
        task = asyncio.current_task(self._loop)
        where = "no task of a run is at fault" if task is None else f"the asyncio task {task.get_name()!r}"
        if scope is not None:
            name = getattr(scope.body, "name", None)
            run_id = getattr(scope.session, "run_id", "?")
            where = f"run {run_id}, task {name}"
        elif isinstance(task, ScopedTask):
            where = (
                f"run {getattr(task.session, 'run_id', '?')}, the flow itself, in the asyncio task {task.get_name()!r}"
            )
        _log.warning(
            "the event loop has stood still for %.1f s: %s. Blocking code belongs into a "
            "plain `def` task, which runs in a thread\n%s",
            late,
            where,
            stack,
        )


def _stack_of(frame: FrameType) -> str:
    """What the loop has called, without what called the loop."""
    frames = traceback.extract_stack(frame)
    loops = [at for at, called in enumerate(frames) if called.filename.startswith(_ASYNCIO)]
    return "".join(traceback.format_list(frames[max(loops, default=-1) + 1 :][-12:]))


_ASYNCIO: str = asyncio.__path__[0]

_DRIVING: CodeType = vars(Driven)["__await__"].__code__


def _scope_of(frame: FrameType | None) -> RunScope | None:
    """The innermost scope on a stack: the drivers of task bodies are in it, with their contexts."""
    while frame is not None:
        if frame.f_code is _DRIVING:
            driven: Driven[object] = frame.f_locals["self"]
            return driven.context.get(CURRENT)
        frame = frame.f_back
    return None
