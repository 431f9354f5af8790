"""Health: two answers over HTTP for whoever watches a node: does it live, and does it take runs."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any, Final, Self

from engine.model.errors import StoreError, UsageError
from engine.wiring import Engine

PATIENCE: Final = 5.0
"""Seconds that a request may take to arrive."""

ASK: Final = 2.0
"""Seconds that the store may take to say that the node is one; those who watch give up soon after."""

AT_ONCE: Final = 64
"""Connections at a time. A probe asks now and then; more is somebody's mistake, and must not cost the node."""

_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 503: "Unavailable"}


class Health:
    """Serves `GET /livez` and `GET /readyz`, each with a JSON object. Lives as long as it is entered.

    `/livez` answers 200 as long as the event loop turns. `/readyz` answers 200 when the node takes runs, and else 503
    with `why`: it has not joined yet, it is stopping, the store does not answer, or it was declared dead.
    """

    def __init__(self, engine: Engine, address: str) -> None:
        self._engine = engine
        self._host, self._port = host_and_port(address)
        self._server: asyncio.Server | None = None
        self._open = 0
        self.phase = "joining"

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(self._connected, self._host, self._port, limit=8_192)
        except OSError as error:
            raise UsageError(f"--health {self._host}:{self._port}: cannot listen there: {error.strerror}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        """Where it is; a port that was chosen by the system is told."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def why_not(self) -> str | None:
        """Why the node takes no runs; None when it does."""
        if self.phase != "ready":
            return self.phase
        node = self._engine.node.id
        try:
            async with asyncio.timeout(ASK):
                known = {other.id: other for other in await self._engine.store.nodes()}
        except (StoreError, TimeoutError) as error:
            return f"the store does not answer: {str(error) or f'not within {ASK:g} s'}"
        if node not in known or not known[node].alive:
            return "declared dead by another node"
        return None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= AT_ONCE:
                async with asyncio.timeout(PATIENCE):
                    head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # whoever asked has gone, or does not speak HTTP
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, head: bytes) -> bytes:
        method, path = (*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", "")[:2]
        if method not in ("GET", "HEAD"):
            return _response(405 if path.startswith("/") else 400, {"error": "GET or HEAD only"}, method)
        node = self._engine.node
        match path.partition("?")[0]:
            case "/livez":
                return _response(200, {"live": True, "node": node.id}, method)
            case "/readyz":
                why = await self.why_not()
                told = {"ready": why is None, "node": node.id, "runs": len(node.sessions)}
                return _response(200 if why is None else 503, told if why is None else {**told, "why": why}, method)
            case _:
                return _response(404, {"error": "there are /livez and /readyz"}, method)


def _response(status: int, told: dict[str, Any], method: str) -> bytes:
    body = json.dumps(told).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)


def host_and_port(address: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPV6]:PORT`, or a port alone on the loopback interface. Raises UsageError."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(f"--health {address}: give HOST:PORT, or a port alone for this machine only")
    return host, int(port)
