"""Work on a thread of its own that a coroutine can wait for, though not for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future


def on_thread(work: Callable[[], None], name: str) -> Future[None]:
    """Start; the future is done when the work has ended, however it ended. The thread does not keep a process alive."""
    ended: Future[None] = Future()
    ended.set_running_or_notify_cancel()  # from here on nobody who stops waiting can cancel it

    def run() -> None:
        try:
            work()
        finally:
            ended.set_result(None)

    threading.Thread(target=run, name=name, daemon=True).start()
    return ended


async def ended_within(timeout: float, work: Future[None]) -> bool:
    """Wait for the work to end, at most `timeout` seconds. Not for a pool's thread: all of those may be taken."""
    try:
        await asyncio.wait_for(asyncio.wrap_future(work), timeout)
    except TimeoutError:
        return False
    return True
