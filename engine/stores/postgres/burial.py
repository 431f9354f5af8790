"""Burial: a dead node's runs are queued again, in one message, once it has been read what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.model.run import RunRecord
from engine.stores.crash_loop import crash_loop
from engine.stores.postgres.connect import Connection, Door, Row
from engine.stores.postgres.errors import DIVISION_BY_ZERO, LOCK_NOT_GIVEN, code_of
from engine.stores.postgres.message import Statement, apart, send
from engine.stores.postgres.rows import to_run
from engine.stores.postgres.statements import statement

LIST_OWNED = statement("list_owned")
BURY_NODE = statement("bury_node")
CLOSE_CONNECTIONS = statement("close_connections")
LOCK_RUNS = statement("lock_runs")
CHECK_OWNED = statement("check_owned")
FREE_SLOTS_OF_NODE = statement("free_slots_of_node")
RESCUE_RUNS = statement("rescue_runs")
WAKE_PARENTS = statement("wake_parents")
LET_GO_AFTER = statement("let_go_after")
FIND_RUNS = statement("find_runs")

TRIES: Final = 3
"""How often a node that goes on while it is being buried is looked at anew. After that there is the next round."""


async def bury(
    connection: Connection, door: Door, node: str, token: str, *, crash_limit: int, now: int
) -> Sequence[RunRecord]:
    """Take everything from a node whose lease has expired; none of it when it turns out to live."""
    for _ in range(TRIES):
        async with apart(connection, door):
            owned = await connection.fetch(door.address.sql(LIST_OWNED), node)
        try:
            await send(connection, door, *_burial(door, node, token, owned, crash_limit, now))
        except Exception as error:
            if code_of(error) not in (DIVISION_BY_ZERO, LOCK_NOT_GIVEN):
                raise
            continue
        async with apart(connection, door):
            rescued = await connection.fetch(door.address.sql(FIND_RUNS), [row["num"] for row in owned])
        return [to_run(row) for row in rescued]
    return []


def _burial(door: Door, node: str, token: str, owned: Sequence[Row], crash_limit: int, now: int) -> Sequence[Statement]:
    nums: list[int] = [row["num"] for row in owned]
    progress: list[int] = [row["progress"] for row in owned]
    crashes = [1 if row["progress"] > row["crash_seq"] else row["crashes"] + 1 for row in owned]
    errors = [
        crash_loop(row["id"], row["flow"], times) if times >= crash_limit else None
        for row, times in zip(owned, crashes, strict=True)
    ]
    given_up = [num for num, error in zip(nums, errors, strict=True) if error is not None]
    return (
        # The node first: no claim of its that is still under way can take anything after this.
        (BURY_NODE, (node, door.address.lease, token)),
        # What it holds in transactions that it never finishes is let go before it is waited for.
        *([] if token == door.name else [(CLOSE_CONNECTIONS, (token,))]),
        (LOCK_RUNS, (nums, given_up)),
        (CHECK_OWNED, (node, nums, progress)),
        (FREE_SLOTS_OF_NODE, (node,)),
        (RESCUE_RUNS, (nums, crashes, progress, errors, now)),
        (WAKE_PARENTS, (given_up,)),
        (LET_GO_AFTER, (given_up,)),
    )
