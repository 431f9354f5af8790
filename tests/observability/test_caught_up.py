"""A trace that a later node catches up is the one that the node before it would have sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from engine import Engine, flow
from engine.model.run import RunState
from observability import names
from observability.null import NullTelemetry
from observability.telemetry import telemetry_from_environment
from tests.support.otlp import Receiver, check_whole


@flow
async def later() -> None:
    """Is not started before somebody has cancelled it."""


async def test_the_time_in_the_queue_of_a_run_that_was_cancelled_there_ends_with_the_run(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 's.db'}"
    async with Engine(store, flows=[later], telemetry=NullTelemetry()) as engine:
        run = await engine.start(later.bind(), id="r", due=datetime.now(UTC) + timedelta(days=1))
        await run.cancel()
        ended = await run.record()
    assert ended.state is RunState.CANCELLED
    assert ended.started is None
    with Receiver() as receiver:
        for _ in range(2):
            async with Engine(store, flows=[later], telemetry=telemetry_from_environment(receiver.environment)):
                pass  # what ended shortly before is sent as a node starts
        (trace,) = receiver.trees().values()
        root = check_whole(trace, repeats=True)
        queued = [span for span in receiver.spans if span.kind == names.QUEUE]
        assert {(span.started, span.ended) for span in queued} == {(ended.created, ended.ended)}
        assert (root.name, root.ended) == ("flow later", ended.ended)
