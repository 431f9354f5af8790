"""The signals of a run: each is received once, by the waiter that was first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Container

from engine.model.run import Signal


class Inbox:
    """Signals that have arrived, and the flow's waiters for those that have not. Lives on the loop's thread."""

    def __init__(self, taken: Container[int]) -> None:
        self.seen = 0
        self._taken = taken
        self._received: dict[int, Signal] = {}
        self._stock: dict[str, deque[Signal]] = {}
        self._waiters: dict[str, deque[asyncio.Future[Signal]]] = {}

    def put(self, signal: Signal) -> None:
        """A signal has arrived, or was there when the run was loaded. One that came before is ignored."""
        if signal.id <= self.seen:
            return
        self.seen = signal.id
        if signal.id in self._taken:
            self._received[signal.id] = signal
        elif not self._hand_on(signal):
            self._stock.setdefault(signal.name, deque()).append(signal)

    def take(self, name: str) -> Signal | None:
        """The oldest signal of a name that nobody has received."""
        stock = self._stock.get(name)
        return stock.popleft() if stock else None

    def wait(self, name: str, waiter: asyncio.Future[Signal]) -> None:
        """Resolve `waiter` with the next signal of this name, after those who waited before."""
        self._waiters.setdefault(name, deque()).append(waiter)

    def forget(self, name: str, waiter: asyncio.Future[Signal]) -> None:
        """Let a waiter go that has been answered or was cancelled."""
        waiters = self._waiters.get(name)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)

    @property
    def awaited(self) -> list[str]:
        """Names of the signals that somebody waits for."""
        return [name for name, waiters in self._waiters.items() if any(not waiter.done() for waiter in waiters)]

    def give_back(self, signal: Signal) -> None:
        """Whoever received this signal was cancelled before the flow saw it: it is there for the next who waits."""
        if not self._hand_on(signal):
            stock = [signal, *self._stock.get(signal.name, ())]
            self._stock[signal.name] = deque(sorted(stock, key=lambda one: one.id))

    def received(self, id_: int) -> bool:
        """True when the journal says that this signal was received, and it is known here."""
        return id_ in self._received

    def give_back_received(self, id_: int) -> None:
        """As `give_back`, for one that the journal says was received."""
        self.give_back(self._received[id_])

    def _hand_on(self, signal: Signal) -> bool:
        waiters = self._waiters.get(signal.name)
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(signal)
                return True
        return False
