"""100,000 runs that wait for a signal, on one node.

Limit   nothing: memory and latency have absolute targets. The same process before the first run is printed beside it.
Target  under 300 MB resident; 99 of 100 signals are acted on within 50 ms.
Read    the runs are really started, run to their `wait_for` and leave memory; the node is a process of its own, tuned
        as a node is. A latency runs from before the signal is sent to the line of the flow after `wait_for`: sent from
        within the node's own process, and from another one, which the node notices by looking every 20 ms.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.machine import environment, scratch
from bench.pairs import percentile, spread
from bench.row import Options, Row
from engine import Client
from engine.wiring import open_blobs, open_store

SMALL = 300.0
QUICKLY = 50.0


class Node:
    """`waiting_node` as a child."""

    def __init__(self, store: Path, count: int) -> None:
        command = [sys.executable, "-m", "bench.waiting_node", str(store), str(count)]
        self._process = subprocess.Popen(
            command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def answer(self) -> dict[str, Any]:
        """Its next line. Raises AssertionError when it has died."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the node has died"
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, line: str) -> dict[str, Any]:
        """Give it a line and wait for its answer."""
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)
        return self.answer()

    def stop(self) -> None:
        """End of its input, then of itself."""
        self._process.communicate(timeout=60)


def measure(options: Options) -> Iterator[Row]:
    """Memory, then both ways of signalling."""
    count = options.size(100_000, 3_000)
    signals = options.size(500, 50)
    with scratch() as folder:
        store = folder / "state.db"
        node = Node(store, count)
        try:
            full = node.answer()
            yield _memory(count, full)
            inside: list[float] = node.ask(f"inside {signals}")["heard_ms"]
            yield _latency(count, "from within", inside)
            asyncio.run(_outside(store, count, signals))
            told = node.ask(f"heard {2 * signals}")
            yield _latency(count, "from another process", told["heard_ms"][signals:])
        finally:
            node.stop()


async def _outside(store: Path, count: int, signals: int) -> None:
    """Signal runs that nobody has signalled yet, at moments that have nothing to do with the node's looking."""
    url = f"sqlite:///{store}"
    client = Client(open_store(url), open_blobs(url))
    await client.store.open()
    try:
        for number in random.sample(range(count // 2, count), signals):
            await asyncio.sleep(random.uniform(0.02, 0.06))
            await client.signal(str(number), "go", time.monotonic_ns())
    finally:
        await client.store.close()


def _memory(count: int, told: dict[str, Any]) -> Row:
    return Row(
        bench="waiting",
        claim=f"{count:,} waiting runs on one node: memory",
        ours=f"{told['mb']:.0f} MB",
        beside=f"before the first {told['empty_mb']:.0f} MB",
        ratio=told["mb"] / told["empty_mb"],
        target=f"< {SMALL:g} MB",
        holds=told["mb"] < SMALL,
        details={"started_and_parked_s": round(told["seconds"], 1)},
    )


def _latency(count: int, whence: str, heard: list[float]) -> Row:
    median, late = percentile(heard, 50), percentile(heard, 99)
    return Row(
        bench="waiting",
        claim=f"signal {whence} to one of {count:,} waiting runs, until acted on",
        ours=f"p50 {median:.1f} ms, p99 {late:.1f} ms",
        target=f"p99 < {QUICKLY:g} ms",
        holds=late < QUICKLY,
        details={"signals": len(heard), "ms": spread(heard)},
    )
