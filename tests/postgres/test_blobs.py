"""Large results of nodes on several machines need one place that all of them reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import Engine, flow, task
from engine.client import Client
from engine.model.errors import StoreError
from engine.model.run import NodeRecord
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


async def test_nodes_that_keep_large_results_apart_warn_of_each_other(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = (ObjectBlobs(f"file://{tmp_path / name}") for name in ("here", "there"))
    async with Engine(url, flows=[report], blobs=here) as first:
        async with Engine(url, flows=[report], blobs=here):
            assert "large results" not in caplog.text
        async with Engine(url, flows=[report], blobs=there) as second:
            warning = f"node {first.node.id} on .* keeps large results in file://.*/here, this one in file://.*/there"
            assert re.search(f"{warning}.*Set HEADRACE_BLOBS", caplog.text)
            known = {node.id: node for node in await second.node.store.nodes()}
            assert known[first.node.id].may_miss(known[second.node.id])


@pytest.mark.parametrize(
    ("place", "host", "other", "elsewhere", "may"),
    [
        ("s3://bucket/a", "one", "s3://bucket/a", "two", False),
        ("s3://bucket/a", "one", "s3://bucket/b", "one", True),
        ("file:///data", "one", "file:///data", "one", False),
        ("file:///data", "one", "file:///data", "two", True),
        ("file:///data", "one", "", "two", False),
    ],
)
def test_a_folder_is_one_place_on_one_host_only(place: str, host: str, other: str, elsewhere: str, may: bool) -> None:
    one = NodeRecord("n1", 1, host, 0, (), alive=True, blobs=place)
    assert one.may_miss(NodeRecord("n2", 1, elsewhere, 0, (), alive=True, blobs=other)) is may


def test_a_place_is_shown_without_its_credentials() -> None:
    assert ObjectBlobs("s3://key:secret@bucket/here/?token=x").place == "s3://bucket/here"
