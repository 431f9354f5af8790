"""A run for `headrace run`: the command's processes are killed one after the other, and each goes on where one was."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from engine import flow
from tests.chaos import flows

LEDGER: Final = "HEADRACE_CHAOS_LEDGER"
"""The variable that says where this process notes its effects."""

if LEDGER in os.environ:
    flows.keep_in(Path(os.environ[LEDGER]))


@flow(name="chain")
async def errand(x: int, links: int) -> int:
    """One step after the other."""
    for n in range(links):
        x = await flows.link(n, x)
    return x
