"""A large value that cannot be had holds back the runs that need it, and nothing else."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from engine import Engine, flow, task, wait_for
from engine.model.errors import BlobError
from engine.model.run import RunState
from engine.runtime import hosting
from engine.settings import NodeSettings
from engine.stores.blobs import ObjectBlobs
from tests.support.polling import until_state

executed: list[str] = []


@task
async def large() -> str:
    executed.append("large")
    return "x" * 100_000


@flow
async def measures() -> int:
    text = await large()
    await wait_for("go", str)
    return len(text)


@flow
async def small() -> str:
    return "small"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    executed.clear()
    monkeypatch.setattr(hosting, "BLOB_PAUSE", timedelta(milliseconds=50))


def engine_of(store: Path, blobs: Path) -> Engine:
    settings = NodeSettings(linger=timedelta(0), rescue_every=timedelta(milliseconds=20))
    return Engine(
        f"sqlite:///{store}", flows=[measures, small], blobs=ObjectBlobs(f"file://{blobs}"), settings=settings
    )


async def test_a_run_whose_value_is_elsewhere_waits_until_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, here, there = tmp_path / "state.db", tmp_path / "here", tmp_path / "there"
    async with engine_of(store, here) as engine:
        await engine.start(measures.bind(), id="m")
        await until_state(await engine.get("m"), RunState.WAITING)
    async with engine_of(store, there) as engine:
        serving = asyncio.ensure_future(engine.serve())
        run = await engine.get("m")
        await run.signal("go", "now")
        with pytest.raises(BlobError, match=r"no blob .* in file://.*there.*HEADRACE_BLOBS"):
            await run.result()
        assert await engine.run(small.bind()) == "small"
        assert not serving.done(), "a node does not stop for it"
        shutil.copytree(here, there, dirs_exist_ok=True)
        await until_state(run, RunState.SUCCEEDED)
        assert await run.result() == 100_000
        serving.cancel()
    assert executed == ["large"]
    assert "run m of measures stopped for 0.05 s: there is no blob" in caplog.text


async def test_a_value_that_cannot_be_written_is_made_again_when_it_can(tmp_path: Path) -> None:
    store, blobs = tmp_path / "state.db", tmp_path / "blobs"
    blobs.write_text("a file where a folder should be")
    async with engine_of(store, blobs) as engine:
        run = await engine.start(measures.bind(), id="m")
        with pytest.raises(BlobError, match="cannot write blob"):
            await run.result()
        assert await engine.run(small.bind()) == "small"
        blobs.unlink()
        await run.signal("go", "now")
        await until_state(run, RunState.SUCCEEDED)
        assert await run.result() == 100_000
    assert len(executed) >= 2, "its result was not on disk"
