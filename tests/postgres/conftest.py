"""What the tests of several nodes on one PostgreSQL share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.postgres.nodes import Nodes, processes


@pytest_asyncio.fixture
async def nodes(url: str, tmp_path: Path) -> AsyncIterator[Nodes]:
    """Processes on the test's store, with a lease of two seconds; none of them outlives the test."""
    async with processes(f"{url}&lease=2", tmp_path) as nodes:
        yield nodes
