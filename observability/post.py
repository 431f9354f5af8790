"""One OTLP request over a kept connection, and what the answer means."""

from __future__ import annotations

import gzip
import http.client
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from observability.settings import Destination
from observability.wire import read_varint

LONGEST_WAIT: Final = 300.0  # seconds; a Retry-After beyond this is not obeyed to the letter


@dataclass(frozen=True, slots=True)
class Accepted:
    """The backend has it, except for `rejected` records."""

    rejected: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not now. `after` is in seconds, when the backend said so."""

    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: trying again cannot help. `forever`: nor can anything else be sent there."""

    reason: str
    forever: bool = False


Answer: TypeAlias = Accepted | TryLater | Refused


class Post:
    """A connection to one endpoint, opened when needed. Used by one thread; only `abort` may come from another."""

    def __init__(self, to: Destination) -> None:
        parts = urlsplit(to.url)
        _check_text(to)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{to.url!r} is not an OTLP/HTTP endpoint: it should look like http://collector:4318")
        self.url = to.url
        self._gzip = to.gzip
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/x-protobuf", "User-Agent": "headrace", **dict(to.headers)}
        if to.gzip:
            self._headers["Content-Encoding"] = "gzip"
        self._connect = _connector(to, parts.scheme, parts.hostname, parts.port)
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes, timeout: float) -> Answer:
        """Post once. Never raises for what the network or the backend does."""
        reused = self._connection is not None
        answer = self._try(body, timeout)
        if isinstance(answer, TryLater) and reused and self._connection is None:
            return self._try(body, timeout)  # a kept connection may have been closed while it was idle
        return answer

    def abort(self) -> None:
        """Make a `send` under way in another thread end now."""
        connection = self._connection
        if connection is not None and isinstance(connection.sock, socket.socket):
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has just ended by itself

    def _try(self, body: bytes, timeout: float) -> Answer:
        connection = self._connection or self._connect()
        try:
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            self._connection = connection
            connection.request("POST", self._path, body, self._headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection = None
            connection.close()
            return TryLater(f"{type(error).__name__}: {error}")
        return read_answer(response.status, response.getheader("Retry-After"), content)

    def pack(self, body: bytes) -> bytes:
        """The body as it goes over the wire: once, however often it is sent."""
        return gzip.compress(body, 1) if self._gzip else body

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _check_text(to: Destination) -> None:
    """Raises ValueError for what HTTP cannot carry."""
    if not to.url.isascii():
        raise ValueError(f"{to.url!r} is not an OTLP/HTTP endpoint: it has characters that are not ASCII")
    for name, value in to.headers:
        plain = name.isascii() and name.isprintable() and " " not in name and ":" not in name
        if not plain or not value.isascii() or not value.isprintable():
            raise ValueError(f"OTEL_EXPORTER_OTLP_HEADERS: {name!r} is not a header that HTTP can carry")


def read_answer(status: int, retry_after: str | None, content: bytes) -> Answer:
    """What a status means, by the OTLP specification."""
    if 200 <= status < 300:
        rejected, reason = _partial_success(content)
        return Accepted(rejected, reason)
    if status in {429, 502, 503, 504}:
        return TryLater(f"HTTP {status}", _wait(retry_after))
    return Refused(f"HTTP {status} {content[:200].decode('utf-8', 'replace')}".rstrip(), status in {404, 405, 501})


def _partial_success(content: bytes) -> tuple[int, str]:
    """How many records were not taken, and why: field 1 of the answer, fields 1 and 2 of that."""
    try:
        if not content or content[0] != 0x0A:
            return 0, ""
        _, at = read_varint(content, 1)
        rejected, reason = 0, ""
        while at < len(content):
            tag, (value, at) = content[at], read_varint(content, at + 1)
            if tag == 0x08:
                rejected = value
            elif tag == 0x12:
                reason, at = content[at : at + value].decode("utf-8", "replace"), at + value
            else:
                break
    except IndexError:
        return 0, ""  # not protobuf: some collectors answer a 200 in words
    return rejected, reason


def _wait(retry_after: str | None) -> float | None:
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _connector(to: Destination, scheme: str, host: str, port: int | None) -> Callable[[], http.client.HTTPConnection]:
    if scheme == "http":
        return lambda: http.client.HTTPConnection(host, port)
    try:
        context = ssl.create_default_context(cafile=to.authorities)
    except OSError as error:
        raise ValueError(f"OTEL_EXPORTER_OTLP_CERTIFICATE: {to.authorities} has no certificates: {error}") from error
    if to.certificate:
        try:
            context.load_cert_chain(to.certificate, to.key)
        except OSError as error:
            files = f"{to.certificate}{f' with {to.key}' if to.key else ''}"
            raise ValueError(f"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: {files} cannot be used: {error}") from error
    return lambda: http.client.HTTPSConnection(host, port, context=context)
