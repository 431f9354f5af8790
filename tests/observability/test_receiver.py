"""The tests' own backend: it notices every way in which a trace can be broken, and works as a program."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from observability import names
from observability.telemetry import telemetry_from_environment
from tests.observability.made import START, identity, line, record
from tests.support.otlp import Receiver, Span, Trace, check_whole


async def whole() -> Trace:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        telemetry.recorded(identity(), [line(0), line(1)])
        telemetry.ended(identity(), record(), started=START, ended=START + 9, outcome="succeeded", error=None)
        await telemetry.close(10)
        (trace,) = receiver.trees().values()
        return trace


def without(span: Span, key: str) -> Span:
    return replace(span, attributes={name: value for name, value in span.attributes.items() if name != key})


BREAKS: dict[str, Callable[[Span], Span]] = {
    "orphans": lambda span: replace(span, parent="00000000000000ff"),
    "2 roots": lambda span: replace(span, parent=""),
    "ends before it starts": lambda span: replace(span, ended=span.started - 1),
    "lacks ['headrace.run.id']": lambda span: without(span, names.RUN_ID),
    "unknown kind": lambda span: without(span, names.SPAN_KIND),
    "no name for a task span": lambda span: replace(span, name="fetch 17"),
    "half an error": lambda span: replace(span, error="no"),
}


async def test_a_whole_trace_is_whole() -> None:
    trace = await whole()
    assert check_whole(trace).name == "flow sales"


@pytest.mark.parametrize("complaint", BREAKS)
async def test_a_broken_trace_is_noticed(complaint: str) -> None:
    trace = await whole()
    task = trace.named("task fetch")[0]
    trace.spans[task.span] = BREAKS[complaint](task)
    with pytest.raises(AssertionError) as caught:
        check_whole(trace)
    assert complaint in str(caught.value)


async def test_a_span_that_comes_twice_is_noticed_and_may_be_allowed() -> None:
    trace = await whole()
    task = trace.named("task fetch")[0]
    trace.repeats.append(task)
    with pytest.raises(AssertionError, match="came twice"):
        check_whole(trace)
    check_whole(trace, repeats=True)
    trace.repeats.append(replace(task, ended=task.ended + 1))
    with pytest.raises(AssertionError, match="not the same"):
        check_whole(trace, repeats=True)


async def test_as_a_program_it_writes_down_what_came_and_can_be_killed(tmp_path: Path) -> None:
    file = tmp_path / "spans"
    command = ["-m", "tests.support.otlp", "0", str(file)]
    environment = {**os.environ, "PYTHONPATH": "."}
    receiver = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE, env=environment)
    assert receiver.stdout is not None
    url = (await receiver.stdout.readline()).decode().strip()
    telemetry = telemetry_from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    telemetry.recorded(identity(), [line(0)])
    await telemetry.close(10)
    assert telemetry.exported() == [(1, 0)]
    receiver.kill()
    await receiver.wait()
    (came,) = [json.loads(text) for text in file.read_text().splitlines()]
    assert came["name"] == "task fetch"
