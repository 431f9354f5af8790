"""A step, while it is being asked for: a child run, a sleep, a signal. `performing.step` does the same by hand."""

from __future__ import annotations

import asyncio

from engine.context import RunScope
from engine.runtime.recording import Recording


class Asking:
    """Refuses what a closed run asks for, and counts a step of the flow's own; see `Delivery.asks`."""

    __slots__ = ("_own", "_session")

    def __init__(self, session: Recording, scope: RunScope) -> None:
        self._session = session
        self._own = scope.body is None

    def __enter__(self) -> None:
        session = self._session
        if session.closing is not None:
            raise asyncio.CancelledError(session.closing.value)
        if self._own:
            session.delivery.asks(asyncio.current_task())

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._session.delivery.answered()
