"""Blobs: values too large for the journal, as objects in a directory or a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from engine.model.errors import StoreError

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class ObjectBlobs:
    """Satisfies `ports.blobs.Blobs` on `file://`, `s3://`, `gs://` or `az://`.

    Credentials come from where the cloud's own tools look for them: environment, profile, instance.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: ObjectStore | None = None

    async def put(self, name: str, data: bytes) -> None:
        from obstore import put_async
        from obstore.exceptions import BaseError

        try:
            await put_async(self._store(), name, data)
        except (BaseError, OSError, ValueError) as error:
            raise self._failed("write", name, error) from error

    async def get(self, name: str) -> bytes:
        from obstore import get_async
        from obstore.exceptions import BaseError

        try:
            found = await get_async(self._store(), name)
            return bytes(await found.bytes_async())
        except (BaseError, OSError, ValueError) as error:
            raise self._failed("read", name, error) from error

    async def delete(self, name: str) -> None:
        from obstore import delete_async
        from obstore.exceptions import BaseError

        try:
            await delete_async(self._store(), name)
        except FileNotFoundError:
            return
        except (BaseError, OSError, ValueError) as error:
            raise self._failed("delete", name, error) from error

    def _store(self) -> ObjectStore:
        if self._opened is None:
            # Imported late: an engine whose results are small never loads the cloud clients.
            from obstore.store import LocalStore, from_url

            parts = urlsplit(self._url)
            if parts.scheme == "file":
                self._opened = LocalStore(url2pathname(parts.path), automatic_cleanup=True, mkdir=True)
            else:
                self._opened = from_url(self._url)
        return self._opened

    def _failed(self, verb: str, name: str, error: Exception) -> StoreError:
        reason = str(error).partition("\n")[0]  # the rest is the driver's debugging output
        return StoreError(
            f"cannot {verb} blob {name} in {self._url}: {reason}. "
            "Check that the place exists, that it has room and that the credentials fit"
        )


class MemoryBlobs:
    """Satisfies `ports.blobs.Blobs` within one process: what goes with a MemoryStore."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    async def put(self, name: str, data: bytes) -> None:
        self._objects[name] = data

    async def get(self, name: str) -> bytes:
        try:
            return self._objects[name]
        except KeyError as error:
            raise StoreError(f"there is no blob {name} in memory: it was lost with its process") from error

    async def delete(self, name: str) -> None:
        self._objects.pop(name, None)
