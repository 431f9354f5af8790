"""A TCP proxy that lets a client stand still between two of its messages, as a process that is stopped does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.support.proxy import CHUNK


class Freezer:
    """Passes everything on until `freeze_after` messages of the client have been answered; then nothing, till `thaw`.

    The answer to the last of them has left the server and does not arrive.
    """

    def __init__(self, port: int) -> None:
        self.frozen = asyncio.Event()
        self._server_port = port
        self._left: int | None = None
        self._moving = asyncio.Event()
        self._moving.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where clients connect to."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def freeze_after(self, messages: int) -> None:
        """Stand still after so many messages from now on."""
        self.frozen.clear()
        self._left = messages

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        self._left = None
        self._moving.set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        for source, target, answers in ((client, to_server, False), (server, to_client, True)):
            task = asyncio.ensure_future(self._copy(source, target, answers=answers))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while data := await source.read(CHUNK):
                if answers and self._left is not None and self._moving.is_set():
                    self._left -= 1
                    if self._left < 0:
                        self._moving.clear()
                        self.frozen.set()
                await self._moving.wait()
                target.write(data)
        except ConnectionError:
            return
        finally:
            target.close()


@asynccontextmanager
async def freezer(port: int) -> AsyncGenerator[Freezer]:
    """A freezer in front of a server on this machine."""
    freezer = Freezer(port)
    await freezer.open()
    try:
        yield freezer
    finally:
        freezer.thaw()
        await freezer.close()
