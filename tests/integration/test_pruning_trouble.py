"""Old runs that cannot be forgotten now are forgotten later; the node and its runs go on meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from engine import Engine, flow, task
from engine.model.errors import StoreError, StoreFull
from engine.runtime import pruning
from engine.settings import NodeSettings
from engine.stores.blobs import MemoryBlobs
from engine.stores.sqlite import SQLiteStore
from tests.support.polling import until


@task
async def large() -> str:
    return "x" * 100_000


@flow
async def produces() -> int:
    return len(await large())


class FullNow(SQLiteStore):
    """A store that has no room for its first prunings."""

    refusals = 2

    async def prune(self, *, ended_before: int, limit: int) -> tuple[int, Sequence[str]]:
        if self.refusals:
            self.refusals -= 1
            raise StoreFull("no room")
        return await super().prune(ended_before=ended_before, limit=limit)


class Sticky(MemoryBlobs):
    """A bucket from which nothing may be deleted."""

    async def delete(self, name: str) -> None:
        raise StoreError(f"cannot delete {name}")


async def test_a_store_that_refuses_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pruning, "AGAIN", 0.01)
    store, settings = FullNow(tmp_path / "state.db"), NodeSettings(keep=timedelta(0))
    async with Engine(store, flows=[produces], settings=settings, blobs=MemoryBlobs()) as engine:
        run = await engine.start(produces.bind(), id="a")
        assert await run.result() == 100_000
        await until(lambda: _gone(engine))
        await (await engine.start(produces.bind(), id="b")).result()
    assert "old runs could not be forgotten" in caplog.text


async def test_a_blob_that_stays_behind_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pruning, "AGAIN", 0.01)
    settings = NodeSettings(keep=timedelta(0))
    async with Engine(SQLiteStore(tmp_path / "s.db"), flows=[produces], settings=settings, blobs=Sticky()) as engine:
        await (await engine.start(produces.bind(), id="a")).result()
        await until(lambda: "belongs to a run that was pruned and stays behind" in caplog.text)
        assert await (await engine.start(produces.bind(), id="b")).result() == 100_000


async def _gone(engine: Engine) -> bool:
    return await engine.store.find("a") is None
