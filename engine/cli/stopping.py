"""The first Ctrl-C or SIGTERM asks to stop, the second one kills."""

from __future__ import annotations

import asyncio
import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

from engine.cli.console import say
from engine.cli.exits import Exit


class Stop:
    """While entered, SIGINT and SIGTERM are ours. Handlers of Python's own kind: they work when the loop is stuck."""

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._asked = False
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def asked(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked

    async def wait(self) -> None:
        """Return when somebody asks to stop."""
        await self._event.wait()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            os.write(2, b"\nkilled\n")
            os._exit(Exit.INTERRUPTED)
        self._asked = True
        self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        # On the loop, not in the handler: that may have interrupted a write to the same stream.
        say(self._hint)
        self._event.set()
