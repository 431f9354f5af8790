"""The workload: every flow there is, as nodes of the old code have them and as nodes of the new code do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine import flow, sleep
from engine.flow import Flow
from tests.simulation.flows import PLAIN, link, pure
from tests.simulation.limited import LIMITED
from tests.simulation.unsure import UNSURE


@flow
async def edition(x: int, links: int, seconds: float) -> int:
    """Leaves memory on its way, and may come back on a node that has another version of it."""
    x = await link(0, x)
    await sleep(seconds)
    for n in range(1, links):
        x = await link(n, x)
    return x


@flow(name="edition", version="2")
async def second_edition(x: int, links: int, seconds: float) -> int:
    """Can go on with what the first one has begun."""
    x = await pure(0, await link(0, x))
    await sleep(seconds)
    for n in range(1, links):
        x = await pure(0, await link(n, x))
    return x


FLOWS: Final[Mapping[str, Flow[..., Any]]] = {one.name: one for one in (*PLAIN, *LIMITED, *UNSURE, edition)}

VERSIONS: Final[Mapping[str, Mapping[str, Flow[..., Any]]]] = {
    "1": FLOWS,
    "2": {**FLOWS, second_edition.name: second_edition},
}
"""The flows of a node, by what its code is."""
