"""Claims on PostgreSQL: a statement takes runs that are due; with pools, in one message with the lock on them.

Behind a pooler it is a message too: a statement of the driver's is one of several in a transaction there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final

from engine.model.errors import Fenced
from engine.model.limits import ANY, Takes
from engine.model.run import RunRecord
from engine.stores.postgres.connect import Connection, Row
from engine.stores.postgres.message import apart, rows_of, send
from engine.stores.postgres.part import Part, token
from engine.stores.postgres.pools import alone_with
from engine.stores.postgres.rows import from_takes, to_run
from engine.stores.postgres.statements import statement

CLAIM_RUNS = statement("claim_runs")
FIND_CLAIMED = statement("find_claimed")
NEXT_DUE = statement("next_due")

LOST_FOR: Final = 120.0
"""Seconds for which a claim without an answer is asked after: no server goes on with one for longer."""


@dataclass(slots=True)
class LostClaims:
    """Claims whose answer never came: what they took is the node's, and nobody told it."""

    tokens: dict[int, float] = field(default_factory=dict[int, float])

    def note(self, claim: int) -> None:
        """The answer to this claim was lost."""
        self.tokens[claim] = monotonic() + LOST_FOR

    def found(self, claims: Collection[int]) -> None:
        """What these took is known now."""
        for claim in claims:
            del self.tokens[claim]

    def open(self) -> list[int]:
        """Those that may still turn out to have taken something."""
        now = monotonic()
        self.tokens = {claim: until for claim, until in self.tokens.items() if until > now}
        return [*self.tokens]


class PostgresClaims(Part):
    """The part of `ports.runs.Runs` by which a node comes to its runs."""

    _lost: LostClaims

    async def claim(
        self,
        node: str,
        *,
        now: int,
        limit: int,
        flows: Collection[str],
        only: Collection[int] | None = None,
        takes: Takes = ANY,
    ) -> Sequence[RunRecord]:
        takes = replace(takes, pools={flow: pool for flow, pool in takes.pools.items() if flow in flows})
        of_kinds = from_takes(flows if only is None else (), takes)
        named: tuple[list[int], list[str]] = ([], []) if only is None else ([*only], [*flows])
        pools = {pool.name for pool in takes.pools.values()}
        mark: int | None = None

        async def work(connection: Connection, _: bool) -> Sequence[Row]:
            nonlocal mark
            if mark is not None:
                self._lost.note(mark)
                mark = None
            if lost := self._lost.open():
                rows = await self._rows(connection, FIND_CLAIMED, node, lost)
                self._lost.found({row["claim"] for row in rows})
                if rows:
                    return rows
            if pools and only is None:  # looking first means that waiting for a full pool locks nothing
                due = (await self._rows(connection, NEXT_DUE, *of_kinds))[0][0]
                if due is None or due > now:
                    return ()
            mark = token()
            values = (*of_kinds, node, now, limit, mark, *named)
            if pools or self._db.door.pooled:
                held = alone_with(node, pools) if pools else ()
                members = rows_of(await send(connection, self._db.door, *held, (CLAIM_RUNS, values)))
                rows = await self._rows(connection, FIND_CLAIMED, node, [mark])
            else:
                rows = await self._rows(connection, CLAIM_RUNS, *values)
                members = len(rows)
            if not members:
                raise Fenced(
                    f"node {node} has not joined this store, or was declared dead: it must join before it claims"
                )
            return rows

        return [to_run(row) for row in await self._db.converse(work) if row["num"] is not None]

    async def next_due(self, *, flows: Collection[str], takes: Takes = ANY) -> int | None:
        async def work(connection: Connection) -> int | None:
            due: int | None = await connection.fetchval(self._db.sql(NEXT_DUE), *from_takes(flows, takes))
            return due

        return await self._db.query(work)

    async def _rows(self, connection: Connection, text: str, *values: object) -> Sequence[Row]:
        async with apart(connection, self._db.door):
            return await connection.fetch(self._db.sql(text), *values)
