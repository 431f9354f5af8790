"""What we write by hand means exactly what the SDK's own encoder would have said."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord as ApiLogRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from engine.model.run import LogLine
from observability import names
from observability.logs import log_records
from observability.otlp import logs_request, spans_request
from observability.parts import trace_of
from observability.record import TEXT, Attributes, Event, Link, Shared, SpanRecord
from observability.sdk import readable
from observability.spans import entry_spans, run_span
from tests.observability.made import START, failure, identity, line, record

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
keys = st.text("abcdefghij.é", min_size=1, max_size=12)
ints = st.integers(-(2**63), 2**63 - 1)
values = st.one_of(texts, st.booleans(), ints, st.floats(allow_nan=False))
ids = st.integers(1, 2**63 - 1)
traces = st.binary(min_size=16, max_size=16).filter(any)
times = st.integers(0, 2**63)


def pairs(prefix: str) -> st.SearchStrategy[Attributes]:
    """Attributes with distinct keys: the SDK has a mapping, we have a sequence."""
    named = st.dictionaries(keys.map(lambda key: f"{prefix}.{key}"), values, max_size=4)
    return named.map(lambda found: tuple(found.items()))


spans = st.builds(
    SpanRecord,
    trace=traces,
    span=ids,
    parent=st.just(0) | ids,
    name=texts,
    started=times,
    ended=times,
    shared=st.tuples(pairs("a").map(Shared), pairs("b").map(Shared)),
    own=pairs("c"),
    error=st.none() | texts,
    events=st.lists(st.builds(Event, times, texts, pairs("e")), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, traces, ids, pairs("l")), max_size=2).map(tuple),
)


def ours(records: list[SpanRecord], resource: Attributes) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.ParseFromString(spans_request(records, Shared(resource)))
    return request


def theirs(records: list[SpanRecord], resource: Attributes) -> ExportTraceServiceRequest:
    about = Resource(dict(resource))
    request: ExportTraceServiceRequest = encode_spans([readable(one, about) for one in records])
    return request


@given(st.lists(spans, min_size=1, max_size=4), pairs("r"))
def test_spans_mean_what_the_sdk_would_have_said(records: list[SpanRecord], resource: Attributes) -> None:
    assert ours(records, resource) == theirs(records, resource)


@given(st.lists(spans, min_size=1, max_size=2))
def test_a_value_is_not_taken_for_an_equal_one_of_another_type(records: list[SpanRecord]) -> None:
    """True, 1 and 1.0 are equal to Python, and so to a cache that is not careful."""
    for one in (True, 1, 1.0, "1"):
        again = [
            record._replace(shared=(Shared(((names.TASK_ATTEMPTS, one),)),), own=(("k", one),)) for record in records
        ]
        assert ours(again, (("r", one),)) == theirs(again, (("r", one),))


def test_the_engines_own_spans_mean_what_the_sdk_would_have_said() -> None:
    error = failure(message="Ünïcode \N{SNOWMAN} " + "x" * 5000, traceback="y" * 20_000)
    lines = [
        line(0),
        line(1, "attempt", span=5, parent=1002, outcome="error", value=error),
        line(2, attempt=2, outcome="error", value=error),
        line(3, "sleep"),
        line(4, outcome="cancelled"),
    ]
    made = entry_spans(identity(), lines, {})
    made += run_span(identity(), record(), START, START + 5, "failed", error)
    assert len(made) == 7
    assert ours(made, (("service.name", "s"),)) == theirs(made, (("service.name", "s"),))
    longest = max(len(str(value).encode()) for one in made for value in one.attributes().values())
    longest_in_events = max(len(str(v).encode()) for one in made for e in one.events for _, v in e.attributes)
    assert max(longest, longest_in_events) <= TEXT


def test_half_a_surrogate_pair_costs_a_character_and_not_the_request() -> None:
    (span,) = entry_spans(identity(), [line(0, name="bad\ud800name")], {})
    request = ours([span._replace(error="\udfff")], ())
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "task bad?name"


@given(texts, st.sampled_from(["INFO", "warning", "CRITICAL", "TRACE"]), times, st.sampled_from(["", "fetch"]), ids)
def test_log_lines_mean_what_the_sdk_would_have_said(message: str, level: str, at: int, task: str, span: int) -> None:
    run = identity()
    (made,) = log_records(run, LogLine(1, at, level, "app.db", message, task, 2, span))
    written = ExportLogsServiceRequest.FromString(logs_request([made], Shared((("service.name", "s"),))))

    context = SpanContext(int.from_bytes(trace_of(run, span), "big"), span, is_remote=False, trace_flags=TraceFlags(1))
    log = ApiLogRecord(
        timestamp=at,
        observed_timestamp=at,
        context=set_span_in_context(NonRecordingSpan(context)),
        severity_text=level.upper(),
        severity_number=SeverityNumber(made.severity),
        body=made.message,
        attributes=dict(made.shared.pairs + made.own),
    )
    scope = InstrumentationScope(names.SCOPE, None, names.SCHEMA_URL)
    assert written == encode_logs([ReadableLogRecord(log, Resource({"service.name": "s"}), scope)])
