"""Flows with child runs, whose process dies at chosen moments; run by `one_run`."""

from __future__ import annotations

import asyncio

from engine import flow, task
from tests.integration.process import die_once, note


@task
async def number(word: str) -> int:
    note("number", word)
    return len(word)


@task
async def for_ever() -> None:
    note("began")
    try:
        await asyncio.Event().wait()
    finally:
        note("cleaned up")


@task
async def dies(name: str) -> None:
    die_once(name)


@flow
async def endless() -> None:
    note("child runs")
    await for_ever()


@flow
async def leaf(word: str) -> int:
    note("leaf", word)
    found = await number(word)
    if word == "mortal":
        await dies("in the leaf")
    return found


@flow
async def middle(word: str) -> int:
    note("middle")
    return await leaf(word) + await leaf("x")


@flow
async def of_a_child() -> list[int]:
    """The node dies inside the grandchild, then after the children have ended."""
    found = [await middle("mortal"), await leaf("same"), await leaf("same")]
    await dies("after the children")
    return found


async def _dies_when_cancelled() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        die_once()
        raise


@flow
async def dies_while_being_cancelled() -> None:
    """Its cancellation is recorded, and has not reached the child, when the node dies."""
    await asyncio.gather(_dies_when_cancelled(), endless())


FLOWS = (of_a_child, middle, leaf, dies_while_being_cancelled, endless)
