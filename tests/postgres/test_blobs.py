"""Large results of nodes on several machines need one place that all of them reach."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Engine, flow, task
from engine.client import Client
from engine.model.errors import StoreError
from engine.stores.blobs import ObjectBlobs
from engine.stores.postgres import PostgresStore
from engine.wiring import open_blobs
from tests.contract.conftest import opened


@task
async def large() -> str:
    """More than the journal holds itself."""
    return 100_000 * "x"


@flow
async def report() -> str:
    """Ends with a large result."""
    return await large()


async def test_a_blob_in_another_machine_s_folder_is_missed_with_the_way_out(url: str, tmp_path: Path) -> None:
    here, there = (ObjectBlobs(f"file://{tmp_path / name}") for name in ("here", "there"))
    async with Engine(url, flows=[report], blobs=here) as engine:
        await engine.run(report.bind(), id="r")
    async with opened(PostgresStore(url)) as store:
        with pytest.raises(StoreError, match=r"no blob .* in file://.*there.* of this machine.*Set HEADRACE_BLOBS"):
            await (await Client(store, there).get("r")).result()


async def test_with_one_place_for_all_any_machine_reads_any_result(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_BLOBS", f"file://{tmp_path / 'shared'}")
    async with Engine(url, flows=[report]) as engine:
        await engine.run(report.bind(), id="r")
    async with opened(PostgresStore(url)) as store:
        assert len(await (await Client(store, open_blobs(url)).get("r")).result()) == 100_000
