"""SIGKILL at any moment: every acknowledged batch is there, none is there by half."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.stores.sqlite import SQLiteStore
from tests.contract.conftest import opened, started


@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("acknowledgements", [1, 40, 333])
async def test_killed_while_writing(path: Path, durability: str, acknowledgements: int) -> None:
    child = await started("tests.contract.hammer", path, durability)
    assert child.stdout is not None
    acknowledged = [(await child.stdout.readline()).decode().strip() for _ in range(acknowledgements)]
    child.kill()
    rest, _ = await child.communicate()
    acknowledged += rest.decode().split()
    whole, sizes = await _found(path)
    assert {*acknowledged} <= {*whole}
    assert whole == sizes


async def _found(path: Path) -> tuple[dict[str, int], dict[str, int]]:
    """How many lines each batch has in the store, and how many it was written with."""
    count: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    async with opened(SQLiteStore(path)) as store:
        runs = await store.list_runs()
        for run in runs:
            for line in await store.read(run.num):
                count[line.name] += 1
                sizes[line.name] = int(line.args)
        logged = {line.message for run in runs for _, line in await store.logs(run.num, limit=100_000)}
    assert logged == {name for name, size in sizes.items() if size > 1}
    return dict(count), sizes
