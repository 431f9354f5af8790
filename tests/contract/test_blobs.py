"""Blobs are kept by name, in memory or in a directory; buckets differ only by their address."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.errors import StoreError
from engine.ports.blobs import Blobs
from engine.stores.blobs import MemoryBlobs, ObjectBlobs


@pytest.fixture(params=["memory", "directory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return MemoryBlobs() if request.param == "memory" else ObjectBlobs((tmp_path / "a b" / "blobs").as_uri())


async def test_an_object_comes_back_as_it_was(blobs: Blobs) -> None:
    data = bytes(range(256)) * 1_000
    await blobs.put("run/1", data)
    assert await blobs.get("run/1") == data


async def test_writing_again_replaces(blobs: Blobs) -> None:
    await blobs.put("x", b"one")
    await blobs.put("x", b"two")
    assert await blobs.get("x") == b"two"


async def test_what_is_not_there_is_a_store_error(blobs: Blobs) -> None:
    await blobs.put("x", b"one")
    await blobs.delete("x")
    with pytest.raises(StoreError, match="x"):
        await blobs.get("x")


async def test_deleting_nothing_is_no_error(blobs: Blobs) -> None:
    await blobs.put("y", b"kept")
    await blobs.delete("x")
    assert await blobs.get("y") == b"kept"


async def test_a_place_that_cannot_be_is_a_store_error_with_its_address(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    for url in ((tmp_path / "file" / "blobs").as_uri(), "nonsense://bucket"):
        with pytest.raises(StoreError, match=url) as raised:
            await ObjectBlobs(url).put("x", b"one")
        assert raised.value.__cause__ is not None
