"""A TCP proxy that cuts connections at chosen moments: before a message arrives, or before its answer comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

CHUNK = 1 << 16

Cut = Literal["request", "answer", "late"]


class Proxy:
    """Passes everything on until `cut` is set; the next message that has `having` in it is then the last.

    request   it does not reach the server
    answer    the server has done what it says, and nobody is told
    late      the server gets it when `release` is called, long after its client has given it up
    """

    def __init__(self, port: int) -> None:
        self.cut: Cut | None = None
        self.having = b""
        self.cuts = 0
        self._server_port = port
        self._released = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where clients connect to."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)

    async def release(self) -> None:
        """Let the server have what came late, and wait until it has answered. What comes late after this waits anew."""
        released, self._released = self._released, asyncio.Event()
        late, self._late = self._late, set()
        released.set()
        if late:
            await asyncio.wait(late)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        to_server: asyncio.StreamWriter | None = None
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
            await self._pass_on(client, to_client, server, to_server)
        except OSError:
            return  # one side went away: so does the other
        finally:
            for side in (to_client, to_server):
                if side is not None:
                    side.transport.abort()

    async def _pass_on(
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


@asynccontextmanager
async def proxied(port: int) -> AsyncGenerator[Proxy]:
    """A proxy in front of a server on this machine."""
    proxy = Proxy(port)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
