"""Four nodes, each a process, share 10,000 runs of one task.

Target  claims cost under 5 % of the nodes' time.
Beside  a single node on the same runs.
Read    the runs are queued before the nodes start. A node's time runs from its first claim to the end of its last run.
        What claims cost is the time in which their code ran, plus the time in which the node had no run in hand and
        waited for them; until nothing was left to be claimed. `under_way` is how long claims took in all, though the
        node ran flows meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from bench.machine import environment
from bench.pairs import spread
from bench.postgres.copies import copy_run
from bench.postgres.server import ask, schema
from bench.postgres.sharing_node import little
from bench.row import Options, Row
from engine import Engine

NODES = 4
SMALL = 0.05


def measure(url: str, options: Options) -> Iterator[Row]:
    """One row."""
    count = options.size(10_000, 1_000)
    alone, (single,) = _shared(url, count, 1)
    together, told = _shared(url, count, NODES)
    shares = [_share(node) for node in told]
    share = statistics.mean(shares)
    yield Row(
        bench="postgres",
        claim=f"{NODES} nodes share {count:,} runs: claims, of the nodes' time",
        ours=f"{share:.1%}; {count / together:,.0f} runs/s",
        beside=f"one node {_share(single):.1%}; {count / alone:,.0f} runs/s",
        ratio=alone / together,
        target=f"claims < {SMALL:.0%}",
        holds=share < SMALL,
        details={
            "shares": spread(shares),
            "nodes": told,
            "single": single,
        },
    )


def _share(node: dict[str, Any]) -> float:
    cost: float = (node["at_work"] + node["held_up"]) / node["seconds"]
    return cost


def _shared(url: str, count: int, nodes: int) -> tuple[float, list[dict[str, Any]]]:
    """Seconds from the first claim to the last end, and what each node tells."""
    with schema(url) as store:
        asyncio.run(_first(store))
        queued = {
            "id": "'shared-' || made.n",
            "state": "'queued'",
            "due": "0",
            "epoch": "0",
            **dict.fromkeys(("started", "ended", "result", "claim"), "NULL"),
        }
        copy_run(store, count, queued, journal=False)
        command = [sys.executable, "-m", "bench.postgres.sharing_node", store]
        children = [
            subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(nodes)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "loaded\n"
        for child in children:
            assert child.stdin is not None
            print("go", file=child.stdin, flush=True)
        told: list[dict[str, Any]] = [json.loads(child.communicate(timeout=300)[0]) for child in children]
        left = ask(store, "SELECT state, count(*) FROM headrace.run GROUP BY state")
        assert left == [("succeeded", count + 1)], left
        span = "SELECT max(ended) - min(started) FROM headrace.run WHERE id LIKE 'shared-%'"
        (took,) = ask(store, span)[0]
    assert sum(node["runs"] for node in told) == count, told
    return took / 1e9, told


async def _first(store: str) -> None:
    async with Engine(store, flows=[little]) as engine:
        await engine.run(little.bind(1))
