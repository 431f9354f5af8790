"""Chain and fan-out of 10,000 tasks, journaled in SQLite with durability `process`, every span exported over OTLP.

Limit   the straight line in `floor.py`: the same coroutines, one row and one span each, nothing else.
Target  at least half the floor's rate with export, median of the pairs.
Read    the ratio is the engine's rate over the floor's. `with export` runs until the sink, another process, has taken
        the last span; `result` until the flow has its result. The lines beneath are parts of the floor on their own,
        in microseconds a task; their ratio is the engine's time over theirs, and they say where the time goes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench import contest
from bench.contest import Shape, Took
from bench.pairs import interleaved, median_ratio, spread
from bench.rates import rate_row
from bench.row import Options, Row
from bench.sink import Sink

HALF = 0.5


def chain(options: Options) -> Iterator[Row]:
    """One task after the other."""
    yield from _measure("chain", options)


def fan_out(options: Options) -> Iterator[Row]:
    """All at once, in one `asyncio.TaskGroup`."""
    yield from _measure("fan-out", options)


def _measure(shape: Shape, options: Options) -> Iterator[Row]:
    count = options.size(10_000, 2_000)
    beside = contest.prototype(options.prototype) if options.prototype else contest.straight_line
    called = "prototype" if options.prototype else "floor"
    with Sink() as sink:
        pairs = interleaved(
            partial(contest.ours, shape, count, sink), partial(beside, shape, count, sink), options.pairs, shape
        )
        yield _rates(shape, count, called, pairs)
        yield _processor(shape, count, called, pairs)
        repeats = min(options.pairs, 5)
        engine = statistics.median(mine.exported for mine, _ in pairs)
        yield _part(shape, "bare coroutines", count, repeats, engine, partial(contest.bare, shape, count))
        grain = "one commit a row" if shape == "chain" else "group commit"
        yield _part(shape, f"raw SQLite, {grain}", count, repeats, engine, partial(contest.commits, shape, count))
        yield _part(shape, "raw span encoding and export", count, repeats, engine, partial(contest.export, count, sink))


def _rates(shape: Shape, count: int, called: str, pairs: Sequence[tuple[Took, Took]]) -> Row:
    ours, theirs = ([count / took.exported for took in side] for side in zip(*pairs, strict=True))
    results, other_results = ([count / took.result for took in side] for side in zip(*pairs, strict=True))
    return rate_row(
        shape,
        f"{shape} of {count:,} tasks, journaled and traced, with export",
        ours,
        called,
        theirs,
        least=HALF,
        target=f"≥ {HALF} of the {called}",
        details={
            "ratio_result": round(median_ratio(list(zip(results, other_results, strict=True))), 3),
            "result_per_s": spread(results),
            "beside_result_per_s": spread(other_results),
        },
    )


def _processor(shape: Shape, count: int, called: str, pairs: Sequence[tuple[Took, Took]]) -> Row:
    ours, theirs = ([took.cpu / count * 1e6 for took in side] for side in zip(*pairs, strict=True))
    return Row(
        bench=shape,
        claim=f"{shape}: CPU a task, all threads",
        ours=f"{statistics.median(ours):.1f} µs",
        beside=f"{called} {statistics.median(theirs):.1f} µs",
        ratio=median_ratio(list(zip(ours, theirs, strict=True))),
        details={"us": spread(ours), "beside_us": spread(theirs)},
    )


def _part(shape: Shape, part: str, count: int, repeats: int, engine: float, measure: Callable[[], float]) -> Row:
    measure()
    took = [measure() for _ in range(repeats)]
    return Row(
        bench=shape,
        claim=f"{shape}: beside {part}",
        ours=f"{engine / count * 1e6:.1f} µs",
        beside=f"{statistics.median(took) / count * 1e6:.1f} µs",
        ratio=engine / statistics.median(took),
        details={"beside_us": spread([each / count * 1e6 for each in took])},
    )
