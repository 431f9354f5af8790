from __future__ import annotations

from pathlib import Path

from engine import Engine
from flows.hello import hello


async def test_is_a_plain_function_outside_an_engine() -> None:
    assert await hello() == "Hello, world!"


async def test_greets_in_an_engine(tmp_path: Path) -> None:
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[hello]) as engine:
        run = await engine.start(hello.bind("Ada"))
        assert await run.result() == "Hello, Ada!"
