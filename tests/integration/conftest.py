"""What integration tests share: both event loops, engines on real SQLite files, and processes to be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from engine import Engine
from engine.flow import Flow
from engine.settings import NodeSettings
from tests.integration.process import Processes


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test of this folder runs on asyncio's own loop and on uvloop."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


MakeEngine = Callable[..., Engine]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of the test is."""
    return tmp_path / "state.db"


@pytest.fixture
def make_engine(path: Path) -> MakeEngine:
    """Engines on the test's file. Waiting runs leave memory after `linger` seconds, 60 unless the test is about it."""

    def make(
        *flows: Flow[..., object], linger: float = 60.0, durability: str = "process", **settings: object
    ) -> Engine:
        chosen = NodeSettings(**{"linger": timedelta(seconds=linger), **settings})  # type: ignore[arg-type]
        power = durability == "power"
        return Engine(f"sqlite:///{path}", flows=flows, settings=chosen, durability="power" if power else "process")

    return make


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Programs of this folder as processes in the test's folder; none of them outlives the test."""
    started = Processes(tmp_path)
    yield started
    started.close()
