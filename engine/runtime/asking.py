"""A step of the flow's own, while it is being asked for."""

from __future__ import annotations

import asyncio

from engine.runtime.recording import Recording


class Asking:
    """Counts a step while it is being asked for; see Delivery.lone."""

    __slots__ = ("_session",)

    def __init__(self, session: Recording) -> None:
        self._session = session

    def __enter__(self) -> None:
        delivery = self._session.delivery
        delivery.asked += 1
        if asyncio.current_task() not in delivery.tasks:
            delivery.unstarted = max(0, delivery.unstarted - 1)
        if self._session.closing is not None:
            delivery.asked -= 1
            raise asyncio.CancelledError(self._session.closing.value)

    def __exit__(self, *_: object) -> None:
        self._session.delivery.asked -= 1
