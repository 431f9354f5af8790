"""Fan-out and chain, journaled on PostgreSQL with fsync, held against the inserts alone.

Limit   the same rows, as our run left them, inserted into a table like ours on one connection that does nothing else:
        in groups of 512 by one INSERT and one commit each for the fan-out, one at a time for the chain.
Target  at least 0.60 of the raw rate for a fan-out of 10,000 tasks at once, 0.80 for a chain; median of the pairs.
Read    seconds from `engine.run` to the flow's result, its start and end included. Rates are rows a second.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import uvloop

from bench.contest import FLOWS, Shape
from bench.pairs import interleaved, spread
from bench.postgres.server import ask, do, schema, schema_of
from bench.rates import rate_row
from bench.row import Options, Row
from engine import Engine
from engine.cli.tuning import tune
from engine.stores.postgres.connect import Connection, driver

GROUP = 512
TARGETS: dict[Shape, float] = {"fan-out": 0.60, "chain": 0.80}

Rows: TypeAlias = Sequence[Sequence[object]]

KINDS = [
    *("bigint", "integer", "integer", "text", "text", "text", "text", "bigint"),
    *("bigint", "bigint", "bigint", "bigint", "text", "bytea", "text", "integer"),
]


def chain(url: str, options: Options) -> Iterator[Row]:
    """One task after the other."""
    yield from _measure(url, "chain", options.size(5_000, 300), options)


def fan_out(url: str, options: Options) -> Iterator[Row]:
    """All at once, in one `asyncio.TaskGroup`."""
    yield from _measure(url, "fan-out", options.size(10_000, 2_000), options)


def _measure(url: str, shape: Shape, count: int, options: Options) -> Iterator[Row]:
    rows: list[tuple[Any, ...]] = []
    ours(url, shape, count, rows)
    write = one_by_one if shape == "chain" else in_groups
    pairs = interleaved(
        partial(ours, url, shape, count), partial(raw, url, rows, write), options.pairs, f"postgres {shape}"
    )
    mine, beside = ([count / took for took in side] for side in zip(*pairs, strict=True))
    manner = "one INSERT a commit" if shape == "chain" else f"INSERTs of {GROUP} a commit"
    yield rate_row(
        "postgres",
        f"{shape} of {count:,} tasks, journaled on PostgreSQL with fsync",
        mine,
        f"raw {manner}",
        beside,
        least=TARGETS[shape],
        details={"rows": len(rows)},
    )
    if shape == "fan-out":
        copies = [len(rows) / raw(url, rows, by_copy) for _ in range(min(options.pairs, 5))]
        yield Row(
            bench="postgres",
            claim="fan-out: beside raw COPY of the same groups",
            ours=f"{statistics.median(mine):,.0f}/s",
            beside=f"{statistics.median(copies):,.0f}/s",
            ratio=statistics.median(mine) / statistics.median(copies),
            details={"beside_per_s": spread(copies)},
        )


def ours(url: str, shape: Shape, count: int, keep: list[tuple[Any, ...]] | None = None) -> float:
    """Seconds that the engine takes; `keep` gets the rows it left."""

    async def main(store: str) -> float:
        declared = FLOWS[shape]
        async with Engine(store, flows=[declared]) as engine:
            tune()
            began = time.perf_counter()
            await engine.run(declared.bind(count))
            return time.perf_counter() - began

    with schema(url) as store:
        took = uvloop.run(main(store))
        left = ask(store, "SELECT * FROM headrace.journal")
        steps = {row[4] for row in left if row[3] == "task"}
        if len(steps) != count:
            raise AssertionError(f"{count} tasks left {len(steps)} rows")
        if keep is not None:
            keep += left
    return took


def raw(url: str, rows: Rows, write: Callable[[Connection, str, Rows], Coroutine[Any, Any, None]]) -> float:
    """Seconds for the rows alone, in a table like the journal."""

    async def main(where: str) -> float:
        connection: Connection = await driver().connect(url)
        try:
            began = time.perf_counter()
            await write(connection, where, rows)
            return time.perf_counter() - began
        finally:
            await connection.close()

    with schema(url) as store:
        asyncio.run(_made(store))
        do(store, f"TRUNCATE {schema_of(store)}.journal")
        took = uvloop.run(main(schema_of(store)))
        (written,) = ask(store, "SELECT count(*) FROM headrace.journal")[0]
        if written != len(rows):
            raise AssertionError(f"{len(rows)} rows became {written}")
    return took


async def _made(store: str) -> None:
    """A store's tables."""
    from engine.wiring import open_store

    opened = open_store(store)
    await opened.open()
    await opened.close()


async def one_by_one(connection: Connection, where: str, rows: Rows) -> None:
    """A row, a commit."""
    places = ", ".join(f"${n}" for n in range(1, 17))
    insert = f"INSERT INTO {where}.journal VALUES ({places})"
    for row in rows:
        await connection.execute(insert, *row)


async def in_groups(connection: Connection, where: str, rows: Rows) -> None:
    """A group, a statement, a commit."""
    columns = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(KINDS, 1))
    insert = f"INSERT INTO {where}.journal SELECT * FROM unnest({columns})"
    for first in range(0, len(rows), GROUP):
        group = rows[first : first + GROUP]
        await connection.execute(insert, *([row[n] for row in group] for n in range(16)))


async def by_copy(connection: Connection, where: str, rows: Rows) -> None:
    """A group, a COPY, a commit."""
    for first in range(0, len(rows), GROUP):
        await connection.copy_records_to_table("journal", records=rows[first : first + GROUP], schema_name=where)
