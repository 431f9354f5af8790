"""The port, over a real socket: a run's calls become one whole trace."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from engine.model import entry as kinds
from engine.model.run import LogLine
from engine.ports.telemetry import WHOLE, Telemetry
from observability import names
from observability.exporter import Exporter
from observability.null import NullTelemetry
from observability.sdk import SdkSink
from observability.telemetry import OTelTelemetry, telemetry_from_environment
from observability.user_provider import IdentityProcessor
from tests.observability.made import ROOT, SECOND, START, failure, identity, line, record
from tests.support.otlp import Receiver, check_whole


def tell(telemetry: Telemetry, *, sampled: bool = True) -> None:
    """A small run, from start to end."""
    run = identity(sampled=sampled)
    telemetry.started(run, record())
    telemetry.recorded(run, [line(0), line(1, parent=1000)])
    telemetry.recorded(run, [line(2, kinds.ATTEMPT, parent=1003, outcome=kinds.ERROR, value=failure())])
    telemetry.recorded(run, [line(3, attempt=2), line(4, kinds.SLEEP, name="sleep")])
    end = START + 60 * SECOND
    telemetry.ended(run, record(), started=START + SECOND, ended=end, outcome="succeeded", error=None)


OUTLINE = [
    "flow sales",
    "  queue sales",
    "  task fetch",
    "    task fetch",
    "  task fetch",
    "    attempt fetch",
    "    attempt fetch",
    "  wait sleep",
]


async def test_a_run_is_one_whole_trace() -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment({**receiver.environment, "OTEL_SERVICE_NAME": "shop"}, node="n1")
        tell(telemetry)
        await telemetry.close(10)
        (whole,) = receiver.trees().values()
        root = check_whole(whole)
        assert whole.outline() == OUTLINE
        assert (root.started, root.ended) == (START + SECOND, START + 60 * SECOND)
        assert dict(root.resource) == {"service.name": "shop", "service.instance.id": "n1"}
        assert telemetry.exported() == [(1, WHOLE)]


async def test_a_run_under_way_can_be_found() -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        telemetry.started(identity(), record())
        await receiver.until(lambda: len(receiver.spans) == 1)
        assert receiver.spans[0].attributes[names.RUN_ID] == "run-1"
        assert telemetry.exported() == []
        await telemetry.close(10)


async def test_a_run_taken_up_again_is_not_announced_again() -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        telemetry.started(identity(), record(exported=3))
        telemetry.recorded(identity(), [line(4)])
        await telemetry.close(10)
        assert [span.name for span in receiver.spans] == ["task fetch"]


async def test_a_second_owner_sends_the_same_spans_and_the_trace_stays_whole() -> None:
    with Receiver() as receiver:
        for _ in range(2):
            telemetry = telemetry_from_environment(receiver.environment)
            tell(telemetry)
            await telemetry.close(10)
        (whole,) = receiver.trees().values()
        assert len(whole.repeats) == len(OUTLINE)
        check_whole(whole, repeats=True)


async def test_an_unsampled_run_is_not_told() -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        tell(telemetry, sampled=False)
        await telemetry.close(10)
        assert receiver.requests == []


async def test_log_lines_carry_the_ids_of_their_span() -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        telemetry.logged(identity(), LogLine(1, START, "WARNING", "app", "slow", "fetch", 2, 1000))
        telemetry.logged(identity(), LogLine(1, START, "INFO", "app", "hello", "", 0, 0))
        await telemetry.close(10)
        first, second = receiver.logs
        assert (first.trace, first.span) == (identity().trace.hex(), f"{1000:016x}")
        assert (first.level, first.message, first.attributes[names.TASK_NAME]) == ("WARNING", "slow", "fetch")
        assert second.span == f"{ROOT:016x}"
        assert second.attributes[names.RUN_ID] == "run-1"


async def test_log_lines_can_be_turned_off() -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment({**receiver.environment, "OTEL_LOGS_EXPORTER": "none"})
        telemetry.logged(identity(), LogLine(1, START, "INFO", "app", "hello", "", 0, 0))
        telemetry.recorded(identity(), [line(0)])
        await telemetry.close(10)
        assert {path for path, _, _ in receiver.requests} == {"/v1/traces"}


@pytest.mark.parametrize(
    "environment",
    [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}],
)
def test_nobody_listening_costs_nothing(environment: dict[str, str]) -> None:
    assert isinstance(telemetry_from_environment(environment), NullTelemetry)


def test_an_endpoint_that_is_none_is_reported_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = telemetry_from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://c"})
    assert isinstance(telemetry, NullTelemetry)
    assert "not an OTLP/HTTP endpoint" in caplog.text


def provider() -> tuple[TracerProvider, InMemorySpanExporter]:
    """A program's own set-up of the SDK."""
    spans, own = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    own.add_span_processor(SimpleSpanProcessor(spans))
    return own, spans


