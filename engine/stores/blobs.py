"""Blobs: values too large for the journal, as objects in a directory or a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

from engine.model.errors import BlobError
from engine.ports.blobs import ONE_PLACE

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")


class ObjectBlobs:
    """Satisfies `ports.blobs.Blobs` on `file://`, `s3://`, `gs://` or `az://`.

    Credentials come from where the cloud's own tools look for them: environment, profile, instance.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: ObjectStore | None = None

    @property
    def place(self) -> str:
        parts = urlsplit(self._url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    async def put(self, name: str, data: bytes) -> None:
        await self._do("write", name, lambda store: _put(store, name, data))

    async def get(self, name: str) -> bytes:
        return await self._do("read", name, lambda store: _get(store, name))

    async def delete(self, name: str) -> None:
        await self._do("delete", name, lambda store: _delete(store, name))

    async def _do(self, verb: str, name: str, work: Callable[[ObjectStore], T]) -> T:
        # In a thread of ours, not by the driver's own coroutines: its threads call back into Python to finish those,
        # and abort the process when the interpreter ends at that moment.
        return await asyncio.to_thread(self._translated, verb, name, work)

    def _translated(self, verb: str, name: str, work: Callable[[ObjectStore], T]) -> T:
        from obstore.exceptions import BaseError

        try:
            if self._opened is None:
                self._opened = _open(self._url)
            return work(self._opened)
        except FileNotFoundError as error:
            raise BlobError(f"there is no blob {name} in {self._url}. {_whose(self._url)}") from error
        except (BaseError, OSError, ValueError) as error:
            reason = str(error).partition("\n")[0]  # the rest is the driver's debugging output
            raise BlobError(
                f"cannot {verb} blob {name} in {self._url}: {reason}. "
                "Check that the place exists, that it has room and that the credentials fit"
            ) from error


def _whose(url: str) -> str:
    """What to do about a blob that is not where it should be."""
    if not url.startswith("file:"):
        return "Was it deleted there, or does HEADRACE_BLOBS name another place than when it was written?"
    return (
        "That is a folder of this machine, and the run may have been on another one. "
        f"{ONE_PLACE}, and copy what the folders hold to it"
    )


def _open(url: str) -> ObjectStore:
    # Imported late, here and below: an engine whose results are small never loads the cloud clients.
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(url2pathname(parts.path), automatic_cleanup=True, mkdir=True)
    return from_url(url)


def _put(store: ObjectStore, name: str, data: bytes) -> None:
    from obstore import put

    put(store, name, data)


def _get(store: ObjectStore, name: str) -> bytes:
    from obstore import get

    return bytes(get(store, name).bytes())


def _delete(store: ObjectStore, name: str) -> None:
    from obstore import delete

    try:
        delete(store, name)
    except FileNotFoundError:
        return  # gone already: what was asked for


class MemoryBlobs:
    """Satisfies `ports.blobs.Blobs` within one process: what goes with a MemoryStore."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    @property
    def place(self) -> str:
        return "memory"

    async def put(self, name: str, data: bytes) -> None:
        self._objects[name] = data

    async def get(self, name: str) -> bytes:
        try:
            return self._objects[name]
        except KeyError as error:
            raise BlobError(f"there is no blob {name} in memory: it was lost with its process") from error

    async def delete(self, name: str) -> None:
        self._objects.pop(name, None)
