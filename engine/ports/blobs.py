"""Blobs: where results too large for the journal are kept."""

from __future__ import annotations

from typing import Protocol


class Blobs(Protocol):
    """Objects by name. Written once, never changed."""

    async def put(self, name: str, data: bytes) -> None:
        """Store an object durably. Writing the same name again replaces it. Raises StoreError."""

    async def get(self, name: str) -> bytes:
        """Read an object. Raises StoreError when it is not there."""
        ...

    async def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
