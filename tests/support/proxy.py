"""A TCP relay that cuts connections at chosen moments: before a message arrives, or before its answer comes back."""

from __future__ import annotations

import asyncio
from typing import Literal

from tests.support.relay import CHUNK, Relay

Cut = Literal["request", "answer", "late"]


class Proxy(Relay):
    """Passes everything on until `cut` is set; the next message that has `having` in it is then the last.

    request   it does not reach the server
    answer    the server has done what it says, and nobody is told
    late      the server gets it when `release` is called, long after its client has given it up
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.cut: Cut | None = None
        self.having = b""
        self.cuts = 0
        self._released = asyncio.Event()
        self._late: set[asyncio.Task[None]] = set()

    async def release(self) -> None:
        """Let the server have what came late, and wait until it has answered. What comes late after this waits anew."""
        released, self._released = self._released, asyncio.Event()
        late, self._late = self._late, set()
        released.set()
        if late:
            await asyncio.wait(late)

    async def pass_on(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        back = asyncio.ensure_future(_copy(server, to_client))
        try:
            while data := await client.read(CHUNK):
                if self.cut is None or self.having not in data:
                    to_server.write(data)
                    continue
                cut, self.cut = self.cut, None
                self.cuts += 1
                if cut == "late":
                    to_client.transport.abort()
                    task = asyncio.current_task()
                    assert task is not None
                    self._late.add(task)
                    await self._released.wait()
                if cut != "request":
                    back.cancel()
                    await asyncio.wait([back])
                    to_server.write(data)
                    await server.read(CHUNK)  # it answers when it has committed
                return
        finally:
            back.cancel()
            await asyncio.wait([back])


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK):
            target.write(data)
    except ConnectionError:
        return  # reset instead of closed: the other side is to hear of it as well
    finally:
        target.close()
