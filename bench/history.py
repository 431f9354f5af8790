"""1,000,000 finished runs of history in the store, held against an empty store.

Limit   the same node on an empty store, in turns, each time in a fresh process.
Target  time until the first line of a new run, and resident memory, within 10 % of the empty store's; median of pairs.
Read    the history is one real run, copied with its journal by SQL. `first line` runs from before `start` to the
        flow's first line, the median of 200 starts a process. Opening the store is printed for information.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench.machine import scratch, tell
from bench.pairs import interleaved, median_ratio, spread
from bench.row import Options, Row
from engine.ports.telemetry import WHOLE

TENTH = 1.10
STARTS = 200
CHUNK = 50_000


def measure(options: Options) -> Iterator[Row]:
    """Fill one store, then compare."""
    count = options.size(1_000_000, 20_000)
    with scratch() as folder:
        full, empty = folder / "full.db", folder / "empty.db"
        for store in (full, empty):
            node(store, 1)
        began = time.perf_counter()
        fill(full, count)
        filled = time.perf_counter() - began
        size = full.stat().st_size / 2**20
        pairs = interleaved(partial(node, full, STARTS), partial(node, empty, STARTS), options.pairs, "history")
        more = {"store_mb": round(size), "filled_s": round(filled, 1), "pairs": len(pairs)}
        claim = f"with {count:,} finished runs of history: "
        yield _row(pairs, "first_line_ms", f"{claim}start to first line", "ms", more)
        yield _row(pairs, "mb", f"{claim}memory", "MB", more)
        yield _row(pairs, "run_ms", f"{claim}whole run of one task", "ms", more)
        yield _row(pairs, "open_ms", f"{claim}opening the store", "ms", more, informs=True)


def node(store: Path, starts: int) -> dict[str, float]:
    """What `history_node` tells about a store."""
    told: dict[str, float] = json.loads(tell("bench.history_node", f"sqlite:///{store}", starts))
    return told


def fill(store: Path, count: int) -> None:
    """Copy the first run of a store, which has ended, that many times: a run each half minute, back from now."""
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -200000")
    runs = _copy(
        connection,
        "run",
        {
            "num": "num + made.n",
            "id": "'history-' || made.n",
            "trace": "printf('%032x', made.n)",
            "span": "span + made.n",
            "created": "created - made.n * 30000000000",
            "started": "started - made.n * 30000000000",
            "ended": "ended - made.n * 30000000000",
            "exported": str(WHOLE),
        },
        "num",
    )
    lines = _copy(connection, "journal", {"run": "run + made.n", "span": "span + made.n"}, "run")
    for first in range(1, count + 1, CHUNK):
        last = min(first + CHUNK - 1, count)
        connection.execute("BEGIN")
        connection.execute(runs, (first, last))
        connection.execute(lines, (first, last))
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _copy(connection: sqlite3.Connection, name: str, changed: dict[str, str], number: str) -> str:
    """The statement that copies the rows of run 1 for the runs from ? to ?, some columns changed."""
    columns: list[str] = [column for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
    values = [changed.get(column) or column for column in columns]
    return (
        f"WITH RECURSIVE made(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM made WHERE n < ?2) "
        f"INSERT INTO {name} ({', '.join(columns)}) SELECT {', '.join(values)} FROM made, {name} WHERE {number} = 1"
    )


def _row(
    pairs: Sequence[tuple[dict[str, float], dict[str, float]]],
    what: str,
    claim: str,
    unit: str,
    more: dict[str, Any],
    *,
    informs: bool = False,
) -> Row:
    ours, beside = ([told[what] for told in side] for side in zip(*pairs, strict=True))
    ratio = median_ratio(list(zip(ours, beside, strict=True)))
    return Row(
        bench="history",
        claim=claim,
        ours=f"{statistics.median(ours):.2f} {unit}",
        beside=f"empty store {statistics.median(beside):.2f} {unit}",
        ratio=ratio,
        target="" if informs else f"≤ {TENTH:.2f}",
        holds=None if informs else ratio <= TENTH,
        details={**more, unit.lower(): spread(ours), f"beside_{unit.lower()}": spread(beside)},
    )
