"""Whoever starts runs, speaks to them and cancels them: the real client, on a wire that may lose its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final, cast

from engine.client import Client
from engine.model.errors import StoreError
from engine.ports.store import Store
from tests.simulation.server import Server
from tests.simulation.wire import Weather

REPEATABLE: Final = frozenset({"create", "cancel", "reserve", "find"})
"""Calls whose answer may be lost: making them once more does no harm."""


class ClientWire:
    """What a client needs of a store."""

    description = "a simulated store"

    def __init__(self, server: Server, dice: Random, weather: Callable[[], Weather]) -> None:
        self._server = server
        self._dice = dice
        self._weather = weather

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Every call of the port that is a coroutine."""
        if name.startswith("_"):
            raise AttributeError(name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            weather = self._weather()
            await asyncio.sleep(weather.slow * self._dice.random())
            answer = self._server.perform("client", name, args, kwargs)
            if name in REPEATABLE and self._dice.random() < weather.unsure:
                raise StoreError("the answer was lost")
            return answer

        return call


class SimulatedClient(Client):
    """A client whose clock is the server's."""

    def __init__(self, server: Server, dice: Random, weather: Callable[[], Weather]) -> None:
        super().__init__(cast("Store", ClientWire(server, dice, weather)), server.blobs)
        self._server = server

    def now(self) -> int:
        return self._server.now()


class Secrets(Random):
    """In place of the module of this name: what it gives is drawn."""

    def token_hex(self, size: int) -> str:
        return f"{self.getrandbits(size * 8):0{size * 2}x}"

    def randbits(self, bits: int) -> int:
        return self.getrandbits(bits)


async def until_heard(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again and again whenever it is not known whether it was heard."""
    while True:
        try:
            return await ask()
        except StoreError:
            continue
