"""A program: a node for the flows of a module, until it is killed.

python -m tests.integration.a_node MODULE NAME [FLOW]      serves all flows of the module, or one
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from datetime import timedelta

from engine import Engine
from engine.settings import NodeSettings
from tests.integration.process import note


async def main(module: str, name: str, only: str = "") -> None:
    """Serve, and look for dead nodes often."""
    settings = NodeSettings(rescue_every=timedelta(milliseconds=20), linger=timedelta(hours=1))
    flows = [flow for flow in importlib.import_module(module).FLOWS if only in ("", flow.name)]
    async with Engine("sqlite:///state.db", flows=flows, settings=settings) as engine:
        note("serving", name)
        await engine.serve()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
