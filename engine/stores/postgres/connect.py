"""Connections: how this store opens them, and what it uses of the driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar, cast

from engine.model.errors import StoreError
from engine.stores.postgres.address import Address

T = TypeVar("T")

OLDEST = 13
"""The oldest server: what people still run, and what its own makers still kept in repair not long ago."""

PLANS: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}
"""Each statement is planned once a connection: the server would plan a claim each time anew, for 2 ms. A plan that is
kept must also do when tables have grown that were empty when it was made, and so reads an index. To the server a table
that it has to read whole all the same now looks so costly that it would compile the query, for 200 ms."""


class Row(Protocol):
    """A row, by column name."""

    def __getitem__(self, column: str | int, /) -> Any: ...

    def values(self) -> Iterable[Any]:
        """The columns in order."""
        ...


class Prepared(Protocol):
    """The part of `asyncpg.prepared_stmt.PreparedStatement` that is used here."""

    async def fetchval(self, *args: object) -> Any: ...


class Connection(Protocol):
    """The part of `asyncpg.Connection` that is used here; the driver ships no types."""

    async def execute(self, query: str, *args: object) -> str: ...

    async def fetch(self, query: str, *args: object) -> Sequence[Row]: ...

    async def fetchrow(self, query: str, *args: object) -> Row | None: ...

    async def fetchval(self, query: str, *args: object) -> Any: ...

    async def prepare(self, query: str) -> Prepared: ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[object]], schema_name: str
    ) -> str: ...

    async def add_listener(self, channel: str, callback: Callable[..., object]) -> None: ...

    def add_termination_listener(self, callback: Callable[..., object]) -> None: ...

    def get_server_pid(self) -> int: ...

    def get_server_version(self) -> Sequence[int]: ...

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...

    async def close(self, *, timeout: float | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Door:
    """How to get a connection to one address.

    `pooled` means that a pooler stands in between which gives every transaction another server process: then
    nothing may be left in a session, neither settings nor prepared statements. `name` is what the server calls
    our connections; whoever buries this node ends them by it.
    """

    address: Address
    name: str
    pooled: bool = False
    patience: float = 30.0
    opening: set[asyncio.Task[Connection]] = field(default_factory=set["asyncio.Task[Connection]"], compare=False)

    async def connect(self, *, timed: bool = True) -> Connection:
        """Open a connection. Raises what the driver raises; see `errors`.

        A statement that takes longer than `patience` fails; if it is not `timed`, the caller sees to that.
        Cancelled, it goes on and hangs up: the driver would leave a socket open otherwise.
        """
        task = detached(self._connect(timed), "postgres connection")
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_hang_up)
            raise

    async def settled(self) -> None:
        """Wait, a little, for connections that are being opened and that nobody wants any more."""
        if self.opening:
            await asyncio.wait(self.opening, timeout=2.0)

    async def _connect(self, timed: bool) -> Connection:
        asyncpg = driver()
        lease = self.address.lease.total_seconds()
        settings = {
            "synchronous_commit": "on",
            "default_transaction_isolation": "read committed",
            **PLANS,
            # A process that is frozen in a transaction must not keep its locks until its runs are rescued.
            "idle_in_transaction_session_timeout": str(int(1000 * min(lease / 2, 5.0))),
        }
        connected = await asyncpg.connect(
            self.address.dsn,
            timeout=min(self.patience, 10.0),
            command_timeout=self.patience if timed else None,
            server_settings={"application_name": self.name, **({} if self.pooled else settings)},
            **({"statement_cache_size": 0} if self.pooled else {"max_cached_statement_lifetime": 0}),
        )
        return cast("Connection", connected)

    @property
    def begin(self) -> str:
        """How a transaction begins."""
        plain = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
        return f"{plain}; SET LOCAL synchronous_commit = on" if self.pooled else plain


def detached(work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
    """A task that belongs to no run: whoever happens to cause it may be a flow, whose tasks end with it."""
    return asyncio.get_running_loop().create_task(work, name=f"headrace {name}", context=Context())


def _hang_up(task: asyncio.Task[Connection]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().terminate()


def driver() -> Any:
    """The driver's module. Raises StoreError when it is not installed."""
    try:
        import asyncpg
    except ImportError as error:
        raise StoreError(
            "the PostgreSQL store needs its driver: pip install 'headrace[postgres]' (or pip install asyncpg)"
        ) from error
    return asyncpg


def refuse_old(version: Sequence[int], shown: str) -> None:
    """Raise StoreError for a server that lacks what the statements use. To the driver, 12.22 is (12, 0, 22)."""
    if version[0] < OLDEST:
        raise StoreError(
            f"the server at {shown} is PostgreSQL {version[0]}.{version[2]}; Headrace needs {OLDEST} or later. "
            "Upgrade the server, or give another one with --store or HEADRACE_STORE"
        )


async def is_pooled(connection: Connection) -> bool:
    """Whether a pooler stands in between: it hands out process numbers of its own."""
    await connection.execute("BEGIN")
    try:
        there = await connection.fetchval("SELECT pg_backend_pid()")
    finally:
        await connection.execute("ROLLBACK")
    return bool(there != connection.get_server_pid())
