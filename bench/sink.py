"""An OTLP/HTTP backend in a process of its own, which takes every request, counts its spans and keeps nothing.

As a program it prints its port. `GET /reset` counts anew, `GET /reached/N` answers when N spans have been taken.
"""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import sys
from types import TracebackType
from typing import Self

from bench.machine import environment

PATIENCE = 120.0
"""Seconds to wait for spans before something must have gone wrong."""


class Sink:
    """The process, and what can be asked of it. The two questions block; one thread asks at a time."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink"], stdout=subprocess.PIPE, text=True, env=environment()
        )
        assert self._process.stdout is not None
        self.address = f"127.0.0.1:{int(self._process.stdout.readline())}"
        self._control = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        self._control.close()
        self._process.terminate()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def reset(self) -> None:
        """Count from zero."""
        self._ask("/reset")

    def reached(self, spans: int) -> None:
        """Return when so many spans have been taken since `reset`. Raises TimeoutError."""
        self._ask(f"/reached/{spans}")

    def _ask(self, path: str) -> None:
        self._control.request("GET", path)
        self._control.getresponse().read()


def count_spans(body: bytes) -> int:
    """How many spans are in an ExportTraceServiceRequest."""
    spans = 0
    for resource in _fields(body, 0, len(body), 1):
        for scope in _fields(body, *resource, 2):
            spans += sum(1 for _ in _fields(body, *scope, 2))
    return spans


def _fields(body: bytes, at: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Begin and end of each length-delimited field with a number, in a message of which all fields are such."""
    found: list[tuple[int, int]] = []
    while at < end:
        tag = body[at]
        length, at = _varint(body, at + 1)
        if tag == wanted << 3 | 2:
            found.append((at, at + length))
        at += length
    return found


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


class Backend:
    """The count, and who waits for it."""

    def __init__(self) -> None:
        self.spans = 0
        self.waiting: list[tuple[int, asyncio.Transport]] = []

    def took(self, spans: int) -> None:
        self.spans += spans
        due = [pair for pair in self.waiting if self.spans >= pair[0]]
        for pair in due:
            self.waiting.remove(pair)
            answer(pair[1])


def answer(transport: asyncio.Transport) -> None:
    """200, and nothing to say."""
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")


class Connection(asyncio.Protocol):
    """One client. Enough HTTP for clients that are known."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (split := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:split]).lower()
            mark = head.find(b"content-length:")
            length = int(head[mark + 15 :].split(b"\r\n", 1)[0]) if mark >= 0 else 0
            whole = split + 4 + length
            if len(self._buffer) < whole:
                return
            body = bytes(self._buffer[split + 4 : whole])
            del self._buffer[:whole]
            self._serve(head.split(b" ", 2)[1].decode(), body)

    def _serve(self, path: str, body: bytes) -> None:
        backend = self._backend
        if path.startswith("/reached/"):
            wanted = int(path.rpartition("/")[2])
            if backend.spans < wanted:
                backend.waiting.append((wanted, self._transport))
                return
        elif path == "/reset":
            backend.spans = 0
        answer(self._transport)
        if body:
            backend.took(count_spans(body))


async def main() -> None:
    """Serve until terminated."""
    backend = Backend()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(backend), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
