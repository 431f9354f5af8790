"""Throughput with 1,000,000 finished runs of history in a PostgreSQL store, held against an empty one.

Limit   the same node on an empty store of the same server, in turns, each time in a fresh process.
Target  within 10 % of the empty store's, median of the pairs.
Read    the history is one real run, copied with its journal by SQL. A process starts 300 runs of one task, 50 of them
        at a time, and waits for their ends; the rate is runs a second.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from bench.machine import tell
from bench.pairs import interleaved
from bench.postgres.copies import copy_run
from bench.postgres.server import ask, schema
from bench.rates import rate_row
from bench.row import Options, Row

TENTH = 0.90
RUNS = 300


def measure(url: str, options: Options) -> Iterator[Row]:
    """One row."""
    count = options.history or options.size(1_000_000, 20_000)
    with schema(url) as full, schema(url) as empty:
        for store in (full, empty):
            rate(store, 1)
        back = {name: f"run.{name} - made.n * 30000000000" for name in ("created", "started", "ended")}
        began = time.perf_counter()
        copy_run(full, count, {"id": "'history-' || made.n", **back}, journal=True)
        filled = time.perf_counter() - began
        sizes = "SELECT pg_total_relation_size('headrace.run') + pg_total_relation_size('headrace.journal')"
        (size,) = ask(full, sizes)[0]
        pairs = interleaved(partial(rate, full, RUNS), partial(rate, empty, RUNS), options.pairs, "postgres history")
    ours, beside = ([pair[side] for pair in pairs] for side in (0, 1))
    yield rate_row(
        "postgres",
        f"with {count:,} finished runs of history on PostgreSQL: runs of one task",
        ours,
        "empty store",
        beside,
        least=TENTH,
        details={"store_mb": round(int(size) / 2**20), "filled_s": round(filled, 1)},
    )


def rate(store: str, runs: int) -> float:
    """What `history_node` tells about a store."""
    return float(tell("bench.postgres.history_node", store, runs))
