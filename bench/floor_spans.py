"""The floor's spans: tuples made into OTLP by hand, in slices, and posted by a thread. No error, no retry, no bound."""

from __future__ import annotations

import http.client
import struct
import threading
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

SLICE = 512
GATHER = 0.05

SpanTuple: TypeAlias = tuple[bytes, int, int, str, int, int, str, int]
"""Trace, span, parent, task, start, end, key, number within the run."""

_HEAD = struct.Struct(">2s16s2sQ2sQ").pack
_TIMES = struct.Struct("<sQsQ").pack
_RUN, _VERSION, _QUEUE = "floor", "1", "default"


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _sized(tag: int, content: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(content)) + content


def _text(key: str, value: str) -> bytes:
    """A KeyValue in the attributes of a span."""
    return _sized(0x4A, _sized(0x0A, key.encode()) + _sized(0x12, _sized(0x0A, value.encode())))


def _number(key: str, value: int) -> bytes:
    return _sized(0x4A, _sized(0x0A, key.encode()) + _sized(0x12, b"\x18" + _varint(value)))


@lru_cache(256)
def _shared(name: str) -> bytes:
    """What all spans of one task have in common: name, kind, and six attributes."""
    return (
        _sized(0x2A, name.encode())
        + b"\x30\x01"
        + _text("run.id", _RUN)
        + _text("task.name", name)
        + _text("flow.version", _VERSION)
        + _text("queue", _QUEUE)
        + _text("outcome", "ok")
        + _number("attempts", 1)
    )


_RESOURCE = _sized(0x0A, _sized(0x0A, _sized(0x0A, b"service.name") + _sized(0x12, _sized(0x0A, b"floor"))))
_SCOPE = _sized(0x0A, _sized(0x0A, b"floor"))


def encode(spans: Sequence[SpanTuple]) -> bytes:
    """An ExportTraceServiceRequest."""
    parts = [_SCOPE]
    for trace, span, parent, name, start, end, key, number in spans:
        parts.append(
            _sized(
                0x12,
                _HEAD(b"\x0a\x10", trace, b"\x12\x08", span, b"\x22\x08", parent)
                + _TIMES(b"\x39", start, b"\x41", end)
                + _shared(name)
                + _text("task.key", key)
                + _number("seq", number),
            )
        )
    return _sized(0x0A, _RESOURCE + _sized(0x12, b"".join(parts)))


class Poster:
    """A kept connection to the sink."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address)

    def send(self, spans: Sequence[SpanTuple]) -> None:
        """Encode and post, a slice at a time."""
        for start in range(0, len(spans), SLICE):
            body = encode(spans[start : start + SLICE])
            self._connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            self._connection.getresponse().read()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class Spans:
    """`buffer` is filled by the loop's thread and emptied by one of its own."""

    def __init__(self, address: str) -> None:
        self.buffer: list[SpanTuple] = []
        self._poster = Poster(address)
        self._stop = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop or self.buffer:
            time.sleep(0 if self._stop else GATHER)
            taken, self.buffer = self.buffer, []
            self._poster.send(taken)

    def close(self) -> None:
        """Send what is left."""
        self._stop = True
        self._thread.join()
        self._poster.close()
