"""The blob store as one process sees it: delays, failures with and without effect, times in which nobody reaches it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import Any, TypeVar

from engine.model.errors import BlobError
from engine.runtime.futures import resolve
from engine.stores.blobs import MemoryBlobs
from tests.simulation.wire import Wire, fail

T = TypeVar("T")


class Outage:
    """Until when the blob store is away, for everybody."""

    until = 0.0


class WiredBlobs:
    """Satisfies `ports.blobs.Blobs` in the weather of a process's wire. Who dies may have written, or not."""

    def __init__(self, wire: Wire, blobs: MemoryBlobs, outage: Outage, dice: Random) -> None:
        self._wire = wire
        self._blobs = blobs
        self._outage = outage
        self._dice = dice

    @property
    def place(self) -> str:
        return self._blobs.place

    async def put(self, name: str, data: bytes) -> None:
        await self._call(self._blobs.put(name, data))

    async def get(self, name: str) -> bytes:
        return await self._call(self._blobs.get(name))

    async def delete(self, name: str) -> None:
        await self._call(self._blobs.delete(name))

    async def _call(self, work: Coroutine[Any, Any, T]) -> T:
        wire, dice = self._wire, self._dice
        weather, loop = wire.weather, wire.process.loop
        if wire.process.dead or wire.burn():
            work.close()
            await loop.create_future()  # nobody will ever hear of it
        away = self._outage.until > loop.time()
        if not away and dice.random() < weather.calm:
            return await work
        future: asyncio.Future[T] = loop.create_future()
        delay, fate = weather.slow * dice.random(), dice.random()
        if away or fate < weather.refused:
            work.close()
            loop.outside(delay, fail, future, BlobError("the blob store cannot be reached"))
        elif fate < weather.refused + weather.unsure:
            loop.outside(delay * 2 * dice.random(), self._apply, work, None)
            loop.outside(delay, fail, future, BlobError("the answer was lost"))
        else:
            loop.outside(delay, self._apply, work, future)
        return await future

    def _apply(self, work: Coroutine[Any, Any, T], future: asyncio.Future[T] | None) -> None:
        if self._wire.lost():
            work.close()
            return
        try:
            work.send(None)
        except StopIteration as stop:
            if future is not None:
                resolve(future, stop.value)
        except BlobError as error:
            if future is not None:
                fail(future, error)