def trace_of(span: ReadableSpan) -> bytes:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id.to_bytes(16, "big")


async def test_a_users_span_is_a_child_of_its_task_and_carries_the_runs_identity() -> None:
    own, spans = provider()
    own.add_span_processor(IdentityProcessor())
    tracer = own.get_tracer("app")
    telemetry = OTelTelemetry(None)

    async def body() -> None:
        telemetry.attach(identity(), 1000)
        with tracer.start_as_current_span("query"), tracer.start_as_current_span("parse"):
            await asyncio.sleep(0)
        tracer.start_span("elsewhere", context.Context()).end()

    await asyncio.create_task(body())
    with tracer.start_as_current_span("outside"):
        pass
    parse, query, elsewhere, outside = spans.get_finished_spans()
    assert query.parent is not None
    assert (query.parent.span_id, trace_of(query)) == (1000, identity().trace)
    assert parse.parent is not None
    assert parse.parent == query.get_span_context()
    for span in (query, parse, elsewhere):
        assert span.attributes is not None
        assert {key: span.attributes[key] for key in names.IDENTITY} == {
            names.FLOW_NAME: "sales",
            names.FLOW_VERSION: "7",
            names.RUN_ID: "run-1",
            names.RUN_ROOT_ID: "run-1",
            names.TRIGGER_TYPE: "schedule",
        }
    assert not outside.attributes
    assert outside.parent is None


async def test_a_users_span_in_an_unsampled_run_is_not_recorded() -> None:
    own, spans = provider()

    async def body() -> None:
        OTelTelemetry(None).attach(identity(sampled=False), 1000)
        own.get_tracer("app").start_span("query").end()

    await asyncio.create_task(body())
    assert spans.get_finished_spans() == ()


async def test_what_a_user_has_put_into_the_context_stays() -> None:
    async def body() -> object:
        context.attach(context.set_value("mine", 1))
        OTelTelemetry(None).attach(identity(), 1000)
        assert trace.get_current_span().get_span_context().span_id == 1000
        return context.get_value("mine")

    assert await asyncio.create_task(body()) == 1


async def test_the_engines_spans_through_the_sdk_are_the_same_spans() -> None:
    own, spans = provider()
    telemetry = OTelTelemetry(Exporter("spans", SdkSink(own)))
    tell(telemetry)
    await telemetry.close(10)
    made = spans.get_finished_spans()
    assert sorted(span.name for span in made) == sorted(line.strip() for line in OUTLINE)
    assert {trace_of(span) for span in made} == {identity().trace}
    assert telemetry.exported() == [(1, WHOLE)]


def program(text: str, **environment: str) -> str:
    """Run a program in a process of its own: what it loads and sets up is global."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        env={**os.environ, "PYTHONPATH": ".", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_opentelemetry_in_the_program_none_of_it_is_loaded() -> None:
    program(
        """
        import asyncio, sys
        from observability.telemetry import telemetry_from_environment
        from tests.observability.made import identity, line

        async def main():
            telemetry = telemetry_from_environment()
            assert telemetry.attach(identity(), 1) is None
            telemetry.recorded(identity(), [line(0)])
            await telemetry.close(0.1)

        asyncio.run(main())
        assert not [name for name in sys.modules if name.startswith(("opentelemetry", "google", "requests"))]
        """,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )


USERS = """
    import asyncio, sys
    from opentelemetry import trace
    {setup}
    from observability.telemetry import telemetry_from_environment
    from tests.observability.made import identity
    from tests.observability.test_telemetry import tell

    async def main():
        telemetry = telemetry_from_environment()
        tracer = trace.get_tracer("app")

        async def body():
            telemetry.attach(identity(), 1000)
            with tracer.start_as_current_span("query"):
                pass

        await asyncio.create_task(body())
        tell(telemetry)
        await telemetry.close(20)

    asyncio.run(main())
    {teardown}
"""


@pytest.mark.parametrize("spans", ["otlp", "sdk"])
def test_users_spans_are_exported_without_any_set_up_of_theirs(spans: str) -> None:
    with Receiver() as receiver:
        program(USERS.format(setup="", teardown=""), HEADRACE_SPANS=spans, **receiver.environment)
        receiver.wait(lambda: len(receiver.spans) == len(OUTLINE) + 1)
        (whole,) = receiver.trees().values()
        check_whole(whole)
        (query,) = whole.named("query")
        assert query.parent == f"{1000:016x}"
        assert query.attributes[names.RUN_ID] == "run-1"


def test_a_program_with_its_own_provider_and_no_endpoint_gets_the_engines_spans_there() -> None:
    setup = """
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    """
    teardown = """
    for span in memory.get_finished_spans():
        assert span.attributes["headrace.run.id"] == "run-1", span
        print(span.name)
    """
    told = program(USERS.format(setup=setup, teardown=teardown))
    assert sorted(told.splitlines()) == sorted(["query", *(line.strip() for line in OUTLINE)])
