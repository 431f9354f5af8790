"""Begun: a coroutine that is on its way before a task would first run, and that needs a task only if it waits twice."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any

from engine.stores.postgres.connect import detached


class Begun:
    """Work that belongs to no run: whoever happens to cause it may be a flow, whose tasks end with it.

    It is on its way when this returns, up to where it first waits, and goes on as soon as that future is there: a
    statement that is answered costs no task. What waits again, or for what fails, goes on in a task. Lives on the
    loop's thread. The work must not raise.
    """

    def __init__(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None
        context = Context()
        try:
            waiting = context.run(work.send, None)
        except StopIteration:
            return
        if asyncio.isfuture(waiting):
            waiting.add_done_callback(self._go_on, context=context)
        else:
            self._go_on_in_a_task(waiting)

    def _go_on(self, future: asyncio.Future[Any]) -> None:
        waiting: object = future
        if not future.cancelled() and future.exception() is None:
            try:
                waiting = self._work.send(None)
            except StopIteration:
                return
        self._go_on_in_a_task(waiting)

    def _go_on_in_a_task(self, waiting: object) -> None:
        self._task = detached(_rest(self._work, waiting), self._name)


async def _rest(work: Coroutine[Any, Any, None], waiting: object) -> None:
    await _Rest(work, waiting)


class _Rest:
    """A coroutine that waits for something already: awaited, it goes on from there. (`await` refuses such a one.)"""

    def __init__(self, work: Coroutine[Any, Any, None], waiting: object) -> None:
        self._work = work
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, None]:
        work, waiting = self._work, self._waiting
        try:
            while True:
                try:
                    answer = yield waiting
                except BaseException as error:  # noqa: BLE001 - the error of what it waits for is the coroutine's
                    waiting = work.throw(error)
                else:
                    waiting = work.send(answer)
        except StopIteration:
            return
