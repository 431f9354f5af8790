"""Running a coroutine inside another one's asyncio task, but in a context of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

R = TypeVar("R")


class Driven(Generic[R]):
    """Awaits a coroutine step by step within a context.

    A task's body must not leave context variables behind in the flow, since on replay it does not run; an asyncio
    task of its own would cost ten times as much. `interrupted` tells whether an exception was thrown in from outside.
    `suspended` is called once, when the coroutine first has to wait: most bodies in a hot loop never do.
    """

    __slots__ = ("_coroutine", "_suspended", "context", "interrupted")

    def __init__(self, coroutine: Coroutine[Any, Any, R], context: Context, suspended: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._suspended = suspended
        self.context = context
        self.interrupted = False

    def __await__(self) -> Generator[Any, Any, R]:
        run = self.context.run
        coroutine = self._coroutine
        try:
            waiting = run(coroutine.send, None)
            self._suspended()
            while True:
                try:
                    answer = yield waiting
                except GeneratorExit:
                    run(coroutine.close)
                    raise
                except BaseException as error:  # noqa: BLE001 - whatever is thrown in belongs to the coroutine
                    self.interrupted = True
                    waiting = run(coroutine.throw, error)
                else:
                    waiting = run(coroutine.send, answer)
        except StopIteration as stop:
            result: R = stop.value
            return result
