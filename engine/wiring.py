"""The composition root: the one file that sees every room and puts them together."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar, cast

from engine import codeprint
from engine.client import Client, RunHandle
from engine.flow import Flow
from engine.model.errors import HeadraceError, UsageError
from engine.model.text import is_text
from engine.ports.blobs import Blobs
from engine.ports.clock import Clock
from engine.ports.store import Store
from engine.ports.telemetry import Telemetry
from engine.runtime.clock import SystemClock
from engine.runtime.futures import waker
from engine.runtime.node import Node
from engine.settings import NodeSettings

R = TypeVar("R")

Durability = Literal["process", "power"]

FAREWELL: Final = 5.0
"""Seconds that a backend which is slow or down gets to take the last spans; what it did not get is told and kept."""


class Engine(Client):
    """A node inside a program: `async with Engine("sqlite:///state.db", flows=[bill]) as engine:`.

    store       where runs are kept: `sqlite:///path`, or `memory://`; HEADRACE_STORE, else `.headrace/` in the project
    flows       what this node can run; child flows are found through them only if they are listed as well
    durability  "process" survives kill -9, "power" also a power cut
    settings    see NodeSettings
    telemetry   where spans go; by default what the OTEL_* environment variables say

    Entering starts the node, leaving releases its runs, which go on when a node of the store starts again.
    """

    def __init__(
        self,
        store: str | Store | None = None,
        *,
        flows: Iterable[Flow[..., Any]] = (),
        durability: Durability = "process",
        settings: NodeSettings | None = None,
        telemetry: Telemetry | None = None,
        clock: Clock | None = None,
        blobs: Blobs | None = None,
        only: Iterable[int] | None = None,
    ) -> None:
        opened = open_store(store or default_store(), durability) if store is None or isinstance(store, str) else store
        kept = blobs or open_blobs(
            store if isinstance(store, str) else (default_store() if store is None else "memory://")
        )
        node_id = f"{os.getpid()}-{secrets.token_hex(4)}"
        chosen = telemetry if telemetry is not None else open_telemetry(node_id)
        self.node = Node(
            opened,
            by_name(flows),
            clock=clock or SystemClock(),
            telemetry=chosen,
            blobs=kept,
            node_id=node_id,
            settings=settings or NodeSettings(),
            only=only,
            attach=attach_of(chosen),
        )
        super().__init__(opened, kept, self.node)
        self._exit: AsyncExitStack | None = None
        self._serving: asyncio.Task[None] | None = None
        self._open = False

    async def __aenter__(self) -> Self:
        await self.store.open()
        self._open = True
        try:
            await self._start()
        except BaseException:
            self._open = False
            await self.store.close()
            raise
        return self

    async def _start(self) -> None:
        for flow in self.node.flows.values():
            for part in codeprint.reachable(flow):
                part.codec.prepare()
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(self.node.run(waker(ready)), name="headrace node")
        self._serving = serving
        await asyncio.wait([serving, ready], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        try:
            if self._serving is not None:
                self._serving.cancel()
                await asyncio.wait([self._serving])
                if error is None and not self._serving.cancelled():
                    self._serving.result()
        finally:
            await self.node.telemetry.close(FAREWELL)
            self._open = False
            await self.store.close()

    def _check_running(self) -> None:
        if not self._open:
            raise UsageError('this engine is not running; use "async with Engine(...) as engine:"')

    async def run(self, call: Any, *, id: str | None = None) -> Any:
        """Start a run and wait for its result: `start` and `result` in one."""
        handle: RunHandle[Any] = await self.start(call, id=id)
        return await handle.result()

    async def serve(self) -> None:
        """Wait until the node fails. Raises its error; cancelling is stopping to wait."""
        if self._serving is None or self.node.broken is None:
            raise UsageError("serve() belongs inside `async with Engine(...)`")
        await asyncio.wait(
            [self._serving, cast("asyncio.Future[Any]", self.node.broken)], return_when=asyncio.FIRST_COMPLETED
        )
        if self.node.broken.done():
            raise self.node.broken.result()
        self._serving.result()


def by_name(flows: Iterable[Flow[..., Any]]) -> dict[str, Flow[..., Any]]:
    """Flows by name. Raises UsageError when two have the same, naming both files."""
    found: dict[str, Flow[..., Any]] = {}
    for flow in flows:
        other = found.setdefault(flow.name, flow)
        if other is not flow:
            raise UsageError(
                f"two flows are called {flow.name!r}: in {_place(other)} and in {_place(flow)}; "
                f'rename one, or give it `@flow(name="...")`'
            )
    return found


def _place(flow: Flow[..., Any]) -> str:
    code = flow.fn.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def project_root(start: Path | None = None) -> Path:
    """Where `.headrace/` lies: the nearest folder with a pyproject.toml, else the current one."""
    try:
        here = (start or Path.cwd()).resolve()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more: change to another one") from error
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), here)


def default_store() -> str:
    """HEADRACE_STORE, else a SQLite file in the project."""
    return os.environ.get("HEADRACE_STORE") or f"sqlite:///{project_root() / '.headrace' / 'headrace.db'}"


def open_store(url: str, durability: Durability = "process") -> Store:
    """The store behind a URL. Nothing is opened yet. Raises UsageError for a URL that means nothing."""
    if not is_text(url):
        raise UsageError(f"{url!r} is not a store: it is not text in UTF-8")
    scheme, _, rest = url.partition("://")
    match scheme:
        case "memory":
            from engine.stores.memory import MemoryStore

            return MemoryStore()
        case "sqlite":
            from engine.stores.sqlite.store import SQLiteStore

            return SQLiteStore(sqlite_path(rest), durability=durability)
        case "postgresql" | "postgres":
            from engine.stores.postgres.store import PostgresStore

            return PostgresStore(url)
        case _:
            raise UsageError(
                f"{url!r} is not a store; write sqlite:///relative.db, sqlite:////absolute.db, "
                "postgresql://user@host/database or memory://"
            )


def sqlite_path(rest: str) -> Path:
    """The path in `sqlite:///path`: three slashes for a relative one, four for an absolute one."""
    if rest and not rest.startswith("/"):
        raise UsageError(
            f"sqlite://{rest} names a host, as two slashes do; write sqlite:///{rest}, or sqlite:////absolute.db"
        )
    path = rest.removeprefix("/")
    if not path:
        raise UsageError("the store URL names no file; write sqlite:///state.db")
    return Path(path)


def open_blobs(url: str) -> Blobs:
    """Where large results of a store go: HEADRACE_BLOBS, else a folder beside the SQLite file or in `.headrace/`."""
    from engine.stores.blobs import MemoryBlobs, ObjectBlobs

    if (chosen := os.environ.get("HEADRACE_BLOBS")) is not None:
        return ObjectBlobs(chosen)
    if url.startswith("sqlite://"):
        path = sqlite_path(url.removeprefix("sqlite://")).resolve()
        return ObjectBlobs(f"file://{path}.blobs")
    if url.startswith(("postgresql://", "postgres://")):
        # Kept on this machine: nodes on several machines need a bucket that all of them reach.
        return ObjectBlobs(f"file://{project_root() / '.headrace' / 'blobs'}")
    return MemoryBlobs()


def open_telemetry(node_id: str = "") -> Telemetry:
    """What the OTEL_* environment variables ask for, or a program that has set up OpenTelemetry itself."""
    asked = any(name.startswith("OTEL_") for name in os.environ)
    if not asked and "opentelemetry.sdk.trace" not in sys.modules:
        from observability.null import NullTelemetry

        return NullTelemetry()
    from observability.telemetry import telemetry_from_environment

    return telemetry_from_environment(node=node_id)


def attach_of(telemetry: Telemetry) -> Any:
    """How a task's body gets its span as the current one; None when nobody could see it."""
    from observability.null import NullTelemetry

    return None if isinstance(telemetry, NullTelemetry) else telemetry.attach


__all__ = [
    "Durability",
    "Engine",
    "HeadraceError",
    "by_name",
    "default_store",
    "open_blobs",
    "open_store",
    "open_telemetry",
    "project_root",
]
