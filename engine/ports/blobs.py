"""Blobs: where results too large for the journal are kept."""

from __future__ import annotations

from typing import Final, Protocol

ONE_PLACE: Final = "Set HEADRACE_BLOBS to one place that all nodes and clients reach, s3://bucket/headrace for example"
"""The way out where large results may be, or are, out of somebody's reach."""


class Blobs(Protocol):
    """Objects by name. Written once, never changed."""

    @property
    def place(self) -> str:
        """Where that is, as everybody may read it: without credentials. `file:` is a folder of this machine."""
        ...

    async def put(self, name: str, data: bytes) -> None:
        """Store an object durably. Writing the same name again replaces it. Raises BlobError."""

    async def get(self, name: str) -> bytes:
        """Read an object. Raises BlobError when it is not there."""
        ...

    async def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
