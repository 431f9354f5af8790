"""The exporter against a backend that is down, slow, busy or broken: nothing lost within bounds, never in the way."""

from __future__ import annotations

import asyncio
import logging
import time
from email.utils import formatdate

import pytest

from engine.model.entry import Entry
from engine.ports.telemetry import RunIdentity
from observability.exporter import SLICE, Exporter
from observability.otlp import spans_request
from observability.record import SpanRecord
from observability.settings import Destination
from observability.sink import OtlpSink
from observability.spans import entry_spans
from tests.observability.made import identity, line
from tests.support.otlp import Receiver, Reply
from tests.support.polling import wait_until


def exporter(receiver: Receiver, *, limit: int = 200_000, gzip: bool = False) -> Exporter[SpanRecord]:
    to = Destination(url=f"{receiver.url}/v1/traces", headers=(("x-key", "secret"),), gzip=gzip)
    return Exporter("spans", OtlpSink(to, spans_request, (("service.name", "s"),)), limit=limit, report_every=0.05)


def put(to: Exporter[SpanRecord], *seqs: int, run: RunIdentity | None = None) -> None:
    run = run or identity()
    lines: list[Entry] = [line(seq, run=run.num) for seq in seqs]
    to.put(entry_spans, (run, lines, {}), run.num, seqs[-1], len(lines))


def seqs(receiver: Receiver) -> list[int]:
    return [int(span.span, 16) - 1000 for span in receiver.spans]


@pytest.mark.parametrize("gzip", [False, True])
async def test_everything_arrives_in_order_over_one_connection(gzip: bool) -> None:
    with Receiver() as receiver:
        out = exporter(receiver, gzip=gzip)
        put(out, *range(3 * SLICE))
        put(out, 3 * SLICE)
        await out.close(10)
        assert seqs(receiver) == list(range(3 * SLICE + 1))
        assert out.reached() == [(1, 3 * SLICE)]
        assert out.reached() == []
        path, headers, _ = receiver.requests[0]
        assert path == "/v1/traces"
        assert headers["x-key"] == "secret"
        assert headers.get("content-encoding") == ("gzip" if gzip else None)


async def test_a_backend_that_is_down_at_the_start_gets_everything_once_it_is_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "headrace.telemetry")
    receiver = Receiver()
    receiver.start()
    receiver.stop()  # now the port is known, and nobody listens on it
    out = exporter(receiver)
    put(out, *range(10))
    await asyncio.to_thread(wait_for_log, caplog, "does not take spans")
    assert out.reached() == []
    with receiver:
        put(out, *range(10, 20))
        await receiver.until(lambda: len(receiver.spans) == 20)
        await out.close(10)
        assert seqs(receiver) == list(range(20))
    assert out.reached() == [(1, 19)]
    assert out.lost == 0
    assert "takes spans again" in caplog.text


async def test_a_backend_that_goes_down_half_way_loses_nothing() -> None:
    with Receiver() as receiver:
        out = exporter(receiver)
        put(out, 0)
        await receiver.until(lambda: len(receiver.spans) == 1)
        receiver.stop()
        put(out, 1, 2)
        receiver.start()
        await receiver.until(lambda: len(receiver.spans) == 3)
        await out.close(10)
        assert seqs(receiver) == [0, 1, 2]
        assert out.reached() == [(1, 2)]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_backend_is_asked_again_when_it_says(status: int) -> None:
    with Receiver() as receiver:
        receiver.script += [Reply(status, retry_after="0"), Reply(status, retry_after=formatdate(0, usegmt=True))]
        out = exporter(receiver)
        put(out, 0)
        await receiver.until(lambda: len(receiver.spans) == 1)
        await out.close(10)
        assert [status for _, _, status in receiver.requests] == [status, status, 200]
        assert out.reached() == [(1, 0)]


async def test_a_long_retry_after_does_not_hold_up_closing() -> None:
    with Receiver() as receiver:
        receiver.script.append(Reply(429, retry_after="3600"))
        out = exporter(receiver)
        put(out, 0)
        await receiver.until(lambda: len(receiver.requests) == 1)
        await out.close(10)  # the last try is made at once
        assert seqs(receiver) == [0]


async def test_a_hanging_backend_does_not_hold_up_closing(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        receiver.usual = Reply(hang=True)
        out = exporter(receiver)
        put(out, *range(7))
        await receiver.until(lambda: len(receiver.requests) == 1)
        before = time.monotonic()
        await out.close(0.3)
        assert time.monotonic() - before < 5  # generous: the request's own limit would be 10 s
        assert "7 spans were not sent" in caplog.text
        assert out.reached() == []


async def test_what_is_refused_is_counted_and_what_follows_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        receiver.script.append(Reply(400))
        out = exporter(receiver)
        put(out, 0)
        await receiver.until(lambda: len(receiver.requests) == 1)
        put(out, 1)
        put(out, 5, run=identity(2))
        await out.close(10)
        assert seqs(receiver) == [1, 5]
        assert out.lost == 1
        assert out.reached() == [(2, 5)], "run 1 has a gap: its next owner must send it again"
        assert "refused 1 spans: HTTP 400" in caplog.text


async def test_a_backend_without_this_signal_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        receiver.usual = Reply(404)
        out = exporter(receiver)
        put(out, *range(2000))
        await receiver.until(lambda: len(receiver.requests) == 1)
        await out.close(10)
        assert len(receiver.requests) == 1
        assert out.lost == 2000
        assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
            f"{receiver.url}/v1/traces takes no spans (HTTP 404): none are sent from now on"
        ]


async def test_a_partial_success_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        receiver.script.append(Reply(rejected=300))
        out = exporter(receiver)
        put(out, *range(400))
        await out.close(10)
        assert out.lost == 300
        assert "all but 300 spans: too many" in caplog.text


async def test_a_full_buffer_drops_the_newest_counts_them_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        receiver.usual = Reply(503)
        out = exporter(receiver, limit=100)
        for seq in range(250):
            put(out, seq)
        put(out, 7, run=identity(2))
        await asyncio.to_thread(wait_for_log, caplog, "151 spans lost")
        receiver.usual = Reply()
        await receiver.until(lambda: len(receiver.spans) == 100 and out.waiting == 0)
        assert out.lost == 151
        put(out, 251)
        put(out, 0, run=identity(3))
        await out.close(10)
        assert seqs(receiver) == [*range(100), 251, 0]
        assert out.reached() == [(3, 0)], "no watermark passes a gap"


async def test_a_line_that_cannot_be_made_costs_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        out = exporter(receiver)
        out.put(entry_spans, (identity(2), [None], {}), 2, 0, 1)
        put(out, 1)
        await out.close(10)
        assert seqs(receiver) == [1]
        assert out.lost == 1
        assert out.reached() == [(1, 1)]
        assert "could not be made" in caplog.text


async def test_closing_what_was_never_used_returns_at_once() -> None:
    out = exporter(Receiver(port=9))
    await out.close(10)
    put(out, 0)
    assert out.lost == 1


def wait_for_log(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Until a line is logged by the exporter's thread, which no event of ours can tell."""
    wait_until(lambda: text in caplog.text, tell=lambda: f"{text!r} was never logged: {caplog.text}")
