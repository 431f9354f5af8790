"""Who listens in takes nothing away: a whole trace, its log and its receipts pass."""

from __future__ import annotations

import asyncio

from opentelemetry import trace

from engine.model.run import LogLine
from engine.ports.telemetry import WHOLE
from observability.relay import Relay
from observability.telemetry import telemetry_from_environment
from tests.observability.made import SECOND, START, identity, line, record
from tests.support.otlp import Receiver, check_whole


async def test_everything_passes() -> None:
    with Receiver() as receiver:
        relay = Relay(telemetry_from_environment(receiver.environment))
        relay.started(identity(), record())
        relay.recorded(identity(), [line(0)])
        relay.logged(identity(), LogLine(1, START, "INFO", "app", "hello", "", 0, 0))
        relay.ended(identity(), record(), started=START, ended=START + SECOND, outcome="succeeded", error=None)
        await relay.close(10)
        (whole,) = receiver.trees().values()
        check_whole(whole)
        assert whole.outline() == ["flow sales", "  queue sales", "  task fetch"]
        assert len(receiver.logs) == 1
        assert relay.exported() == [(1, WHOLE)]


async def test_the_current_span_is_that_of_the_one_behind() -> None:
    async def inside() -> int:
        relay.attach(identity(), 1000)
        return trace.get_current_span().get_span_context().span_id

    with Receiver() as receiver:
        relay = Relay(telemetry_from_environment(receiver.environment))
        assert await asyncio.create_task(inside()) == 1000
        await relay.close(10)
