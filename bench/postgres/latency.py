"""From a start in one process to the first line of the flow in another, through the store.

Target  p50 under 5 ms and p99 under 20 ms, on an idle machine: `load` in the results file says whether it was one.
Beside  one INSERT and its commit on the same server, measured between two starts each: what no start can be below.
Read    from before `Client.start` to the first line of the flow's body; starts are 30 to 80 ms apart.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Self

import uvloop

from bench.machine import environment
from bench.pairs import median_ratio, percentile, spread
from bench.postgres.latency_node import first_line
from bench.postgres.server import schema
from bench.row import Options, Row
from engine import Client
from engine.stores.postgres.connect import Connection, driver
from engine.wiring import open_blobs, open_store

SOON = 5.0
LATE = 20.0


def measure(url: str, options: Options) -> Iterator[Row]:
    """One row."""
    count = options.size(500, 50)
    with schema(url) as store, Node(store) as node:
        starts, commits = uvloop.run(_starts(url, store, node, count))
    p50, p99 = percentile(starts, 50), percentile(starts, 99)
    yield Row(
        bench="postgres",
        claim="start in another process to the first line, over PostgreSQL",
        ours=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        beside=f"one INSERT p50 {percentile(commits, 50):.1f} ms, p99 {percentile(commits, 99):.1f} ms",
        ratio=median_ratio(list(zip(starts, commits, strict=True))),
        target=f"p50 < {SOON:g} ms, p99 < {LATE:g} ms",
        holds=p50 < SOON and p99 < LATE,
        details={"starts": count, "ms": spread(starts), "beside_ms": spread(commits)},
    )


class Node:
    """`latency_node` as a child."""

    def __init__(self, store: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.postgres.latency_node", store],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """What it says next. Raises AssertionError when it has died."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the node has died"
        return line

    def __enter__(self) -> Self:
        assert self.line() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)


async def _starts(url: str, store: str, node: Node, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of starts, and of single commits between them."""
    client = Client(open_store(store), open_blobs(store))
    await client.store.open()
    raw: Connection = await driver().connect(url)
    table = f"bench_single_{random.getrandbits(32)}"
    await raw.execute(f"CREATE TABLE {table} (n integer)")
    starts: list[float] = []
    commits: list[float] = []
    try:
        for number in range(-5, count):
            began = time.monotonic()
            await client.start(first_line.bind(number))
            told, at = (await asyncio.to_thread(node.line)).split()
            assert int(told) == number
            starts.append((float(at) - began) * 1e3)
            await asyncio.sleep(random.uniform(0.015, 0.04))
            began = time.monotonic()
            await raw.execute(f"INSERT INTO {table} VALUES ($1)", number)
            commits.append((time.monotonic() - began) * 1e3)
            await asyncio.sleep(random.uniform(0.015, 0.04))
    finally:
        await raw.execute(f"DROP TABLE {table}")
        await raw.close()
        await client.store.close()
    return starts[5:], commits[5:]
