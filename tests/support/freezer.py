"""A TCP relay that lets a client stand still between two of its messages, as a process that is stopped does."""

from __future__ import annotations

import asyncio

from tests.support.relay import CHUNK, Relay


class Freezer(Relay):
    """Passes everything on until `freeze_after` messages of the client have been answered; then nothing, till `thaw`.

    The answer to the last of them has left the server and does not arrive.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.frozen = asyncio.Event()
        self._left: int | None = None
        self._moving = asyncio.Event()
        self._moving.set()

    def freeze_after(self, messages: int) -> None:
        """Stand still after so many messages from now on."""
        self.frozen.clear()
        self._left = messages

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        self._left = None
        self._moving.set()

    async def pass_on(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        ways = [
            asyncio.ensure_future(self._copy(client, to_server, answers=False)),
            asyncio.ensure_future(self._copy(server, to_client, answers=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

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
            return  # reset instead of closed
