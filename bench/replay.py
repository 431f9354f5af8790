"""Replay of 10,000 recorded steps, held against performing them.

Limit   performing the same steps: journaled, traced and exported, as in `tasks.py`.
Target  at least five times as fast for the chain, median of the pairs. The fan-out informs: replay creates the same
        10,000 asyncio tasks, and those alone are a good part of what performing costs.
Read    performing is counted from the start of the run to the line after its last step. The run then leaves memory, as
        a waiting run does; replay is counted from the signal that brings it back to that same line, so that claiming
        the run and reading its journal are in it. `steps alone`, in the results file, leaves those out.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import uvloop

from bench import contest
from bench.contest import Shape
from bench.machine import scratch
from bench.pairs import progress
from bench.rates import rate_row
from bench.row import Options, Row
from bench.sink import Sink
from engine import Engine, NodeSettings, flow, wait_for
from engine.cli.tuning import tune
from engine.model.run import RunState
from observability.telemetry import telemetry_from_environment
from tests.support.polling import until_state

FIVE = 5.0
SOON = timedelta(milliseconds=20)


@dataclass
class Watch:
    """When the flow stood where. The flow writes it; a recorded step must not, since it would not run again."""

    first: float = 0.0
    last: float = 0.0
    there: asyncio.Event = field(default_factory=asyncio.Event)


WATCH = Watch()


@flow
async def steps(shape: Shape, count: int) -> None:
    """Take the steps, say so, and wait, so that the run leaves memory and has to be replayed."""
    WATCH.first = time.perf_counter()
    await contest.SHAPES[shape](contest.step, count)
    WATCH.last = time.perf_counter()
    WATCH.there.set()
    await wait_for("go on")


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds: all of it, and between the first and the last step."""

    whole: float
    steps: float


def measure(options: Options) -> Iterator[Row]:
    """Chain and fan-out."""
    count = options.size(10_000, 2_000)
    with Sink() as sink:
        for shape in contest.SHAPES:
            _once(shape, count, sink)
            pairs: list[tuple[Took, Took]] = []
            for number in range(options.pairs):
                progress(f"replay of a {shape}", number, options.pairs)
                pairs.append(_once(shape, count, sink))
            progress(f"replay of a {shape}", options.pairs, options.pairs)
            yield _row(shape, count, pairs)


def _row(shape: Shape, count: int, pairs: list[tuple[Took, Took]]) -> Row:
    performed, replayed = ([count / took.whole for took in side] for side in zip(*pairs, strict=True))
    alone = statistics.median(done.steps / again.steps for done, again in pairs)
    chain = shape == "chain"
    return rate_row(
        "replay",
        f"replay of {count:,} recorded steps, {shape}",
        replayed,
        "performing",
        performed,
        least=FIVE if chain else None,
        target=f"≥ {FIVE:g} times" if chain else "",
        details={"ratio_steps_alone": round(alone, 2)},
    )


def _once(shape: Shape, count: int, sink: Sink) -> tuple[Took, Took]:
    """Perform, and replay what was performed."""
    with scratch() as folder:
        return uvloop.run(_both(folder, shape, count, sink))


async def _both(folder: Path, shape: Shape, count: int, sink: Sink) -> tuple[Took, Took]:
    WATCH.there = asyncio.Event()
    telemetry = telemetry_from_environment({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.address}/v1/traces"})
    async with Engine(
        f"sqlite:///{folder}/state.db", flows=[steps], telemetry=telemetry, settings=NodeSettings(linger=SOON)
    ) as engine:
        sink.reset()
        tune()
        began = time.perf_counter()
        run = await engine.start(steps.bind(shape, count))
        performed = await _there(began)
        await asyncio.to_thread(sink.reached, count)
        await until_state(run, RunState.WAITING)
        began = time.perf_counter()
        await run.signal("go on")
        return performed, await _there(began)


async def _there(began: float) -> Took:
    """Until the flow stands behind its last step."""
    await asyncio.wait_for(WATCH.there.wait(), 60)
    WATCH.there.clear()
    return Took(WATCH.last - began, WATCH.last - WATCH.first)
