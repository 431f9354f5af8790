"""When there is no room left the writer is told, and what was acknowledged before is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.stores.sqlite import SQLiteStore
from tests.contract.conftest import opened, started
from tests.contract.harness import entry, write_as


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("lines", [1, 7])
async def test_a_full_disk(path: Path, durability: str, lines: int) -> None:
    output = await started("tests.contract.filler", path, durability, lines)
    told, _ = await output.communicate()
    acknowledged, readable, kind, message = json.loads(told)
    assert (kind, readable) == ("StoreFull", acknowledged)
    assert acknowledged > 0
    assert str(path) in message
    assert "oom" in message or "space" in message
    async with opened(SQLiteStore(path)) as store:
        run = await store.find("run")
        assert run is not None
        assert len(await store.read(run.num)) == acknowledged
        assert await write_as(store, run, entry(run, acknowledged)) == frozenset()
