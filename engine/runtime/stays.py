"""Stays: the runs in a node's memory, those on their way into it or out of it, and who is told what about them."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import NamedTuple

from engine.model.run import Signal
from engine.runtime.session import Session

_log = logging.getLogger("headrace.node")


class Stranded(NamedTuple):
    """Of a run that is to be let go: its epoch, and not before when, by the loop's time, which nobody sets."""

    epoch: int
    until: float


class Stays:
    """One per node. Lives on the loop's thread. A run that is here takes one of the node's places."""

    def __init__(self, grace: timedelta) -> None:
        """`grace`: how long a run that was called off may go on before somebody is told."""
        self.sessions: dict[int, Session] = {}
        """Runs that have arrived, by number."""
        self.stranded: dict[int, Stranded] = {}
        """Runs that left while the store could not be told so, by number: they are still this node's."""
        self._grace = grace
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._arriving: dict[int, list[Signal]] = {}
        self._called_off: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, num: object) -> bool:
        return num in self._tasks

    @property
    def here(self) -> list[int]:
        """Runs that can be told something."""
        return [*self.sessions, *self._arriving]

    @property
    def moving(self) -> bool:
        """True while a run is on its way into memory or out of it."""
        return len(self._tasks) != len(self.sessions) or bool(self._arriving)

    def begin(self, num: int, stay: asyncio.Task[None]) -> None:
        """A run was claimed; this task reads its journal, and then carries it on."""
        self.sessions.pop(num, None)  # of a stay that has parked the run and is about to end
        self._arriving[num] = []
        self._tasks[num] = stay

    def arrived(self, session: Session) -> None:
        """The run has been read: it hears what it was told on its way."""
        self.sessions[session.num] = session
        session.called_off = session.called_off or self._called_off.pop(session.num, None)
        for signal in self._arriving.pop(session.num, []):
            session.inbox.put(signal)

    def end(self, num: int) -> None:
        """The current task's stay is over."""
        if self._tasks.get(num) is asyncio.current_task():  # else the run has been claimed again already
            self.sessions.pop(num, None)
            self._arriving.pop(num, None)
            self._called_off.pop(num, None)
            self._tasks.pop(num, None)

    def hear(self, signal: Signal) -> None:
        """Hand a signal to its run, if it is here."""
        if (session := self.sessions.get(signal.run)) is not None:
            session.inbox.put(signal)
        elif signal.run in self._arriving:
            self._arriving[signal.run].append(signal)

    def call_off(self, num: int, reason: str) -> None:
        """Cancel a run, if it is here."""
        if (session := self.sessions.get(num)) is not None:
            self._cancel(session, reason)
        elif num in self._arriving:
            self._called_off[num] = reason

    def _cancel(self, session: Session, reason: str) -> None:
        if not session.cancel(reason):
            return

        def say_so() -> None:
            if session.closing is None:
                _log.warning(
                    "run %s of %s was cancelled %s ago and goes on; it ignores its cancellation",
                    session.record.id,
                    session.record.flow,
                    self._grace,
                )

        session.reminder = session.loop.call_later(self._grace.total_seconds(), say_so)

    async def release(self) -> None:
        """Let all runs go, and return when they have left."""
        stays = list(self._tasks.values())
        for stay in stays:
            stay.cancel()
        if stays:
            await asyncio.wait(stays)
