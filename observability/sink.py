"""The way out for the engine's records that needs no SDK: OTLP, encoded by hand and posted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeAlias, TypeVar

from observability.post import Answer, Post
from observability.record import Attributes, Shared
from observability.settings import Destination

T = TypeVar("T")
Encode: TypeAlias = "Callable[[Sequence[T], Shared], bytes]"


class OtlpSink(Generic[T]):
    """Encodes by hand and posts."""

    def __init__(self, to: Destination, encode: Encode[T], resource: Attributes) -> None:
        self._post = Post(to)
        self._timeout = to.timeout
        self._encode = encode
        self._resource = Shared(resource)

    @property
    def url(self) -> str:
        return self._post.url

    def batch(self, records: Sequence[T]) -> Callable[[float], Answer]:
        return partial(self._send, self._post.pack(self._encode(records, self._resource)))

    def _send(self, body: bytes, left: float) -> Answer:
        return self._post.send(body, min(left, self._timeout))

    def abort(self) -> None:
        self._post.abort()

    def close(self) -> None:
        self._post.close()
