"""Looking at a store from outside: which runs there are, and which lines of theirs are on disk by when."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.errors import is_theirs

RUN: Final = "num, id, flow, trace, span, state, epoch, owner, parent, crashes, lane, held"
LINE: Final = "run, seq, epoch, kind, key, name, attempt, outcome, span, parent"
ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})


class RunRow(NamedTuple):
    """A run as its row has it."""

    num: int
    id: str
    flow: str
    trace: str
    span: int
    state: str
    epoch: int
    owner: str | None
    parent: int | None
    crashes: int
    lane: str | None = None
    held: bool = False


class LineRow(NamedTuple):
    """A line of a journal, without what it holds."""

    run: int
    seq: int
    epoch: int
    kind: str
    key: str
    name: str
    attempt: int
    outcome: str
    span: int
    parent: int


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look saw. It saw everything that was committed by `began`, and nothing that was not by `ended`."""

    began: int
    ended: int
    runs: Sequence[RunRow]
    lines: Sequence[LineRow]
    nodes: frozenset[str]


class Window(Protocol):
    """A view into a store, for reading only."""

    async def look(self, seen: Mapping[int, int], asked: Sequence[int], after: int) -> Sight | None:
        """Runs that are unfinished, asked for or numbered after; of all these the lines after those seen.

        None when the store is away.
        """
        ...

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query answers. The tables are named without a schema."""
        ...

    async def close(self) -> None: ...


class PostgresWindow:
    """A connection of its own to a server, straight, past all proxies."""

    def __init__(self, url: str) -> None:
        self._door = Door(Address.parse(url), "chaos window", patience=5.0)
        self._connection: Connection | None = None

    async def look(self, seen: Mapping[int, int], asked: Sequence[int], after: int) -> Sight | None:
        began = time.monotonic_ns()
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await self._door.connect()
            found = await self._connection.fetch(
                f"SELECT {RUN} FROM headrace.run "
                "WHERE ended IS NULL OR state = 'diverged' OR num > $2 OR num = ANY ($1)",
                [*asked],
                after,
            )
            runs = [RunRow(*row.values()) for row in found]
            nums = [run.num for run in runs]
            lines = await self._connection.fetch(
                f"SELECT {LINE} FROM unnest($1::bigint[], $2::bigint[]) AS wanted (num, after) "
                "JOIN LATERAL (SELECT * FROM headrace.journal WHERE run = num AND seq > after) AS journal ON true",
                nums,
                [seen.get(num, -1) for num in nums],
            )
            nodes = await self._connection.fetch("SELECT id FROM headrace.node")
        except Exception as error:
            if not is_theirs(error):
                raise
            if self._connection is not None:
                self._connection.terminate()
                self._connection = None
            return None
        ended = time.monotonic_ns()
        return Sight(began, ended, runs, [LineRow(*row.values()) for row in lines], frozenset(row[0] for row in nodes))

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = await self._door.connect()
        try:
            await connection.execute("SET search_path = headrace")
            return [tuple(row.values()) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()


class SQLiteWindow:
    """A reader of the file, as any other program could be."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def look(self, seen: Mapping[int, int], asked: Sequence[int], after: int) -> Sight | None:
        return await asyncio.to_thread(self._look, seen, asked, after)

    def _look(self, seen: Mapping[int, int], asked: Sequence[int], after: int) -> Sight | None:
        began = time.monotonic_ns()
        try:
            with closing(self._open()) as db:
                wanted = "SELECT value FROM json_each(?)"
                found = db.execute(
                    f"SELECT {RUN} FROM run WHERE ended IS NULL OR state = 'diverged' OR num > ? OR num IN ({wanted})",
                    (after, json.dumps([*asked])),
                ).fetchall()
                runs = [RunRow(*row) for row in found]
                newest = json.dumps([[run.num, seen.get(run.num, -1)] for run in runs])
                lines = db.execute(
                    f"WITH wanted AS (SELECT value ->> 0 AS num, value ->> 1 AS after FROM json_each(?)) "
                    f"SELECT {LINE} FROM wanted JOIN journal ON run = num AND seq > after",
                    (newest,),
                ).fetchall()
                nodes = db.execute("SELECT id FROM node").fetchall()
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "no such table" in str(error):
                return None
            raise
        ended = time.monotonic_ns()
        return Sight(began, ended, runs, [LineRow(*row) for row in lines], frozenset(row[0] for row in nodes))

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        def read() -> list[tuple[Any, ...]]:
            with closing(self._open()) as db:
                return db.execute(query).fetchall()

        return await asyncio.to_thread(read)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10.0)

    async def close(self) -> None:
        return
