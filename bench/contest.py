"""The same work, a chain or a fan-out of tasks, done by the engine, by our floor, and by parts of it on their own."""

from __future__ import annotations

import asyncio
import importlib
import sqlite3
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import uvloop

from bench import floor, floor_spans
from bench.machine import scratch
from bench.sink import Sink
from engine import Engine, flow, task
from engine.cli.tuning import tune
from observability.telemetry import telemetry_from_environment

Shape: TypeAlias = Literal["chain", "fan-out"]
Body: TypeAlias = Callable[[int], Coroutine[Any, Any, object]]


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds until the flow had its result, until the sink had the last span, and of CPU in this process."""

    result: float
    exported: float
    cpu: float


async def answer(i: int) -> dict[str, object]:
    """What every task of every contestant does."""
    return {"id": i, "name": "a task result", "ok": True, "items": [1, 2, 3]}


step = task(answer)
floor_step = floor.task(answer)


async def chained(body: Body, count: int) -> int:
    """One task after the other."""
    for i in range(count):
        await body(i)
    return count


async def fanned_out(body: Body, count: int) -> int:
    """All of them at once."""
    async with asyncio.TaskGroup() as group:
        for i in range(count):
            group.create_task(body(i))
    return count


SHAPES: dict[Shape, Callable[[Body, int], Coroutine[Any, Any, int]]] = {"chain": chained, "fan-out": fanned_out}


@flow
async def chain(count: int) -> int:
    """The engine's chain."""
    return await chained(step, count)


@flow
async def fan_out(count: int) -> int:
    """The engine's fan-out."""
    return await fanned_out(step, count)


FLOWS = {"chain": chain, "fan-out": fan_out}


async def timed(work: Awaitable[object], exported: Callable[[], None]) -> Took:
    """Await the work, then the arrival of its spans."""
    cpu, began = time.process_time(), time.perf_counter()
    await work
    result = time.perf_counter() - began
    await asyncio.to_thread(exported)
    return Took(result, time.perf_counter() - began, time.process_time() - cpu)


def ours(shape: Shape, count: int, sink: Sink) -> Took:
    """The engine: SQLite with durability `process`, every task traced and exported."""

    async def main(folder: Path) -> Took:
        telemetry = telemetry_from_environment({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{sink.address}/v1/traces"})
        declared = FLOWS[shape]
        async with Engine(f"sqlite:///{folder}/state.db", flows=[declared], telemetry=telemetry) as engine:
            sink.reset()
            tune()
            # Beside the tasks' own spans there is the run's, and that of its waiting in the queue.
            return await timed(engine.run(declared.bind(count)), lambda: sink.reached(count + 2))

    with scratch() as folder:
        took = uvloop.run(main(folder))
        with sqlite3.connect(folder / "state.db") as connection:
            (rows,) = connection.execute("SELECT count(DISTINCT key) FROM journal WHERE kind = 'task'").fetchone()
        connection.close()
        _whole(rows, count)
    return took


def straight_line(shape: Shape, count: int, sink: Sink) -> Took:
    """Our floor with all its parts."""

    async def main(folder: Path) -> Took:
        ledger, spans = floor.Ledger(folder / "ledger.db"), floor_spans.Spans(sink.address)
        sink.reset()
        tune()
        took = await timed(floor.run(SHAPES[shape](floor_step, count), ledger, spans), lambda: sink.reached(count))
        await asyncio.to_thread(spans.close)
        _whole(ledger.close(), count)
        return took

    with scratch() as folder:
        return uvloop.run(main(folder))


def prototype(folder: str) -> Callable[[Shape, int, Sink], Took]:
    """Another floor: a folder with a `proto.py` that has `Journal`, `Spans`, `task` and `start`."""
    sys.path.insert(0, folder)
    proto: Any = importlib.import_module("proto")
    proto_step: Body = proto.task(answer)

    def contestant(shape: Shape, count: int, sink: Sink) -> Took:
        async def main(scratched: Path) -> Took:
            journal, spans = proto.Journal(f"{scratched}/j.db", "inline", "NORMAL"), proto.Spans("fast", sink.address)
            sink.reset()
            tune()
            took = await timed(
                proto.start(lambda: SHAPES[shape](proto_step, count), 1, journal, spans), lambda: sink.reached(count)
            )
            await asyncio.to_thread(spans.close)
            _whole(journal.db.execute("SELECT count(DISTINCT key) FROM j").fetchone()[0], count)
            await journal.close()
            return took

        with scratch() as scratched:
            return uvloop.run(main(scratched))

    return contestant


def bare(shape: Shape, count: int) -> float:
    """Seconds for the coroutines alone."""

    async def main() -> float:
        tune()
        began = time.perf_counter()
        await SHAPES[shape](answer, count)
        return time.perf_counter() - began

    return uvloop.run(main())


def commits(shape: Shape, count: int) -> float:
    """Seconds for the journal rows alone: one commit a row for the chain, groups for the fan-out."""
    value = b'{"id":1,"name":"a task result","ok":true,"items":[1,2,3]}'
    rows: list[floor.LedgerRow] = [(i, f"0.{i}", "answer", i, i, i, value) for i in range(count)]
    size = 1 if shape == "chain" else floor.GROUP
    with scratch() as folder:
        connection = floor.open_ledger(folder / "ledger.db")
        began = time.perf_counter()
        for start in range(0, count, size):
            floor.write_group(connection, rows[start : start + size])
        took = time.perf_counter() - began
        connection.close()
    return took


def export(count: int, sink: Sink) -> float:
    """Seconds to encode and post the spans alone, until the sink has them."""
    trace = bytes(range(16))
    spans: list[floor_spans.SpanTuple] = [(trace, i + 1, 1, "answer", i, i, f"0.{i}", i) for i in range(count)]
    poster = floor_spans.Poster(sink.address)
    sink.reset()
    began = time.perf_counter()
    poster.send(spans)
    sink.reached(count)
    took = time.perf_counter() - began
    poster.close()
    return took


def _whole(rows: int, count: int) -> None:
    if rows != count:
        raise AssertionError(f"{count} tasks left {rows} rows")
