"""A node in the foreground: what `headrace serve` does between its start and its stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from engine import loading
from engine.cli.exits import Exit
from engine.cli.health import Health
from engine.cli.log_lines import log_to_stderr
from engine.cli.running import leave_threads
from engine.cli.stopping import Stop
from engine.cli.times import brief
from engine.cli.tuning import loop_factory, tune
from engine.flow import Flow
from engine.model.errors import UsageError
from engine.model.run import RunRecord
from engine.ports.telemetry import RunIdentity
from engine.settings import NodeSettings
from engine.trigger import Interval, Schedule, Trigger
from engine.wiring import Durability, Engine
from observability.relay import Relay

_log: Final = logging.getLogger("headrace.serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What the command line asks for."""

    paths: Sequence[str]
    store: str | None
    concurrency: int
    durability: Durability
    queues: tuple[str, ...] | None
    tags: tuple[str, ...]
    flow_tags: frozenset[str]
    health: str | None
    log_format: str


def serve_until_stopped(duty: Duty) -> Exit:
    """Serve until somebody asks to stop. Raises UsageError, StoreError."""
    flows = _flows(duty)
    log_to_stderr(form=duty.log_format, level=logging.INFO)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(duty, flows))
    leave_threads(Exit.OK)
    return Exit.OK


async def _serve(duty: Duty, flows: Sequence[Flow[..., Any]]) -> None:
    settings = NodeSettings(concurrency=duty.concurrency, queues=duty.queues, tags=duty.tags)
    engine = Engine(duty.store, flows=flows, durability=duty.durability, settings=settings)
    engine.node.telemetry = Announced(engine.node.telemetry)
    async with AsyncExitStack() as around:
        health = None if duty.health is None else await around.enter_async_context(Health(engine, duty.health))
        if health is not None:
            _log.info("health at %s/livez and /readyz", health.url)
        with Stop("Stopping: runs are released; once more to kill.") as stop:
            await _until_stopped(engine, flows, stop, health)
    _log.info("stopped")


async def _until_stopped(engine: Engine, flows: Sequence[Flow[..., Any]], stop: Stop, health: Health | None) -> None:
    settings = engine.node.settings
    async with engine:
        tune()
        _log.info("node %s serves %s", engine.node.id, ", ".join(sorted(flow.name for flow in flows)))
        for line in _choice(settings):
            _log.info("%s", line)
        _log.info("store: %s", engine.store.description)
        for flow in flows:
            if flow.options.on:
                _log.warning(
                    "flow %s declares %s: nothing acts on triggers yet, only `headrace start` does",
                    flow.name,
                    ", ".join(map(described, flow.options.on)),
                )
        _log.info("ready")
        if health is not None:
            health.phase = "ready"
        stopped = asyncio.ensure_future(stop.wait())
        broken = asyncio.ensure_future(engine.serve())
        try:
            await asyncio.wait([stopped, broken], return_when=asyncio.FIRST_COMPLETED)
            if broken.done():
                broken.result()
            _log.info("stopping: %d runs in memory are released", len(engine.node.sessions))
        finally:
            if health is not None:
                health.phase = "draining"
            stopped.cancel()
            broken.cancel()
            await asyncio.gather(stopped, broken, return_exceptions=True)


def _choice(settings: NodeSettings) -> Iterator[str]:
    """What of the flows' runs the node takes, where it does not take all."""
    if settings.queues is not None:
        yield f"takes runs of the queues {', '.join(settings.queues)}"
    if settings.tags:
        yield f"takes what requires {', '.join(settings.tags)}"


class Announced(Relay):
    """A telemetry that also logs the beginning and the end of each run."""

    def started(self, run: RunIdentity, record: RunRecord) -> None:
        _log.info("run %s of %s is taken up", record.id, record.flow, extra={"ids": _ids(record)})
        super().started(run, record)

    def ended(
        self, run: RunIdentity, record: RunRecord, *, started: int, ended: int, outcome: str, error: bytes | None
    ) -> None:
        took = brief(ended - started)
        _log.info("run %s of %s %s after %s", record.id, record.flow, outcome, took, extra={"ids": _ids(record)})
        super().ended(run, record, started=started, ended=ended, outcome=outcome, error=error)


def _ids(record: RunRecord) -> dict[str, str]:
    return {"run_id": record.id, "flow": record.flow, "trace_id": record.trace}


def _flows(duty: Duty) -> list[Flow[..., Any]]:
    flows = loading.load(Path(path) for path in duty.paths)
    if duty.flow_tags:
        flows = [flow for flow in flows if duty.flow_tags.intersection(flow.options.tags)]
        if not flows:
            raise UsageError(f"no flow in {', '.join(duty.paths)} has a tag of {', '.join(sorted(duty.flow_tags))}")
    return loading.with_children(flows)


def described(trigger: Trigger) -> str:
    """A trigger as it was written."""
    match trigger:
        case Schedule(expression=expression, timezone=zone):
            return f"on_schedule({expression!r}, timezone={zone!r})"
        case Interval(period=period):
            return f"every({period})"
        case _:
            return repr(trigger)
