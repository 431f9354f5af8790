"""A TCP relay between clients and a server on this machine; what it does to what it passes on is its subclass's."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit

CHUNK = 1 << 16


class Relay(ABC):
    """One connection to the server for each one to it; both sides go away together."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where clients connect to."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def url(self, url: str) -> str:
        """The way to the same server that leads through here."""
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{self.port}")).geturl()

    async def open(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    @abstractmethod
    async def pass_on(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        """Serve one connection until either side has gone."""

    def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(client, to_client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        to_server: asyncio.StreamWriter | None = None
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
            await self.pass_on(client, to_client, server, to_server)
        except OSError:
            return  # one side went away: so does the other
        finally:
            for side in (to_client, to_server):
                if side is not None:
                    side.transport.abort()


R = TypeVar("R", bound=Relay)


@asynccontextmanager
async def opened(relay: R) -> AsyncGenerator[R]:
    """The relay, open, and closed in the end."""
    await relay.open()
    try:
        yield relay
    finally:
        await relay.close()
