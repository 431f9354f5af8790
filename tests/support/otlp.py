"""A real OTLP/HTTP backend for tests: takes spans and logs over a socket, and fails on demand.

It lives on a thread of its own, so that it serves blocking tests, asyncio tests and child processes alike.
As a program (`python -m tests.support.otlp PORT FILE`) it appends each span and log line to FILE as JSON.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from observability import names


@dataclass(frozen=True)
class Event:
    """An event of a span."""

    name: str
    at: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """A span as it arrived. Ids are hex; `parent` is empty for a root; `error` is None unless the status is ERROR."""

    trace: str
    span: str
    parent: str
    name: str
    started: int
    ended: int
    attributes: Mapping[str, Any]
    error: str | None
    events: Sequence[Event]
    links: Sequence[tuple[str, str, Mapping[str, Any]]]
    scope: str
    resource: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.attributes.get(names.SPAN_KIND, ""))


@dataclass(frozen=True)
class Log:
    """A log line as it arrived."""

    trace: str
    span: str
    at: int
    level: str
    message: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """What to answer: a status, or nothing at all."""

    status: int = 200
    retry_after: str | None = None
    rejected: int = 0
    hang: bool = False


@dataclass
class Trace:
    """The spans of one trace. Repeats of a span, which a crash may cause, are kept apart in `repeats`."""

    id: str
    spans: dict[str, Span] = field(default_factory=dict[str, Span])
    repeats: list[Span] = field(default_factory=list[Span])

    @property
    def roots(self) -> list[Span]:
        return [span for span in self.spans.values() if span.parent not in self.spans]

    def children(self, of: Span) -> list[Span]:
        found = [span for span in self.spans.values() if span.parent == of.span]
        return sorted(found, key=lambda span: (span.started, span.ended, span.name))

    def named(self, name: str) -> list[Span]:
        return sorted((s for s in self.spans.values() if s.name == name), key=lambda s: (s.started, s.ended))

    def outline(self) -> list[str]:
        """The tree as indented names, in the order of starts."""

        def walk(span: Span, depth: int) -> Iterator[str]:
            yield "  " * depth + span.name
            for child in self.children(span):
                yield from walk(child, depth + 1)

        return [line for root in sorted(self.roots, key=lambda s: s.started) for line in walk(root, 0)]


def check_whole(trace: Trace, *, joined: str = "", repeats: bool = False) -> Span:
    """The root of a trace that is complete and well formed; an AssertionError says what is wrong.

    `joined` is the id of the foreign span under which the run hangs. `repeats` allows a span to have come twice,
    the same both times, as it may after a crash.
    """
    strays = [span for span in trace.roots if span.parent != joined]
    assert not strays, f"orphans, whose parents never came: {[(s.name, s.parent) for s in strays]}"
    assert len(trace.roots) == 1, f"{len(trace.roots)} roots: {[span.name for span in trace.roots]}"
    root = trace.roots[0]
    for span in trace.repeats:
        assert repeats, f"{span.name} came twice"
        assert span == trace.spans[span.span], f"{span.name} came twice, and not the same"
    for span in trace.spans.values():
        assert span.ended >= span.started > 0, f"{span.name} ends before it starts"
        missing = [key for key in names.IDENTITY if not span.attributes.get(key)]
        assert not missing, f"{span.name} lacks {missing}"
        if span.scope == names.SCOPE:
            assert span.kind in names.PREFIXES, f"{span.name} has the unknown kind {span.kind!r}"
            assert span.name.startswith(names.PREFIXES[span.kind]), f"{span.name!r} is no name for a {span.kind} span"
            assert (span.error is None) == (names.ERROR_TYPE not in span.attributes), f"{span.name}: half an error"
    assert root.kind in (names.RUN, names.PART), f"the root is {root.name}"
    return root


class Receiver:
    """The backend. Use as a context manager; `stop` and `start` again to take it down for a while, on one port.

    With `tls` it speaks HTTPS.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.tls = tls
        self.spans: list[Span] = []
        self.logs: list[Log] = []
        self.requests: list[tuple[str, Mapping[str, str], int]] = []
        self.usual = Reply()
        self.script: deque[Reply] = deque()
        self.on_arrival: Callable[[Span | Log], None] | None = None
        self._changed = threading.Condition()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send a program's telemetry here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="otlp", daemon=True)
        self._thread.start()
        assert ready.wait(10), "the receiver did not start"

    def stop(self) -> None:
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(10)
            self._loop = self._thread = None

    def trees(self) -> dict[str, Trace]:
        """All traces so far, by id."""
        traces: dict[str, Trace] = {}
        with self._changed:
            for span in self.spans:
                trace = traces.setdefault(span.trace, Trace(span.trace))
                if span.span in trace.spans:
                    trace.repeats.append(span)
                else:
                    trace.spans[span.span] = span
        return traces

    def wait(self, until: Callable[[], bool], timeout: float = 20.0) -> None:
        """Block until something is true of what has arrived; asked again whenever a request comes."""
        with self._changed:
            assert self._changed.wait_for(until, timeout), f"not within {timeout} s: {len(self.spans)} spans came"

    async def until(self, true: Callable[[], bool], timeout: float = 20.0) -> None:
        """`wait`, for asyncio."""
        await asyncio.to_thread(self.wait, true, timeout)

    async def _serve(self, ready: threading.Event) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            connections.add(task)
            try:
                while await self._answer(reader, writer):
                    pass
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # the other side hung up, or we stop
            finally:
                connections.discard(task)
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stopping.wait()
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        reply = self.script.popleft() if self.script else self.usual
        with self._changed:
            self.requests.append((path, headers, 0 if reply.hang else reply.status))
            self._changed.notify_all()
        if reply.hang:
            await self._stopping.wait()
            return False
        if reply.status == 200:
            self._take(path, gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
        content = b""
        if reply.rejected:
            partial = ExportTracePartialSuccess(rejected_spans=reply.rejected, error_message="too many")
            content = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
        lines = [f"HTTP/1.1 {reply.status} x", f"Content-Length: {len(content)}"]
        lines += [f"Retry-After: {reply.retry_after}"] if reply.retry_after else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return True

    def _take(self, path: str, body: bytes) -> None:
        arrived: list[Span | Log] = list(read_spans(body) if path.endswith("/v1/traces") else read_logs(body))
        with self._changed:
            self.spans += [one for one in arrived if isinstance(one, Span)]
            self.logs += [one for one in arrived if isinstance(one, Log)]
            if self.on_arrival is not None:
                for one in arrived:
                    self.on_arrival(one)
            self._changed.notify_all()


def read_spans(body: bytes) -> Iterator[Span]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = _pairs(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _pairs(span.attributes),
                    span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else None,
                    [Event(e.name, e.time_unix_nano, _pairs(e.attributes)) for e in span.events],
                    [(link.trace_id.hex(), link.span_id.hex(), _pairs(link.attributes)) for link in span.links],
                    scope.scope.name,
                    about,
                )


def read_logs(body: bytes) -> Iterator[Log]:
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        about = _pairs(resource.resource.attributes)
        for scope in resource.scope_logs:
            for line in scope.log_records:
                yield Log(
                    line.trace_id.hex(),
                    line.span_id.hex(),
                    line.time_unix_nano,
                    line.severity_text,
                    line.body.string_value,
                    _pairs(line.attributes),
                    about,
                )


def _pairs(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in attributes}


def main(port: str, file: str) -> None:
    """Append what arrives to a file, one JSON object a line, until killed."""
    receiver = Receiver(int(port))
    with Path(file).open("a", encoding="utf-8", buffering=1) as out, receiver:

        def write(one: Span | Log) -> None:
            out.write(json.dumps(asdict(one)) + "\n")

        receiver.on_arrival = write
        sys.stdout.write(f"{receiver.url}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
