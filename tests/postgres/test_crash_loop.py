"""A run that kills whoever runs it is given up, and says what to do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from engine import Engine, RunFailed
from engine.client import Client
from engine.model.run import RunState
from engine.stores.blobs import MemoryBlobs
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.postgres.a_crasher import SETTINGS, doomed
from tests.postgres.nodes import ROOT


async def test_a_run_that_kills_its_nodes_ends_as_failed_and_says_so(url: str) -> None:
    store_url = f"{url}&lease=0.8"
    async with opened(PostgresStore(store_url)) as store:
        run = await Client(store, MemoryBlobs()).start(doomed.bind(), id="greedy")
        for _ in range(SETTINGS.crash_limit):
            assert await _node_dies(store_url) == -signal.SIGKILL
        # It cannot run the flow itself, and need not: any node looks after the dead.
        async with Engine(store_url, settings=SETTINGS) as survivor, asyncio.timeout(20):
            with pytest.raises(RunFailed, match=r"greedy of flow doomed lost its process 3 times .* `headrace rerun`"):
                await (await survivor.get("greedy")).result()
        record = await store.find("greedy")
        assert record is not None
        assert (record.state, record.crashes, record.owner) == (RunState.FAILED, SETTINGS.crash_limit, None)
        assert await run.state() is RunState.FAILED


async def _node_dies(url: str) -> int:
    """Start a node, and answer how it ended."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.postgres.a_crasher", url),
        cwd=Path(ROOT),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    async with asyncio.timeout(30):
        return await process.wait()
