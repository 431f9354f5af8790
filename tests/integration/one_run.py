"""A program: one run of a flow of a module, under the id `the-run`, to its end; it goes on where a crash left it.

python -m tests.integration.one_run MODULE FLOW [linger] [durability]
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
from datetime import timedelta

from engine import Engine, RunCancelled, RunFailed
from engine.flow import Flow
from engine.settings import NodeSettings
from tests.integration.process import note


async def main(module: str, name: str, linger: str = "60") -> None:
    """Start or find the run, and note how it ended."""
    flows: tuple[Flow[..., object], ...] = importlib.import_module(module).FLOWS
    chosen = next(each for each in flows if each.name == name)
    settings = NodeSettings(linger=timedelta(seconds=float(linger)))
    async with Engine("sqlite:///state.db", flows=flows, settings=settings) as engine:
        run = await engine.start(chosen.bind(), id="the-run")
        try:
            note("result", repr(await run.result()))
        except RunFailed as error:
            note("failed", error.error_type, error.error_message)
        except RunCancelled:
            note("cancelled")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(*sys.argv[1:]))
